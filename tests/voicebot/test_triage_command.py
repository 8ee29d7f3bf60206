"""`voicebot triage`: words, files and subcommands side by side."""

from typing import Any

import pytest
import typer

from voicebot.cli import app


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        (["我家着火了"], "text"),
        (["--input", "a", "--output", "b"], "text"),
        (["train"], "train"),
        (["evaluate"], "evaluate"),
    ],
)
def test_words_and_subcommands_live_side_by_side(arguments: list[str], reached: str) -> None:
    group: Any = typer.main.get_command(app).commands["triage"]  # type: ignore[attr-defined]
    with group.make_context("triage", list(arguments)) as context:
        assert context._protected_args[0] == reached


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["着火了", "--input", "x"], "Give either the caller's words"),
        (["--input", "x"], "Give either the caller's words"),
        (["evaluate", "none.jsonl"], "none.jsonl"),
    ],
)
def test_mistakes_are_sentences(voicebot_here: Any, arguments: list[str], sentence: str) -> None:
    result = voicebot_here("triage", *arguments)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_is_assessed_and_faulty_lines_are_named(voicebot_here: Any, models_dir: Any) -> None:
    lines = voicebot_here.folder / "in.jsonl"
    lines.write_text('{"id": "a", "text": "厨房着火了，快来人"}\n{"id": "b"}\n', "utf-8")
    result = voicebot_here("triage", "--input", "in.jsonl", "--output", "out.jsonl")
    assert result.returncode == 1, result.stderr
    assert "line 2" in result.stderr
    (line,) = (voicebot_here.folder / "out.jsonl").read_text("utf-8").splitlines()
    assert '"route": "110_now"' in line
    assert '"action": "handoff"' in line


def test_a_file_may_be_replaced_by_its_own_results(voicebot_here: Any, models_dir: Any) -> None:
    lines = voicebot_here.folder / "same.jsonl"
    lines.write_text('{"id": 7, "text": "厨房着火了，快来人"}\n', "utf-8")
    result = voicebot_here("triage", "--input", "same.jsonl", "--output", "same.jsonl")
    assert result.returncode == 0, result.stderr
    (line,) = lines.read_text("utf-8").splitlines()
    assert '"id": 7,' in line
    assert [path.name for path in voicebot_here.folder.iterdir() if "same" in path.name] == [
        lines.name
    ]


def test_a_missing_input_leaves_an_earlier_output_alone(voicebot_here: Any) -> None:
    earlier = voicebot_here.folder / "out.jsonl"
    earlier.write_text("earlier\n", "utf-8")
    result = voicebot_here("triage", "--input", "none.jsonl", "--output", "out.jsonl")
    assert result.returncode == 1
    assert "none.jsonl" in result.stderr
    assert earlier.read_text("utf-8") == "earlier\n"
