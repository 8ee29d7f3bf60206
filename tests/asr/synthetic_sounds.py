"""What a telephone line carries that is no speech, synthesised: noise, tones, music, breath.

Every sound is seeded and comes as float64 at 8 kHz within ±1; `on_the_line` makes of it what the
ears get, through G.711 A-law in frames of 20 ms and the service's own resampler. Levels are RMS in
dBFS: a talker on a trunk has −15 to −35.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from telephony.codecs import FRAME_SECONDS, Int16, WireFormat
from telephony.resampling import StreamResampler

LINE_RATE = 8_000
EAR_RATE = 16_000

Samples = npt.NDArray[np.float64]
Sound = Callable[[np.random.Generator, float], Samples]
"""(random numbers, seconds) → the sound."""

DTMF = {
    key: (low, high)
    for low, row in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}
"""Hz of each key (ITU-T Q.23)."""


def on_the_line(sound: Samples) -> Int16:
    """8 kHz → A-law → the 16 kHz PCM that the ears are fed."""
    wire, resampler = WireFormat.named("alaw"), StreamResampler(LINE_RATE, EAR_RATE)
    pcm = np.rint(sound.clip(-1, 1) * 32767).astype(np.int16)
    frame = round(LINE_RATE * FRAME_SECONDS)
    frames = (pcm[begin : begin + frame] for begin in range(0, len(pcm), frame))
    return np.concatenate([resampler.push(wire.decode(wire.encode(each))) for each in frames])


def at_level(sound: Samples, dbfs: float) -> Samples:
    """The sound with this RMS, where it sounds at all; peaks are clipped as a line clips them."""
    sounding = sound[np.abs(sound) > 1e-4 * (np.abs(sound).max() + 1e-12)]
    rms = float(np.sqrt(np.mean(np.square(sounding)))) if sounding.size else 1.0
    return (sound * 10 ** (dbfs / 20) / rms).clip(-1, 1)


def _time(seconds: float) -> Samples:
    return np.arange(round(seconds * LINE_RATE)) / LINE_RATE


def _sine(frequency: float, seconds: float) -> Samples:
    return np.asarray(np.sin(2 * np.pi * frequency * _time(seconds)))


def _filled(pieces: Callable[[], Samples], seconds: float) -> Samples:
    """Pieces one after the other until the time is up."""
    length, sound = round(seconds * LINE_RATE), np.zeros(0)
    while sound.size < length:
        sound = np.concatenate([sound, pieces()])
    return sound[:length]


def _coloured(
    rng: np.random.Generator, seconds: float, weight: Callable[[Samples], Samples]
) -> Samples:
    """Noise whose spectrum has this amplitude at each frequency in Hz."""
    length = round(seconds * LINE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / LINE_RATE)
    sound = np.fft.irfft(spectrum * weight(np.maximum(frequencies, 1.0)), length)
    return np.asarray(sound / (np.abs(sound).max() + 1e-12))


def _band(low: float, high: float) -> Callable[[Samples], Samples]:
    """A smooth band-pass from `low` to `high` Hz."""
    return lambda f: np.asarray(1 / (1 + (low / f) ** 4) / (1 + (f / high) ** 4))


# ── noise ─────────────────────────────────────────────────────────────────────────────


def silence(rng: np.random.Generator, seconds: float) -> Samples:
    """Digital silence, and comfort noise in between."""
    return at_level(rng.standard_normal(round(seconds * LINE_RATE)), -62) * (_time(seconds) % 6 < 3)


def white_noise(rng: np.random.Generator, seconds: float) -> Samples:
    return _filled(
        lambda: at_level(rng.standard_normal(4 * LINE_RATE), rng.uniform(-50, -20)), seconds
    )


def pink_noise(rng: np.random.Generator, seconds: float) -> Samples:
    def piece() -> Samples:
        return at_level(_coloured(rng, 4.0, lambda f: f**-0.5), rng.uniform(-45, -20))

    return _filled(piece, seconds)


def hum(rng: np.random.Generator, seconds: float) -> Samples:
    """The mains: 50 Hz and its harmonics."""
    parts = [
        rng.uniform(0.2, 1.0) / harmonic * _sine(50 * harmonic, seconds)
        for harmonic in (1, 2, 3, 4, 5, 6, 7, 9, 11, 13)
    ]
    return at_level(np.sum(parts, axis=0), rng.uniform(-40, -25))


def wind(rng: np.random.Generator, seconds: float) -> Samples:
    """Gusts into a microphone: low noise that swells within seconds."""
    gusts = np.abs(_coloured(rng, seconds, lambda f: (f < 1.5).astype(np.float64)))
    noise = _coloured(rng, seconds, lambda f: 1 / (1 + (f / 300) ** 2))
    return at_level(noise * (0.05 + gusts), rng.uniform(-35, -18))


def breathing(rng: np.random.Generator, seconds: float) -> Samples:
    """In and out through a handset, each breath of its own length, colour and level."""

    def breath() -> Samples:
        length = rng.uniform(0.5, 1.8)
        centre = rng.uniform(500, 1600)
        noise = _coloured(rng, length, _band(0.5 * centre, 2 * centre))
        swell = np.sin(np.pi * np.linspace(0, 1, noise.size)) ** rng.uniform(0.6, 2.5)
        pause = np.zeros(round(rng.uniform(0.2, 1.0) * LINE_RATE))
        return np.concatenate([at_level(noise * swell, rng.uniform(-45, -20)), pause])

    return _filled(breath, seconds)


def clicks(rng: np.random.Generator, seconds: float) -> Samples:
    """Crackle, knocks on the handset and bursts of noise."""
    sound = np.zeros(round(seconds * LINE_RATE))
    for _ in range(round(3 * seconds)):
        length = round(rng.choice([0.001, 0.005, 0.03, 0.12]) * LINE_RATE)
        begin = rng.integers(0, max(1, sound.size - length))
        burst = rng.standard_normal(length) * np.exp(-4 * np.linspace(0, 1, length))
        sound[begin : begin + length] += rng.uniform(0.03, 0.5) * burst
    return sound.clip(-1, 1)


# ── tones of the network ──────────────────────────────────────────────────────────────


def _cadence(rng: np.random.Generator, seconds: float, *on_off: float) -> Samples:
    """450 Hz, on and off for the seconds given in turn (GB/T 3380)."""
    tone, at, on = np.zeros(round(seconds * LINE_RATE)), 0.0, True
    turns = 0
    while at < seconds:
        length = on_off[turns % len(on_off)]
        if on:
            tone[round(at * LINE_RATE) : round((at + length) * LINE_RATE)] = 1.0
        at, on, turns = at + length, not on, turns + 1
    return at_level(tone * _sine(450, seconds), rng.uniform(-30, -10))


def ringback(rng: np.random.Generator, seconds: float) -> Samples:
    return _cadence(rng, seconds, 1.0, 4.0)


def busy(rng: np.random.Generator, seconds: float) -> Samples:
    return _cadence(rng, seconds, 0.35, 0.35)


def congestion(rng: np.random.Generator, seconds: float) -> Samples:
    return _cadence(rng, seconds, 0.7, 0.7)


def unobtainable(rng: np.random.Generator, seconds: float) -> Samples:
    return _cadence(rng, seconds, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4)


def dial_tone(rng: np.random.Generator, seconds: float) -> Samples:
    return _cadence(rng, seconds, seconds, 0.1)


def fax(rng: np.random.Generator, seconds: float) -> Samples:
    """CNG, CED with its phase reversals, V.21 flags and a V.27-like training noise (ITU-T T.30)."""

    def machine() -> Samples:
        cng = np.tile(np.concatenate([_sine(1100, 0.5), np.zeros(3 * LINE_RATE)]), 1)
        ced = _sine(2100, 2.6) * np.where(_time(2.6) % 0.9 < 0.45, 1, -1)
        bits = np.repeat(np.tile([0, 1, 1, 1, 1, 1, 1, 0], 38), LINE_RATE // 300)
        v21 = np.sin(2 * np.pi * np.cumsum(np.where(bits, 1650, 1850)) / LINE_RATE)
        page = _coloured(rng, 4.0, _band(600, 3000))
        return np.concatenate([cng, ced, v21, np.zeros(LINE_RATE // 2), at_level(page, -9)])

    return at_level(_filled(machine, seconds), rng.uniform(-28, -12))


def key_tone(
    key: str, seconds: float, *, dbfs: float = -12.0, twist_db: float = 0.0, detune: float = 0.0
) -> Samples:
    """One key's two frequencies.

    Parameters:
        dbfs: RMS of both together.
        twist_db: of the high frequency over the low one.
        detune: relative error of both frequencies.
    """
    low, high = DTMF[key]
    gain = 10 ** (twist_db / 20)
    return at_level(
        _sine(low * (1 + detune), seconds) + gain * _sine(high * (1 + detune), seconds), dbfs
    )


def dialled(keys: str, *, on_s: float, off_s: float, dbfs: float = -12.0) -> Samples:
    """A run of keys."""
    off = np.zeros(round(off_s * LINE_RATE))
    return np.concatenate(
        [piece for key in keys for piece in (key_tone(key, on_s, dbfs=dbfs), off)]
    )


def dtmf(rng: np.random.Generator, seconds: float) -> Samples:
    """Single keys and whole numbers, short and long, over a little noise."""

    def piece() -> Samples:
        keys = "".join(rng.choice([*"0123456789*#"], rng.choice([1, 1, 6, 11])))
        on_s, off_s = rng.choice([0.045, 0.07, 0.1, 0.25]), rng.choice([0.045, 0.07, 0.15])
        run = dialled(keys, on_s=on_s, off_s=off_s, dbfs=rng.uniform(-30, -10))
        return np.concatenate([run, np.zeros(round(rng.uniform(0.3, 1.5) * LINE_RATE))])

    noise = at_level(rng.standard_normal(round(seconds * LINE_RATE)), -58)
    return _filled(piece, seconds) + noise


# ── music on hold ─────────────────────────────────────────────────────────────────────

_PENTATONIC = (0, 2, 4, 7, 9)


def _pitch(rng: np.random.Generator, low: int = 0, high: int = 15) -> float:
    step = int(rng.integers(low, high))
    return float(220 * 2 ** ((12 * (step // 5) + _PENTATONIC[step % 5]) / 12))


def _note(
    frequency: float, seconds: float, overtones: int, fall: float, vibrato: float = 0.0
) -> Samples:
    """A note with harmonics up to 3.4 kHz that falls off by `fall` nepers."""
    time = _time(seconds)
    phase = 2 * np.pi * frequency * time + vibrato * np.sin(2 * np.pi * 5.5 * time)
    parts = [np.sin(k * phase) / k for k in range(1, overtones + 1) if k * frequency < 3400]
    attack = np.minimum(1.0, time / 0.02) * np.minimum(1.0, (seconds - time) / 0.02)
    return np.asarray(np.sum(parts, axis=0) * attack * np.exp(-fall * time / seconds))


def _plucked(rng: np.random.Generator, frequency: float, seconds: float) -> Samples:
    """A string (Karplus and Strong 1983), as of a guzheng or a guitar."""
    period = max(2, round(LINE_RATE / frequency))
    length = round(seconds * LINE_RATE)
    block, blocks = rng.uniform(-1, 1, period), []
    for _ in range(length // period + 1):
        blocks.append(block)
        block = 0.497 * (block + np.roll(block, 1))
    return np.concatenate(blocks)[:length]


def _drum(rng: np.random.Generator, seconds: float) -> Samples:
    time = _time(seconds)
    if rng.random() < 0.5:
        return np.asarray(
            np.sin(2 * np.pi * (60 * time - 8 * np.exp(-30 * time))) * np.exp(-12 * time)
        )
    return np.asarray(rng.standard_normal(time.size) * np.exp(-rng.uniform(15, 60) * time))


def chords(rng: np.random.Generator, seconds: float) -> Samples:
    """Slow pads of three or four notes."""

    def chord() -> Samples:
        root = float(rng.uniform(110, 260))
        third = float(rng.choice([3, 4]))
        notes = [_note(root * 2 ** (step / 12), 2.4, 5, 0.7) for step in (0, third, 7, 12)]
        return np.asarray(np.sum(notes, axis=0))

    return at_level(_filled(chord, seconds), rng.uniform(-28, -14))


def melody(rng: np.random.Generator, seconds: float) -> Samples:
    """One instrument with vibrato: a flute, an erhu, a voice-like lead."""
    overtones = int(rng.integers(2, 9))

    def note() -> Samples:
        length = float(rng.choice([0.25, 0.4, 0.5, 0.75, 1.2]))
        return _note(_pitch(rng), length, overtones, 0.5, vibrato=rng.uniform(0, 3))

    return at_level(_filled(note, seconds), rng.uniform(-28, -14))


def bowed(rng: np.random.Generator, seconds: float) -> Samples:
    """A fiddle (erhu) that slides from note to note within resonances like those of a vowel: of
    all instruments the nearest to a voice."""
    steps = [_pitch(rng, 0, 10) for _ in range(round(seconds / 0.4) + 2)]
    time = _time(seconds)
    at = time / 0.4 + 0.15 * np.sin(2 * np.pi * 0.3 * time)
    pitch = np.exp(np.interp(at, np.arange(len(steps)), np.log(steps)))
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.008 * np.sin(2 * np.pi * 6 * time))) / LINE_RATE
    sound = np.zeros(time.size)
    for k in range(1, 14):
        frequency = k * pitch
        body = sum(1 / (1 + ((frequency - centre) / 150) ** 2) for centre in (480, 1150, 2600))
        sound += np.where(frequency < 3600, body, 0.0) * np.sin(k * phase) / k
    bow = 0.35 + 0.65 * np.abs(np.sin(np.pi * time / 0.8)) ** 0.5
    return at_level(sound * bow, rng.uniform(-28, -14))


def plucked(rng: np.random.Generator, seconds: float) -> Samples:
    return at_level(
        _filled(lambda: _plucked(rng, _pitch(rng), rng.choice([0.2, 0.3, 0.6])), seconds),
        rng.uniform(-28, -14),
    )


def drums(rng: np.random.Generator, seconds: float) -> Samples:
    return at_level(_filled(lambda: _drum(rng, rng.choice([0.15, 0.25, 0.5])), seconds), -20)


def band(rng: np.random.Generator, seconds: float) -> Samples:
    """All of them at once."""
    parts = (chords, melody, plucked, drums)
    return at_level(np.sum([rng.uniform(0.3, 1) * p(rng, seconds) for p in parts], axis=0), -18)


SOUNDS: Mapping[str, Sound] = {
    sound.__name__: sound
    for sound in (
        silence, white_noise, pink_noise, hum, wind, breathing, clicks,
        ringback, busy, congestion, unobtainable, dial_tone, fax, dtmf,
        chords, melody, bowed, plucked, drums, band,
    )
}  # fmt: skip


def sound_of(name: str, seconds: float, seed: int) -> Samples:
    """One of `SOUNDS`; each name and seed gives another one."""
    return SOUNDS[name](np.random.default_rng([seed, *name.encode()]), seconds)
