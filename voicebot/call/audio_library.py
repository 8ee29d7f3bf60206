"""Rendered audio on disk: approved answers are spoken from here, nothing is computed.

A file is named by the SHA-256 of voice, text and rate, so a changed wording or voice
never finds old audio, and the same text is rendered once however often it is published.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from voicebot.call.audio_files import audio_path, read_wav, rendering, write_wav
from voicebot.call.speech import Synthesizer, open_synthesizer
from voicebot.call.voices.reading import clauses
from voicebot.call.voices.sound import Int16, Speech, at_rate
from voicebot.config import Settings
from voicebot.errors import SpeechUnavailable

LINE_RATES = (8000, 16000)
MEMORY_BYTES = 64 * 2**20
"""Half an hour of 16 kHz speech: all answers of a knowledge base of this size."""

Progress = Callable[[int, int], None]


class AudioLibrary:
    """Texts to audio, rendered once. Thread-safe.

    Parameters:
        folder: where the WAV files are; made when the first is written.
        synthesizer: speaks what is not there yet.
        memory_bytes: audio kept in memory, least recently used dropped first.
        at_once: texts that `prepare` renders side by side.
    """

    def __init__(
        self,
        folder: Path,
        synthesizer: Synthesizer,
        memory_bytes: int = MEMORY_BYTES,
        at_once: int = 1,
    ) -> None:
        self._folder, self._synthesizer = folder, synthesizer
        self._memory_bytes, self._at_once = memory_bytes, at_once
        self._memory: OrderedDict[str, Speech] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, text: str, rate: int | None = None, *, keep: bool = True) -> Speech:
        """The text as speech at `rate` Hz (None: the voice's own), rendered if need be.

        `keep=False` leaves nothing behind, in memory or on disk: for texts with a
        caller's number or name in them.

        Raises:
            SpeechUnavailable: the text cannot be spoken.
        """
        found = self.find(text, rate)
        if found is not None:
            return found
        speech = self._synthesizer.render(text)
        if rate is not None:
            speech = at_rate(speech, rate)
        if keep:
            self._keep(text, rate, speech)
        return speech

    def clause_by_clause(self, text: str, rate: int, fixed: Collection[str]) -> Iterator[Int16]:
        """The text as speech at `rate` Hz, each clause when it is ready, where it is not there as a
        whole.

        Clauses in `fixed` are kept, and found again by others; the rest may have a caller's
        number or name in it, and leaves nothing behind.

        Raises:
            SpeechUnavailable: the text cannot be spoken.
        """
        whole = self.find(text, rate)
        if whole is not None:
            yield whole.pcm
            return
        pause_s: float | None = None
        for clause in clauses(text):
            speech = None
            with contextlib.suppress(SpeechUnavailable):  # of a mark that has no sound
                speech = self.get(clause.text, rate, keep=clause.text in fixed)
            if speech is not None:
                pause = np.zeros(round((pause_s or 0.0) * rate), np.int16)
                yield np.concatenate([pause, speech.pcm])
                pause_s = 0.0
            if pause_s is not None:
                pause_s = max(pause_s, clause.pause_s)
        if pause_s is None:
            raise SpeechUnavailable("There is nothing in this text that can be spoken.")

    def find(self, text: str, rate: int | None = None) -> Speech | None:
        """What is there already; never renders."""
        key = self._key(self._synthesizer.voice, text, rate)
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        speech = read_wav(self._path(key), self._synthesizer.voice)
        if speech is not None:
            self._remember(key, speech)
        return speech

    def prepare(
        self,
        texts: Iterable[str],
        progress: Progress | None = None,
        rates: tuple[int, ...] = LINE_RATES,
    ) -> int:
        """Renders what is missing, at publish time; how many texts that were.

        `progress` is told (texts done, texts in all) after each.
        """
        todo = list(dict.fromkeys(texts))
        rendered = 0
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="render")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a folder that takes no file loses none either
                stack.enter_context(rendering(self._folder))
            stack.callback(pool.shutdown, cancel_futures=True)
            made = pool.map(lambda text: self._prepare(text, rates), todo)
            for done, new in enumerate(made, start=1):
                rendered += new
                if progress is not None:
                    progress(done, len(todo))
        return rendered

    def _prepare(self, text: str, rates: tuple[int, ...]) -> bool:
        voice = self._synthesizer.voice
        missing = [r for r in rates if not self._path(self._key(voice, text, r)).exists()]
        if missing:
            speech = self._synthesizer.render(text)
            for rate in missing:
                self._keep(text, rate, at_rate(speech, rate))
        return bool(missing)

    def _keep(self, text: str, rate: int | None, speech: Speech) -> None:
        # Under the voice that spoke: a fallback's sound must not pass for the main voice's.
        key = self._key(speech.voice or self._synthesizer.voice, text, rate)
        self._remember(key, speech)
        with contextlib.suppress(OSError):  # a full disk costs a rendering, not the answer
            write_wav(self._path(key), speech)

    def _remember(self, key: str, speech: Speech) -> None:
        with self._lock:
            old = self._memory.pop(key, None)
            self._held += speech.pcm.nbytes - (old.pcm.nbytes if old else 0)
            self._memory[key] = speech
            while self._held > self._memory_bytes and self._memory:
                self._held -= self._memory.popitem(last=False)[1].pcm.nbytes

    def name(self, text: str, rate: int | None = None) -> str:
        """What the text's audio is filed under, be it there or not: 64 hexadecimal digits."""
        return self._key(self._synthesizer.voice, text, rate)

    def rendered(self, text: str, rate: int | None = None) -> str | None:
        """The name of the text's audio, if it is there."""
        name = self.name(text, rate)
        return name if self._path(name).is_file() else None

    def _path(self, key: str) -> Path:
        return audio_path(self._folder, key)

    @staticmethod
    def _key(voice: str, text: str, rate: int | None) -> str:
        return hashlib.sha256(f"{voice}\0{rate or ''}\0{text}".encode()).hexdigest()


def audio_folder(settings: Settings) -> Path:
    """Where rendered audio is kept."""
    return settings.paths.state / "audio"


def open_library(settings: Settings, at_once: int = 1) -> AudioLibrary:
    """The rendered audio, and the voice that makes more of it, `at_once` texts side by side."""
    return AudioLibrary(
        audio_folder(settings),
        open_synthesizer(settings.speech.voice, settings.paths.models, at_once),
        at_once=at_once,
    )
