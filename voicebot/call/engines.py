"""The models and the published knowledge base, loaded once and shared by all calls."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import structlog

from asr.domain import DomainWords
from asr.errors import AsrError
from asr.fallback import FallbackTranscriber
from asr.fusion import fused
from asr.hypothesis import Pcm, Recognizer
from asr.listener import Listener
from asr.nodes.transcriber import NodesTranscriber
from asr.pool import DecodePool, open_pool
from asr.service.hearing import Hearing
from asr.supervised.transcriber import SupervisedTranscriber
from asr.supervised.wear import Limits
from flows.actions import Purpose, Say, Search
from flows.dispatch import DispatchModel
from flows.prompts import Prompt, load_prompts
from flows.triage import TriageModel, Turn
from kb.entry import Entry
from telephony.codecs import Int16
from telephony.resampling import StreamResampler
from voicebot.call.audio_library import AudioLibrary, open_library
from voicebot.call.caller_ear import CallerEar, Senses, ThreadEar
from voicebot.call.composing import fixed_clauses, title_clauses
from voicebot.call.far_ear import FarEar, ListeningEar, TranscribingEar
from voicebot.call.recorded import Recorded, open_recorded
from voicebot.call.turn_audio import RATE, as_float
from voicebot.call.voice import SmartTurn, VoiceDetector
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.dispatching import load_dispatch
from voicebot.ear_process.keeper import EarProcesses
from voicebot.ear_process.senses import open_senses
from voicebot.embedder import SentenceEmbedder
from voicebot.errors import ModelUnavailable
from voicebot.knowledge import Knowledge
from voicebot.recognisers import DECODING_NICENESS, open_apart, open_transcriber_for

log = structlog.get_logger()

ENTRY_VALUE = "entry:"
"""A blank filled with the question of an entry: ``entry:rx-001``."""


class NotPublished(LookupError):
    """An entry that is not, or no longer, approved for speaking."""


@dataclass(slots=True)
class Engines:
    """Everything a call needs that costs time to load.

    `knowledge` is replaced as a whole when the knowledge base is published; a call
    that is running meets the new one at its next question.
    """

    listener: Recognizer | None
    transcriber: Recognizer | None
    pool: DecodePool
    ear_executor: Executor
    """The callers' own: danger is heard there, and a far side must not delay it."""
    far_executor: Executor
    """Of the ears of far sides, and of whoever tries a question by voice."""
    work_executor: Executor
    smart_turn: SmartTurn | None
    embedder: SentenceEmbedder
    triage: TriageModel
    knowledge: Knowledge
    library: AudioLibrary
    prompts: dict[str, Prompt]
    recorded: Recorded = field(default_factory=Recorded)
    """Prompts that people have recorded."""
    dispatch: DispatchModel | None = None
    """Proposes departments for tickets; None: people dispatch."""
    ear_processes: EarProcesses | None = None
    """Where callers are heard; None: in the thread of `ear_executor`."""

    @property
    def listener_counts(self) -> dict[str, int]:
        """What did not go as it should with the ear process (`voicebot.ear_process.keeper`)."""
        return self.ear_processes.counts if self.ear_processes is not None else {}

    @property
    def transcriber_counts(self) -> dict[str, int]:
        """What did not go as it should, of a transcriber in a process of its own or shared."""
        engine = self.transcriber
        if isinstance(engine, FallbackTranscriber):
            engine = engine.first
        if isinstance(engine, SupervisedTranscriber | NodesTranscriber):
            return engine.counts
        return {}

    def search(
        self, search: Search, line: str | None = None
    ) -> tuple[str, tuple[tuple[str, float], ...]]:
        """For who called `line`: (decision, (entry, probability) …). Blocking, some tens of ms."""
        result = self.knowledge.search(
            search.text,
            alternatives=search.alternatives,
            syllables=search.syllables,
            region=search.region,
            line=line,
            previous=search.previous,
            at=now(),
        )
        return result.decision, tuple((found.id, found.score) for found in result.candidates)

    def text(self, say: Say, line: str | None = None) -> str:
        """The words of an utterance to who called `line`.

        Raises:
            NotPublished: if it names an entry that may not be spoken now and there.
        """
        if say.entry is not None:
            return self._entry(say.entry, say, line).answer
        return self._filled(say, self._named(say, line))

    def speak(self, say: Say, rate: int) -> Int16:
        """`spoken`, as a whole."""
        return np.concatenate([*self.spoken(say, rate)])

    def spoken(self, say: Say, rate: int, line: str | None = None) -> Iterator[Int16]:
        """PCM of an utterance at `rate` Hz, part after part: rendered already, but for what fills
        blanks.

        Raises:
            NotPublished: as `text`.
            SpeechUnavailable: there is no voice for it.
        """
        if say.prompt is None:
            yield self.library.get(self.text(say, line), rate).pcm
            return
        named = self._named(say, line)
        text = self._filled(say, named)
        if say.values:
            # A caller's number or name that is read back is not kept.
            fixed = {*fixed_clauses(self.prompts[say.prompt]), *title_clauses(named.values())}
            parts = self.library.clause_by_clause(text, rate, fixed)
        else:
            parts = iter((self.library.get(text, rate).pcm,))
        yield from self.recorded.with_others(say.prompt, parts, rate)

    def caller_ear(self) -> CallerEar:
        """An ear for one caller."""
        if self.ear_processes is not None:
            return self.ear_processes.ear()
        listens = self.listener is not None
        return ThreadEar(self.senses(listens), self.ear_executor, listens=listens)

    def senses(self, listens: bool) -> Senses:
        """A caller's, in this process; `listens`: with the listener, which must be there."""
        stream = self.listener.stream() if listens and self.listener is not None else None
        return Senses(VoiceDetector(), stream)

    def far_ear(self) -> FarEar | None:
        """An ear for the far side of one leg; None where there is no recogniser."""
        if self.listener is not None:
            return ListeningEar(self.listener, self.far_executor)
        if self.transcriber is not None:
            return TranscribingEar(self.transcriber, self.pool)
        return None

    def hearing(self) -> Hearing | None:
        """What transcribes a far side; None where there is no recogniser."""
        engine = self.transcriber or self.listener
        if engine is None:
            return None
        return Hearing(
            engine=engine,
            listener=self.listener if self.transcriber is not None else None,
            pool=self.pool,
            executor=self.far_executor,
            new_voice=VoiceDetector,
            new_resampler=StreamResampler,
            words=self.knowledge.words,
        )

    def _named(self, say: Say, line: str | None) -> dict[str, Entry]:
        """The entries that blanks are filled with, by the blank.

        Raises:
            NotPublished: one may not be spoken now and there.
        """
        return {
            name: self._entry(value.removeprefix(ENTRY_VALUE), say, line)
            for name, value in say.values.items()
            if value.startswith(ENTRY_VALUE)
        }

    def _filled(self, say: Say, named: Mapping[str, Entry]) -> str:
        assert say.prompt is not None
        questions = {name: entry.question for name, entry in named.items()}
        return self.prompts[say.prompt].fill({**say.values, **questions})

    def _entry(self, entry: str, say: Say, line: str | None) -> Entry:
        found = self.knowledge.entry(entry, region=say.region, line=line, at=now())
        if found is None:
            raise NotPublished(entry)
        return found


