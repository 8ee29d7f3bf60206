"""The audio of one chan_websocket channel: 16-bit linear frames, bounded both ways.

Asterisk is the WebSocket server (`connection_type=server`): we open no port, and no
call's parameters can leak into the next one's address. Asterisk plays what it is sent
one frame every 20 ms and never catches up with a backlog (asterisk#2115), so its queue
is watched and one that is too long is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter, deque

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from telephony.asterisk.media_messages import FLUSH, GET_STATUS, Flow, Status, parse
from telephony.codecs import FRAME_SECONDS, Int16
from telephony.errors import CallError, MediaStreamError

MAX_QUEUED_S = 1.0
"""Audio kept in each direction while the other side stalls; the oldest goes first."""

BACKLOG_FRAMES = 15
"""Frames waiting in Asterisk that are delay and no cushion any more: 300 ms."""

STATUS_S = 1.0
"""How often the queue is looked at while audio is being sent."""

_MAX_FRAMES = round(MAX_QUEUED_S / FRAME_SECONDS)


class MediaSocket:
    """An open media socket. Made by `open_media_socket`; close it with `close`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._out: deque[bytes | str] = deque()
        self._in: deque[Int16] = deque(maxlen=_MAX_FRAMES)
        self._wake_out, self._wake_in = asyncio.Event(), asyncio.Event()
        self._taken = True
        """Asterisk takes audio: no MEDIA_XOFF."""
        self.closed = asyncio.Event()
        self.queued_frames = 0
        """Frames that waited in Asterisk when it last said."""
        self.problems: Counter[str] = Counter()
        """Dropped frames, dropped backlogs, messages that could not be read: by name."""
        self._tasks = [
            asyncio.create_task(self._send(), name="media-send"),
            asyncio.create_task(self._receive(), name="media-receive"),
        ]

    def send(self, pcm: Int16) -> None:
        """Queues audio; never waits. It is dropped, and counted, where nobody takes it."""
        if not self._taken or self.closed.is_set():
            self.problems["dropped_out"] += 1
            return
        if len(self._out) >= _MAX_FRAMES:
            self._out.popleft()
            self.problems["dropped_out"] += 1
        self._out.append(pcm.astype("<i2", copy=False).tobytes())
        self._wake_out.set()

    def flush(self) -> None:
        """Nothing that was sent and not yet played is played."""
        self._out.clear()
        self._out.append(FLUSH)
        self._wake_out.set()

    async def receive(self) -> Int16 | None:
        """The next audio; None when the socket is closed."""
        while not self._in:
            if self.closed.is_set():
                return None
            self._wake_in.clear()
            await self._wake_in.wait()
        return self._in.popleft()

    async def close(self) -> None:
        """Closes, which hangs the channel up; harmless when it is closed already."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._socket.close()
        self._end()

    async def _send(self) -> None:
        clock = asyncio.get_running_loop().time
        looked = clock()
        with contextlib.suppress(ConnectionClosed):
            while True:
                while self._out:
                    await self._socket.send(self._out.popleft())
                    if clock() - looked >= STATUS_S:
                        looked = clock()
                        await self._socket.send(GET_STATUS)
                self._wake_out.clear()
                await self._wake_out.wait()

    async def _receive(self) -> None:
        try:
            async for message in self._socket:
                try:
                    self._take(message)
                except MediaStreamError as error:
                    self.problems[error.code] += 1
        except ConnectionClosed:
            pass
        finally:
            self._end()

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            if len(message) % 2:
                raise MediaStreamError("bad_audio", "Half a sample came from Asterisk.")
            self.problems["dropped_in"] += len(self._in) == _MAX_FRAMES
            self._in.append(np.frombuffer(message, "<i2"))
            self._wake_in.set()
            return
        match parse(message):
            case Flow(open=taken):
                self._taken = taken
            case Status(queued_frames=queued):
                self.queued_frames = queued
                if queued > BACKLOG_FRAMES:
                    self.problems["dropped_backlog"] += 1
                    self.flush()
            case _:
                pass

    def _end(self) -> None:
        self.closed.set()
        self._wake_in.set()


async def open_media_socket(
    url: str, *, tls: ssl.SSLContext | None = None, open_s: float = 1.0
) -> MediaSocket:
    """Errors: CallError `no_media`."""
    try:
        socket = await connect(
            url,
            subprotocols=[Subprotocol("media")],
            compression=None,
            ssl=tls,
            open_timeout=open_s,
            close_timeout=0.2,
            ping_interval=None,
            max_size=1 << 16,
            max_queue=64,
            proxy=None,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise CallError(
            "no_media", f"Asterisk's media socket cannot be opened ({type(error).__name__})."
        ) from error
    return MediaSocket(socket)
