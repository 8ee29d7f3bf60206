"""What the telephone network does to speech, so that tests and benchmarks share one condition.

In this order: resampled to 8 kHz and kept between 300 and 3400 Hz, brought to a level, its own
echo added, noise added, coded, and cut into packets of 20 ms, some of which are lost and
concealed. Pure: samples and a seed in, samples out, the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.random import Generator
from numpy.typing import NDArray

from telephony.codecs import Int16, WireFormat

Float = NDArray[np.float32]
"""Mono samples in −1..1, shape (samples,)."""

Noise = Callable[[int, Generator], Float]
"""So many samples of noise at 8 kHz, of any level."""

RATE = 8000

USUAL_LEVEL_DBFS = -26.0
"""Active speech level that ITU-T test material is brought to (P.56 calls it −26 dBov)."""

_BAND_HZ = (225.0, 3550.0)  # −6 dB; flat from 300 to 3400 Hz
_TAPS, _KAISER_BETA = 161, 4.55  # a transition of 150 Hz, 50 dB down after it

_ACTIVITY_MARGIN_DB = 15.9  # P.56, method B
_SILENCE_DBFS = -75.0

_VOICES_IN_BABBLE = 6
_HUM_HZ = 50.0

_HISTORY, _TEMPLATE = 390, 160
_SHORTEST_PITCH, _LONGEST_PITCH = 40, 120  # 200 to 66 Hz
_FULL_S, _GONE_S = 0.010, 0.060
_JOIN = 40


@dataclass(frozen=True, slots=True)
class Echo:
    """The talker's own voice, back from the far hybrid: so much quieter, so much later."""

    level_db: float
    delay_s: float

    def __post_init__(self) -> None:
        if self.level_db > 0 or not 0 < self.delay_s <= 2:
            raise ValueError("an echo is not louder than the voice and comes within 2 s")


@dataclass(frozen=True, slots=True)
class LineCondition:
    """One state of the line.

    Parameters:
        wire: the codec, at 8 kHz; G.711 A-law is what trunks in China use.
        level_dbfs: active speech level, RMS below full scale; None leaves it as it came.
        echo: of the talker; None for none.
        noise: from `NOISES`, `recorded` or `babble`; None for none.
        snr_db: active speech level over the noise, both within the band; of a line on which
            nobody speaks, the usual level counts.
        loss: share of packets that are lost, 0 to below 1.
        burst: packets in a run of lost ones, on average (Gilbert's model); 1 for losses that know
            nothing of each other.
        seed: of noise and losses.

    Errors: ValueError for a value that no line has.
    """

    wire: WireFormat = field(default_factory=lambda: WireFormat.named("alaw"))
    level_dbfs: float | None = None
    echo: Echo | None = None
    noise: Noise | None = None
    snr_db: float = 15.0
    loss: float = 0.0
    burst: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.wire.sample_rate != RATE:
            raise ValueError("a telephone line has 8000 samples a second")
        if self.level_dbfs is not None and not -90 <= self.level_dbfs <= 0:
            raise ValueError("a level lies between -90 and 0 dBFS")
        if not -60 <= self.snr_db <= 120:
            raise ValueError("a signal-to-noise ratio lies between -60 and 120 dB")
        if not 0 <= self.loss < 1:
            raise ValueError("the share of lost packets lies between 0 and 1")
        if not 1 <= self.burst <= 1000:
            raise ValueError("a run of lost packets has 1 to 1000 of them")


@dataclass(frozen=True, slots=True)
class Received:
    """What comes out at the far end.

    Parameters:
        pcm: (n,) at 8 kHz, losses concealed; as long as the speech, and not delayed.
        lost: (packets,), which of the packets of 20 ms did not arrive.
    """

    pcm: Int16
    lost: NDArray[np.bool_]


