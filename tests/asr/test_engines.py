"""Opening engines by name and the table of what they can do."""

from pathlib import Path

import pytest

from asr.engines import EngineFolders, capability_table, open_transcriber
from asr.errors import ModelMissing, UnknownEngine


def test_the_table_says_what_is_installed(tmp_path: Path, listener_dir: Path) -> None:
    rows = {r.engine: r for r in capability_table(EngineFolders(tmp_path, None, listener_dir))}
    assert not rows["whisper"].installed
    assert not rows["vosk"].installed
    assert rows["listener"].installed
    assert rows["listener"].capabilities.phonetic
    assert rows["whisper"].capabilities.n_best


def test_auto_takes_the_best_that_is_installed(tmp_path: Path, listener_dir: Path) -> None:
    assert open_transcriber("auto", EngineFolders(tmp_path, tmp_path, listener_dir)).name == (
        "listener"
    )


def test_auto_prefers_text(models_dir: Path, listener_dir: Path) -> None:
    folders = EngineFolders(models_dir / "whisper-base", models_dir / "vosk-ko", listener_dir)
    if not (models_dir / "whisper-base" / "model.bin").exists():
        pytest.skip("Whisper is not fetched.")
    assert open_transcriber("auto", folders, threads=1).name == "whisper"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownEngine, match="auto, whisper, vosk, listener"):
        open_transcriber("siri")


@pytest.mark.parametrize("name", ["auto", "whisper", "vosk", "listener"])
def test_nothing_installed_says_what_to_do(name: str) -> None:
    with pytest.raises(ModelMissing, match="models fetch"):
        open_transcriber(name)


def test_a_named_engine_with_an_empty_folder_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"model\.bin"):
        open_transcriber("whisper", EngineFolders(whisper=tmp_path))
