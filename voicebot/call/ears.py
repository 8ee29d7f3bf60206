"""The two ears of one call: from 20 ms of audio to hypotheses and turn ends.

The listener hears everything, all the time; the transcriber decodes the present
turn every so often, at once when the voice pauses (so that the final is ready when
the turn is found to have ended), and through a pool shared by all calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr.hypothesis import Hypothesis, Recognizer, RecognizerStream
from asr.rerank import invented, rerank
from flows.events import CallerSpeaking, Ear, EngineFailed, Event, Heard, TurnEnded
from voicebot.call.decoding import DecodePool
from voicebot.call.endpointing import Edge, Endpointer, EndpointingLimits
from voicebot.call.voice import SmartTurn, VoiceDetector

RATE = 16_000
PRE_ROLL_S = 0.4
"""Audio kept from before the voice was detected: soft first syllables."""

LISTENER_STEP_S = 0.1
"""The listener is fed in steps of this length; its own chunk is 320 ms."""

MIN_DECODE_S = 0.3
"""Shorter audio holds no word worth a decode."""

T = TypeVar("T")
Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]


class _Transcription:
    """One turn on its way through the transcriber.

    `take` costs nothing; recognising, which some engines do inside `feed`, happens in
    `decode`, in the pool's thread.
    """

    def __init__(self, transcriber: Recognizer) -> None:
        self._transcriber = transcriber
        self._stream: RecognizerStream | None = None
        self._waiting: deque[Float32] = deque()
        self.taken = 0
        """Samples."""

    def take(self, pcm: Float32) -> None:
        self._waiting.append(pcm)
        self.taken += len(pcm)

    def decode(self, *, final: bool) -> Hypothesis:
        """Blocks; one decode at a time."""
        if self._stream is None:
            self._stream = self._transcriber.stream()
        while self._waiting:
            self._stream.feed(self._waiting.popleft())
        return self._stream.decode(final=final)


@dataclass(slots=True)
class _Speculation:
    """A final decoded ahead of time, and how much of the turn it covers."""

    samples: int
    result: asyncio.Task[Hypothesis | None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn that is over: what its last decode needs, safe from the turn that follows."""

    turn: int
    start: float
    samples: int
    needed: int
    transcription: _Transcription | None
    speculation: _Speculation | None


