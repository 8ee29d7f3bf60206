"""The main process's end of the socket to a media process; never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

import structlog

from telephony.sip.wire import MAX_MESSAGE, Audio, Message, WireError, decode, encode

log = structlog.get_logger()

MOST_WAITING = 400
"""Messages that wait for room in the socket, 2 s of four calls; audio beyond it is dropped."""

READS_AT_A_TIME = 64


class Channel:
    """Parameters:
    took: takes each message.
    closed: told once that the media process is gone.
    """

    def __init__(
        self, sock: socket.socket, took: Callable[[Message], None], closed: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._sock, self._took, self._closed = sock, took, closed
        self._waiting: deque[bytes] = deque()
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._read)
        self.dropped = 0
        """Frames that the media process did not take in time."""

    def send(self, message: Message) -> None:
        """Sends, or keeps it until there is room; nothing when the other side is gone."""
        if not self._open:
            return
        if isinstance(message, Audio) and len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(encode(message))
        if len(self._waiting) == 1:
            self._flush()

    def close(self) -> None:
        """Lets go of the media process; `closed` is told."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        self._closed()

    def _flush(self) -> None:
        try:
            while self._waiting:
                self._sock.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._flush)
            return
        except OSError:
            self._loop.call_soon(self.close)
        self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(READS_AT_A_TIME):
                try:
                    data = self._sock.recv(MAX_MESSAGE)
                except ConnectionError:
                    data = b""
                if not data:
                    self.close()
                    return
                try:
                    self._took(decode(data))
                except WireError as error:
                    log.error("sip_message_unreadable", reason=error.message)
                if not self._open:
                    return
