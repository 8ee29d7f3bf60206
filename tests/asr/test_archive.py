"""Folders of recordings: what is found, what is written, what is not done twice."""

import fcntl
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.archive import (
    MANIFEST,
    ArchiveError,
    Batch,
    Ears,
    Recording,
    Transcripts,
    find_recordings,
)
from asr.hypothesis import Capabilities, Hypothesis


class Scripted:
    """An engine that hears the same in everything, and may be made to fail or to wait."""

    name = "scripted"
    capabilities = Capabilities(False, False, False, False, False, ("zh",))

    def __init__(self, heard=lambda: "喂") -> None:
        self.heard = heard
        self.calls = 0

    def transcribe(self, pcm) -> Hypothesis:
        self.calls += 1
        return Hypothesis(self.name, text=self.heard())


def ears(*engines: Scripted) -> list[Ears]:
    return [Ears(engine, None) for engine in engines or (Scripted(),)]  # type: ignore[arg-type]


def record(path: Path, seconds: float = 1.0) -> Path:
    """Sound between two silences."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(0).normal(0, 0.1, round(seconds * 8000))
    silence = np.zeros(4000)
    with path.open("wb") as file:
        soundfile.write(file, np.concatenate([silence, sound, silence]), 8000, format="WAV")
    return path


def record_long(path: Path) -> Path:
    """A minute of sound with a pause each second."""
    pcm = np.random.default_rng(0).normal(0, 0.1, 480_000) * (np.arange(480_000) % 8000 < 4000)
    soundfile.write(path, pcm, 8000)
    return path


def inside(recordings: list[Recording]) -> list[str]:
    return [each.inside.as_posix() for each in recordings]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for name in ("b.wav", "a.WAV", "2026/11/c d.mp3", "2026/e.flac", ".hidden.wav", ".x/f.wav"):
        record(folder / name)
    (folder / "notes.txt").write_text("会议记录")
    return folder


def run(folder: Path, recordings, engines=None, formats=("json",), *, force: bool = False):
    with Transcripts(folder, formats) as transcripts:
        todo = [each for each in recordings if force or not transcripts.complete(each)]
        return list(Batch(engines or ears(), transcripts=transcripts).run(todo))


def manifest(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / MANIFEST).read_bytes().splitlines()]


def test_a_folder_holds_its_audio_files_in_order(archive: Path) -> None:
    assert inside(find_recordings([archive])) == ["a.WAV", "b.wav"]
    assert inside(find_recordings([archive], recursive=True)) == [
        "2026/11/c d.mp3", "2026/e.flac", "a.WAV", "b.wav",
    ]  # fmt: skip


def test_a_file_that_is_named_may_be_called_anything_and_is_taken_once(archive: Path) -> None:
    named = [
        archive / "notes.txt",
        archive / "b.wav",
        archive,
        archive / ".." / "archive" / "b.wav",
    ]
    assert inside(find_recordings(named)) == ["notes.txt", "b.wav", "a.WAV"]
    assert inside(find_recordings([archive / "none.wav"])) == ["none.wav"]


def test_a_folder_without_recordings_is_said(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match=r"empty holds no recording \(aif.*wav\)\.$"):
        find_recordings([tmp_path / "empty"], recursive=True)
    with pytest.raises(ArchiveError, match="--recursive looks into its folders too"):
        find_recordings([tmp_path])


def test_each_recording_gets_its_transcript_at_the_same_place(
    archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcomes = run(out, find_recordings([archive], recursive=True), formats=("json", "srt"))
    assert [each.problem for each in outcomes] == [None] * 4
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert written == sorted(
        [MANIFEST]
        + [n + s for n in ("a.WAV", "b.wav", "2026/e.flac", "2026/11/c d.mp3")
           for s in (".json", ".srt")]
    )  # fmt: skip
    result = json.loads((out / "2026/11/c d.mp3.json").read_text())
    assert result == outcomes[0].result
    assert result["text"] == "喂"
    assert [line["status"] for line in manifest(out)] == ["done"] * 4
    assert {line["path"] for line in manifest(out)} == {
        str(each.recording.path) for each in outcomes
    }
    assert all(p.stat().st_mode & 0o077 == 0 for p in out.rglob("*") if p.is_file())


def test_transcripts_may_lie_beside_their_recordings(archive: Path) -> None:
    run(archive, find_recordings([archive]))
    assert (archive / "b.wav.json").exists()
    assert inside(find_recordings([archive])) == ["a.WAV", "b.wav"]


def test_what_is_complete_is_not_done_again(archive: Path, tmp_path: Path) -> None:
    out, recordings = tmp_path / "out", find_recordings([archive])
    run(out, recordings)
    assert run(out, recordings) == []
    assert len(run(out, recordings, force=True)) == 2
    assert len(run(out, recordings, formats=("json", "text"))) == 2
    assert run(out, recordings, formats=("text",)) == []
    (out / "b.wav.json").unlink()
    assert inside([each.recording for each in run(out, recordings)]) == ["b.wav"]


def test_a_recording_that_has_changed_is_done_again(archive: Path, tmp_path: Path) -> None:
    out, recordings = tmp_path / "out", find_recordings([archive])
    run(out, recordings)
    later = (out / "b.wav.json").stat().st_mtime_ns + 1_000_000_000
    os.utime(archive / "b.wav", ns=(later, later))
    assert inside([each.recording for each in run(out, recordings)]) == ["b.wav"]


def test_a_recording_that_is_being_written_is_not_taken_for_complete(
    archive: Path, tmp_path: Path
) -> None:
    growing = archive / "b.wav"

    def heard() -> str:
        os.utime(growing, ns=(1, 1))
        return "喂"

    out = tmp_path / "out"
    [outcome] = run(out, find_recordings([growing]), ears(Scripted(heard)))
    assert outcome.problem is not None
    assert "written to while it was read" in outcome.problem["message"]
    assert not (out / "b.wav.json").exists()


def test_broken_recordings_harm_no_other(archive: Path, tmp_path: Path) -> None:
    (archive / "a.WAV").write_text("会议记录")
    out = tmp_path / "out"
    named = [archive / "none.wav", archive]
    bad, worse, good = run(out, find_recordings(named))
    assert bad.problem is not None
    assert worse.problem is not None
    assert "no such file" in bad.problem["message"]
    assert "no audio file" in worse.problem["message"]
    assert good.problem is None
    assert [line["status"] for line in manifest(out)] == ["failed", "failed", "done"]
    assert manifest(out)[0]["error"] == bad.problem
    assert [p.name for p in out.iterdir()].count("b.wav.json") == 1


def test_a_fault_of_the_engine_is_told_without_what_was_said(archive: Path, tmp_path: Path) -> None:
    def heard() -> str:
        raise RuntimeError("13800138000")

    out = tmp_path / "out"
    [first, _] = run(out, find_recordings([archive]), ears(Scripted(heard)))
    assert first.problem is not None
    assert first.problem["code"] == "asr.fault"
    assert "13800138000" not in json.dumps(manifest(out))
    assert isinstance(first.cause, RuntimeError)


def test_what_a_damaged_recording_holds_is_kept_but_not_complete(
    archive: Path, tmp_path: Path
) -> None:
    flac = archive / "2026" / "e.flac"
    whole = record_long(flac).read_bytes()
    flac.write_bytes(whole[: len(whole) // 2])
    out, recordings = tmp_path / "out", find_recordings([flac])
    [outcome] = run(out, recordings)
    assert outcome.problem is not None
    assert "damaged after" in outcome.problem["message"]
    kept = out / "e.flac.damaged.json"
    assert json.loads(kept.read_text())["segments"]
    assert manifest(out)[-1]["status"] == "damaged"
    assert len(run(out, recordings)) == 1
    flac.write_bytes(whole)
    assert run(out, recordings)[0].problem is None
    assert sorted(p.name for p in out.iterdir()) == ["e.flac.json", MANIFEST]


def test_a_transcript_that_cannot_be_written_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "b.wav.json").mkdir(parents=True)
    outcomes = run(out, find_recordings([archive]), force=True)
    assert outcomes[0].problem is None
    assert outcomes[1].problem is not None
    assert "b.wav.json" in outcomes[1].problem["message"]
    assert not list(out.rglob("*.part"))


def test_two_recordings_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    first, second = record(tmp_path / "1" / "call.wav"), record(tmp_path / "2" / "call.wav")
    transcripts = Transcripts(tmp_path / "out", ["json"])
    with pytest.raises(ArchiveError, match=r"1/call\.wav and .*2/call\.wav would be written"):
        transcripts.require_distinct(find_recordings([first, second]))
    transcripts.require_distinct(find_recordings([tmp_path], recursive=True))
    record(tmp_path / "1" / "call.flac")
    transcripts.require_distinct(find_recordings([tmp_path / "1"]))


def test_two_runs_do_not_write_to_one_folder(archive: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", find_recordings([archive]))
    with (tmp_path / "out" / MANIFEST).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ArchiveError, match="Another run"):
            run(tmp_path / "out", find_recordings([archive]))


def test_names_in_gbk_are_kept_and_shown(tmp_path: Path) -> None:
    name = os.fsdecode("投诉 录音.wav".encode("gbk"))
    record(tmp_path / "in" / name)
    run(tmp_path / "out", find_recordings([tmp_path / "in"]), formats=("json", "vtt", "text"))
    assert (tmp_path / "out" / f"{name}.json").exists()
    assert manifest(tmp_path / "out")[0]["path"] == str(tmp_path / "in" / "投诉 录音.wav")


def test_as_many_recordings_are_heard_at_a_time_as_there_are_ears(archive: Path) -> None:
    together = threading.Barrier(2, timeout=30)

    def heard() -> str:
        together.wait()
        return "喂"

    engines = Scripted(heard), Scripted(heard)
    recordings = find_recordings([archive], recursive=True)
    outcomes = list(Batch(ears(*engines)).run(recordings))
    assert [each.recording for each in outcomes] == recordings
    assert all(each.problem is None for each in outcomes)
    assert engines[0].calls == engines[1].calls == 2


def test_a_run_that_is_interrupted_leaves_whole_transcripts_only(
    archive: Path, tmp_path: Path
) -> None:
    """As by Ctrl-C, while the second recording is heard."""
    record_long(archive / "2026" / "e.flac")
    hears_second, goes_on = threading.Event(), threading.Event()
    calls = iter(range(100))

    def heard() -> str:
        if next(calls) == 1:
            hears_second.set()
            assert goes_on.wait(30)
        return "喂"

    out, recordings = tmp_path / "out", find_recordings([archive], recursive=True)
    with Transcripts(out, ["json"]) as transcripts:
        batch = Batch(ears(Scripted(heard)), transcripts=transcripts)
        outcomes = batch.run(recordings)
        next(outcomes)
        assert hears_second.wait(30)
        threading.Timer(0.1, goes_on.set).start()
        outcomes.close()  # type: ignore[attr-defined]
    assert [p.name for p in out.rglob("*.json")] == ["c d.mp3.json"]
    assert not list(out.rglob("*.part"))
    assert len(run(out, recordings)) == 3


def test_progress_is_told_by_recording_and_adds_up(archive: Path) -> None:
    told: dict[str, float] = {}

    def progress(recording: Recording, seconds: float) -> None:
        told[recording.path.name] = told.get(recording.path.name, 0) + seconds

    list(Batch(ears(), on_progress=progress).run(find_recordings([archive])))
    assert told == {"a.WAV": pytest.approx(2.0), "b.wav": pytest.approx(2.0)}


def test_no_recordings_are_no_work() -> None:
    assert list(Batch([]).run([])) == []


@settings(deadline=None, max_examples=50)
@given(name=st.binary(min_size=1, max_size=60), text=st.text(max_size=30))
def test_any_name_and_any_text_are_written_whole(
    name: bytes, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stem = os.fsdecode(bytes(byte for byte in name if byte not in b"/\0"))
    if stem in ("", ".", ".."):
        return
    folder = tmp_path_factory.mktemp("any")
    recording = Recording(folder / stem, Path(stem))
    result = {
        "path": "x", "text": text, "seconds": 1.0, "engine": "e",
        "segments": [{"start": 0.0, "end": 1.0, "text": text, "alternatives": []}],
    }  # fmt: skip
    with Transcripts(folder / "out", ["json", "srt", "vtt", "text"]) as transcripts:
        places = transcripts.write(recording, result)  # type: ignore[arg-type]
    assert json.loads(places[0].read_bytes()) == result
    assert all(place.exists() for place in places)
    assert not [p for p in os.listdir(folder / "out") if p.endswith(".part") and p != stem]
