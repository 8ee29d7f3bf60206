"""Reading audio files: every usual format, and plain sentences for what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio import probe, read, read_blocks, span
from asr.errors import AsrError, AudioEmpty, AudioNotReadable, AudioTooLong
from asr.hypothesis import as_pcm


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 8_000, 1, "ALAW"),
        ("a.wav", 8_000, 1, "ULAW"),
        ("a.wav", 44_100, 2, "PCM_16"),
        ("a.wav", 16_000, 1, "FLOAT"),
        ("a.flac", 48_000, 2, "PCM_24"),
        ("a.mp3", 22_050, 1, None),
        ("a.ogg", 48_000, 1, None),
    ],
)
def test_any_format_and_rate_becomes_mono_16_khz(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str | None
) -> None:
    path = tmp_path / name
    soundfile.write(path, tone(1.5, rate, channels), rate, subtype=subtype)
    pcm = read(path)
    assert pcm.dtype == np.float32
    assert pcm.ndim == 1
    assert pcm.size == pytest.approx(24_000, abs=1600)
    spectrum = np.abs(np.fft.rfft(pcm[4000:20000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=3)


def _text(path: Path) -> None:
    path.write_text("这不是录音。\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _header_only(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.float32), 16_000)


def _cut_header(path: Path) -> None:
    soundfile.write(path, tone(1, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:20])


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (_text, AudioNotReadable),
        (_empty, AudioEmpty),
        (_header_only, AudioEmpty),
        (_cut_header, AsrError),
        (_folder, AudioNotReadable),
        (lambda path: None, AudioNotReadable),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(
    tmp_path: Path, make: object, error: type[AsrError]
) -> None:
    path = tmp_path / "call.wav"
    make(path)  # type: ignore[operator]
    with pytest.raises(error, match=r"call\.wav") as caught:
        read(path)
    assert "Traceback" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_wav_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(2, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[: 44 + 32_000])
    assert read(path).size == 16_000


def test_an_eleven_hour_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    seconds = 11 * 3600
    soundfile.write(path, np.zeros(0, np.int16), 16_000, subtype="PCM_16")
    size = seconds * 32_000
    head = bytearray(path.read_bytes()[:44])
    head[4:8] = (size + 36).to_bytes(4, "little")
    head[40:44] = size.to_bytes(4, "little")
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(44 + size)  # sparse: takes no room
    assert probe(path).seconds == seconds
    with pytest.raises(AudioTooLong, match=r"lasts 11 h 0 min; the limit is 4 h 0 min"):
        next(read_blocks(path))


def test_a_long_file_comes_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "hour.flac"
    soundfile.write(path, np.zeros(8000 * 600, np.float32), 8000)
    sizes = [block.size for block in read_blocks(path, block_seconds=5)]
    assert max(sizes) <= 6 * 16_000
    assert sum(sizes) == pytest.approx(600 * 16_000, abs=100)


@settings(max_examples=20, deadline=None)
@given(block=st.floats(0.01, 3.0), rate=st.sampled_from([8_000, 11_025, 16_000, 44_100]))
def test_the_size_of_blocks_does_not_change_the_samples(
    tmp_path_factory: pytest.TempPathFactory, block: float, rate: int
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "a.wav"
    soundfile.write(path, tone(1.0, rate), rate)
    pcm = np.concatenate(list(read_blocks(path, block_seconds=block)))
    assert np.allclose(pcm, read(path), atol=1e-4)


def test_samples_that_are_no_numbers_become_silence() -> None:
    assert as_pcm([np.nan, np.inf, -np.inf, 0.5, 7.0]).tolist() == [0.0, 1.0, -1.0, 0.5, 1.0]


def test_durations_are_said_for_people() -> None:
    assert [span(s) for s in (3.21, 125, 39_600)] == ["3.2 s", "2 min 5 s", "11 h 0 min"]
