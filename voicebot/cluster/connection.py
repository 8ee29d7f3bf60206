"""The client of NATS as we use it: what may not leave this machine in plain text does not."""

from __future__ import annotations

import ssl
from pathlib import Path

import nats.errors
from nats.aio.client import Client

from telephony.access import is_loopback
from voicebot.cluster.errors import BusSettingsError
from voicebot.config_nats import Nats


class SafeClient(Client):
    """Says nothing, not even its token, to a server that would have it in plain text.

    The library takes what a server says of itself: one that claims not to want TLS is spoken to
    without, and servers that it names are taken up.
    """

    def _connect_command(self) -> bytes:
        server = self._current_server
        assert server is not None
        if not is_loopback(server.uri.hostname or "") and not self._server_info.get("tls_required"):
            raise nats.errors.SecureConnWantedError
        if server.uri.scheme == "tls" and not self._server_info.get("tls_required"):
            raise nats.errors.SecureConnWantedError
        return super()._connect_command()


def read_token(settings: Nats) -> str | None:
    """The token of [nats]; None where the server wants none. Blocking.

    Raises:
        BusSettingsError: the file cannot be read, or is empty.
    """
    if not settings.token_file:
        return None
    try:
        lines = Path(settings.token_file).expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BusSettingsError(f"nats.token_file {settings.token_file}: {_why(error)}.") from None
    if not lines or not lines[0].strip():
        raise BusSettingsError(f"nats.token_file {settings.token_file} holds no token.")
    return lines[0].strip()


def tls_of(settings: Nats) -> ssl.SSLContext | None:
    """How servers' certificates are checked; None where all are on this machine, without TLS.

    Raises:
        BusSettingsError: the certificates of `tls_ca` cannot be read.
    """
    if not any(url.startswith("tls:") for url in settings.servers):
        return None
    try:
        return ssl.create_default_context(cafile=settings.tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise BusSettingsError(
            f"nats.tls_ca {settings.tls_ca} cannot be read ({_why(error)}); it must be a PEM file."
        ) from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
