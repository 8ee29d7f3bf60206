"""How the certificates of the other nodes are checked."""

from __future__ import annotations

import ssl
from pathlib import Path

from voicebot.cluster.errors import BusSettingsError


def nodes_tls(ca: str) -> ssl.SSLContext:
    """Parameters:
        ca: `server.nodes_ca`; "": the system's authorities, where all nodes are on this machine.

    Raises:
        BusSettingsError: the file cannot be read, or holds no certificate.
    """
    if not ca:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(Path(ca).expanduser()))
    except OSError as error:  # ssl.SSLError is one
        raise BusSettingsError(
            f"server.nodes_ca: {ca} cannot be used ({error.strerror or error}): it must be the "
            "certificate (PEM) of the authority that has signed the nodes' certificates."
        ) from None
