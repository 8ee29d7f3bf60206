"""What a client's bytes mean as sound: encodings, interleaved channels, samples cut in two."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    # Python 3.11 announces that audioop leaves the standard library in 3.13.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

Int16 = NDArray[np.int16]
"""Mono PCM, shape (samples,)."""

RATE = 16_000
"""Hz, of everything behind the wire."""


class Encoding(StrEnum):
    """How a sample is written; G.711 as in ITU-T G.711."""

    PCM = "pcm_s16le"
    ALAW = "alaw"
    MULAW = "mulaw"


class Resampler(Protocol):
    """Changes the rate of one live mono stream, chunk by chunk."""

    def push(self, pcm: Int16) -> Int16:
        """The next samples at the old rate → what is ready at the new one."""
        ...


NewResampler = Callable[[int, int], Resampler]
"""A resampler from one rate to another, Hz."""


class WireAudio:
    """The audio of one connection: bytes in any portions → each channel's PCM at 16 kHz.

    Args:
        encoding, rate: of the bytes; Hz.
        channels: interleaved sample by sample.
        new_resampler: makes one for each channel.
    """

    def __init__(
        self, encoding: Encoding, rate: int, channels: int, new_resampler: NewResampler
    ) -> None:
        self._encoding = encoding
        self._channels = channels
        self._frame = channels * (2 if encoding is Encoding.PCM else 1)
        self._resamplers = [new_resampler(rate, RATE) for _ in range(channels)]
        self._rest = b""

    def take(self, payload: bytes) -> list[Int16]:
        """The next bytes; a frame that is cut by their end waits for its rest."""
        joined = self._rest + payload
        whole = len(joined) // self._frame * self._frame
        self._rest = joined[whole:]
        samples = self._samples(joined[:whole]).reshape(-1, self._channels)
        return [
            resampler.push(np.ascontiguousarray(samples[:, channel]))
            for channel, resampler in enumerate(self._resamplers)
        ]

    def _samples(self, payload: bytes) -> Int16:
        match self._encoding:
            case Encoding.ALAW:
                payload = audioop.alaw2lin(payload, 2)
                return np.frombuffer(payload, np.int16)
            case Encoding.MULAW:
                payload = audioop.ulaw2lin(payload, 2)
                return np.frombuffer(payload, np.int16)
            case Encoding.PCM:
                return np.frombuffer(payload, "<i2").astype(np.int16, copy=False)
