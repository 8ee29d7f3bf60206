"""Log-ins at a provider of OpenID Connect: a real one, and what a false one gets."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey
from pydantic import ValidationError

from tests.voicebot.oidc_provider import CLIENT, SECRET, Provider, provider, rsa_key  # noqa: F401
from tests.voicebot.quick_passwords import GOOD, quick_passwords  # noqa: F401 - fixture
from tests.voicebot.test_web import _opened, _Service
from voicebot.accounts import keeping
from voicebot.accounts.id_token import HOME, Start, own_path
from voicebot.accounts.passwords import hashed
from voicebot.config import Settings
from voicebot.config_accounts import Oidc
from voicebot.records.tables import AuditRow
from voicebot.web.access import TLS_COOKIE
from voicebot.web.api import create_app
from voicebot.web.oidc import FAULTS, START_COOKIE

pytestmark = pytest.mark.usefixtures("quick_passwords")

URL = "https://testserver"
ROLES = {"hotline-chiefs": "supervisor", "hotline-agents": "agent"}


def oidc(provider: Provider, **changed: Any) -> Oidc:  # noqa: F811
    return Oidc.model_validate(
        {
            "issuer": provider.url,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "url": URL,
            "roles": ROLES,
            **changed,
        }
    )


@pytest.fixture
def service(settings: Settings, provider: Provider) -> _Service:  # noqa: F811
    with_provider = settings.model_copy(update={"oidc": oidc(provider)})
    return _Service(with_provider, asyncio.run(_opened(with_provider)))


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), base_url=URL, follow_redirects=False) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def transact(client: TestClient, service: _Service, work: Any, *arguments: Any) -> Any:
    assert client.portal is not None
    return client.portal.call(service.records.transact, work, *arguments)


def sent(client: TestClient, then: str = "/console/agent") -> str:
    """Where the browser is sent to log in."""
    answer = client.get("/v1/session/oidc", params={"next": then})
    assert answer.status_code == 303
    return answer.headers["location"]


def at_provider(address: str) -> str:
    """A person logs in there: the address that the browser is sent back to."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def log_in(client: TestClient) -> httpx.Response:
    return client.get(at_provider(sent(client)))


def refused(answer: httpx.Response) -> str:
    """The code that the page to log in is told."""
    assert answer.status_code == 303
    assert TLS_COOKIE not in answer.cookies
    location = urlsplit(answer.headers["location"])
    assert location.path == "/console/login"
    (code,) = parse_qs(location.query)["error"]
    assert code in FAULTS
    return code


# ── a sound provider ──────────────────────────────────────────────────────────────────


def test_a_person_logs_in_there_and_is_in_here(client: TestClient, service: _Service) -> None:
    answer = log_in(client)
    assert answer.status_code == 200
    assert 'content="0;url=/console/agent"' in answer.text
    told = client.get("/v1/session").json()
    assert (told["name"], told["role"]) == ("王芳", "agent")
    assert client.get("/api/calls").status_code == 200
    (row,) = transact(client, service, keeping.listed)
    assert (row["name"], row["role"], row["disabled_at"]) == ("王芳", "agent", None)


def test_the_cookies_are_what_they_should_be(client: TestClient) -> None:
    begun = client.get("/v1/session/oidc")
    start = begun.headers["set-cookie"].lower()
    for flag in ("httponly", "samesite=lax", "secure", "path=/v1/session/oidc", "max-age=600"):
        assert flag in start
    cookies = client.get(at_provider(begun.headers["location"])).headers.get_list("set-cookie")
    (session,) = [each.lower() for each in cookies if each.startswith(f"{TLS_COOKIE}=")]
    assert "samesite=strict" in session
    assert START_COOKIE not in client.cookies


