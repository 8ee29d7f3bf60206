"""The NATS servers that [nats] names, as a connection wants them."""

from __future__ import annotations

from pathlib import Path

from asr.errors import RemoteAddressInvalid
from asr.nodes.address import NatsServers
from asr.remote.address import read_token
from voicebot.config_nats import Nats


def servers_of(settings: Nats) -> NatsServers:
    """With the token out of its file. Blocking.

    Raises:
        RemoteAddressInvalid: the token file cannot be used.
    """
    try:
        token = read_token(Path(settings.token_file).expanduser()) if settings.token_file else ""
    except RemoteAddressInvalid as error:
        raise RemoteAddressInvalid(f"nats.token_file: {error}") from None
    return NatsServers(
        settings.servers,
        token=token,
        tls_ca=Path(settings.tls_ca).expanduser() if settings.tls_ca else None,
        subject=settings.subject,
    )
