"""The nodes as a ``Recognizer``, for a process that has no transcriber's weights."""

from __future__ import annotations

import asyncio
import time
import weakref
from concurrent.futures import Future
from typing import Final

import structlog

from asr.hypothesis import Capabilities, Hypothesis, Pcm, as_pcm
from asr.nodes.address import NatsServers
from asr.nodes.asking import Asking, Limits, NoAnswer
from asr.nodes.messages import LONGEST_S, SAMPLE_RATE, Status
from asr.remote.loop import LoopThread
from asr.streaming import ChunkedStream
from asr.urgency import current

log = structlog.get_logger()

FIRST_S: Final = 2.0
"""How long the first node is waited for at the start; it may as well come later."""


class NodesTranscriber:
    """Shared by all calls and threads. Whoever asks waits without the interpreter lock.

    Nodes may come and go: each decode is asked of those that are there, and again of another one
    where a node is lost (`asr.nodes.asking`).

    Args:
        servers: where the nodes are met.
        limits: deadlines.
        first_s: how long the first node is waited for, seconds.

    Raises:
        RemoteAddressInvalid: the servers' certificates cannot be read.
    """

    name = "nats"
    capabilities = Capabilities(
        streaming=False, n_best=True, word_times=False, hot_words=False, phonetic=False,
        languages=("zh", "en"),
    )  # fmt: skip
    """What nodes with the usual engine can do; a hypothesis names the one that it is from."""
    most_workers = 32
    """Decodes that may be asked for at a time, however many nodes come."""

    def __init__(
        self, servers: NatsServers, *, limits: Limits | None = None, first_s: float = FIRST_S
    ) -> None:
        loop = LoopThread("asr-nodes")

        async def made() -> Asking:
            return Asking(servers, limits or Limits())

        self._loop, self._asking = loop, loop.start(made()).result()
        running = loop.start(self._asking.run())
        self._close = weakref.finalize(self, running.cancel)
        self._close.atexit = False
        self._await_first(first_s)

    @property
    def workers(self) -> int:
        """Decodes that the nodes there are do at a time; 0 without any."""
        return self._asking.roster.workers(time.monotonic())

    @property
    def share(self) -> float:
        """Of the workers, what other processes leave to this one."""
        return self._asking.roster.share(time.monotonic())

    @property
    def nodes(self) -> tuple[Status, ...]:
        """Those there are, by name."""
        return self._asking.roster.nodes(time.monotonic())

    @property
    def counts(self) -> dict[str, int]:
        """What did not go as it should, since the start."""
        return dict(self._asking.counts)

    @property
    def why_away(self) -> str:
        """What keeps us from NATS; "" where it is there."""
        connection = self._asking.mailbox.connection
        return "" if connection.up else connection.why

    @property
    def max_payload(self) -> int | None:
        """Bytes that NATS takes in a message; None while it is away."""
        return self._asking.mailbox.connection.max_payload

    def stream(self) -> NodesStream:
        """A new stream for one call."""
        return NodesStream(self)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final hypothesis of one utterance; a long one is cut at its pauses.

        Raises:
            NodesAway: no node is there, or NATS is away.
            EngineLost: those that were asked were lost.
            DecodeFailed: the engine of one raised.
        """
        pcm = as_pcm(pcm)
        if pcm.size > LONGEST_S * SAMPLE_RATE:
            stream = self.stream()
            stream.feed(pcm)
            return stream.finish()
        return self.ask(pcm, final=True)

    def ask(self, pcm: Pcm, *, final: bool) -> Hypothesis:
        """At most ``LONGEST_S`` of audio, decoded by a node.

        Raises as ``transcribe``; of a partial ``NoAnswer`` alone.
        """
        urgency = current(final=final)
        asked: Future[Hypothesis] = self._loop.start(
            self._asking.decode(pcm, final=final, urgency=urgency)
        )
        return asked.result()

    def close(self) -> None:
        """Lets NATS go now."""
        if self._close.alive:
            self._loop.start(self._asking.leave()).result()
            self._close()

    def _await_first(self, seconds: float) -> None:
        async def first() -> bool:
            try:
                async with asyncio.timeout(seconds):
                    return await self._asking.mailbox.heard_of_one.wait()
            except TimeoutError:
                return False

        if not self._loop.start(first()).result():
            why = self.why_away or "no node says that it is there"
            log.error("asr_nodes_away", reason=why, remedy="voicebot serve --roles asr")


class NodesStream:
    """One call's audio, decoded by nodes. A partial that no node gives is the one before."""

    def __init__(self, nodes: NodesTranscriber) -> None:
        self._name = nodes.name
        self._stream = ChunkedStream(
            "",  # each hypothesis names its engine
            lambda pcm: nodes.ask(pcm, final=False),
            lambda pcm: nodes.ask(pcm, final=True),
        )

    def feed(self, pcm: Pcm) -> None:
        """Store float32 mono samples at 16 kHz; costs nothing."""
        self._stream.feed(pcm)

    def hypothesis(self) -> Hypothesis | None:
        """The newest partial; None before the first of this utterance."""
        return self._stream.hypothesis()

    def decode(self, final: bool = False) -> Hypothesis:
        """Recognise the audio fed since the last reset; blocks, one decode at a time.

        Raises:
            EngineLost: of a final: nodes were lost, or none is there. The audio is kept: ask again.
            DecodeFailed: of a final: the engine raised.
        """
        try:
            return self._stream.decode(final)
        except NoAnswer:
            end = self._stream.pending_seconds
            return self._stream.hypothesis() or Hypothesis(self._name, end=end)

    def finish(self) -> Hypothesis:
        """The final hypothesis; what is fed meanwhile belongs to the next utterance.

        Raises as ``decode``; the utterance is then not over.
        """
        return self._stream.finish()

    def reset(self, *, keep_seconds: float = 0.0) -> None:
        """Begin a new utterance with the last ``keep_seconds`` of audio; never waits."""
        self._stream.reset(keep_seconds=keep_seconds)
