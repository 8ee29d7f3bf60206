"""The echo of the bot's own voice, kept from the ears.

A two-wire telephone sends back part of what it is sent. Heard as speech, that would
interrupt the bot with its own words, and a prompt that asks about danger would sound
like danger (pipecat#188). The gate learns the path of the echo, delay and loss, from the
correlation of what was sent with what came back, and gives silence for frames that are no
louder than the echo would be. A line without echo is never touched, and a caller who is
louder than the echo is let through whole.

An echo canceller would be the usual way. WebRTC's AEC3 (livekit 1.2) takes out 25 to
38 dB, but what it leaves of a caller who talks over the bot cannot be recognised any
more: CER 78 % instead of 21 % on a line without echo, 47 % instead of 34 % with one
(24 utterances, November 2026). The ears get the line as it is, or nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telephony.codecs import FRAME_SECONDS, Int16

WINDOW_S = 0.6
"""Audio from the line that is compared with what was sent before it."""
EVERY_S = 0.2
LONGEST_S = 0.6
"""Delay of the echo at most, our own 60 ms cushion included."""

ALIKE = 0.45
"""Normalised correlation above which the line has an echo: of 162 windows in which two
people spoke none was above 0.33, of 242 of an echo none below 0.8."""
STEADY_S = 0.002
"""How far the delay may differ between two windows; a chance likeness is anywhere."""
MARGIN_DB = 8.0
"""How much louder than the echo's usual level a frame of echo may be."""
SMEAR_FRAMES = 3
"""Frames round the delay over which an echo is spread."""

SPEAKING_DB = -45.0
"""Level below which what we send makes no echo to speak of, dBFS."""
OPEN_FRAMES = 3
"""Frames louder than any echo, within half a second, that let the caller through …"""
OPEN_S = 0.4
"""… for so long after the last of them."""


@dataclass(frozen=True, slots=True)
class EchoPath:
    """What the line does to our voice: `delay` in samples, `gain_db` relative to it."""

    delay: int
    gain_db: float


class EchoGate:
    """One call's gate. Not thread-safe; costs about 1 ms every 200 ms while we speak.

    Parameters:
        rate: Hz, of both directions.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frame = round(rate * FRAME_SECONDS)
        self._kept = round(rate * (WINDOW_S + LONGEST_S + 1.0))
        self._sent: Int16 = np.zeros(self._kept, np.int16)
        self._sent_end = 0
        """Position after the newest sample sent, in samples of the call's clock."""
        self._heard: Int16 = np.zeros(round(rate * WINDOW_S), np.int16)
        self._heard_end = 0
        self._since_compared = 0
        self._candidate: EchoPath | None = None
        self.path: EchoPath | None = None
        """None while no echo was found."""
        self._loud: deque[int] = deque(maxlen=OPEN_FRAMES)
        self._open_until = 0

    def sent(self, pcm: Int16, at_s: float) -> None:
        """Audio on its way to the caller, sent when the caller's had come to `at_s` seconds."""
        begin = max(self._sent_end, round(at_s * self._rate))
        self._append(np.zeros(min(begin - self._sent_end, self._kept), np.int16))
        self._sent_end = begin
        self._append(pcm)
        self._sent_end += len(pcm)

    def heard(self, pcm: Int16) -> Int16:
        """The caller's audio, in order and without gaps; the same with the echo silenced."""
        self._heard = np.concatenate([self._heard, pcm])[-len(self._heard) :]
        self._heard_end += len(pcm)
        self._since_compared += len(pcm)
        if self._since_compared >= EVERY_S * self._rate:
            self._since_compared = 0
            self._compare()
        if self.path is None:
            return pcm
        begin = self._heard_end - len(pcm)
        frames = [
            self._gated(pcm[offset : offset + self._frame], begin + offset)
            for offset in range(0, len(pcm), self._frame)
        ]
        return np.concatenate(frames) if frames else pcm

    def _append(self, pcm: Int16) -> None:
        if len(pcm):
            self._sent = np.concatenate([self._sent, pcm])[-self._kept :]

    def _sent_between(self, begin: int, end: int) -> Int16:
        """What was sent between two positions; silence where nothing was, or not any more."""
        oldest = self._sent_end - self._kept
        low, high = max(begin, oldest), min(end, self._sent_end)
        if high <= low:
            return np.zeros(end - begin, np.int16)
        known = self._sent[low - oldest : high - oldest]
        return np.pad(known, (low - begin, end - high))

    def _compare(self) -> None:
        window = len(self._heard)
        end = self._heard_end
        sent = self._sent_between(end - window - round(LONGEST_S * self._rate), end)
        if _level_db(sent) < SPEAKING_DB or _level_db(self._heard) < SPEAKING_DB - 25:
            return
        found = _echo_path(sent.astype(np.float64), self._heard.astype(np.float64))
        before, self._candidate = self._candidate, found
        if (
            found is not None
            and before is not None
            and abs(found.delay - before.delay) <= STEADY_S * self._rate
        ):
            self.path = found

    def _gated(self, frame: Int16, begin: int) -> Int16:
        assert self.path is not None
        spread = SMEAR_FRAMES * self._frame
        near = begin - self.path.delay
        sent = self._sent_between(near - spread, near + len(frame) + self._frame)
        loudest = max(
            _level_db(sent[offset : offset + self._frame])
            for offset in range(0, len(sent), self._frame)
        )
        if loudest < SPEAKING_DB:
            return frame
        if _level_db(frame) > loudest + self.path.gain_db + MARGIN_DB:
            self._loud.append(begin)
            if len(self._loud) == OPEN_FRAMES and begin - self._loud[0] < 0.5 * self._rate:
                self._open_until = begin + round(OPEN_S * self._rate)
            return frame
        return frame if begin < self._open_until else np.zeros_like(frame)


def _level_db(pcm: Int16) -> float:
    if not len(pcm):
        return -120.0
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) / 32768 + 1e-6))


def _echo_path(sent: NDArray[np.float64], heard: NDArray[np.float64]) -> EchoPath | None:
    """The best alignment of `heard` within `sent`, if they are alike enough.

    Parameters:
        sent: (n,), n > m; its end is of the same moment as that of `heard`.
        heard: (m,).
    """
    size = 1 << int(len(sent) + len(heard) - 1).bit_length()
    product = np.fft.rfft(sent, size) * np.conj(np.fft.rfft(heard, size))
    products = np.fft.irfft(product, size)[: len(sent) - len(heard) + 1]
    energy = np.concatenate([[0.0], np.cumsum(sent**2)])
    under = energy[len(heard) :] - energy[: len(sent) - len(heard) + 1]
    heard_energy = float(np.sum(heard**2))
    alike = np.abs(products) / np.sqrt(under * heard_energy + 1e-9)
    best = int(np.argmax(alike))
    if alike[best] < ALIKE:
        return None
    delay = len(sent) - len(heard) - best
    return EchoPath(delay, float(10 * np.log10(heard_energy / (under[best] + 1e-9) + 1e-12)))
