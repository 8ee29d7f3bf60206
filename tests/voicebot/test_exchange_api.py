"""What 110's platform is answered, over HTTP."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tests.voicebot.exchange_messages import message, status, ticket
from tests.voicebot.test_web import _Service, bearer
from voicebot.config import Settings, load_settings
from voicebot.exchange import nonces
from voicebot.exchange.keys import Key
from voicebot.exchange.schema import Envelope
from voicebot.exchange.sending import send
from voicebot.exchange.signing import SignatureRefused, Signer, Verified
from voicebot.exchange.tables import NonceRow
from voicebot.records.store import Records
from voicebot.web.api import create_app

MESSAGES, LEDGER = "/v1/exchange/messages", "/v1/exchange/ledger"


async def opened(settings: Settings) -> Records:
    return await Records.open(settings)


def running(settings: Settings) -> Iterator[tuple[TestClient, _Service]]:
    service = _Service(settings, asyncio.run(opened(settings)))
    with TestClient(create_app(service)) as client:
        yield client, service
        assert client.portal is not None
        client.portal.call(service.records.close)


@pytest.fixture
def both(settings: Settings) -> Iterator[tuple[TestClient, _Service]]:
    yield from running(settings)


@pytest.fixture
def client(both: tuple[TestClient, _Service]) -> TestClient:
    client, service = both
    client.headers.update(bearer(service, "110"))
    return client


def post(client: TestClient, envelope: Envelope) -> Any:
    return client.post(MESSAGES, content=envelope.to_json())


def entries(client: TestClient, **query: Any) -> Any:
    return client.get(LEDGER, params={"day": "2026-11-26", **query}).json()


def test_a_message_is_answered_with_a_receipt_the_same_each_time(client: TestClient) -> None:
    sent = message("110-1", 1, status())
    first, again = post(client, sent), post(client, sent)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["id"] == sent.id
    assert first.json()["content_hash"] == sent.content_hash
    assert first.json()["state"] == "applied"


def test_an_early_message_is_kept_and_said_to_wait(client: TestClient) -> None:
    assert post(client, message("110-1", 2)).status_code == 202
    assert post(client, message("110-1", 1, status())).json()["state"] == "applied"
    assert [each["state"] for each in entries(client)["entries"]] == ["applied", "applied"]


def test_other_content_under_a_known_id_is_a_conflict(client: TestClient) -> None:
    post(client, message("110-1", 1, ticket("110-1")))
    answer = post(client, message("110-1", 1, ticket("110-1", "水管爆了")))
    assert (answer.status_code, answer.json()["fields"]) == (409, ["id"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "letter"}, "kind"),
        ({"sequence": 0}, "sequence"),
        ({"content_hash": "0" * 64}, "content_hash"),
        ({"sender": "12345"}, "sender"),
        ({"body": {"state": "accepted"}}, "body.at"),
    ],
)
def test_a_malformed_message_is_refused_by_the_name_of_its_field(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    values = {**message("110-1", 1, status()).wire(), **change}
    answer = client.post(MESSAGES, json=values)
    assert answer.status_code == 422
    assert field in answer.json()["fields"]
    assert entries(client)["entries"] == []


def test_what_cannot_be_taken_is_kept_and_refused_by_the_name_of_its_field(
    client: TestClient, both: tuple[TestClient, _Service]
) -> None:
    records = both[1].records
    assert client.portal is not None

    async def ours() -> bool:
        values = {"call_id": "C1", "matter": "噪音", "place": "", "name": "", "number": ""}
        return await records.save_ticket({"id": "W1", **values, "region": None, "department": None})

    assert client.portal.call(ours)
    answer = post(client, message("W1", 1))
    assert (answer.status_code, answer.json()["fields"]) == (422, ["number"])
    assert answer.json()["code"] == "exchange.refused"
    assert [each["state"] for each in entries(client)["entries"]] == ["refused"]


def test_the_ledger_comes_in_pages_by_day(client: TestClient) -> None:
    for number in range(5):
        post(client, message(f"110-{number}", 1, status()))
    first = entries(client, limit=3)
    rest = entries(client, limit=3, after=first["next"])
    assert [each["subject"] for each in first["entries"] + rest["entries"]] == [
        f"110-{number}" for number in range(5)
    ]
    assert rest["next"] is None
    assert client.get(LEDGER, params={"day": "2026-11-25"}).json()["entries"] == []
    assert client.get(LEDGER, params={"day": "gestern"}).status_code == 422


def test_either_sides_messages_can_be_fetched_again(
    client: TestClient, both: tuple[TestClient, _Service]
) -> None:
    records = both[1].records
    assert client.portal is not None

    async def put_out() -> Envelope:
        return await records.transact(send, ticket("W1"), subject="W1", at=1_790_000_000.0)

    ours, theirs = client.portal.call(put_out), message("110-1", 1, status())
    post(client, theirs)
    for sent in (ours, theirs):
        answer = client.get(f"{MESSAGES}/{quote(sent.id, safe='')}")
        assert answer.json() == json.loads(sent.to_json())
    assert client.get(f"{MESSAGES}/nothing").status_code == 404


@pytest.mark.parametrize("role", ["agent", "desk", "media", "editor", "reviewer"])
def test_only_110_sends_and_only_it_and_supervisors_read(
    both: tuple[TestClient, _Service], role: str
) -> None:
    client, service = both
    headers = bearer(service, role)
    assert client.post(MESSAGES, json={}, headers=headers).status_code == 403
    assert client.get(LEDGER, headers=headers).status_code == 403
    assert client.post(MESSAGES, json={}, headers=bearer(service, "admin")).status_code == 403
    assert client.get(LEDGER, headers=bearer(service, "supervisor")).status_code == 200


@pytest.fixture
def with_keys(tmp_path: Path) -> Iterator[tuple[TestClient, _Service]]:
    for owner in ("12345", "110"):
        file = tmp_path / f"{owner}.key"
        file.write_bytes(base64.b64encode(owner.encode() * 11))
        file.chmod(0o600)
    config = tmp_path / "voicebot.toml"
    config.write_text(
        f'[paths]\nstate = "{tmp_path / "state"}"\n[exchange.keys]\n'
        f'p1 = {{ file = "{tmp_path / "110.key"}", owner = "110" }}\n'
        f'h1 = {{ file = "{tmp_path / "12345.key"}", owner = "12345" }}\n'
    )
    yield from running(load_settings(config))


@pytest.mark.parametrize(
    ("secret", "status_code"), [(b"110" * 11, 200), (b"12345" * 11, 401), (None, 401)]
)
def test_with_a_key_of_110_only_what_it_signed_is_taken(
    with_keys: tuple[TestClient, _Service], secret: bytes | None, status_code: int
) -> None:
    client, service = with_keys
    for method, path, content in (
        ("POST", MESSAGES, message("110-1", 1, status()).to_json()),
        ("GET", f"{LEDGER}?day=2026-11-26", ""),
        ("GET", f"{MESSAGES}/{quote('110:status:110-1:1', safe='')}", ""),
    ):
        request: Any = client.build_request(
            method, path, content=content, headers=bearer(service, "110")
        )
        if secret is not None:
            Signer({"p1": Key("p1", "110", secret)}, "p1").sign(request)
        assert client.send(request).status_code == status_code, path


@pytest.mark.parametrize(
    ("method", "path"), [("POST", MESSAGES), ("GET", f"{LEDGER}?day=2026-11-26")]
)
def test_a_signed_request_holds_once_also_after_a_restart(
    with_keys: tuple[TestClient, _Service], method: str, path: str
) -> None:
    client, service = with_keys
    content = message("110-1", 1, status()).to_json() if method == "POST" else ""
    headers = bearer(service, "110")
    signer = Signer({"p1": Key("p1", "110", b"110" * 11)}, "p1")

    def signed() -> Any:
        built: Any = client.build_request(method, path, content=content, headers=headers)
        signer.sign(built)
        return built

    request = signed()
    assert client.send(request).status_code == 200
    assert client.send(request).status_code == 401
    for restarted, _ in running(service.settings):
        answer = restarted.send(request)
        assert (answer.status_code, answer.json()["code"]) == (401, "exchange.signature")
        assert restarted.send(signed()).status_code == 200


async def test_nonces_are_forgotten_when_their_time_is_over(settings: Settings) -> None:
    records = await opened(settings)
    await records.transact(nonces.use, Verified("p1", "110", "n" * 16, until=1000.0))
    await records.transact(nonces.forget, 999.0)
    with pytest.raises(SignatureRefused, match="received before"):
        await records.transact(nonces.use, Verified("p1", "110", "n" * 16, until=1000.0))
    await records.transact(nonces.forget, 1001.0)
    assert await records.read(lambda session: session.scalars(select(NonceRow)).all()) == []
    await records.close()
