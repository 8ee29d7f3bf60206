"""The ear process: ``python -m voicebot.ear_process.program SOCKET BOARD PARENT``.

It ends with its parent, at once and in the middle of anything (`asr.supervised.child.begin`),
and by nothing that is sent to the parent's whole group: a service that was told to stop still
finishes its calls. Once it has loaded it writes nothing anywhere.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from asr.errors import AsrError
from asr.supervised.child import be_silent, begin
from voicebot.call.caller_ear import Listened, ListenerFault, Senses
from voicebot.ear_process.board import Board
from voicebot.ear_process.wire import Ask, Inbox, Tell, message, pack_listened, pack_sensed

FLUSH_S = 0.004
"""So long answers may wait for others: each time it is told something the service wakes up."""

Work = tuple[int, bytes]
"""Kind and content."""


def main(number: int, board: int, parent: int) -> None:
    """Load what the first message says, then hear."""
    if not begin(parent):
        return
    with contextlib.suppress(OSError):  # nobody is there any more
        _Process(socket.socket(fileno=number), Board(board)).run()


class _Process:
    def __init__(self, end: socket.socket, board: Board) -> None:
        self._socket, self._board = end, board
        self._inbox = Inbox()
        self._work: dict[int, deque[Work]] = {}
        self._turn: deque[int] = deque()
        """Calls that have work, in the order in which they get a piece of it done."""
        self._senses: dict[int, Senses] = {}
        self._told: dict[int, Listened] = {}
        self._answers: list[bytes] = []
        self._waiting_since = 0.0

    def run(self) -> None:
        """Until the socket is closed."""
        self._receive(wait=True)
        while not self._turn:
            self._receive(wait=True)
        new_senses = self._load(self._next()[1][1])
        if new_senses is None:
            return
        while True:
            self._receive(wait=not self._turn)
            call, (kind, content) = self._next()
            self._board.begin(call)
            self._do(new_senses, call, Ask(kind), content)
            if not self._turn:
                self._board.rest()
            if self._answers and (
                not self._turn or time.monotonic() - self._waiting_since > FLUSH_S
            ):
                self._flush()

    # ── what is to be done ────────────────────────────────────────────────────────

    def _receive(self, *, wait: bool) -> None:
        while True:
            try:
                count = self._socket.recv_into(
                    self._inbox.space(), flags=0 if wait else socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                return
            if not count:
                raise ConnectionResetError("the service is gone")
            for kind, call, content in self._inbox.filled(count):
                work = self._work.setdefault(call, deque())
                if not work:
                    self._turn.append(call)
                work.append((kind, content))
            if self._turn or not wait:
                return

    def _next(self) -> tuple[int, Work]:
        call = self._turn.popleft()
        work = self._work[call]
        first = work.popleft()
        if work:
            self._turn.append(call)
        return call, first

    # ── doing it ──────────────────────────────────────────────────────────────────

    def _load(self, function: bytes) -> Callable[[], Senses] | None:
        try:
            new_senses: Callable[[], Senses] = pickle.loads(function)()  # noqa: S301 - our parent's
        except Exception as error:
            why = str(error) if isinstance(error, AsrError) else type(error).__name__
            self._socket.sendall(message(Tell.NOT_LOADED, 0, why.encode()))
            return None
        be_silent()
        self._socket.sendall(message(Tell.LOADED))
        return new_senses

    def _do(self, new_senses: Callable[[], Senses], call: int, ask: Ask, content: bytes) -> None:
        try:
            match ask:
                case Ask.OPEN:
                    self._senses[call] = new_senses()
                case Ask.CLOSE:
                    for kept in (self._senses, self._told, self._work):
                        kept.pop(call, None)
                case Ask.HEAR | Ask.PASS:
                    pcm = np.frombuffer(content, np.int16)
                    sensed = self._senses[call].hear(pcm, listen=ask is Ask.HEAR)
                    self._answer(Tell.SENSED, call, pack_sensed(sensed, self._told.get(call)))
                    if isinstance(sensed.listened, Listened):
                        self._told[call] = sensed.listened
                case Ask.FINISH | Ask.CUT:
                    settled = self._senses[call].settle(ask is Ask.CUT)
                    self._answer(Tell.SETTLED, call, pack_listened(settled))
                case _:
                    self._answer(Tell.PONG, call)
        except ListenerFault as fault:
            self._answer(Tell.FAULT, call, str(fault).encode())
        except Exception as error:  # its text may hold what a caller said
            if ask is Ask.OPEN:
                return  # what is asked of it is answered like this
            self._answer(Tell.FAILED, call, type(error).__name__.encode())

    def _answer(self, tell: Tell, call: int, content: bytes = b"") -> None:
        if not self._answers:
            self._waiting_since = time.monotonic()
        self._answers.append(message(tell, call, content))

    def _flush(self) -> None:
        self._socket.sendall(b"".join(self._answers))
        self._answers.clear()


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:4]))
    os._exit(0)  # without the ends of native threads
