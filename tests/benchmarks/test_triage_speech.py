"""Triage on recognised speech: what is drawn, how it is said, and what is trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.spoken_lines import Speaking, rows, telephoned
from benchmarks.triage_speech import chosen, heard_by, training_lines
from flows.triage import Turn
from flows.triage.cases import read_cases
from flows.triage.examples import parse_example

LINES = [f"12345\t\t\t\t\t第{n}个路灯不亮了" for n in "一二三四五六七八"]


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def test_a_draw_does_not_depend_on_where_the_lines_stand(tmp_path: Path) -> None:
    ordered = written(tmp_path / "a.tsv", LINES)
    elsewhere = [written(tmp_path / "b.tsv", LINES[5:]), written(tmp_path / "c.tsv", LINES[:5])]
    assert len(chosen([ordered], 3, 1)) == 3
    assert chosen([ordered], 3, 1) == chosen(elsewhere, 3, 1)
    assert chosen([ordered], 3, 1) != chosen([ordered], 3, 2)


def test_lines_that_the_voice_cannot_say_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", [*LINES[:1], "110_now\t\t1\t\tenglish\tplease help me"])
    assert [case.turn.text for case in chosen([path], None, 1).values()] == ["第一个路灯不亮了"]


def test_a_line_is_said_the_same_way_every_time() -> None:
    assert Speaking.of("abc") == Speaking.of("abc")
    assert len({Speaking.of(str(n)).pitch for n in range(20)}) > 10


def test_a_deeper_voice_speaks_for_longer() -> None:
    tone = (8000 * np.sin(np.arange(24_000) / 20)).astype(np.int16)
    deep = telephoned(tone, 24_000, Speaking(0.8, -26.0, "", 20.0, 1))
    high = telephoned(tone, 24_000, Speaking(1.25, -26.0, "pink", 20.0, 1))
    assert (deep.size, high.size) == (20_000, 12_800)
    assert deep.dtype == np.float32


def row(text: str, heard: str, **more: Any) -> dict[str, Any]:
    return {
        "id": text,
        "text": text,
        "route": "110_now",
        "accept": ["110", "110_now"],
        "category": 1,
        "lines": ["119", "120"],
        "tags": ["calm"],
        "asr_text": heard,
        "alternatives": [],
        "syllables": ["zh", "ao2", "h", "uo3"],
        "alone": [heard, "又一个"],
        **more,
    }


def test_what_was_recognised_is_trained_on_with_the_labels_of_its_source() -> None:
    (line,) = training_lines([row("我家厨房着火了", "我家出房着火了")])
    example = parse_example(line)
    assert (example.text, example.route) == ("我家出房着火了", "110_now")
    assert example.accept == {"110", "110_now"}
    assert example.category == 1
    assert example.lines == {"119", "120"}
    assert example.tags == {"calm"}


def test_what_taught_nothing_or_lost_its_meaning_is_not_trained_on() -> None:
    same = row("我家厨房，着火了", "我家厨房着火了")
    lost = row("我家厨房着火了", "谢谢观看")
    silent = row("我家厨房着火了", "")
    wordless = row("(……)", "嗯")
    assert list(training_lines([same, lost, silent, wordless])) == []


def test_each_ear_is_judged_by_what_it_had() -> None:
    heard = row("着火", "招货", alternatives=["着火"], alone=["找货", "着火"])
    sounds = ("zhao2", "huo3")
    assert heard_by("both ears", heard) == Turn("caller", "招货", ("着火",), sounds)
    alone = heard_by("listener only", heard)
    assert (alone.text, alone.syllables) == ("着火", sounds), "written by its sound"
    assert heard_by("transcriber only", heard) == Turn("caller", "找货", ("着火",))
    assert heard_by("transcriber only", row("着火", "", alone=[])) == Turn("caller", "")


def test_a_run_that_was_cut_off_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "heard.jsonl"
    whole = json.dumps(row("着火", "招货"), ensure_ascii=False)
    path.write_text(whole + "\n" + whole[:40], "utf-8")
    assert [each["text"] for each in rows(path)] == ["着火"]
    assert rows(tmp_path / "none.jsonl") == []


def test_what_is_written_can_be_evaluated_as_labelled_and_as_heard(tmp_path: Path) -> None:
    path = tmp_path / "heard.jsonl"
    path.write_text(json.dumps(row("着火", "招货")) + "\n", "utf-8")
    (case,) = read_cases(path, heard=path)
    assert case.turn == Turn("caller", "招货", (), ("zhao2", "huo3"))
    assert case.route == "110_now"
    assert case.accept == {"110", "110_now"}
