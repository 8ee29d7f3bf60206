import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.batch import parse_line, search_file
from kb.corpus import Labelled, read_gaps, read_labelled
from kb.entry import Entry
from kb.errors import FileNotReadable
from kb.evaluation import Share, evaluate
from kb.ranker import Ranker
from kb.search import Searcher
from kb.training import train
from tests.kb.conftest import TODAY, LetterEmbedder


@pytest.fixture
def searcher(entries: list[Entry], embedder: LetterEmbedder) -> Searcher:
    return Searcher.of(entries, embedder)


def test_a_file_of_questions_is_answered_line_by_line(searcher: Searcher, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        '\ufeff{"id": "q1", "query": "社保卡丢了怎么补办"}\n'
        "not json\n\n"
        '{"id": "q2"}\n'
        '{"id": "q3", "query": "车管所在哪里", "region": "460200"}\n'
        '{"id": "q4", "query": "问", "region": 46}\n'
        '{"id": 5, "query": ""}',
        encoding="utf-8",
    )
    done, bad = search_file(searcher, source, target, on=TODAY)
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert done == 3
    assert [row["id"] for row in rows] == ["q1", "q3", 5]
    assert set(rows[0]) == {"id", "decision", "entry", "candidates"}
    assert rows[0]["candidates"][0]["id"] == "a-1"
    assert rows[1]["candidates"][0]["id"] == "s-1"
    assert rows[2] == {"id": 5, "decision": "none", "entry": None, "candidates": []}
    assert [line.line for line in bad] == [2, 4, 6]


def test_a_missing_file_is_one_clear_sentence(searcher: Searcher, tmp_path: Path) -> None:
    with pytest.raises(FileNotReadable, match="cannot be read"):
        search_file(searcher, tmp_path / "no", tmp_path / "out", on=TODAY)
    (tmp_path / "in").write_text("", encoding="utf-8")
    with pytest.raises(FileNotReadable, match="cannot be written"):
        search_file(searcher, tmp_path / "in", tmp_path / "no" / "out", on=TODAY)


@given(st.binary(max_size=200))
def test_no_line_raises_anything_but_a_sentence(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_line(line)


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    assert Share(8, 10).interval == pytest.approx((0.490, 0.943), abs=0.001)
    assert Share(0, 0).interval == (0.0, 1.0)
    low, high = Share(0, 20).interval
    assert low == 0.0
    assert high == pytest.approx(0.161, abs=0.001)


def test_evaluation_counts_an_unpublished_expectation_as_unanswerable(searcher: Searcher) -> None:
    asked = [
        Labelled("1", "社保卡丢了怎么补办", frozenset({"a-1"}), tags=("plain",)),
        Labelled("2", "最低工资是多少", frozenset({"gone"})),
    ]
    for heard in ("clean", "noisy", "sound"):
        report = evaluate(searcher, asked, on=TODAY, heard=heard)  # type: ignore[arg-type]
        assert report.shares["top_1"].total == 1
        assert report.shares["false_answers"].total == 1
        assert report.by_tag["plain"]["top_1"].total == 1
        assert json.dumps(report.as_dict())
        assert "top_1" in report.table()


def test_labelled_questions_name_the_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "1", "query": "问", "expect": ["a"]}\n{"id": "2"}\n', encoding="utf-8")
    with pytest.raises(FileNotReadable, match="line 2"):
        read_labelled(path)


def test_the_list_of_gaps_holds_no_repeats() -> None:
    found = read_gaps()
    assert len(found) == len(set(found)) > 100


def test_training_is_reproducible_and_learns_the_right_entry(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    asked = [
        Labelled(f"{entry.id}-{n}", wording, frozenset({entry.id}), entry.region or None)
        for entry in entries
        for n, wording in enumerate(entry.wordings)
    ]
    asked += [Labelled(f"no-{n}", text, frozenset()) for n, text in enumerate(["天气", "唱歌"] * 4)]
    first, second = (train(entries, asked, embedder, on=TODAY) for _ in range(2))
    assert first.dump() == second.dump()
    searcher = Searcher.of(entries, embedder, ranker=Ranker.parse(first.dump()))
    report = evaluate(searcher, asked, on=TODAY)
    assert report.shares["top_1"].value > 0.9