def simulate_line(pcm: Float, rate: int, condition: LineCondition) -> Received:
    """Sends speech (n,) at `rate` Hz over a line.

    Samples that are no numbers are silence, and what is beyond ±1 is clipped.
    """
    noises, losses = map(np.random.default_rng, np.random.SeedSequence(condition.seed).spawn(2))
    speech = band_passed(_at_line_rate(pcm, rate))
    level = active_level(speech)
    if level is not None and condition.level_dbfs is not None:
        speech = speech * _gain(condition.level_dbfs - level)
        level = condition.level_dbfs
    line = speech
    if condition.echo is not None:
        line = line + _echo(speech, condition.echo)
    if condition.noise is not None and line.size:
        voice = USUAL_LEVEL_DBFS if level is None else level
        line = line + _noise(condition.noise, line.size, noises, voice - condition.snr_db)
    samples = np.clip(np.rint(line * 32768.0), -32768, 32767).astype(np.int16)
    decoded = condition.wire.decode(condition.wire.encode(samples))
    lost = lost_packets(
        -(-decoded.size // condition.wire.frame_samples), condition.loss, condition.burst, losses
    )
    return Received(conceal(decoded, lost, condition.wire.frame_samples), lost)


def _at_line_rate(pcm: Float, rate: int) -> Float:
    import soxr

    if rate < 1:
        raise ValueError("sample rates are positive")
    clean = np.nan_to_num(np.asarray(pcm, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    clean = np.clip(clean, -1.0, 1.0)
    if rate == RATE or not clean.size:
        return clean
    resampled: Float = soxr.resample(clean, rate, RATE, quality="HQ")
    return resampled


@cache
def _band_filter() -> NDArray[np.float64]:
    """Linear phase: a windowed sinc below the upper edge, less one below the lower edge."""
    time = np.arange(_TAPS) - _TAPS // 2
    low, high = (2 * edge / RATE for edge in _BAND_HZ)
    ideal = high * np.sinc(high * time) - low * np.sinc(low * time)
    taps: NDArray[np.float64] = ideal * np.kaiser(_TAPS, _KAISER_BETA)
    return taps


def band_passed(pcm: Float) -> Float:
    """Speech (n,) at 8 kHz within the telephone band, its delay taken out."""
    if not pcm.size:
        return pcm
    whole = np.convolve(pcm, _band_filter())
    return whole[_TAPS // 2 : _TAPS // 2 + pcm.size].astype(np.float32)


def active_level(pcm: Float) -> float | None:
    """Level in dBFS of speech (n,) at 8 kHz while somebody speaks; None for silence.

    The power of the frames of 20 ms that are less than 15.9 dB below it: ITU-T P.56, method B,
    with frames in place of its smoothed envelope and hangover.
    """
    frame = RATE // 50
    padded = np.concatenate([pcm, np.zeros(-pcm.size % frame, np.float32)])
    power = np.mean(padded.reshape(-1, frame).astype(np.float64) ** 2, axis=1)
    active = power[power > 10 ** (_SILENCE_DBFS / 10)]
    while active.size:
        level = active.mean()
        louder = active[active > level * 10 ** (-_ACTIVITY_MARGIN_DB / 10)]
        if louder.size == active.size:
            return float(10 * np.log10(level))
        active = louder
    return None


def _gain(db: float) -> np.float32:
    return np.float32(10 ** (db / 20))


def _echo(speech: Float, echo: Echo) -> Float:
    delay = round(echo.delay_s * RATE)
    late = np.concatenate([np.zeros(delay, np.float32), speech])[: speech.size]
    return late * _gain(echo.level_db)


def _noise(source: Noise, samples: int, rng: Generator, level_dbfs: float) -> Float:
    noise = band_passed(source(samples, rng))
    rms = float(np.sqrt(np.mean(noise.astype(np.float64) ** 2)))
    scaled: Float = noise * np.float32(10 ** (level_dbfs / 20) / rms) if rms else noise
    return scaled


def white(samples: int, rng: Generator) -> Float:
    """The same power at each frequency: hiss."""
    return rng.standard_normal(samples, np.float32)


def pink(samples: int, rng: Generator) -> Float:
    """The same power in each octave: rooms, wind, streets from afar."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    shaped = spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    return np.fft.irfft(shaped, samples).astype(np.float32)


def hum(samples: int, rng: Generator) -> Float:
    """The mains' 50 Hz and its harmonics; the line lets those above 300 Hz through."""
    time = np.arange(samples) / RATE
    tones = np.zeros(samples)
    for harmonic, phase in enumerate(rng.uniform(0, 2 * np.pi, 40), 1):
        tones += np.sin(2 * np.pi * _HUM_HZ * harmonic * time + phase) / harmonic
    return tones.astype(np.float32)


NOISES: dict[str, Noise] = {"white": white, "pink": pink, "hum": hum}


def recorded(pcm: Float, rate: int) -> Noise:
    """A recording of noise (n,) at `rate` Hz, from a random place on, over and over."""
    loop = _at_line_rate(pcm, rate)
    if not loop.size:
        raise ValueError("a recording of noise holds samples")

    def noise(samples: int, rng: Generator) -> Float:
        begin = int(rng.integers(loop.size))
        return np.resize(np.roll(loop, -begin), samples)

    return noise


def babble(pcm: Float, rate: int) -> Noise:
    """Many voices at once, made of one recording of speech (n,) that talks over itself."""
    voice = recorded(pcm, rate)

    def noise(samples: int, rng: Generator) -> Float:
        voices = np.stack([voice(samples, rng) for _ in range(_VOICES_IN_BABBLE)])
        together: Float = voices.sum(axis=0)
        return together

    return noise


def lost_packets(packets: int, loss: float, burst: float, rng: Generator) -> NDArray[np.bool_]:
    """Which of so many packets are lost: Gilbert's two states (netem's `gemodel p r`).

    A run of losses lasts `burst` packets on average, but never less than chance alone makes it.
    """
    lost = np.zeros(packets, np.bool_)
    if not loss:
        return lost
    leave = 1 / max(burst, 1 / (1 - loss))
    enter = leave * loss / (1 - loss)
    bad = rng.random() < loss
    for index, chance in enumerate(rng.random(packets)):
        lost[index] = bad
        bad = chance >= leave if bad else chance < enter
    return lost


def conceal(pcm: Int16, lost: NDArray[np.bool_], packet: int) -> Int16:
    """Fills lost packets of a stream (n,) at 8 kHz with the last pitch period before them.

    A plain form of G.711 Appendix I: repeated in full for 10 ms, silent after 60 ms, and joined
    to the next packet that arrives over 5 ms.

    Parameters:
        lost: (packets,); the samples of a lost packet are not looked at.
        packet: samples in a packet.
    """
    out = pcm.astype(np.float32)
    for first, after in _runs(lost):
        begin, end = first * packet, min(after * packet, out.size)
        joined = min(_JOIN, out.size - end)
        filler = _repeated(out[max(0, begin - _HISTORY) : begin], end - begin + joined)
        out[begin:end] = filler[: end - begin]
        rise = np.arange(1, joined + 1, dtype=np.float32) / (_JOIN + 1)
        out[end : end + joined] *= rise
        out[end : end + joined] += filler[end - begin :] * (1 - rise)
    return np.rint(out).astype(np.int16)


def _runs(lost: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    for first, after in edges.reshape(-1, 2):
        yield int(first), int(after)


def _repeated(before: Float, samples: int) -> Float:
    history = np.concatenate([np.zeros(_HISTORY - before.size, np.float32), before])
    pitch = _pitch(history)
    period = history[-pitch:].copy()
    smooth = pitch // 4  # its end leads to its beginning again
    fade = np.arange(1, smooth + 1, dtype=np.float32) / (smooth + 1)
    period[-smooth:] = period[-smooth:] * (1 - fade) + history[-pitch - smooth : -pitch] * fade
    time = np.arange(samples) / RATE
    gain = np.clip(1 - (time - _FULL_S) / (_GONE_S - _FULL_S), 0, 1)
    return np.resize(period, samples) * gain.astype(np.float32)


def _pitch(history: Float) -> int:
    """The lag at which the last 20 ms resemble what was before them most."""
    template = history[-_TEMPLATE:]
    earlier = sliding_window_view(
        history[-_TEMPLATE - _LONGEST_PITCH : -_SHORTEST_PITCH], _TEMPLATE
    )
    energy = np.sqrt(np.sum(earlier.astype(np.float64) ** 2, axis=1)) + 1.0
    return _LONGEST_PITCH - int(np.argmax(earlier @ template / energy))
