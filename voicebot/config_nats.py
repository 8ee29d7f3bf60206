"""The settings of NATS, through which several processes share recognition and live events."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from telephony.access import is_loopback
from voicebot.config_base import Section


class Nats(Section):
    """[nats] where the processes of one installation find each other (docs/deployment.md)."""

    servers: tuple[str, ...] = ()
    """Of one cluster, such as ``tls://nats1.example:4222``; beyond this machine TLS only. Empty:
    this process does everything itself."""
    token_file: str = ""
    """Its first line is the token of the server; empty: it wants none."""
    tls_ca: str = ""
    """Certificates (PEM) that the servers' own are checked with; empty: the system's."""
    subject: str = Field(default="voicebot", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """The first part of every subject: where several installations share one cluster."""

    @field_validator("servers")
    @classmethod
    def _reachable_safely(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for url in servers:
            check_server(url)
        return servers


def check_server(url: str) -> None:
    """Refuse what is no address of a NATS server, and plain text beyond this machine.

    Raises:
        ValueError: with the reason and what to write instead.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("nats", "tls") or not host or port == 0 or parts.path.strip("/"):
        raise ValueError(
            "nats.servers must be like tls://nats.example:4222 or nats://127.0.0.1:4222"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "nats.servers holds a name or password, which would end in logs; put a token into "
            "nats.token_file"
        )
    if parts.scheme == "nats" and not is_loopback(host):
        raise ValueError(
            "callers' voices leave this machine only over TLS: use tls://, or 127.0.0.1 with nats://"
        )
