"""Where the nodes are met. Loads nothing heavy: settings use it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import RemoteAddressInvalid


@dataclass(frozen=True, slots=True)
class NatsServers:
    """One cluster of NATS servers.

    Args:
        urls: ``tls://…``, or ``nats://`` on a loopback address; others are never spoken to.
        token: of the servers; "" where they want none.
        tls_ca: PEM file of the certificates that theirs are checked with; None: the system's.
        subject: first part of every subject.
    """

    urls: tuple[str, ...]
    token: str = field(default="", repr=False)
    tls_ca: Path | None = None
    subject: str = "voicebot"

    def tls(self) -> ssl.SSLContext | None:
        """How ``tls://`` is checked; None where every server is on this machine, without TLS.

        Raises:
            RemoteAddressInvalid: the certificates of ``tls_ca`` cannot be read.
        """
        if not any(url.startswith("tls:") for url in self.urls):
            return None
        try:
            return ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise RemoteAddressInvalid(
                f"The certificates in {self.tls_ca} cannot be read ({error.strerror or error}); "
                "nats.tls_ca must be a PEM file."
            ) from None
