"""How recognition holds up with many calls at once, fed as a telephone feeds it: in real time.

Each call is a row of recordings with pauses between them, in frames of 20 ms. Three ways to serve
the same calls with the same models:

- ours: the two ears of a call and the pool that all calls share (`voicebot.call.ears`);
- threads: a pool of as many threads as cores, first come first served, every decode a whole one
  (vosk-server's design, asr_server.py, with Whisper as its engine and our short window);
- faster-whisper: nothing until the turn is over, then its ordinary call in a thread.

All three find turns with the same voice detector. Times are counted from what is known of the
recording (its first and last sound), and for a final from the moment the turn was found to be over.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Protocol

import numpy as np
from rich.progress import Progress, TaskID

from asr.hanzi import decode as in_hanzi
from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.listener import Listener
from asr.pool import open_pool
from benchmarks.processes import processor_seconds
from benchmarks.speech_data import RATE, Utterance, spoken_extent
from flows.events import CallerSpeaking, Ear, Event, Heard, TurnEnded
from telephony.codecs import Int16
from voicebot.call.caller_ear import Senses, ThreadEar
from voicebot.call.ears import Ears
from voicebot.call.endpointing import Edge, Endpointer, EndpointingLimits
from voicebot.call.engines import step_back
from voicebot.call.turn_audio import as_float
from voicebot.call.voice import SmartTurn, VoiceDetector
from voicebot.domain_words import domain_words

FRAME = RATE // 50
PAUSE_S = (1.6, 3.0)
"""Between two recordings of a call: longer than any turn's ceiling."""
PRE_ROLL = round(0.4 * RATE)
THREADS_PARTIAL_S = 0.5
THREADS_SILENCE_S = 0.5
"""An end of turn as Kaldi's rule 2 has it."""
LATE_PARTIAL_S = 1.0
"""After a recording's last sound; what comes later belongs to nothing."""
LAST_FINALS_S = 20.0
"""How long finals that are still due are waited for: later ones are lost."""


@dataclass(frozen=True, slots=True)
class Script:
    """One caller: the audio, and the first and last sound of each recording, in seconds."""

    pcm: Int16
    spoken: tuple[tuple[float, float], ...]


def scripts(utterances: Sequence[Utterance], calls: int, seconds: float, seed: int) -> list[Script]:
    """Callers who each say other recordings in another order."""
    chance = Random(seed)
    usable = [(u, extent) for u in utterances if (extent := spoken_extent(u.pcm))]
    made = []
    for _ in range(calls):
        pieces: list[Pcm] = [np.zeros(round(chance.random() * 2 * RATE), np.float32)]
        spoken: list[tuple[float, float]] = []
        length = pieces[0].size
        while length < seconds * RATE:
            utterance, (first, last) = chance.choice(usable)
            spoken.append((length / RATE + first, length / RATE + last))
            pause = np.zeros(round(chance.uniform(*PAUSE_S) * RATE), np.float32)
            pieces += [utterance.pcm, pause]
            length += utterance.pcm.size + pause.size
        pcm = (np.concatenate(pieces) * 32767).astype(np.int16)
        made.append(Script(pcm, tuple(spoken)))
    return made


@dataclass(slots=True)
class Seen:
    """What one call gave, by the second at which it came."""

    syllables: list[float] = field(default_factory=list)
    texts: list[float] = field(default_factory=list)
    """Partials in hanzi: of the transcriber, or of the listener as calls show them."""
    transcribed: list[float] = field(default_factory=list)
    """Those of the transcriber alone."""
    begun: set[int] = field(default_factory=set)
    ended: dict[int, float] = field(default_factory=dict)
    finals: dict[int, float] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    """The transcriber's finals, as they came."""

    def take(self, at: float, event: Event) -> None:
        match event:
            case Heard(ear=Ear.LISTENER, syllables=syllables) if syllables:
                self.syllables.append(at)
                if in_hanzi(syllables, most=1):
                    self.texts.append(at)
            case Heard(ear=Ear.TRANSCRIBER, final=True, turn=turn):
                self.finals[turn] = at
                self.heard.append(event)
            case Heard(ear=Ear.TRANSCRIBER, text=text) if text:
                self.texts.append(at)
                self.transcribed.append(at)
            case CallerSpeaking(turn=turn):
                self.begun.add(turn)
            case TurnEnded(turn=turn):
                self.ended[turn] = at
            case _:
                pass

    @property
    def unfinished(self) -> int:
        """Turns that have no final yet."""
        return len(self.begun - self.finals.keys())


class Caller(Protocol):
    """What hears one call."""

    async def feed(self, pcm: Int16) -> None: ...

    async def close(self) -> None: ...