def test_the_request_has_state_nonce_and_a_challenge(client: TestClient) -> None:
    asked = parse_qs(urlsplit(sent(client)).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{URL}/v1/session/oidc/callback"]
    values = [asked[name][0] for name in ("state", "nonce", "code_challenge")]
    again = parse_qs(urlsplit(sent(client)).query)
    assert len({*values, *(again[name][0] for name in ("state", "nonce", "code_challenge"))}) == 6


def test_the_same_person_has_one_account_whose_role_follows_the_provider(
    client: TestClient, service: _Service, provider: Provider  # noqa: F811
) -> None:  # fmt: skip
    log_in(client)
    first = client.cookies[TLS_COOKIE]
    client.cookies.clear()
    provider.person["roles"] = ["others", "hotline-agents", "hotline-chiefs"]
    log_in(client)
    assert client.get("/v1/session").json()["role"] == "supervisor"  # which stands first
    (row,) = transact(client, service, keeping.listed)
    assert row["role"] == "supervisor"
    client.cookies.clear()
    client.cookies.set(TLS_COOKIE, first)
    assert client.get("/v1/session").status_code == 401  # that of the agent is over


def test_keys_may_change(client: TestClient, provider: Provider) -> None:  # noqa: F811
    log_in(client)
    provider.signed_with = rsa_key()
    provider.keys = [rsa_key(), provider.signed_with]
    assert log_in(client).status_code == 200


@pytest.mark.parametrize(
    ("claims", "changed"),
    [
        ({"roles": "hotline-agents"}, {}),
        ({"realm_access": {"roles": ["hotline-agents"]}}, {"role_claim": "realm_access.roles"}),
        (
            {"https://id.example/role": ["hotline-agents"]},
            {"role_claim": "https://id.example/role"},
        ),
    ],
)
def test_a_role_is_found_where_the_provider_puts_it(
    settings: Settings, provider: Provider, claims: dict[str, Any], changed: dict[str, str]  # noqa: F811
) -> None:  # fmt: skip
    provider.person = {"sub": "1", "preferred_username": "李明", **claims}
    changed_settings = settings.model_copy(update={"oidc": oidc(provider, **changed)})
    service = _Service(changed_settings, asyncio.run(_opened(changed_settings)))
    with TestClient(create_app(service), base_url=URL, follow_redirects=False) as client:
        assert log_in(client).status_code == 200
        assert client.get("/v1/session").json()["role"] == "agent"
        assert client.portal is not None
        client.portal.call(service.records.close)


def test_a_public_client_shows_no_secret(settings: Settings, provider: Provider) -> None:  # noqa: F811
    provider.secret = ""
    public = settings.model_copy(update={"oidc": oidc(provider, client_secret="")})
    service = _Service(public, asyncio.run(_opened(public)))
    with TestClient(create_app(service), base_url=URL, follow_redirects=False) as client:
        assert log_in(client).status_code == 200
        assert client.portal is not None
        client.portal.call(service.records.close)


# ── a false one ───────────────────────────────────────────────────────────────────────


def another_key(provider: Provider) -> None:  # noqa: F811
    kid = provider.signed_with.kid
    provider.signed_with = rsa_key()
    provider.signed_with._dict_value["kid"] = kid  # as if it were the one that is published


def unknown_key(provider: Provider) -> None:  # noqa: F811
    provider.signed_with = rsa_key()


def our_own_secret(provider: Provider) -> None:  # noqa: F811
    """HMAC with what the client knows as well: whoever has it could write any token."""
    provider.signed_with, provider.algorithm = (
        OctKey.import_key(SECRET * 3, {"kid": provider.signed_with.kid}),
        "HS256",
    )


def no_signature(provider: Provider) -> None:  # noqa: F811
    provider.algorithm = "none"


def spoilt(**claims: Any) -> Callable[[Provider], None]:
    def spoil(provider: Provider) -> None:  # noqa: F811
        provider.spoil = claims

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        another_key,
        unknown_key,
        our_own_secret,
        no_signature,
        spoilt(nonce="another"),
        spoilt(nonce=None),
        spoilt(aud="another service"),
        spoilt(aud=["another service"]),
        spoilt(aud=[CLIENT, "another service"]),
        spoilt(azp="another service"),
        spoilt(iss="https://another.example"),
        spoilt(exp=int(time.time()) - 3600),
        spoilt(exp=None),
        spoilt(iat=int(time.time()) + 3600),
        spoilt(nbf=int(time.time()) + 3600),
        spoilt(sub=None),
        spoilt(sub=""),
        spoilt(sub=["4711"]),
        spoilt(sub=4711),
        spoilt(sub="x" * 256),
        spoilt(sub="a\0b"),
        spoilt(preferred_username=None),
        spoilt(preferred_username=["王芳"]),
        spoilt(preferred_username="a\nb"),
    ],
    ids=lambda spoil: getattr(spoil, "__name__", ""),
)
def test_what_does_not_hold_lets_nobody_in(
    client: TestClient, service: _Service, provider: Provider, spoil: Callable[[Provider], None]  # noqa: F811
) -> None:  # fmt: skip
    back = at_provider(sent(client))
    spoil(provider)
    assert refused(client.get(back)) == "provider_refused"
    assert client.get("/v1/session").status_code == 401
    assert transact(client, service, keeping.listed) == []


