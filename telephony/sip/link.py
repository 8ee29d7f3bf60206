"""A media process's end of the socket to the main process.

A thread of its own reads: audio goes straight to the queue of its party, everything else
waits for the loop that may call PJSIP. Sending never waits for a main process that does
not read: audio is dropped, and a report that finds no room within a second means that
the main process is dead.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Iterator

from telephony.sip.audio_port import OutQueue
from telephony.sip.wire import MAX_MESSAGE, Audio, Clear, Control, WireError, decode, encode

log = logging.getLogger(__name__)

SILENT_S = 2.0
"""Without a word for so long the main process counts as dead; it speaks every 0.5 s."""
ROOM_S = 1.0
"""How long a report may wait for room in the socket."""


class MainLink:
    """The main process as its media process sees it.

    Parameters:
        sock: our end of the socket pair.
        outputs: the queue of each party, by (call, leg); looked at by the reader thread.
    """

    def __init__(self, sock: socket.socket, outputs: dict[tuple[int, int], OutQueue]) -> None:
        self._sock, self._outputs = sock, outputs
        self._waiting: queue.SimpleQueue[Control] = queue.SimpleQueue()
        self._heard_at = time.monotonic()
        self._closed = False
        self.dropped = 0
        """Frames that the main process did not take in time."""
        threading.Thread(target=self._read, name="main-link", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._closed and time.monotonic() - self._heard_at < SILENT_S

    def controls(self) -> Iterator[Control]:
        """What the main process has asked for since the last look."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._waiting.get_nowait()

    def wait(self) -> Control | None:
        """The next request; None when the main process says nothing for `SILENT_S`."""
        with contextlib.suppress(queue.Empty):
            return self._waiting.get(timeout=SILENT_S)
        return None

    def audio(self, call: int, leg: int, pcm: bytes) -> None:
        """What a party says; called on the media thread."""
        if self._closed:
            return
        try:
            self._sock.send(encode(Audio(call, leg, pcm)), socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            self._closed = True

    def report(self, op: str, call: int = 0, leg: int = 0, **values: object) -> None:
        """Tells the main process what has happened; nothing when it is dead."""
        if self._closed:
            return
        data, until = encode(Control(op, call, leg, values)), time.monotonic() + ROOM_S
        while not self._closed:
            try:
                self._sock.send(data, socket.MSG_DONTWAIT)
                return
            except BlockingIOError:
                left = until - time.monotonic()
                if left <= 0 or not select.select([], [self._sock], [], left)[1]:
                    self.close()
            except OSError:
                self._closed = True

    def close(self) -> None:
        """Gives the main process up for good; it sees the end of the stream."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        while not self._closed:
            try:
                data = self._sock.recv(MAX_MESSAGE)
            except OSError:
                data = b""
            if not data:
                self._closed = True
                return
            self._heard_at = time.monotonic()
            try:
                self._take(data)
            except WireError as error:
                log.error("a message of the main process is not readable: %s", error)

    def _take(self, data: bytes) -> None:
        match decode(data):
            case Audio(call, leg, pcm):
                if out := self._outputs.get((call, leg)):
                    out.put(pcm)
            case Clear(call, leg):
                if out := self._outputs.get((call, leg)):
                    out.clear()
            case Control() as control if control.op != "beat":
                self._waiting.put(control)
