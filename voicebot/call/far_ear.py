"""An ear for the far side of a leg: what is said there, as syllables, for as long as it matters.

The listener where there is one, for it costs next to nothing; else the transcriber, whose text
is turned into the sounds that `flows.far_side` compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Protocol

import numpy as np

from asr import phonetics
from asr.hypothesis import Recognizer
from asr.pool import DecodePool
from asr.urgency import Urgency
from telephony.codecs import Int16
from voicebot.call.turn_audio import RATE, as_float

PRE_ROLL_S = 0.4
"""Audio kept from before a voice is heard: soft first syllables."""

DECODE_EVERY_S = 1.5
"""New audio after which the transcriber looks again in mid-sentence."""

DECODE_PAUSE_S = 0.3
"""Silence after which it looks at once."""

LONGEST_S = 20.0
"""Audio of one utterance that is transcribed; of more only the newest."""


class FarEar(Protocol):
    """One leg's ear. Whatever it raises costs the leg its words, not its audio."""

    async def hear(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...]:
        """The next audio, 16 kHz; the syllables of the present utterance so far."""

    def renew(self) -> None:
        """The utterance is over: what comes now is another."""


MakeEar = Callable[[], FarEar | None]
"""An ear for one leg; None where there is no recogniser."""


class ListeningEar:
    """The phonetic listener on one leg.

    Parameters:
        listener: shared by all calls.
        executor: its thread.
    """

    def __init__(self, listener: Recognizer, executor: Executor) -> None:
        self._stream, self._executor = listener.stream(), executor

    async def hear(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._hear, pcm)

    def _hear(self, pcm: Int16) -> tuple[str, ...]:
        self._stream.feed(as_float(pcm))
        return self._stream.decode(final=False).syllables

    def renew(self) -> None:
        self._stream.reset()


class TranscribingEar:
    """The transcriber on one leg, at every pause and every second and a half.

    Parameters:
        transcriber, pool: shared by all calls.
    """

    def __init__(self, transcriber: Recognizer, pool: DecodePool) -> None:
        self._transcriber, self._pool = transcriber, pool
        self._audio: Int16 = np.zeros(0, np.int16)
        self._new = self._quiet = 0
        """Samples since the last decode, and since the last voice."""
        self._spoken = False
        self._decoding: asyncio.Task[tuple[str, ...]] | None = None
        self._syllables: tuple[str, ...] = ()

    async def hear(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...]:
        self._spoken = self._spoken or voiced
        most = LONGEST_S if self._spoken else PRE_ROLL_S
        self._audio = np.concatenate([self._audio, pcm])[-round(most * RATE) :]
        self._quiet = 0 if voiced else self._quiet + len(pcm)
        self._new += len(pcm) if self._quiet <= DECODE_PAUSE_S * RATE else 0
        if self._decoding is not None and self._decoding.done():
            decoding, self._decoding = self._decoding, None
            self._syllables = decoding.result()
        if self._spoken and self._decoding is None and self._due():
            self._new = 0
            self._decoding = asyncio.create_task(self._decode(self._audio))
        return self._syllables

    def _due(self) -> bool:
        paused = self._quiet >= DECODE_PAUSE_S * RATE and self._new > PRE_ROLL_S * RATE
        return paused or self._new >= DECODE_EVERY_S * RATE

    async def _decode(self, pcm: Int16) -> tuple[str, ...]:
        work = partial(self._transcriber.transcribe, as_float(pcm))
        hypothesis = await self._pool.decode(self, work, Urgency.FINAL)
        return phonetics.to_syllables(hypothesis.text) if hypothesis is not None else ()

    def renew(self) -> None:
        self._audio = np.zeros(0, np.int16)
        self._new = self._quiet = 0
        self._spoken, self._syllables = False, ()
        if self._decoding is not None:
            self._decoding.cancel()
            self._decoding = None
