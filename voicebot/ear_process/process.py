"""One ear process as the service sees it. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

from asr.supervised import child
from telephony.codecs import Int16
from voicebot.call.caller_ear import Listened, ListenerFault, Senses
from voicebot.ear_process.board import Board
from voicebot.ear_process.place import OnSensed, OnSettled, WorkFailed
from voicebot.ear_process.stall import hangs
from voicebot.ear_process.wire import (
    Ask,
    Inbox,
    Nonsense,
    Tell,
    message,
    text,
    unpack_listened,
    unpack_sensed,
)

NewSenses = Callable[[], Senses]
Opens = Callable[[], NewSenses]
"""Loads the models; picklable."""


class NotLoaded(Exception):
    """The process cannot be had; the text says why."""


class Started(NamedTuple):
    """What `start` made."""

    process: subprocess.Popen[bytes]
    end: socket.socket
    board: Board


def start() -> Started:
    """Blocks some milliseconds. The process ends with the thread that calls this.

    Raises:
        OSError: it does not start.
    """
    ours, theirs = socket.socketpair()
    file = Board.new_file()
    try:
        process = child.start("voicebot.ear_process.program", theirs, file)
        return Started(process, ours, Board(file))
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(file)


class EarProcess(asyncio.BufferedProtocol):
    """Parameters:
    lost: told once, when it has ended, hangs or answers nonsense, and how if that is known.
    """

    def __init__(self, started: Started, lost: Callable[[EarProcess, str], None]) -> None:
        self._process, self._board = started.process, started.board
        self._end, self._on_lost = started.end, lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._inbox = Inbox()
        self._unsent: list[bytes] = []
        self._seats: dict[int, Seat] = {}
        self._numbers = 0
        self._pings = 0
        self._loaded: asyncio.Future[str] = self._loop.create_future()
        """Why it is not loaded, once that is known; empty if it is."""
        self._loaded_bytes = 0
        self.is_lost = False
        self._seen = self._board.read().done
        self._still_s = self._ran_s = 0.0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """Memory in use; 0 where it cannot be known."""
        return child.resident_bytes(self.pid)

    @property
    def grown_bytes(self) -> int:
        """Memory in use beyond that of its loaded models; to ask takes some µs."""
        return self.resident_bytes - self._loaded_bytes

    @property
    def seats(self) -> Collection[Seat]:
        """Of the calls that are heard there."""
        return self._seats.values()

    async def load(self, opens: Opens, seconds: float) -> None:
        """Wait for its models.

        Raises:
            NotLoaded: they do not load, it ended, or took too long.
        """
        await self._loop.create_unix_connection(lambda: self, sock=self._end)
        self.send(message(Ask.LOAD, 0, pickle.dumps(opens)))
        try:
            async with asyncio.timeout(seconds):
                why_not = await self._loaded
        except TimeoutError:
            self.lose("took too long to load")
            raise NotLoaded(f"it is not loaded within {seconds:.0f} s") from None
        if why_not:
            raise NotLoaded(why_not)
        if self.is_lost:
            raise NotLoaded("it ended as soon as it was loaded")
        self._loaded_bytes = self.resident_bytes

    def open(self) -> Seat:
        """A place for a call's audio from here on."""
        self._numbers += 1
        seat = self._seats[self._numbers] = Seat(self, self._numbers)
        self.send(message(Ask.OPEN, self._numbers))
        return seat

    def close(self, number: int) -> None:
        """Of a seat: it is free."""
        if self._seats.pop(number, None) is not None:
            self.send(message(Ask.CLOSE, number))

    @property
    def at_work(self) -> Seat | None:
        """Whose audio it is at, or was when it ended."""
        return self._seats.get(self._board.read().call)

    def lose(self, how: str = "") -> None:
        """It is of no more use: it is killed."""
        if self.is_lost:
            return
        self._kill()
        if not self._loaded.done():
            self._loaded.set_result(how or "it ended while loading")
        self._on_lost(self, how)
        self._seats.clear()

    def end(self) -> None:
        """It has done its work: it is killed too, and is not lost to anybody."""
        self._kill()
        self._seats.clear()

    def _kill(self) -> None:
        self.is_lost = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    def buried(self) -> str:
        """Waits for its end: how it ended. Blocks, for a moment."""
        try:
            return child.how_it_ended(self._process.wait(1.0))
        except subprocess.TimeoutExpired:
            return "does not end"

    # ── does it hang? ─────────────────────────────────────────────────────────────

    def watch(self, since_s: float) -> None:
        """To be called every so often. One without work gets some.

        Parameters:
            since_s: the usual time between two calls; more has passed if this process itself got
                no processor, and that is not held against it.
        """
        done = self._board.read().done
        busy = self._pings > 0 or any(seat.waiting for seat in self._seats.values())
        if done != self._seen or not busy:
            self._seen, self._still_s = done, 0.0
            self._ran_s = _ran_s(self.pid)
        else:
            self._still_s += since_s
            state, ran_s = _state(self.pid), _ran_s(self.pid) - self._ran_s
            if hangs(self._still_s, state, ran_s):
                self.lose(f"no answer in {self._still_s:.1f} s")
                return
        if not busy:
            self._pings += 1
            self.send(message(Ask.PING))

    # ── the wire ──────────────────────────────────────────────────────────────────

    def send(self, content: bytes) -> None:
        """With what else is sent at this turn of the loop."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(content)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(unsent))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox.space()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for kind, call, content in self._inbox.filled(nbytes):
                self._take(kind, call, content)
        except Nonsense:
            self.lose("answered nonsense")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose()

    def _take(self, kind: int, call: int, content: bytes) -> None:
        seat = self._seats.get(call)
        if seat is not None:
            seat.take(kind, content)
        elif kind == Tell.PONG:
            self._pings -= 1
        elif kind == Tell.LOADED and not self._loaded.done():
            self._loaded.set_result("")
        elif kind == Tell.NOT_LOADED and not self._loaded.done():
            self._loaded.set_result(text(content))
            self.lose("could not load")


class Seat:
    """One call's place there."""

    def __init__(self, process: EarProcess, number: int) -> None:
        self._process, self._number = process, number
        self._answers: deque[tuple[OnSensed | None, OnSettled | None]] = deque()
        self._newest: Listened | None = None

    @property
    def waiting(self) -> int:
        """Answers that are owed."""
        return len(self._answers)

    def hear(self, pcm: Int16, listen: bool, answer: OnSensed) -> None:
        self._answers.append((answer, None))
        ask = Ask.HEAR if listen else Ask.PASS
        self._process.send(message(ask, self._number, pcm.tobytes()))

    def settle(self, cut: bool, answer: OnSettled) -> None:
        self._answers.append((None, answer))
        self._process.send(message(Ask.CUT if cut else Ask.FINISH, self._number))

    def close(self) -> None:
        self._process.close(self._number)

    def take(self, kind: int, content: bytes) -> None:
        """The next answer.

        Raises:
            Nonsense: it is none.
        """
        if not self._answers:
            raise Nonsense("an answer to nothing")
        sensed, settled = self._answers.popleft()
        if kind == Tell.SENSED and sensed is not None:
            found = unpack_sensed(content, self._newest)
            if isinstance(found.listened, Listened):
                self._newest = found.listened
            sensed(found)
        elif kind == Tell.SETTLED and settled is not None:
            settled(unpack_listened(content))
        elif kind == Tell.FAULT and settled is not None:
            settled(ListenerFault(text(content)))
        elif kind == Tell.FAILED:
            failed = WorkFailed(text(content))
            if sensed is not None:
                sensed(failed)
            elif settled is not None:
                settled(failed)
        else:
            raise Nonsense("another answer than was asked for")


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _ran_s(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
