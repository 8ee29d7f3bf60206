"""Where a program that is measured or tried may listen."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A TCP port of 127.0.0.1 at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
