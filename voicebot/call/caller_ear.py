"""What one caller's audio goes through on its way to `voicebot.call.ears`, wherever that is done:
voice detection, distress, the listener. Here in a thread of this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple, Protocol

from asr.distress import DistressDetector, Mark
from asr.hypothesis import Hypothesis, RecognizerStream
from telephony.codecs import Int16
from voicebot.call.turn_audio import as_float


class ListenerFault(Exception):
    """What the listener raised at a call, by the name of its class; it hears no more of it."""


class Listened(NamedTuple):
    """The listener's syllables of the present utterance. It began at `start`, and each of them was
    over at one of `ends`: seconds of the audio that was given."""

    syllables: tuple[str, ...]
    start: float
    ends: tuple[float, ...] = ()


class Sensed(NamedTuple):
    """What came of a piece of audio.

    Parameters:
        frames: (probability of a voice 0…1, samples) of each window that it completed.
        marks: of distress.
        listened: the newest there is; None without a listener.
    """

    frames: Sequence[tuple[float, int]]
    marks: tuple[Mark, ...]
    listened: Listened | ListenerFault | None


class CallerEar(Protocol):
    """One caller's. What is asked is done in the order in which it was asked."""

    @property
    def listens(self) -> bool:
        """There is a listener."""

    def hear(self, pcm: Int16) -> Awaitable[Sensed]:
        """The next audio, 16 kHz mono, any length but none."""

    def settle(self, cut: bool) -> Awaitable[Listened]:
        """The utterance is over: its last syllables. `cut`: in the middle of a word, perhaps.

        Raises:
            ListenerFault: as it says.
        """

    def close(self) -> None:
        """The call is over."""


class DetectsVoice(Protocol):
    """As `voicebot.call.voice.VoiceDetector`."""

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]: ...


class Senses:
    """One caller's detectors and stream. Blocks; one thread at a time."""

    def __init__(self, voice: DetectsVoice, stream: RecognizerStream | None) -> None:
        self._voice, self._distress, self._stream = voice, DistressDetector(), stream

    def hear(self, pcm: Int16, listen: bool = True) -> Sensed:
        """About 0.4 ms for 20 ms, and 7 ms more every 0.32 s.

        Parameters:
            listen: False: the listener does not hear it.
        """
        frames, marks = self._voice.probabilities(pcm), self._distress.push(pcm)
        if self._stream is None or not listen:
            return Sensed(frames, marks, None)
        try:
            self._stream.feed(as_float(pcm))
            return Sensed(frames, marks, _listened(self._stream.decode(final=False)))
        except Exception as error:
            return Sensed(frames, marks, self._fault(error))

    def settle(self, cut: bool) -> Listened:
        """The utterance's last syllables. In the middle of a word nothing is drained.

        Raises:
            ListenerFault: as it says.
        """
        stream = self._stream
        if stream is None:
            raise ListenerFault("none")
        try:
            if not cut:
                return _listened(stream.finish())
            heard = stream.decode(final=False)
            stream.reset()
            return _listened(heard)
        except Exception as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> ListenerFault:
        self._stream = None
        return ListenerFault(type(error).__name__)


def _listened(heard: Hypothesis) -> Listened:
    return Listened(heard.syllables, heard.start, tuple(word.end for word in heard.words))


class ThreadEar:
    """Hears in a thread that all callers share.

    Parameters:
        executor: of one thread.
    """

    def __init__(self, senses: Senses, executor: Executor, *, listens: bool) -> None:
        self._senses, self._executor = senses, executor
        self.listens = listens

    def hear(self, pcm: Int16) -> Awaitable[Sensed]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, self._senses.hear, pcm)

    def settle(self, cut: bool) -> Awaitable[Listened]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, self._senses.settle, cut)

    def close(self) -> None:
        """Nothing is left behind."""
