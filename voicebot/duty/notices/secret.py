"""The key of notices: webhook signatures, and receipts' one-time tokens, which nobody stores."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import structlog

from voicebot.config import Settings
from voicebot.state_folder import make_private

log = structlog.get_logger()

_OF_THIS_PROCESS = secrets.token_bytes(32)


def notice_secret(settings: Settings) -> bytes:
    """The key of the settings, else that of this machine, made where there is none.

    Where it cannot be kept there is one for this process alone: calls go on, and receipts of
    notices from before a restart do not fit.
    """
    given = settings.notices.secret.get_secret_value()
    if given:
        return given.encode()
    file = settings.paths.secrets_folder / "notices.key"
    try:
        make_private(settings.paths.state)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        return kept_key(file)
    except OSError as error:
        log.error("notice_key_not_kept", file=str(file), reason=error.strerror)
        return _OF_THIS_PROCESS


def kept_key(file: Path) -> bytes:
    """The key in a file of the secrets, made where there is none. Raises OSError.

    Of two processes that make it at once, both have the one that came first."""
    if not file.exists():
        # Of containers that share the folder each may be process number 1.
        part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(secrets.token_hex(32))
        try:
            os.link(part, file)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return file.read_bytes()


def receipt_token(secret: bytes, receipt: str) -> str:
    """The token with which whoever got the message acknowledges it; 128 bits."""
    return _encoded(hmac.digest(secret, f"receipt:{receipt}".encode(), "sha256")[:16])


def token_fits(secret: bytes, receipt: str, token: str | None) -> bool:
    expected = receipt_token(secret, receipt)
    return token is not None and hmac.compare_digest(expected.encode(), token.encode())


def signature_headers(secret: bytes, message: str, at: float, body: bytes) -> dict[str, str]:
    """Of a webhook, as the Standard Webhooks specification 1.0.0 has them (HMAC-SHA256).

    The key is the notices' own, told to the receiver as `voicebot duty webhook-key` writes it.
    """
    signed = f"{message}.{int(at)}.".encode() + body
    value = base64.b64encode(hmac.digest(_webhook_key(secret), signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{value}",
    }


def webhook_key(secret: bytes) -> str:
    """The key that receivers check signatures with: ``whsec_…``; receipts need another."""
    return "whsec_" + base64.b64encode(_webhook_key(secret)).decode()


def _webhook_key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"webhook", "sha256")


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