class Ears:
    """Hears one caller.

    Parameters:
        emit: takes the events, in order.
        listener, transcriber: the shared recognisers; either may be missing.
        pool: the transcriber's queue.
        executor: thread for the listener and the voice detector.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        *,
        listener: Recognizer | None,
        transcriber: Recognizer | None,
        pool: DecodePool,
        executor: Executor,
        voice: VoiceDetector,
        smart_turn: SmartTurn | None,
        limits: EndpointingLimits,
        threshold: float,
        partial_every_s: float,
    ) -> None:
        self._emit, self._pool, self._executor = emit, pool, executor
        self._listening: RecognizerStream | None = listener.stream() if listener else None
        self._transcriber = transcriber
        self._transcription: _Transcription | None = None
        self._voice, self._smart_turn = voice, smart_turn
        self._endpointer = Endpointer(limits, threshold=threshold)
        self._partial_every = round(partial_every_s * RATE)
        self._samples = 0
        self._history: deque[Int16] = deque()
        self._history_samples = 0
        self._step: list[Int16] = []
        self._step_samples = 0
        self.turn = 0
        self._turn_start = 0
        self._turn_audio: list[Int16] = []
        self._turn_samples = 0
        self._last_voice = 0
        self._syllables: tuple[str, ...] = ()
        self._decoding = self._hurried = False
        self._asked_at = 0
        self._speculation: _Speculation | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def at(self) -> float:
        """Seconds of audio heard: the call's clock."""
        return self._samples / RATE

    @property
    def speaking(self) -> bool:
        return self._endpointer.in_turn and self._endpointer.silence_s < 0.4

    async def feed(self, pcm: Int16) -> None:
        """The next stretch of the caller's audio, 16 kHz mono int16, any length."""
        self._samples += len(pcm)
        self._remember(pcm)
        for probability, samples in await self._voice.probabilities(pcm):
            if probability >= 0.4:
                self._last_voice = self._turn_samples
            edge = self._endpointer.push(probability, samples / RATE)
            self._on_edge(edge)
        self._step.append(pcm)
        self._step_samples += len(pcm)
        if self._listening is not None and self._step_samples >= LISTENER_STEP_S * RATE:
            await self._listen()
        if self._endpointer.in_turn and self._partial_due():
            self._decode(final=False)

    def transcribe_now(self, turn: int) -> None:
        """A partial of the turn so far, at once or when the decode at work is done."""
        if turn == self.turn and self._endpointer.in_turn:
            self._hurried = True
            self._hurry()

    # ── turns ─────────────────────────────────────────────────────────────────────

    def _remember(self, pcm: Int16) -> None:
        self._history.append(pcm)
        self._history_samples += len(pcm)
        while self._history_samples - len(self._history[0]) > PRE_ROLL_S * RATE:
            self._history_samples -= len(self._history.popleft())
        if self._endpointer.in_turn:
            self._turn_audio.append(pcm)
            self._turn_samples += len(pcm)

    def _on_edge(self, edge: Edge) -> None:
        match edge:
            case Edge.BEGAN:
                self._begin_turn()
            case Edge.PAUSED:
                self._decode(final=True)
            case Edge.FLOOR:
                self._spawn(self._ask_smart_turn())
            case Edge.ENDED:
                self._end_turn()
            case _:
                pass

    def _begin_turn(self) -> None:
        self.turn += 1
        self._turn_audio = list(self._history)
        self._turn_samples = self._last_voice = self._history_samples
        self._turn_start = self._samples - self._turn_samples
        self._asked_at = 0
        self._speculation = None
        self._decoding = self._hurried = False
        self._transcription = _Transcription(self._transcriber) if self._transcriber else None
        self._emit(CallerSpeaking(self.at, self.turn))

    def _end_turn(self) -> None:
        if self._transcription is not None:
            self._feed_transcriber(self._transcription)
        ended = _Ended(
            self.turn,
            self._turn_start / RATE,
            self._turn_samples,
            self._last_voice,
            self._transcription,
            self._speculation,
        )
        self._spawn(self._finish(ended))

    async def _ask_smart_turn(self) -> None:
        """Is the sentence finished? Only the present silence may be ended by the answer."""
        turn = self.turn
        if self._smart_turn is None:
            complete = True
        else:
            complete = await self._smart_turn.complete(np.concatenate(self._turn_audio))
        still_silent = self._endpointer.silence_s >= self._endpointer.limits.floor_s
        if complete and turn == self.turn and self._endpointer.in_turn and still_silent:
            self._endpointer.end()
            self._end_turn()

    async def _finish(self, ended: _Ended) -> None:
        """Settle a turn: the listener's last syllables, the turn's end, the final text."""
        syllables = await self._settle_listener(ended)
        self._emit(TurnEnded(self.at, ended.turn))
        if ended.transcription is None:
            return
        hypothesis = None
        ahead = ended.speculation
        if ahead is not None and ahead.samples >= ended.needed:
            hypothesis = await ahead.result
        if hypothesis is None:
            hypothesis = await self._hypothesis(ended.transcription, final=True)
        if hypothesis is None:
            return
        if self._listening is not None:
            # Two ears: the listener picks among the readings, and where it heard no
            # syllable at all the words were made of noise.
            hypothesis = rerank(hypothesis, syllables)
            if not syllables and invented(hypothesis, syllables):
                hypothesis = replace(hypothesis, text="", alternatives=())
        self._emit(self._heard(ended.turn, hypothesis, ended.start, final=True))

    async def _settle_listener(self, ended: _Ended) -> tuple[str, ...]:
        stream = self._listening
        if stream is None:
            return ()
        loop = asyncio.get_running_loop()
        await self._listen()
        try:
            last = await loop.run_in_executor(self._executor, stream.finish)
        except Exception as error:
            self._lose_listener(error)
            return ()
        syllables = last.syllables or self._syllables
        self._syllables = ()
        if syllables:
            self._emit(
                Heard(
                    self.at,
                    ended.turn,
                    Ear.LISTENER,
                    syllables=syllables,
                    final=True,
                    start=ended.start,
                    end=self.at,
                )
            )
        return syllables

    # ── the listener ──────────────────────────────────────────────────────────────

    async def _listen(self) -> None:
        stream, step = self._listening, self._step
        self._step, self._step_samples = [], 0
        if stream is None or not step:
            return
        audio = _float(np.concatenate(step))
        loop = asyncio.get_running_loop()
        try:
            heard = await loop.run_in_executor(self._executor, _listen_to, stream, audio)
        except Exception as error:
            self._lose_listener(error)
            return
        if heard.syllables == self._syllables:
            return
        self._syllables = heard.syllables
        if not self._endpointer.in_turn:
            if len(self._syllables) < 2:
                return
            # Words without a detected voice: short or soft answers (pipecat#984).
            self._endpointer.begin()
            self._begin_turn()
        self._emit(
            Heard(
                self.at,
                self.turn,
                Ear.LISTENER,
                syllables=self._syllables,
                start=self._turn_start / RATE,
                end=self.at,
            )
        )

    def _lose_listener(self, error: Exception) -> None:
        self._listening = None
        self._emit(EngineFailed(self.at, Ear.LISTENER, type(error).__name__))

    # ── the transcriber ───────────────────────────────────────────────────────────

    def _partial_due(self) -> bool:
        return (
            self._transcription is not None
            and not self._decoding
            and self._turn_samples - self._asked_at >= self._partial_every
        )

    def _hurry(self) -> None:
        """Decode what was spoken since the last decode was asked for, if that was wished."""
        new = self._last_voice - self._asked_at
        if self._hurried and not self._decoding and new >= MIN_DECODE_S * RATE:
            self._hurried = False
            self._decode(final=False)

    def _feed_transcriber(self, transcription: _Transcription) -> None:
        if transcription.taken < self._turn_samples:
            audio = np.concatenate(self._turn_audio)
            transcription.take(_float(audio[transcription.taken :]))

    def _decode(self, *, final: bool) -> None:
        transcription = self._transcription
        if transcription is None or self._turn_samples < MIN_DECODE_S * RATE:
            return
        self._asked_at = self._turn_samples
        self._feed_transcriber(transcription)
        decoding = self._spawn(self._decode_now(self.turn, transcription, final=final))
        if final:
            self._speculation = _Speculation(self._turn_samples, decoding)

    async def _decode_now(
        self, turn: int, transcription: _Transcription, *, final: bool
    ) -> Hypothesis | None:
        """Decode what was fed so far; it is a partial until the turn is known to be over."""
        start = self._turn_start / RATE
        self._decoding = True
        hypothesis = await self._hypothesis(transcription, final=final)
        if turn == self.turn:
            self._decoding = False
            if self._endpointer.in_turn:
                if hypothesis is not None:
                    self._emit(self._heard(turn, hypothesis, start, final=False))
                self._hurry()
        return hypothesis

    async def _hypothesis(self, transcription: _Transcription, *, final: bool) -> Hypothesis | None:
        try:
            return await self._pool.decode(
                transcription, partial(transcription.decode, final=final), final=final
            )
        except Exception as error:
            self._transcriber = self._transcription = None
            self._emit(EngineFailed(self.at, Ear.TRANSCRIBER, type(error).__name__))
            return None

    def _heard(self, turn: int, hypothesis: Hypothesis, start: float, *, final: bool) -> Heard:
        return Heard(
            self.at,
            turn,
            Ear.TRANSCRIBER,
            text=hypothesis.text,
            alternatives=hypothesis.alternatives,
            final=final,
            start=start,
            end=start + hypothesis.end,
        )

    # ── tasks ─────────────────────────────────────────────────────────────────────

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._voice.close()


def _float(pcm: Int16) -> Float32:
    return pcm.astype(np.float32) / 32768.0


def _listen_to(stream: RecognizerStream, audio: Float32) -> Hypothesis:
    stream.feed(audio)
    return stream.decode(final=False)
