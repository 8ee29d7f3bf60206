"""Voice activity and turn completion by pipecat's bundled models (Silero, smart-turn v3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from copy import copy
from functools import cache
from typing import cast

import numpy as np
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer

from telephony.codecs import Int16
from voicebot.call.turn_audio import RATE, as_float


class VoiceDetector:
    """Silero on one stream of 16 kHz audio: a voice probability for every 32 ms.

    pipecat's analyzer is used for its model alone: its own state machine needs a
    minimum volume, which quiet telephone lines do not have.
    """

    def __init__(self) -> None:
        self._analyzer = _silero()
        self._window = self._analyzer.num_frames_required()
        self._left = np.zeros(0, np.int16)

    def probabilities(self, pcm: Int16) -> list[tuple[float, int]]:
        """(probability 0…1, samples) of each window that `pcm` completes. Blocks about 0.2 ms."""
        audio = np.concatenate([self._left, pcm])
        whole = len(audio) // self._window * self._window
        self._left = audio[whole:]
        return [
            (float(np.max(self._analyzer.voice_confidence(window.tobytes()))), self._window)
            for window in audio[:whole].reshape(-1, self._window)
        ]


@cache
def _loaded() -> SileroVADAnalyzer:
    analyzer = SileroVADAnalyzer(sample_rate=RATE)
    analyzer.set_sample_rate(RATE)
    return analyzer


def _silero() -> SileroVADAnalyzer:
    """An analyzer with a state of its own and everybody's model: loading takes 60 ms, in which
    no other thread gets the interpreter."""
    analyzer = copy(_loaded())
    analyzer._model = copy(analyzer._model)
    analyzer._model.reset_states()
    return analyzer


async def voice_probabilities() -> Callable[[Int16], Awaitable[list[tuple[float, int]]]]:
    """`VoiceDetector.probabilities` of a detector of its own, in a thread."""
    detector = VoiceDetector()

    async def probabilities(pcm: Int16) -> list[tuple[float, int]]:
        return await asyncio.to_thread(detector.probabilities, pcm)

    return probabilities


class SmartTurn:
    """Says whether a stretch of speech sounds finished. One model serves all calls."""

    def __init__(self, executor: Executor) -> None:
        self._model = LocalSmartTurnAnalyzerV3(sample_rate=RATE)
        self._model.set_sample_rate(RATE)
        self._executor = executor

    async def complete(self, turn: Int16) -> bool:
        """Whether the turn so far (16 kHz int16, its last 8 s count) sounds finished."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._predict, turn[-8 * RATE :])

    def _predict(self, turn: Int16) -> bool:
        # The model call itself, without the analyzer's own buffering and timers,
        # which Endpointer replaces.
        result = self._model._predict_endpoint(as_float(turn))
        return cast(int, result["prediction"]) == 1