@pytest.mark.parametrize("roles", [None, [], "unknown", ["unknown"], {"hotline-agents": 1}, 7])
def test_who_has_no_role_here_stays_out(
    client: TestClient, service: _Service, provider: Provider, roles: Any  # noqa: F811
) -> None:  # fmt: skip
    provider.person["roles"] = roles
    assert refused(log_in(client)) == "no_role"
    assert transact(client, service, keeping.listed) == []


def test_who_is_disabled_here_stays_out_whatever_the_provider_says(
    client: TestClient, service: _Service
) -> None:
    log_in(client)
    transact(client, service, keeping.disable, "王芳")
    assert client.get("/v1/session").status_code == 401
    assert refused(log_in(client)) == "disabled"


def test_nobody_comes_in_under_the_name_of_another_account(
    client: TestClient, service: _Service
) -> None:
    transact(client, service, keeping.add, "王芳", "admin", hashed(GOOD))
    assert refused(log_in(client)) == "name_taken"
    (row,) = transact(client, service, keeping.listed)
    assert row["role"] == "admin"


# ── what comes back ───────────────────────────────────────────────────────────────────


def test_a_log_in_that_another_browser_began_is_none(client: TestClient) -> None:
    back = at_provider(sent(client))
    client.cookies.clear()
    assert refused(client.get(back)) == "not_begun_here"


def test_nor_is_one_that_was_begun_before(client: TestClient) -> None:
    back = at_provider(sent(client))
    sent(client)
    assert refused(client.get(back)) == "not_begun_here"


def test_a_code_is_used_once(client: TestClient) -> None:
    back = at_provider(sent(client))
    start = client.cookies[START_COOKIE]
    assert client.get(back).status_code == 200
    client.cookies.clear()
    client.cookies.set(START_COOKIE, start)
    assert refused(client.get(back)) == "provider_refused"


def test_a_code_without_its_verifier_is_worth_nothing(client: TestClient) -> None:
    """Whoever catches the code on its way cannot use it."""
    back = at_provider(sent(client))
    code = parse_qs(urlsplit(back).query)["code"][0]
    own = Start.fresh("/console/")
    client.cookies.set(START_COOKIE, own.cookie)
    answer = client.get("/v1/session/oidc/callback", params={"code": code, "state": own.state})
    assert refused(answer) == "provider_refused"


@pytest.mark.parametrize("back", [{"error": "access_denied"}, {"iss": "https://other"}, {}])
def test_a_person_who_gives_up_there_is_back_at_the_page_to_log_in(
    client: TestClient, provider: Provider, back: dict[str, str]  # noqa: F811
) -> None:  # fmt: skip
    state = parse_qs(urlsplit(sent(client)).query)["state"][0]
    code = {"code": "x"} if "iss" in back else {}
    answer = client.get("/v1/session/oidc/callback", params={"state": state, **code, **back})
    assert refused(answer) == "provider_refused"
    assert "/token" not in provider.asked


# ── a provider that is away ───────────────────────────────────────────────────────────


def test_without_the_provider_accounts_of_this_service_go_on(
    client: TestClient, service: _Service, provider: Provider  # noqa: F811
) -> None:  # fmt: skip
    transact(client, service, keeping.add, "李明", "admin", hashed(GOOD))
    provider.status = 503
    assert refused(client.get("/v1/session/oidc")) == "provider_unavailable"
    answer = client.post("/v1/session", json={"name": "李明", "password": GOOD})
    assert answer.status_code == 200