def step_back() -> None:
    """Lets the threads that keep calls going run before this one and those that it starts.

    A decode may wait some milliseconds for a processor; a frame of 20 ms may not.
    """
    with contextlib.suppress(OSError):  # Linux alone has a niceness for each thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), DECODING_NICENESS)


def open_ears(
    settings: Settings, decode_executor: Executor
) -> tuple[Recognizer | None, Recognizer | None]:
    """Listener and transcriber; either may be missing, and the log says so."""
    listener: Recognizer | None = None
    folder = settings.paths.listener_folder()
    if folder is not None:
        try:
            listener = Listener(folder)
        except AsrError as error:
            log.warning("listener_missing", reason=str(error))
    if settings.asr.engine == "none":
        return listener, None
    try:
        return listener, open_transcriber_for(
            settings, open_engine=partial(open_apart, settings, executor=decode_executor)
        )
    except AsrError as error:
        log.error("transcriber_missing", reason=str(error))
        return listener, None


def _open_warm_library(settings: Settings) -> AudioLibrary:
    """Its voice has spoken a sentence of the usual length, with figures, that nobody heard: for the
    first one it allocates 167 MB, and takes a second more."""
    library = open_library(settings)
    try:
        library.get("您的号码是13800138000，我们会尽快给您打回去，请保持电话畅通。", keep=False)
    except Exception:
        log.exception("voice_not_warm")
    return library


