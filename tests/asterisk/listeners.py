"""Ears of many callers at once: a UDP port for each, and what arrived there, frame by frame."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from types import TracebackType

import numpy as np

from telephony.codecs import WireFormat
from tests.asterisk.phones import FRAME, Heard

_RTP_HEADER = 12


class Listeners:
    """Takes RTP (PCMA, 20 ms) at its ports while it is open."""

    def __init__(self, count: int) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        self._frames: list[list[tuple[float, bytes]]] = [[] for _ in range(count)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    @property
    def ports(self) -> list[int]:
        return [each.getsockname()[1] for each in self._sockets]

    def heard(self, number: int) -> Heard:
        """What arrived at one port until now."""
        frames = list(self._frames[number])
        pcm = WireFormat.named("alaw").decode(b"".join(alaw for _, alaw in frames))
        return Heard(
            pcm,
            np.array([at for at, _ in frames]),
            frames[-1][0] if frames else 0.0,
        )

    def __enter__(self) -> Listeners:
        for each in self._sockets:
            each.setblocking(False)
            each.bind(("127.0.0.1", 0))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(5)
        for each in self._sockets:
            each.close()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for number, each in enumerate(self._sockets):
                selector.register(each, selectors.EVENT_READ, number)
            while not self._over.is_set():
                for key, _ in selector.select(0.1):
                    packet = self._sockets[key.data].recv(2048)
                    if len(packet) == _RTP_HEADER + FRAME:
                        frame = (time.monotonic(), packet[_RTP_HEADER:])
                        self._frames[key.data].append(frame)
