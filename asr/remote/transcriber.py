"""A speech server as a ``Recognizer``."""

from __future__ import annotations

import weakref
from dataclasses import replace
from threading import Condition

from asr.errors import RemoteTooSlow
from asr.hypothesis import Capabilities, Hypothesis, Pcm, RecognizerStream, as_pcm
from asr.remote.address import RemoteServer
from asr.remote.audio_ring import AudioRing
from asr.remote.conversation import Conversation, Counts, Limits, Link
from asr.remote.dialect import SAMPLE_RATE, Dialect
from asr.streaming import ChunkedStream


class RemoteTranscriber:
    """A server for all calls; each utterance has a connection of its own.

    Nothing is connected before there is audio, so a server that is away for now is no error here.

    Args:
        dialect: its protocol, ``VoskServer()`` or ``FunAsr()``.
        server: its address.
        limits: deadlines and buffers.

    Raises:
        RemoteAddressInvalid: the certificates to check it with cannot be read.
    """

    def __init__(
        self, dialect: Dialect, server: RemoteServer, *, limits: Limits | None = None
    ) -> None:
        self._link = Link(dialect, server, server.tls(), limits or Limits())

    workers = 16
    """Utterances that may be waited for at a time: the server does the work, and one that is slow
    to answer must not hold up the others."""

    @property
    def name(self) -> str:
        """The engine's name as in ``Hypothesis.engine``."""
        return self._link.dialect.name

    @property
    def capabilities(self) -> Capabilities:
        """What such a server can do."""
        return self._link.dialect.capabilities

    @property
    def counts(self) -> Counts:
        """What did not go as it should, since the start."""
        return self._link.counts

    def stream(self) -> RecognizerStream:
        """A new stream for one call; of a server without partials, one that asks again and again.

        A stream that is let go closes its connection.
        """
        if self.capabilities.streaming:
            return RemoteStream(self._link)
        return ChunkedStream(self.name, self._quick, self._whole)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final text of an utterance; waits as long as it is, and the final's deadline.

        Raises:
            RemoteError: the server gave nothing, and why.
        """
        seconds = len(pcm) / SAMPLE_RATE
        return self._finish(pcm, deadline_s=self._link.limits.final_s + seconds)

    def _whole(self, pcm: Pcm) -> Hypothesis:
        return self._finish(pcm, deadline_s=self._link.limits.final_s)

    def _quick(self, pcm: Pcm) -> Hypothesis:
        """A partial that is late is none, and no fault."""
        try:
            return replace(self._whole(pcm), final=False)
        except RemoteTooSlow:
            return Hypothesis(self.name, end=len(pcm) / SAMPLE_RATE)

    def _finish(self, pcm: Pcm, *, deadline_s: float) -> Hypothesis:
        stream = RemoteStream(self._link, at_least_s=len(pcm) / SAMPLE_RATE)
        stream.feed(pcm)
        return stream.finish(deadline_s)


class RemoteStream:
    """One call's audio on its way to a server. ``feed`` never waits; ``decode`` and ``finish`` do,
    no longer than their deadlines."""

    def __init__(self, link: Link, *, at_least_s: float = 0.0) -> None:
        self._link = link
        seconds = max(link.limits.buffer_s, at_least_s)
        self._ring = AudioRing(round(seconds * SAMPLE_RATE) + 1)
        self._changed = Condition()
        self._begin_utterance(at=0)

    def feed(self, pcm: Pcm) -> None:
        """Take float32 mono samples at 16 kHz, any number."""
        pcm = as_pcm(pcm)
        if not pcm.size:
            return
        with self._changed:
            self._ring.append(pcm)
            self._start()
            self._conversation.fed()

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial of this utterance; None while nothing was heard."""
        with self._changed:
            return self._conversation.newest()

    def decode(self, final: bool = False) -> Hypothesis:
        """What was heard of the audio so far. After a final more audio may follow.

        Raises:
            RemoteError: the server gave nothing at all, and why.
        """
        with self._changed:
            if final:
                return self._conversation.final(self._link.limits.final_s)
            return self._conversation.partial()

    def finish(self, deadline_s: float | None = None) -> Hypothesis:
        """The final hypothesis; what is fed from now on belongs to the next utterance.

        Raises:
            RemoteError: the server gave nothing at all, and why.
        """
        with self._changed:
            conversation, stop = self._conversation, self._stop
            conversation.close()
            self._begin_utterance(at=self._ring.end)
            try:
                return conversation.final(deadline_s or self._link.limits.final_s)
            finally:
                if stop is not None:
                    stop()

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio."""
        with self._changed:
            if self._stop is not None:
                self._stop()
            kept = round(keep_seconds * SAMPLE_RATE)
            self._begin_utterance(at=max(self._ring.first, self._ring.end - kept))
            if kept and self._ring.end:
                self._start()

    def _begin_utterance(self, *, at: int) -> None:
        self._conversation = Conversation(self._link, self._ring, self._changed, at)
        self._stop: weakref.finalize[[], RemoteStream] | None = None

    def _start(self) -> None:
        """The conversation runs while this stream is held by anybody."""
        if self._stop is None:
            running = self._link.loop.start(self._conversation.run())
            self._stop = weakref.finalize(self, running.cancel)
            self._stop.atexit = False
