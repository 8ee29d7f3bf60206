"""One utterance, spoken to a server over as many connections as it takes.

The caller's threads put audio into the ring and wait for results under one condition; a task in
the loop's thread sends and reads. A server that goes away, or that was asked for a final and is
then given more audio, gets what it has not closed yet once more on a new connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Condition, Lock

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import CloseCode

from asr.errors import RemoteError, RemoteRefused, RemoteTooSlow
from asr.hypothesis import Hypothesis
from asr.remote.address import RemoteServer
from asr.remote.audio_ring import AudioRing
from asr.remote.dialect import SAMPLE_RATE, Answer, Dialect, Segment, Transcript
from asr.remote.loop import LoopThread
from asr.remote.reading import read_final, read_partial
from asr.remote.socket import open_socket


@dataclass(frozen=True, slots=True)
class Limits:
    """How long anything may take, seconds, and what is kept."""

    final_s: float = 1.5
    """After this the best partial is the final."""
    partial_s: float = 0.2
    """How long a partial is waited for, so that it knows of the newest audio."""
    connect_s: float = 2.0
    first_retry_s: float = 0.1
    """Doubled with each failure in a row."""
    most_retry_s: float = 5.0
    afterthought_s: float = 0.3
    """How long a message that may be the last is given to prove it."""
    buffer_s: float = 60.0
    """Audio of a call kept to be sent, or sent again; older audio is lost, and counted."""


class Counts:
    """What did not go as it should: "late_finals", "failures", "lost_samples"."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        """From any thread."""
        with self._lock:
            self._counts[what] += count

    def __getitem__(self, what: str) -> int:
        return self._counts[what]


@dataclass(frozen=True, slots=True)
class Link:
    """A server and how to speak to it, shared by all calls."""

    dialect: Dialect
    server: RemoteServer
    tls: ssl.SSLContext | None
    limits: Limits
    loop: LoopThread = field(default_factory=lambda: LoopThread("remote-asr"))
    counts: Counts = field(default_factory=Counts)


class Conversation:
    """An utterance of one stream.

    All methods but ``run`` are called with ``changed`` held, in any thread.

    Args:
        link: the server.
        ring: the stream's audio.
        changed: held while anything here or in the ring is changed.
        begin: where in the ring the utterance begins.
    """

    def __init__(self, link: Link, ring: AudioRing, changed: Condition, begin: int) -> None:
        self._link, self._ring, self._changed = link, ring, changed
        self.begin = begin
        self._end: int | None = None
        self._wanted: int | None = None
        self._waiting = 0
        self._audio = asyncio.Event()
        self._kept: list[Segment] = []
        self._origin = self._position = begin
        self._transcript: Transcript | None = None
        self._lost = begin
        self._ended_at: int | None = None
        self._newest: Hypothesis | None = None
        self._heard_before = ""
        self._final: Hypothesis | None = None
        self._final_at = begin
        self._failure: RemoteError | None = None

    # ── the caller's side ─────────────────────────────────────────────────────────

    def fed(self) -> None:
        """There is more audio in the ring."""
        if not self._waiting:
            self._wanted = None
        self._poke()

    def close(self) -> None:
        """What is fed from now on is none of this utterance."""
        self._end = self._ring.end

    def newest(self) -> Hypothesis | None:
        """The newest partial."""
        return self._newest

    def partial(self) -> Hypothesis:
        """The newest partial; waits a little for one that knows of all audio.

        Raises:
            RemoteRefused: the server will have none of us.
        """
        target = self._audio_end
        self._changed.wait_for(lambda: self._knows(target), self._link.limits.partial_s)
        if self._newest is None and isinstance(self._failure, RemoteRefused):
            raise self._failure
        return self._newest or Hypothesis(
            self._link.dialect.name, start=self.begin / SAMPLE_RATE, end=target / SAMPLE_RATE
        )

    def final(self, deadline_s: float) -> Hypothesis:
        """The final; after the deadline the best partial instead.

        Raises:
            RemoteError: there is no partial either, and why.
        """
        end = self._audio_end
        if end > self._final_at:
            self._wanted = end
            self._poke()
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._decided(end), deadline_s)
            finally:
                self._waiting -= 1
        if self._final_at >= end:
            return self._final or self._nothing(end)
        return self._late(end)

    # ── the loop's side ───────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Speak to the server until cancelled."""
        retries = _retries(self._link.limits)
        while True:
            await self._something_to_say()
            try:
                async with open_socket(
                    self._link.server, self._link.tls, connect_timeout_s=self._link.limits.connect_s
                ) as socket:
                    await self._talk(socket)
                retries = _retries(self._link.limits)
            except RemoteError as error:
                self._link.counts.add("failures")
                with self._changed:
                    if self._newly_heard():
                        retries = _retries(self._link.limits)
                    self._failure = error
                    self._changed.notify_all()
                await asyncio.sleep(next(retries))

    async def _something_to_say(self) -> None:
        while True:
            self._audio.clear()
            with self._changed:
                if self._audio_end > self._final_at:
                    return
            await self._audio.wait()

    async def _talk(self, socket: ClientConnection) -> None:
        """One connection: to the final, or until more audio follows an end."""
        with self._changed:
            transcript = self._begin_connection()
        await socket.send(self._link.dialect.opening())
        receiving = asyncio.ensure_future(self._receive(socket, transcript))
        sending = asyncio.ensure_future(self._send(socket, transcript))
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            receiving.cancel()
            sending.cancel()
            received, sent = await asyncio.gather(receiving, sending, return_exceptions=True)
        if received is None:
            return  # the final is there, whatever became of the socket
        for outcome in (received, sent):
            if isinstance(outcome, Exception):
                raise outcome

    async def _send(self, socket: ClientConnection, transcript: Transcript) -> None:
        """Audio as it comes, and the end when a final is wanted; returns if more came after it."""
        dialect = self._link.dialect
        while True:
            self._audio.clear()
            with self._changed:
                if self._outrun():
                    return
                frame = self._next_frame()
                ends = self._wanted is not None and self._position >= self._wanted
                ends = ends and self._ended_at is None
                if ends:
                    self._ended_at = self._position
            if frame is not None:
                await self._say(socket, transcript, frame)
            if ends:
                for _ in range(dialect.silence // dialect.frame):
                    await self._say(socket, transcript, bytes(2 * dialect.frame))
                with self._changed:
                    transcript.ended()
                await socket.send(dialect.ending())
            elif frame is None:
                await self._audio.wait()

    async def _say(self, socket: ClientConnection, transcript: Transcript, frame: bytes) -> None:
        with self._changed:  # before it goes out: an answer may be quick
            transcript.sent(len(frame) // 2)
        await socket.send(frame)

    async def _receive(self, socket: ClientConnection, transcript: Transcript) -> None:
        """Answers, up to the last one."""
        patience: float | None = None
        answered_end = False
        while True:
            try:
                async with asyncio.timeout(patience):
                    message = await socket.recv()
            except TimeoutError:
                break
            except ConnectionClosedOK as closed:
                if not (
                    answered_end and closed.rcvd and closed.rcvd.code == CloseCode.NORMAL_CLOSURE
                ):
                    raise
                break
            with self._changed:
                answered_end = self._ended_at is not None
                answer = transcript.take(message)
                self._failure = None
                if answer is not Answer.LAST:
                    self._update()
            if answer is Answer.LAST:
                break
            perhaps = answer is Answer.PERHAPS_LAST
            patience = self._link.limits.afterthought_s if perhaps else None
        with self._changed:
            self._conclude(transcript)

    # ── the state between them ────────────────────────────────────────────────────

    @property
    def _audio_end(self) -> int:
        return self._ring.end if self._end is None else self._end

    def _poke(self) -> None:
        self._link.loop.call(self._audio.set)

    def _knows(self, target: int) -> bool:
        """Whether waiting longer for a partial of the audio up to ``target`` is of no use."""
        if self._failure is not None or self._final_at >= target:
            return True
        return self._transcript is not None and self._transcript.answered(target - self._origin)

    def _decided(self, end: int) -> bool:
        return self._final_at >= end or isinstance(self._failure, RemoteRefused)

    def _begin_connection(self) -> Transcript:
        """Keep what is closed for good, and go back to where the rest begins."""
        self._keep_closed()
        first = self._ring.first
        if self._position < first:
            self._link.counts.add("lost_samples", max(0, first - max(self._position, self._lost)))
            self._position = self._lost = first
        self._origin = self._position
        self._ended_at = None
        self._heard_before = self._newest.text if self._newest else ""
        self._transcript = self._link.dialect.transcript()
        return self._transcript

    def _keep_closed(self) -> None:
        """A segment is kept if the next one begins where it ends, or its audio is gone.

        One that ended in the silence after an end may go on in the audio that followed.
        """
        heard = self._segments()
        limit = self._position if self._ended_at is None else self._ended_at
        count = max((i + 1 for i, s in enumerate(heard) if s.exact and s.until <= limit), default=0)
        while count < len(heard) and heard[count].until <= self._ring.first:
            count += 1
        self._kept = heard[:count]
        self._position = self._kept[-1].until if self._kept else self.begin

    def _segments(self) -> list[Segment]:
        if self._transcript is None:
            return self._kept
        new = [segment.later(self._origin) for segment in self._transcript.segments]
        return [*self._kept, *new]

    def _newly_heard(self) -> bool:
        """Whether the connection that broke had brought anything."""
        return self._transcript is not None and bool(
            self._transcript.segments or self._transcript.partial
        )

    def _outrun(self) -> bool:
        """Whether audio came after the end that was sent, and nobody waits for that final."""
        ended = self._ended_at
        return ended is not None and self._audio_end > ended and not self._waiting

    def _next_frame(self) -> bytes | None:
        """The next message's audio: a whole frame, or what is left before a wanted end.

        Raises:
            RemoteTooSlow: it is no longer in the ring; the next connection goes on after it.
        """
        if self._ended_at is not None:
            return None
        if self._position < self._ring.first:
            seconds = self._link.limits.buffer_s
            raise RemoteTooSlow(f"The speech server is more than {seconds:g} seconds behind.")
        frame = self._link.dialect.frame
        end = self._audio_end if self._wanted is None else self._wanted
        size = min(frame, end - self._position)
        if size <= 0 or (size < frame and self._wanted is None):
            return None
        pcm = self._ring.read(self._position, self._position + size)
        self._position += size
        return np.pad(pcm, (0, frame - size)).astype("<i2").tobytes()

    def _update(self) -> None:
        """A new partial; while a new connection catches up, what was heard before stands."""
        assert self._transcript is not None
        before = self._newest.text if self._newest else ""
        partial = read_partial(
            self._link.dialect.name, self._segments(), self._transcript.partial,
            begin=self.begin, end=self._position, before=before,
        )  # fmt: skip
        if len(partial.text) >= len(self._heard_before):
            self._heard_before = ""
            if partial.text or self._newest:
                self._newest = partial
        self._changed.notify_all()

    def _conclude(self, transcript: Transcript) -> None:
        assert self._ended_at is not None
        self._final = read_final(
            self._link.dialect.name, self._segments(), transcript.partial,
            begin=self.begin, end=self._ended_at,
        )  # fmt: skip
        self._final_at = self._ended_at
        self._wanted = None
        self._changed.notify_all()

    def _late(self, end: int) -> Hypothesis:
        """There is no final in time."""
        self._link.counts.add("late_finals")
        if self._newest is not None:
            text = self._newest.text
            return replace(self._newest, final=True, stable=len(text), end=end / SAMPLE_RATE)
        if self._failure is not None:
            raise self._failure
        if self._link.dialect.silent_if_nothing and self._ended_at is not None:
            return self._nothing(end)
        raise RemoteTooSlow(
            "The speech server gave no text in time; it may be overloaded. Give it more "
            "processors or raise asr.final_deadline_s."
        )

    def _nothing(self, end: int) -> Hypothesis:
        return Hypothesis(
            self._link.dialect.name, start=self.begin / SAMPLE_RATE, end=end / SAMPLE_RATE,
            final=True,
        )  # fmt: skip


def _retries(limits: Limits) -> Iterator[float]:
    """Seconds to wait before each new try."""
    delay = limits.first_retry_s
    while True:
        yield delay
        delay = min(limits.most_retry_s, 2 * delay)
