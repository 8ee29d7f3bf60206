"""Messages between us and an engine's process: a JSON header and bytes, on a stream socket.

What the process answers is only ever read as JSON, since it works on strangers' audio in native
code. It trusts us: its first message holds a pickled function.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from asr.hypothesis import Pcm

_LENGTHS = struct.Struct("<II")
_SAMPLE = np.dtype("<f4")


class Wire:
    """One end of the socket.

    A deadline is a time of ``time.monotonic()``; None waits for ever. Neither end can hang the
    other: a process that takes nothing makes ``send`` time out as well.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(
        self, header: dict[str, Any], payload: bytes = b"", *, deadline: float | None = None
    ) -> None:
        """One whole message.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: the other end is gone.
        """
        text = json.dumps(header, ensure_ascii=False, default=float).encode()
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(_LENGTHS.pack(len(text), len(payload)) + text + payload)

    def receive(self, *, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        """The next message. One that has come is taken even if the deadline has passed.

        Raises:
            TimeoutError: the deadline has passed.
            OSError: the other end is gone.
            ValueError: it is no message.
        """
        lengths = _LENGTHS.unpack(self._exactly(_LENGTHS.size, deadline))
        header = json.loads(self._exactly(lengths[0], deadline))
        if not isinstance(header, dict):
            raise ValueError("a header is an object")
        return header, self._exactly(lengths[1], deadline)

    def close(self) -> None:
        """The other end sees it."""
        self._socket.close()

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        got = bytearray()
        while len(got) < count:
            self._socket.settimeout(_left(deadline))
            part = self._socket.recv(count - len(got))
            if not part:
                raise ConnectionResetError("the other end is gone")
            got += part
        return bytes(got)


def pack(chunks: Sequence[Pcm]) -> tuple[list[int], bytes]:
    """Audio as it was fed: the length of each piece in samples, and all samples."""
    return [chunk.size for chunk in chunks], b"".join(
        chunk.astype(_SAMPLE, copy=False).tobytes() for chunk in chunks
    )


def unpack(sizes: Sequence[int], samples: bytes) -> list[Pcm]:
    """The pieces again."""
    pcm = np.frombuffer(samples, _SAMPLE)
    return np.split(pcm, np.cumsum(sizes)[:-1]) if sizes else []


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())
