"""Only requests that the other side signed, for us, now and once, are taken."""

import base64
import hashlib
import hmac
from pathlib import Path

import httpx
import pytest

from voicebot.config_exchange import ExchangeKey
from voicebot.exchange.keys import Key, KeyUnusable, read_keys
from voicebot.exchange.signing import SignatureRefused, Signer, Verifier

NOW = 1_790_000_000.0
KEYS = {
    "110-1": Key("110-1", "110", b"p" * 32),
    "12345-1": Key("12345-1", "12345", b"h" * 32),
}
URL = "https://hotline.example/exchange/messages?page=2"
BODY = '{"matter": "路灯不亮"}'.encode()


def signed(
    *, at: float = NOW, key: str = "110-1", method: str = "POST", body: bytes = BODY
) -> httpx.Request:
    headers = {"Content-Type": "application/json"} if body else {}
    request = httpx.Request(method, URL, content=body, headers=headers)
    Signer(KEYS, key, clock=lambda: at).sign(request)
    return request


def verifier(at: float = NOW, **options: int) -> Verifier:
    return Verifier(KEYS, clock=lambda: at, **options)


def verified(by: Verifier, request: httpx.Request, **changes: object) -> str:
    values: dict[str, object] = {
        "method": request.method,
        "url": str(request.url),
        "headers": request.headers,
        "body": request.content,
    }
    return by.verify(**{**values, **changes}).owner  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "owner"), [("110-1", "110"), ("12345-1", "12345")])
def test_the_signature_says_whose_request_it_is(key: str, owner: str) -> None:
    assert verified(verifier(), signed(key=key)) == owner


def test_a_request_without_content_is_signed_too() -> None:
    assert verified(verifier(), signed(method="GET", body=b"")) == "110"


@pytest.mark.parametrize(
    "change",
    [
        {"body": BODY + b" "},
        {"body": b""},
        {"method": "PUT"},
        {"url": "https://hotline.example/exchange/messages?page=3"},
        {"url": "https://hotline.example/exchange/other?page=2"},
        {"url": "https://elsewhere.example/exchange/messages?page=2"},
        {"headers": {}},
    ],
)
def test_a_signature_is_for_one_request_alone(change: dict[str, object]) -> None:
    with pytest.raises(SignatureRefused, match="no valid signature"):
        verified(verifier(), signed(), **change)


@pytest.mark.parametrize("name", ["content-digest", "signature", "signature-input", "content-type"])
def test_no_part_of_the_signature_may_be_missing(name: str) -> None:
    request = signed()
    del request.headers[name]
    with pytest.raises(SignatureRefused):
        verified(verifier(), request)


def test_content_needs_a_digest_that_is_signed() -> None:
    """A digest that anybody can add proves nothing."""
    request = signed(method="GET", body=b"")
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    request.headers["Content-Digest"] = f"sha-256=:{digest}:"
    with pytest.raises(SignatureRefused):
        verified(verifier(), request, body=BODY)


def test_a_key_that_we_do_not_have_is_none() -> None:
    with pytest.raises(SignatureRefused):
        verified(Verifier({"12345-1": KEYS["12345-1"]}, clock=lambda: NOW), signed())


def test_another_secret_under_the_same_id_is_none() -> None:
    other = Verifier({"110-1": Key("110-1", "110", b"x" * 32)}, clock=lambda: NOW)
    with pytest.raises(SignatureRefused):
        verified(other, signed())


@pytest.mark.parametrize("apart", [-300.0, 300.0])
def test_clocks_may_differ_by_the_skew_allowed(apart: float) -> None:
    assert verified(verifier(), signed(at=NOW + apart)) == "110"


@pytest.mark.parametrize("apart", [-301.0, 301.0])
def test_clocks_may_differ_by_no_more(apart: float) -> None:
    with pytest.raises(SignatureRefused, match="from ours"):
        verified(verifier(), signed(at=NOW + apart))


def test_a_replay_is_refused_as_long_as_its_time_is_right() -> None:
    now = NOW
    by = Verifier(KEYS, clock=lambda: now)
    request = signed(at=NOW + 300)
    assert verified(by, request) == "110"
    for now in (NOW, NOW + 599.0):  # noqa: B007 - the clock's
        with pytest.raises(SignatureRefused, match="received before"):
            verified(by, request)
    now = NOW + 601.0
    with pytest.raises(SignatureRefused, match="from ours"):
        verified(by, request)


def test_an_attempt_that_is_signed_anew_is_no_replay() -> None:
    by = verifier()
    assert verified(by, signed()) == verified(by, signed()) == "110"


def test_old_nonces_are_forgotten_and_new_ones_are_bounded() -> None:
    now = NOW
    by = Verifier(KEYS, clock=lambda: now, max_nonces=2)
    verified(by, signed())
    verified(by, signed())
    with pytest.raises(SignatureRefused, match="Too many"):
        verified(by, signed())
    now = NOW + 601.0
    assert verified(by, signed(at=now)) == "110"


def test_keys_are_read_from_private_files(tmp_path: Path) -> None:
    file = tmp_path / "110.key"
    file.write_bytes(base64.b64encode(b"k" * 32) + b"\n")
    file.chmod(0o600)
    keys = read_keys({"110-1": ExchangeKey(file=file, owner="110")})
    assert keys["110-1"] == Key("110-1", "110", b"k" * 32)
    assert "k" * 8 not in repr(keys)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (base64.b64encode(b"k" * 32), 0o644, "chmod 600"),
        (base64.b64encode(b"k" * 31), 0o600, "fewer than 32"),
        ("钥匙".encode(), 0o600, "base64"),
        (b"", 0o600, "fewer than 32"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_key_file_that_cannot_be_used_says_why(
    tmp_path: Path, content: bytes | None, mode: int, reason: str
) -> None:
    file = tmp_path / "110.key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(KeyUnusable, match=reason):
        read_keys({"110-1": ExchangeKey(file=file, owner="110")})


def test_the_documented_request_is_signed_as_the_document_says() -> None:
    """Checked by hand as well: the other side has no library of ours."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    secret = b"0123456789abcdef0123456789abcdef"
    head, _, body = (docs / "exchange" / "signed-request.http").read_bytes().partition(b"\r\n\r\n")
    lines = [tuple(line.split(": ", 1)) for line in head.decode().splitlines()[1:]]
    headers = dict(lines)
    by = Verifier({"110-example": Key("110-example", "110", secret)}, clock=lambda: 1795657620.0)
    url = "https://hotline.example/v1/exchange/messages"
    assert by.verify("POST", url, headers, body).owner == "110"

    text = (docs / "exchange.md").read_text("utf-8")
    base = text[text.index('"@method": POST') :].partition("\n```")[0]
    digest = base64.b64encode(hmac.digest(secret, base.encode(), "sha256")).decode()
    assert headers["Signature"] == f"exchange=:{digest}:"
    assert base64.b64encode(secret).decode() in text
