"""Audio files, frames of G.711 and linear PCM, and tones of keys in them."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from hypothesis import strategies as st

from asr.audio import SAMPLE_RATE, AudioInfo, probe, read_blocks
from asr.dtmf import KeyMute, key_in
from asr.errors import AudioEmpty, AudioNotReadable, AudioTooLong
from telephony.call_progress import CallProgress
from telephony.clips import load_clip
from telephony.codecs import Int16, WireFormat
from telephony.errors import CallError, MediaStreamError
from tests.fuzz.mutation import mutated
from tests.fuzz.target import FOLDER, Target, case_file, tells
from voicebot.call.audio_files import read_wav
from voicebot.call.recorded import RecordingInvalid, open_recorded

FILE = "greeting.wav"
MOST_SECONDS = 600.0

_FORMATS = (
    ("WAV", "PCM_16"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("WAV", "PCM_24"), ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"), ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"),
    ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"), ("AU", "ULAW"), ("W64", "PCM_16"), ("CAF", "ALAC_16"),
)  # fmt: skip


def _samples() -> list[bytes]:
    noise = np.random.default_rng(7).normal(0, 0.1, 3200)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3200) / 8000)
    found = []
    for kind, subtype in _FORMATS:
        out = io.BytesIO()
        rate = 16000 if subtype == "OPUS" else 8000
        sound = np.stack([tone, noise], axis=1) if subtype == "PCM_24" else tone + noise
        soundfile.write(out, sound, rate, format=kind, subtype=subtype)
        found.append(out.getvalue())
    killed = bytearray(found[0])
    killed[4:8] = killed[40:44] = b"\xff\xff\xff\xff"
    return [*found, bytes(killed)]


def _audio(data: bytes) -> None:
    path = case_file(FILE, data)
    try:
        assert isinstance(probe(path), AudioInfo)
        seconds = 0.0
        for block in read_blocks(path, max_seconds=MOST_SECONDS):
            assert block.ndim == 1
            seconds += len(block) / SAMPLE_RATE
            if seconds > MOST_SECONDS:
                break  # a stream that does not say its length; who reads it sets the limit
    except (AudioNotReadable, AudioEmpty, AudioTooLong) as error:
        tells(error)


def _clip(data: bytes) -> None:
    try:
        clip = load_clip(case_file(FILE, data), WireFormat.named("alaw"))
    except CallError:
        return
    assert clip.rate == 8000


def _prompts(data: bytes) -> None:
    read_wav(case_file(FILE, data), "")
    try:
        open_recorded(FOLDER, {"greeting": _Prompt()})  # type: ignore[dict-item]
    except RecordingInvalid as error:
        tells(error, FILE)


class _Prompt:
    blanks = ()
    english = ""


def _payload(case: tuple[str, int | None, bytes]) -> None:
    name, rate, data = case
    try:
        wire = WireFormat.named(name, rate)
        pcm = wire.decode(data)
    except MediaStreamError:
        return
    assert len(wire.encode(pcm)) == len(data)


def _tones(case: tuple[int, bytes]) -> None:
    rate, data = case
    mute, progress = KeyMute(rate), CallProgress(rate)
    pcm: Int16 = np.frombuffer(data[: len(data) // 2 * 2], np.int16)
    given = 0
    for at in range(0, len(pcm), 333):
        part = pcm[at : at + 333]
        given += len(mute.push(part))
        progress.push(part)
        assert at + len(part) - given <= rate * 0.05
    if len(pcm) >= rate // 50:
        key_in(pcm[: rate // 50], rate)


def _key(low: float, high: float, rate: int) -> bytes:
    at = np.arange(rate // 5) / rate
    both = np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at)
    return (9000 * both).astype(np.int16).tobytes()


_RATES = st.sampled_from((8000, 16000))
_KEYS = [_key(697, 1209, 8000), _key(941, 1336, 16000), bytes(3200), b"\xff\x7f\x00\x80" * 800]
SOUNDS = mutated(
    _samples(), (b"RIFF", b"WAVE", b"fmt ", b"data", b"fact", b"OggS", b"fLaC", b"ID3")
)

TARGETS = (
    Target("audio_files", SOUNDS, _audio),
    Target("audio_clips", SOUNDS, _clip),
    Target("recorded_prompts", SOUNDS, _prompts),
    Target(
        "media_payloads",
        st.tuples(
            st.sampled_from(("alaw", "PCMU", "audio/l16", " L16 ", "opus")),
            st.none() | st.sampled_from((8000, 16000, 0, -1, 44100)),
            st.binary(max_size=700),
        ),
        _payload,
    ),
    Target("key_tones", st.tuples(_RATES, mutated(_KEYS)), _tones),
)