def open_engines(
    settings: Settings, knowledge: Knowledge, embedder: SentenceEmbedder, *, hears: bool = True
) -> Engines:
    """Load every model, in threads side by side. Blocking, a few seconds.

    Parameters:
        hears: False: none that is for the sound of calls, where none runs here.
    """
    ear_executor = ThreadPoolExecutor(1, thread_name_prefix="ears")
    far_executor = ThreadPoolExecutor(1, thread_name_prefix="far-ears")
    decode_executor = ThreadPoolExecutor(1, thread_name_prefix="decode", initializer=step_back)
    with ThreadPoolExecutor(4) as loading:
        ears = loading.submit(open_ears, settings, decode_executor) if hears else None
        library = loading.submit(_open_warm_library if hears else open_library, settings)
        turn_executor = ThreadPoolExecutor(1, thread_name_prefix="turn")
        smart_turn = loading.submit(SmartTurn, turn_executor) if hears else None
        warm = loading.submit(embedder.embed, ["您好"])
        triage = loading.submit(TriageModel.load)
        prompts = loading.submit(load_prompts)
        dispatch = loading.submit(load_dispatch)
        listener, transcriber = ears.result() if ears is not None else (None, None)
        try:
            warm.result()
        except ModelUnavailable as error:
            # Triage goes on by phrases, by sound and by wording.
            log.error("embedder_missing", reason=str(error))
        engines = Engines(
            listener=listener,
            transcriber=transcriber,
            pool=open_pool(transcriber, decode_executor),
            ear_executor=ear_executor,
            far_executor=far_executor,
            work_executor=ThreadPoolExecutor(2, thread_name_prefix="work"),
            smart_turn=smart_turn.result() if smart_turn is not None else None,
            embedder=embedder,
            triage=triage.result(),
            knowledge=knowledge,
            library=library.result(),
            prompts=prompts.result(),
            recorded=open_recorded(settings.speech.recordings, prompts.result()),
            dispatch=dispatch.result(),
        )
    _warm_up(engines)
    return engines


async def open_ear_processes(settings: Settings, engines: Engines) -> None:
    """From now on calls are heard in a process of its own, if the settings say so. Returns when it
    is loaded, or cannot be.
    """
    folder = settings.paths.listener_folder()
    if not settings.asr.listener_process or engines.listener is None or folder is None:
        return
    engines.ear_processes = EarProcesses(
        partial(open_senses, folder),
        engines.senses,
        engines.ear_executor,
        limits=Limits(
            hours=settings.asr.process_hours,
            growth_bytes=settings.asr.process_growth_mb << 20,
        ),
        spare=settings.asr.listener_process_spare,
    )
    await engines.ear_processes.start()


def _warm_up(engines: Engines) -> None:
    """The first use of anything loads and allocates: no caller should pay for it.

    With the bot's own greeting, for silence is recognised without a decode.
    """
    greeting = Say("warm-up", Purpose.PROMPT, prompt="greeting")
    VoiceDetector()
    try:
        pcm = as_float(engines.speak(greeting, RATE))
        syllables: tuple[str, ...] = ()
        if engines.listener is not None:
            syllables = engines.listener.transcribe(pcm).syllables
        if engines.transcriber is not None:
            text = _heard_first(engines.transcriber, pcm, syllables, engines.knowledge.words)
            engines.search(Search(0, text, syllables=syllables))
            engines.triage.assess([Turn("caller", text, (), syllables)], {})
    except Exception:
        log.exception("warm_up_failed")


def _heard_first(
    transcriber: Recognizer, pcm: Pcm, syllables: tuple[str, ...], words: DomainWords
) -> str:
    """A transcriber elsewhere may be there only later."""
    stream = transcriber.stream()
    stream.feed(pcm)
    try:
        stream.decode(final=False)
        return fused(stream.decode(final=True), syllables, words).text
    except AsrError as error:
        log.warning("transcriber_not_warm", reason=str(error))
        return ""
