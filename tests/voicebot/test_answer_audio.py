"""The audio of answers on disk: whole or not at all, checked, and pruned when nothing uses it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.call.audio_check import findings, measure
from voicebot.call.audio_files import WRITING_S, Pruned, audio_path, prune, read_wav, write_wav
from voicebot.call.audio_library import LINE_RATES, AudioLibrary
from voicebot.call.voices.sound import Speech, speech_from

RATE = 16_000
TEXT = "请带身份证到窗口办理。"


def tone(seconds: float, level: float = 0.3) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    at = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 220 * at)).astype(np.float32)


class FakeVoice:
    """Speaks anything as a tone of 0.2 s a character."""

    name = "fake"

    def __init__(self, voice: str = "fake/1") -> None:
        self.voice = voice
        self.rendered: list[str] = []

    def render(self, text: str) -> Speech:
        self.rendered.append(text)
        return speech_from(tone(0.2 * len(text)), RATE, self.voice)


# ── whole files, or none ──────────────────────────────────────────────────────────

KILLED = """
    import os, signal, sys, wave
    from pathlib import Path
    from tests.voicebot.test_answer_audio import FakeVoice
    from voicebot.call.audio_library import AudioLibrary

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def half(self, data, write=wave.Wave_write.writeframes):
        write(self, data[: len(data) // 2])
        self._file.flush()
        die()

    if sys.argv[2] == "within":
        wave.Wave_write.writeframes = half
    else:
        os.replace = die
    AudioLibrary(Path(sys.argv[1]), FakeVoice()).prepare(["甲乙丙"])
"""


@pytest.mark.parametrize("moment", ["within", "after"])
def test_a_kill_while_rendering_leaves_no_half_file(tmp_path: Path, moment: str) -> None:
    """Killed in the middle of writing, or between the last byte and its place."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), moment],
        cwd=Path(__file__).resolve().parents[2],
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.part"))) == 1
    library = AudioLibrary(tmp_path, FakeVoice())
    assert library.find("甲乙丙", 8000) is None
    assert library.prepare(["甲乙丙"]) == 1
    names = {library.name("甲乙丙", rate) for rate in LINE_RATES}
    (left,) = tmp_path.rglob("*.part")
    grow_old(left)
    assert prune(tmp_path, lambda: names).files == 1
    assert {path.stem for path in tmp_path.rglob("*.wav")} == names


@given(st.binary(max_size=200))
def test_a_file_of_anything_is_no_audio_and_never_raises(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("audio") / "x.wav"
    path.write_bytes(data)
    assert read_wav(path, "v") is None


def test_another_voice_or_wording_is_another_file(tmp_path: Path) -> None:
    one, other = AudioLibrary(tmp_path, FakeVoice()), AudioLibrary(tmp_path, FakeVoice("fake/2"))
    assert len({one.name("甲"), one.name("乙"), other.name("甲"), one.name("甲", 8000)}) == 4
    one.prepare(["甲"])
    assert other.prepare(["甲"]) == 1


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "0" * 65, "G" * 64, "0/" * 32])
def test_only_a_hash_names_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal"):
        audio_path(tmp_path, name)


# ── pruning ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def library(tmp_path: Path) -> AudioLibrary:
    """Audio of two answers, at both rates."""
    made = AudioLibrary(tmp_path, FakeVoice())
    made.prepare(["还在用的答复", "不用了的答复"])
    return made


def names(library: AudioLibrary, *texts: str) -> set[str]:
    return {library.name(text, rate) for text in texts for rate in LINE_RATES}


def test_what_is_used_is_kept_and_the_rest_goes(tmp_path: Path, library: AudioLibrary) -> None:
    pruned = prune(tmp_path, lambda: names(library, "还在用的答复"))
    assert pruned.files == 2
    assert pruned.size > 0
    assert {path.stem for path in tmp_path.rglob("*.wav")} == names(library, "还在用的答复")


def test_a_dry_run_only_counts(tmp_path: Path, library: AudioLibrary) -> None:
    assert prune(tmp_path, lambda: names(library, "还在用的答复"), dry_run=True).files == 2
    assert len(list(tmp_path.rglob("*.wav"))) == 4


def half_written(folder: Path) -> Path:
    (folder / "ab").mkdir(exist_ok=True)
    part = folder / "ab" / "tmp1.part"
    part.write_bytes(b"RIFF")
    return part


def grow_old(path: Path) -> None:
    os.utime(path, (time.time() - 2 * WRITING_S,) * 2)


def test_what_is_being_written_on_demand_is_left_and_what_was_left_behind_goes(
    tmp_path: Path,
) -> None:
    part = half_written(tmp_path)
    assert prune(tmp_path, set) == Pruned(0, 0)
    assert part.exists()
    grow_old(part)
    assert prune(tmp_path, set) == Pruned(1, 4)
    assert not part.exists()


def test_what_is_moved_to_its_place_while_it_is_looked_at_is_passed_over(
    tmp_path: Path, library: AudioLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow_old(half_written(tmp_path))
    glob = Path.glob

    def then_moved(folder: Path, pattern: str) -> list[Path]:
        found = list(glob(folder, pattern))
        for path in found:
            if path.suffix == ".part":
                path.unlink()
        return found

    monkeypatch.setattr(Path, "glob", then_moved)
    assert prune(tmp_path, lambda: names(library, "还在用的答复")).files == 2


def test_without_a_folder_there_is_nothing_to_prune(tmp_path: Path) -> None:
    assert prune(tmp_path / "none", set) == Pruned(0, 0)


def test_what_is_being_rendered_for_a_publication_is_not_pruned(tmp_path: Path) -> None:
    """The names are asked for once the rendering is over, whichever began first."""
    rendering, go_on, order = threading.Event(), threading.Event(), []

    class Slow(FakeVoice):
        def render(self, text: str) -> Speech:
            rendering.set()
            assert go_on.wait(60)
            order.append("rendered")
            return super().render(text)

    library = AudioLibrary(tmp_path, Slow())

    def used() -> set[str]:
        order.append("asked")
        return names(library, "新的答复")

    publishing = threading.Thread(target=library.prepare, args=(["新的答复"],))
    pruning = threading.Thread(target=prune, args=(tmp_path, used))
    publishing.start()
    assert rendering.wait(60)
    pruning.start()
    with (tmp_path / ".lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    go_on.set()
    publishing.join()
    pruning.join()
    assert order == ["rendered", "asked"]
    assert {path.stem for path in tmp_path.rglob("*.wav")} == names(library, "新的答复")


# ── fit to be heard ───────────────────────────────────────────────────────────────


def codes(speech: Speech, text: str = TEXT) -> list[tuple[str, str]]:
    return [(found.level, found.code) for found in findings(speech, text)]


def samples(*parts: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Speech:
    whole = np.concatenate(parts)
    return Speech(np.round(np.clip(whole, -1, 1) * 32767).astype(np.int16), RATE, "v")


def test_a_good_answer_has_no_findings() -> None:
    assert codes(speech_from(tone(2.0), RATE)) == []


def test_silence_is_an_error() -> None:
    assert codes(samples(tone(2.0, level=0.0))) == [("error", "silent")]
    assert codes(Speech(np.zeros(0, np.int16), RATE)) == [("error", "silent")]


def test_a_wave_whose_top_is_cut_off_is_an_error() -> None:
    assert codes(samples(np.clip(tone(2.0, level=2.0), -0.5, 0.5))) == [("error", "clipped")]
    assert codes(samples(tone(2.0, level=0.98))) == [("error", "clipped")]


def test_too_long_is_a_warning_and_far_too_long_an_error() -> None:
    assert codes(samples(tone(50)), "请带身份证到窗口。" * 25) == [("warning", "long")]
    assert codes(samples(tone(61)), "请带身份证到窗口。" * 30) == [("error", "long")]


def test_a_long_silence_within_is_told() -> None:
    gap = np.zeros(2 * RATE, np.float32)
    found = samples(tone(1), gap, tone(1))
    assert codes(found) == [("warning", "gap")]
    assert measure(found, TEXT).gap_s == pytest.approx(2.0, abs=0.02)


def test_words_that_were_swallowed_are_told_by_the_pace() -> None:
    assert codes(samples(tone(1.0)), TEXT * 2) == [("warning", "pace")]


def test_digits_count_as_the_words_they_are_read_as() -> None:
    assert measure(samples(tone(2.0)), "请打12345").syllables_per_s == pytest.approx(3.5, abs=0.1)


def test_writing_and_reading_give_the_same_samples(tmp_path: Path) -> None:
    speech = samples(tone(0.5))
    write_wav(tmp_path / "x.wav", speech)
    read = read_wav(tmp_path / "x.wav", "v")
    assert read is not None
    assert np.array_equal(read.pcm, speech.pcm)
