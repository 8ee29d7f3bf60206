"""Telephone audio on the wire: G.711 A-law and µ-law, linear 16 bit, 20 ms frames.

PCM inside the program is always 16-bit signed, mono, in host order (little-endian
on every machine that we run on). G.711 is done by `audioop` (the standard
library up to Python 3.12, the `audioop-lts` package after it). `audio/l16` is
**big-endian** on the wire, as RFC 2586 and RFC 3551 section 4.5.11 define it;
a gateway that sends little-endian linear PCM must be told to swap it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from telephony.errors import MediaStreamError

with warnings.catch_warnings():
    # Python 3.11 announces that audioop leaves the standard library in 3.13.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

Int16 = NDArray[np.int16]
"""Mono PCM, shape (samples,)."""

FRAME_SECONDS = 0.02
"""Length of one media frame: what every carrier sends."""


def padded(pcm: Int16, samples: int) -> Int16:
    """The first `samples` of it, with silence after it where it has fewer."""
    if len(pcm) >= samples:
        return pcm[:samples]
    whole = np.zeros(samples, np.int16)
    whole[: len(pcm)] = pcm
    return whole


class Encoding(StrEnum):
    """Encodings of the media stream, by the name in `start.mediaFormat.encoding`."""

    ALAW = "audio/x-alaw"
    MULAW = "audio/x-mulaw"
    L16 = "audio/l16"


_ALIASES = {
    "audio/x-alaw": Encoding.ALAW,
    "audio/pcma": Encoding.ALAW,
    "alaw": Encoding.ALAW,
    "pcma": Encoding.ALAW,
    "audio/x-mulaw": Encoding.MULAW,
    "audio/pcmu": Encoding.MULAW,
    "mulaw": Encoding.MULAW,
    "ulaw": Encoding.MULAW,
    "pcmu": Encoding.MULAW,
    "audio/l16": Encoding.L16,
    "l16": Encoding.L16,
}

_RATES = {Encoding.ALAW: (8000,), Encoding.MULAW: (8000,), Encoding.L16: (16000, 8000)}


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How audio travels on one media stream.

    Parameters:
        encoding: one of the three encodings.
        sample_rate: Hz; 8000 for G.711, 16000 or 8000 for L16.
    """

    encoding: Encoding
    sample_rate: int

    @classmethod
    def named(cls, name: str, sample_rate: int | None = None) -> WireFormat:
        """The format called `name` (any usual spelling), at its usual rate unless given.

        Errors: MediaStreamError `unknown_encoding`, `unknown_sample_rate`.
        """
        encoding = _ALIASES.get(name.strip().lower())
        if encoding is None:
            raise MediaStreamError(
                "unknown_encoding",
                f"The media encoding {name[:40]!r} is not known here; "
                "use audio/x-alaw, audio/x-mulaw or audio/l16.",
            )
        rates = _RATES[encoding]
        rate = rates[0] if sample_rate is None else sample_rate
        if rate not in rates:
            raise MediaStreamError(
                "unknown_sample_rate",
                f"{encoding.value} at {rate} Hz is not known here; "
                f"use {' or '.join(str(each) for each in rates)} Hz.",
            )
        return cls(encoding, rate)

    @property
    def frame_samples(self) -> int:
        """Samples in one 20 ms frame."""
        return round(self.sample_rate * FRAME_SECONDS)

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding is Encoding.L16 else 1

    def encode(self, pcm: Int16) -> bytes:
        """PCM (n,) at `sample_rate` → n samples as bytes on the wire."""
        match self.encoding:
            case Encoding.ALAW:
                return audioop.lin2alaw(pcm.astype("<i2", copy=False).tobytes(), 2)
            case Encoding.MULAW:
                return audioop.lin2ulaw(pcm.astype("<i2", copy=False).tobytes(), 2)
            case Encoding.L16:
                return pcm.astype(">i2").tobytes()

    def decode(self, payload: bytes) -> Int16:
        """Bytes from the wire → PCM (n,) at `sample_rate`.

        Errors: MediaStreamError `bad_payload` for half a sample.
        """
        match self.encoding:
            case Encoding.ALAW:
                return np.frombuffer(audioop.alaw2lin(payload, 2), dtype=np.int16)
            case Encoding.MULAW:
                return np.frombuffer(audioop.ulaw2lin(payload, 2), dtype=np.int16)
            case Encoding.L16:
                if len(payload) % 2:
                    raise MediaStreamError(
                        "bad_payload",
                        "An audio/l16 payload has an odd number of bytes; "
                        "send whole 16-bit samples.",
                    )
                return np.frombuffer(payload, dtype=">i2").astype(np.int16)


class Framer:
    """Cuts a stream of PCM into frames of one length, losing no sample.

    Parameters:
        frame_samples: samples in each frame, such as 160 for 20 ms at 8 kHz.
    """

    def __init__(self, frame_samples: int) -> None:
        if frame_samples < 1:
            raise ValueError("a frame needs at least one sample")
        self.frame_samples = frame_samples
        self._rest: Int16 = np.zeros(0, np.int16)

    @property
    def pending(self) -> int:
        """Samples that wait for their frame to fill."""
        return len(self._rest)

    def push(self, pcm: Int16) -> Sequence[Int16]:
        """Whole frames that `pcm`, added to what was left, gives."""
        joined = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(joined) // self.frame_samples
        self._rest = joined[whole * self.frame_samples :].copy()
        return [joined[i * self.frame_samples : (i + 1) * self.frame_samples] for i in range(whole)]

    def flush(self) -> Int16 | None:
        """The last frame, filled up with silence; None when nothing is left."""
        if not len(self._rest):
            return None
        frame = np.zeros(self.frame_samples, np.int16)
        frame[: len(self._rest)] = self._rest
        self._rest = np.zeros(0, np.int16)
        return frame