Open = Callable[[Callable[[Event], None], Callable[[], float]], Caller]
"""A way of recognising: makes what hears a call of (takes its events, the call's clock)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all calls together, milliseconds; None where nothing of the kind came."""

    calls: int
    first_syllables_ms_p50: float | None
    syllables_every_ms_p95: float | None
    first_ms_p50: float | None
    first_ms_p95: float | None
    partial_every_ms_p95: float | None
    transcribed_ms_p50: float | None
    """First partial of the transcriber."""
    final_ms_p50: float | None
    final_ms_p95: float | None
    finals: int
    lost: int
    """Turns whose final had not come 20 s after the last audio."""
    rtf: float
    """Processor seconds, of all processes, for each second of audio of all calls."""


async def run(
    open_call: Open, callers: Sequence[Script], progress: Callable[[float], None]
) -> Figures:
    """All callers at once, in real time."""
    cpu = processor_seconds()
    seen = await asyncio.gather(
        *(hear(open_call, script, progress if not n else None) for n, script in enumerate(callers))
    )
    seconds = sum(script.pcm.size for script in callers) / RATE
    return figures(callers, seen, (processor_seconds() - cpu) / seconds)


async def hear(
    open_call: Open, script: Script, progress: Callable[[float], None] | None = None
) -> Seen:
    """One caller from the first frame to the last final."""
    seen, began = Seen(), time.monotonic()

    def now() -> float:
        return time.monotonic() - began

    caller = open_call(lambda event: seen.take(now(), event), now)
    fed = 0
    while fed < script.pcm.size:
        due = min(round(now() * RATE) // FRAME * FRAME, script.pcm.size)
        if due <= fed:
            await asyncio.sleep(0.02 - now() % 0.02)
            continue
        await caller.feed(script.pcm[fed:due])
        fed = due
        if progress is not None:
            progress(fed / script.pcm.size)
    waiting_until = now() + LAST_FINALS_S
    while now() < waiting_until and seen.unfinished:  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(0.05)
    await caller.close()
    return seen


def figures(callers: Sequence[Script], seen: Sequence[Seen], rtf: float) -> Figures:
    """Pure: what was seen, against what is known of the recordings."""
    first_syllables: list[float] = []
    first_texts: list[float] = []
    syllable_gaps: list[float] = []
    text_gaps: list[float] = []
    transcribed: list[float] = []
    finals: list[float] = []
    for script, call in zip(callers, seen, strict=True):
        for spoken in script.spoken:
            for times, firsts, gaps in (
                (call.syllables, first_syllables, syllable_gaps),
                (call.texts, first_texts, text_gaps),
                (call.transcribed, transcribed, []),
            ):
                first, after = _within(times, *spoken)
                firsts += first
                gaps += after
        finals += [at - call.ended[turn] for turn, at in call.finals.items() if turn in call.ended]
    return Figures(
        calls=len(callers),
        first_syllables_ms_p50=_ms(first_syllables, 50),
        syllables_every_ms_p95=_ms(syllable_gaps, 95),
        first_ms_p50=_ms(first_texts, 50),
        first_ms_p95=_ms(first_texts, 95),
        partial_every_ms_p95=_ms(text_gaps, 95),
        transcribed_ms_p50=_ms(transcribed, 50),
        final_ms_p50=_ms(finals, 50),
        final_ms_p95=_ms(finals, 95),
        finals=len(finals),
        lost=sum(call.unfinished for call in seen),
        rtf=round(rtf, 4),
    )


def _within(times: Sequence[float], first: float, last: float) -> tuple[list[float], list[float]]:
    """Of one recording: how long after its first sound something came, and the gaps after it."""
    came = [at for at in times if first < at < last + LATE_PARTIAL_S]
    gaps = np.diff([at for at in came if at <= last]).tolist()
    return [came[0] - first] if came else [], gaps


def _ms(seconds: Sequence[float], percentile: float) -> float | None:
    return round(1000 * float(np.percentile(seconds, percentile)), 1) if seconds else None


# ── the three ways ────────────────────────────────────────────────────────────────


@contextmanager
def ours(
    whisper: Recognizer, listener: Listener | None, *, partial_every_s: float
) -> Iterator[Open]:
    """The ears of a call, as the session opens them. To be entered within a running loop."""
    ear = ThreadPoolExecutor(1, thread_name_prefix="ears")
    turn = ThreadPoolExecutor(1, thread_name_prefix="turn")
    decode = ThreadPoolExecutor(1, thread_name_prefix="decode", initializer=step_back)
    smart_turn = SmartTurn(turn)
    pool = open_pool(whisper, decode)
    working = asyncio.get_running_loop().create_task(pool.run())
    words = domain_words()

    def open_call(emit: Callable[[Event], None], now: Callable[[], float]) -> Caller:
        return Ears(
            emit,
            ear=ThreadEar(
                Senses(VoiceDetector(), listener.stream() if listener else None),
                ear,
                listens=listener is not None,
            ),
            transcriber=whisper,
            pool=pool,
            smart_turn=smart_turn,
            limits=EndpointingLimits(),
            threshold=0.6,
            partial_every_s=partial_every_s,
            now=now,
            words=words,
        )

    try:
        yield open_call
    finally:
        working.cancel()
        for executor in (ear, decode, turn):
            executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def threads(
    quick: Callable[[Pcm], Hypothesis], final: Callable[[Pcm], Hypothesis]
) -> Iterator[Open]:
    """As many threads as cores, first come first served: vosk-server's asr_server.py."""
    with ThreadPoolExecutor(os.cpu_count()) as executor:

        def open_call(emit: Callable[[Event], None], now: Callable[[], float]) -> Caller:
            return Plain(emit, now, executor, final, quick)

        yield open_call


@contextmanager
def whole_turns(final: Callable[[Pcm], Hypothesis]) -> Iterator[Open]:
    """A turn's text once it is over."""
    with ThreadPoolExecutor(os.cpu_count()) as executor:

        def open_call(emit: Callable[[Event], None], now: Callable[[], float]) -> Caller:
            return Plain(emit, now, executor, final, None)

        yield open_call


class Plain:
    """A call in the plain ways: one decode of a call at a time, each of its whole turn."""

    def __init__(
        self,
        emit: Callable[[Event], None],
        now: Callable[[], float],
        executor: ThreadPoolExecutor,
        final: Callable[[Pcm], Hypothesis],
        quick: Callable[[Pcm], Hypothesis] | None,
    ) -> None:
        self._emit, self._now, self._executor = emit, now, executor
        self._final, self._quick = final, quick
        self._voice = VoiceDetector()
        limits = EndpointingLimits(floor_s=THREADS_SILENCE_S, ceiling_s=THREADS_SILENCE_S)
        self._endpointer = Endpointer(limits)
        self._before = np.zeros(0, np.int16)
        self._turn: list[Int16] | None = None
        self._number = 0
        self._since_partial = 0
        self._work: asyncio.Task[Any] | None = None
        self._finals: list[asyncio.Task[Any]] = []

    async def feed(self, pcm: Int16) -> None:
        self._before = np.concatenate([self._before, pcm])[-PRE_ROLL:]
        if self._turn is not None:
            self._turn.append(pcm)
            self._since_partial += len(pcm)
        loop = asyncio.get_running_loop()
        for probability, samples in await loop.run_in_executor(
            None, self._voice.probabilities, pcm
        ):
            match self._endpointer.push(probability, samples / RATE):
                case Edge.BEGAN:
                    self._turn, self._number = [self._before], self._number + 1
                    self._since_partial = 0
                    self._emit(CallerSpeaking(self._now(), self._number))
                case Edge.ENDED if self._turn is not None:
                    self._emit(TurnEnded(self._now(), self._number))
                    self._finals.append(self._decode(self._final, final=True))
                    self._turn = None
                case _:
                    pass
        busy = self._work is not None and not self._work.done()
        if (
            self._quick is not None
            and self._turn is not None
            and not busy
            and self._since_partial >= THREADS_PARTIAL_S * RATE
        ):
            self._since_partial = 0
            self._decode(self._quick, final=False)

    def _decode(self, recognise: Callable[[Pcm], Hypothesis], *, final: bool) -> asyncio.Task[Any]:
        assert self._turn is not None
        pcm, turn, before = as_float(np.concatenate(self._turn)), self._number, self._work

        async def work() -> None:
            if before is not None:
                await before
            loop = asyncio.get_running_loop()
            text = (await loop.run_in_executor(self._executor, recognise, pcm)).text
            self._emit(Heard(self._now(), turn, Ear.TRANSCRIBER, text=text, final=final))

        self._work = asyncio.create_task(work())
        return self._work

    async def close(self) -> None:
        for task in [*self._finals, self._work]:
            if task is not None:
                task.cancel()


@dataclass(frozen=True, slots=True)
class Way:
    """A way of recognising with its name for tables and pictures."""

    label: str
    figures: list[Figures]


async def measure(
    label: str,
    opened: Any,
    utterances: Sequence[Utterance],
    counts: Sequence[int],
    seconds: float,
    progress: Progress,
) -> Way:
    """One way with each number of calls; none after one whose finals come 5 s late."""
    found: list[Figures] = []
    with opened as open_call:
        warm = scripts(utterances, 1, 3.0, 0)
        await run(open_call, warm, lambda share: None)
        for calls in counts:
            task = progress.add_task(f"{label}, {calls} calls", total=1.0)
            shown = partial(_show, progress, task)
            found.append(await run(open_call, scripts(utterances, calls, seconds, calls), shown))
            if (found[-1].final_ms_p95 or 0.0) > 5000 or found[-1].lost:
                break
    return Way(label, found)


def _show(progress: Progress, task: TaskID, share: float) -> None:
    progress.update(task, completed=share)