def test_a_provider_that_goes_in_between_lets_nobody_in(
    client: TestClient, provider: Provider  # noqa: F811
) -> None:  # fmt: skip
    back = at_provider(sent(client))
    provider.status = 500
    assert refused(client.get(back)) == "provider_unavailable"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://id.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
        {"padding": "x" * 300_000},
    ],
    ids=["issuer", "plain http", "file", "nothing", "too much"],
)
def test_a_document_that_cannot_be_right_is_not_used(
    client: TestClient, provider: Provider, metadata: dict[str, Any]  # noqa: F811
) -> None:  # fmt: skip
    provider.metadata = metadata
    assert refused(client.get("/v1/session/oidc")) == "provider_unavailable"


def test_refusals_are_in_the_audit(
    client: TestClient, service: _Service, provider: Provider  # noqa: F811
) -> None:  # fmt: skip
    provider.person["roles"] = []
    log_in(client)

    async def settled() -> None:
        await service.records.audit(None, "end")

    assert client.portal is not None
    client.portal.call(settled)
    acts = transact(
        client,
        service,
        lambda s: [(r.action, r.subject, r.allowed) for r in s.query(AuditRow)],
    )
    assert ("session.refused", "oidc no_role", False) in acts


def test_without_settings_there_is_no_provider(settings: Settings) -> None:
    service = _Service(settings, asyncio.run(_opened(settings)))
    with TestClient(create_app(service), follow_redirects=False) as client:
        for path in ("/v1/session/oidc", "/v1/session/oidc/callback"):
            assert client.get(path).json()["code"] == "not_found"
        assert client.portal is not None
        client.portal.call(service.records.close)


# ── the page to log in ────────────────────────────────────────────────────────────────


def test_the_page_leads_to_the_provider_and_says_what_was_wrong(client: TestClient) -> None:
    page = client.get("/console/login", params={"next": "/console/agent?a=1&b=2"}).text
    assert 'href="/v1/session/oidc?next=/console/agent%3Fa%3D1%26b%3D2"' in page
    pages = [client.get("/console/login", params={"error": code}).text for code in FAULTS]
    assert len(set(pages)) == len(FAULTS)
    assert "<b>" not in client.get("/console/login", params={"error": "<b>"}).text


# ── pure ──────────────────────────────────────────────────────────────────────────────


@given(st.text())
def test_a_log_in_never_ends_on_another_site(path: str) -> None:
    then = own_path(path)
    assert then.startswith("/")
    assert not then.startswith(("//", "/\\"))
    parts = urlsplit(then)
    assert (parts.scheme, parts.netloc) == ("", "")
    assert not set(then) & set("\r\n\t ")


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""],
)
def test_what_is_no_page_of_ours_becomes_the_first_one(path: str) -> None:
    assert own_path(path) == HOME


@given(st.text(st.characters(codec="ascii", min_codepoint=33), max_size=200))
def test_what_a_browser_keeps_is_read_again(path: str) -> None:
    start = Start.fresh(f"/console/{path}")
    assert Start.read(start.cookie) == start


@given(st.text())
def test_what_a_browser_did_not_get_from_us_does_no_harm(cookie: str) -> None:
    start = Start.read(cookie)
    assert start is None or own_path(start.then) == start.then


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://id.example"},
        {"issuer": "https://user:word@id.example"},
        {"issuer": "ftp://id.example"},
        {"url": "http://hotline.example"},
        {"url": ""},
        {"client_id": ""},
        {"roles": {}},
        {"roles": {"x": "media"}},
        {"scopes": "profile"},
    ],
)
def test_settings_that_would_not_be_safe_are_refused(changed: dict[str, Any]) -> None:
    whole = {
        "issuer": "https://id.example",
        "client_id": "voicebot",
        "url": "https://hotline.example",
        "roles": {"x": "agent"},
    }
    Oidc.model_validate(whole)
    with pytest.raises(ValidationError):
        Oidc.model_validate({**whole, **changed})
