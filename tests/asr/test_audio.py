"""Reading audio files: every usual format, and plain sentences for what cannot be read."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio import probe, read, read_blocks, shown, span
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
        ("a.wav", 8_000, 1, "PCM_U8"),
        ("a.wav", 6_000, 1, "PCM_16"),
        ("a.wav", 192_000, 2, "PCM_24"),
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


def header_says(path: Path, field: int, value: int) -> None:
    """Overwrite a 32-bit field of a WAV header."""
    data = bytearray(path.read_bytes())
    data[field : field + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)


RIFF_LENGTH, RATE, DATA_LENGTH = 4, 24, 40


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_wav_of_a_recorder_that_was_killed_is_read_by_its_data(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(2, 16_000), 16_000)
    expected = read(path)
    header_says(path, RIFF_LENGTH, length)
    header_says(path, DATA_LENGTH, length)
    assert np.array_equal(read(path), expected)
    assert probe(path).seconds == 2.0
    with path.open("ab") as file:
        file.write(b"x")  # half a sample
    assert read(path).size == expected.size


def test_an_empty_wav_with_a_note_after_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, np.zeros(0, np.float32), 16_000)
    note = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    path.write_bytes(path.read_bytes()[:44] + note)
    with pytest.raises(AudioEmpty):
        read(path)


@pytest.mark.parametrize("name", ["call.raw", "call.pcm", "call", "call.wav.txt"])
def test_the_name_of_a_file_does_not_matter(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1, 16_000), 16_000)
    (tmp_path / name).write_bytes((tmp_path / "a.wav").read_bytes())
    assert read(tmp_path / name).size == 16_000
    (tmp_path / name).write_bytes((tmp_path / "a.wav").read_bytes()[44:])
    with pytest.raises(AudioNotReadable, match="without a header"):
        read(tmp_path / name)


def test_a_name_that_is_no_utf_8_is_read_and_shown(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"call\xff.wav")
    path.write_text("这不是录音。")
    with pytest.raises(AudioNotReadable, match=r"call\\xff\.wav is no audio"):
        read(path)
    soundfile.write(tmp_path / "a.wav", tone(1, 16_000), 16_000)
    (tmp_path / "a.wav").rename(path)
    assert read(path).size == 16_000


def test_each_part_of_a_path_is_shown_as_it_was_meant() -> None:
    gbk = os.fsdecode("投诉.wav".encode("gbk"))
    assert shown(f"录音/{gbk}") == "录音/投诉.wav"
    assert shown(os.fsdecode(b"/a b/call\xff.wav")) == "/a b/call\\xff.wav"


def test_a_channel_is_read_by_itself(tmp_path: Path) -> None:
    left, right = tone(1, 8_000)[:, 0], 0.5 * tone(1, 8_000)[:, 0]
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8_000)
    peaks = [
        float(np.abs(np.concatenate(list(read_blocks(tmp_path / "a.wav", channel=each)))).max())
        for each in (0, 1, None)
    ]
    assert peaks == pytest.approx([0.5, 0.25, 0.375], abs=0.01)


@pytest.mark.parametrize("rate", [0, 7, 1_000_000_000, 2**31 - 1])
def test_an_impossible_rate_is_said(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(1, 16_000), 16_000)
    header_says(path, RATE, rate)
    with pytest.raises(AudioNotReadable, match=r"call\.wav"):
        read(path)


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 200), junk=st.binary(max_size=60), suffix=st.sampled_from(["wav", "flac"])
)
def test_a_damaged_header_is_an_error_of_ours_or_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    soundfile.write(path, tone(0.5, 16_000), 16_000)
    data = path.read_bytes()
    path.write_bytes(data[:cut] + junk + data[cut + len(junk) :])
    with contextlib.suppress(AsrError):
        read(path)


def night(path: Path, hours: int) -> Path:
    """Hours of silence that take no room."""
    size = hours * 3600 * 32_000
    soundfile.write(path, np.zeros(0, np.int16), 16_000, subtype="PCM_16")
    header_says(path, RIFF_LENGTH, size + 36)
    header_says(path, DATA_LENGTH, size)
    with path.open("r+b") as file:
        file.truncate(44 + size)
    return path


def test_what_is_longer_than_a_day_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = night(tmp_path / "days.wav", 25)
    assert probe(path).seconds == 25 * 3600
    with pytest.raises(AudioTooLong, match=r"lasts 25 h 0 min; the limit is 24 h 0 min"):
        next(read_blocks(path))


def test_eleven_hours_come_in_small_blocks(tmp_path: Path) -> None:
    blocks = read_blocks(night(tmp_path / "night.wav", 11))
    assert max(next(blocks).size for _ in range(100)) <= 2 * 16_000


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
