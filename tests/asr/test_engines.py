"""Opening engines by name and the table of what they can do."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from asr.capability_table import BEGIN, END, markdown, written_into
from asr.engines import EngineFolders, capability_table, open_transcriber
from asr.errors import ModelMissing, UnknownEngine
from voicebot.commands.session import InputError

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("document", ["README.md", "docs/recognition.md"])
def test_the_documented_table_is_what_the_code_says(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert written_into(text, capability_table(EngineFolders())) == text, (
        f"run: voicebot asr engines --into {document}"
    )


def test_the_table_has_a_line_for_each_engine_with_what_it_can_do() -> None:
    heading, _, *lines = markdown(capability_table(EngineFolders())).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == [
        "`whisper`", "`vosk`", "`listener`", "`funasr`", "`vosk-server`", "`nats`",
    ]  # fmt: skip
    assert len({line.count("|") for line in [heading, *lines]}) == 1
    cells = dict(
        zip(
            [cell.strip() for cell in heading.split("|")],
            [cell.strip() for cell in lines[0].split("|")],
            strict=True,
        )
    )
    assert (cells["n-best"], cells["word times"], cells["hot words"]) == ("yes", "yes", "–")


@pytest.mark.parametrize("document", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_document_without_its_two_marks_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="needs one line"):
        written_into(document, ())


def test_what_stands_around_the_table_stays(tmp_path: Path) -> None:
    written = written_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", ())
    assert written.startswith(f"before\n{BEGIN}\n\n| engine")
    assert written.endswith(f"\n{END}\nafter\n")
    assert "old" not in written


def asr_engines(*arguments: str) -> Result:
    from voicebot.commands.asr import app

    return CliRunner().invoke(app, ["engines", *arguments])


def test_the_command_says_what_is_installed_and_what_each_can_do(
    tmp_path: Path, listener_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBOT_PATHS__MODELS", str(tmp_path))
    monkeypatch.setenv("VOICEBOT_PATHS__LISTENER", str(listener_dir))
    rows = {
        row["engine"]: row for row in map(json.loads, asr_engines("--json").output.split("\n")[:-1])
    }
    assert (rows["whisper"]["installed"], rows["listener"]["installed"]) == (False, True)
    assert rows["listener"]["phonetic"]
    assert rows["whisper"]["sample_rates"] == [16_000]
    assert "asr.engine = auto" in asr_engines().output


def test_the_command_writes_the_table_and_refuses_what_has_no_place_for_it(tmp_path: Path) -> None:
    document = tmp_path / "engines.md"
    document.write_text(f"{BEGIN}\n{END}\n")
    assert asr_engines("--into", str(document)).exit_code == 0
    assert document.read_text() == written_into(
        f"{BEGIN}\n{END}\n", capability_table(EngineFolders())
    )
    document.write_text("nothing")
    refused = asr_engines("--into", str(document))
    assert isinstance(refused.exception, InputError)
    assert "needs one line" in str(refused.exception)
    assert document.read_text() == "nothing"
