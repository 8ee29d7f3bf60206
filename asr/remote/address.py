"""Where a remote engine is and how it is spoken to safely. Loads nothing heavy: settings use it."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from asr.errors import RemoteAddressInvalid


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """A server's address.

    Args:
        url: ``wss://…``, or ``ws://`` on a loopback address.
        token: shown as ``Authorization: Bearer …``; "" where the server wants none.
        tls_ca: PEM file of the certificates that the server's own is checked with, such as a
            self-signed one; None: those of the system.

    Raises:
        RemoteAddressInvalid: no such address may be used; the message says why.
    """

    url: str
    token: str = field(default="", repr=False)
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        check_url(self.url)

    def headers(self) -> dict[str, str]:
        """What is sent with the handshake."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def tls(self) -> ssl.SSLContext | None:
        """How ``wss://`` is checked; None for ``ws://``.

        Raises:
            RemoteAddressInvalid: the certificates of ``tls_ca`` cannot be read.
        """
        if urlsplit(self.url).scheme == "ws":
            return None
        try:
            return ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise RemoteAddressInvalid(
                f"The certificates in {self.tls_ca} cannot be read ({error.strerror or error}); "
                "asr.tls_ca must be a PEM file."
            ) from None


def check_url(url: str) -> None:
    """Refuse what is no WebSocket address, and ``ws://`` beyond this machine.

    Raises:
        RemoteAddressInvalid: with the reason and what to write instead.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("ws", "wss") or not host or port == 0 or parts.fragment:
        raise RemoteAddressInvalid(
            "The address of the speech server must be like wss://asr.example:10096/ or "
            "ws://127.0.0.1:2700/."
        )
    if parts.username is not None or parts.password is not None:
        raise RemoteAddressInvalid(
            "The address of the speech server holds a name or password, which would end in logs; "
            "put a token into asr.token_file."
        )
    if parts.scheme == "ws" and not is_loopback(host):
        raise RemoteAddressInvalid(
            "Callers' voices leave this machine only over TLS: use a wss:// address, or "
            "127.0.0.1 with ws://."
        )


def read_token(file: Path) -> str:
    """The token in the first line of a file.

    Raises:
        RemoteAddressInvalid: the file cannot be read or holds no token.
    """
    try:
        lines = file.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no plain ASCII text"
        raise RemoteAddressInvalid(f"The token file {file} cannot be read: {reason}.") from None
    token = lines[0].strip() if lines else ""
    if not token or not token.isprintable() or " " in token:
        raise RemoteAddressInvalid(f"The first line of {file} must be the token and nothing else.")
    return token


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own; nothing is resolved."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
