import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.batch import parse_line, search_file
from kb.corpus import Labelled, Recognised, read_gaps, read_labelled
from kb.entry import Entry
from kb.errors import FileNotReadable
from kb.evaluation import Share, evaluate
from kb.ranker import Ranker
from kb.search import Searcher
from kb.training import train
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry


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


def test_half_a_character_costs_its_line_and_no_other(searcher: Searcher, tmp_path: Path) -> None:
    source = tmp_path / "q.jsonl"
    source.write_text(
        '{"id": "q1", "query": "社保卡"}\n'
        '{"id": "q2", "query": "\\ud83d 社保卡"}\n'
        '{"id": "\\udc00", "query": "社保卡"}\n'
        '{"id": "q4", "query": "x", "alternatives": ["\\ud83d"]}\n'
        '{"id": "q5", "query": "社保卡"}\n',
        encoding="utf-8",
    )
    done, bad = search_file(searcher, source, source, on=TODAY)  # and the file may be the same
    assert done == 2
    assert [line.line for line in bad] == [2, 3, 4]
    assert all("surrogate" in line.reason for line in bad)
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["q1", "q5"]
    assert list(tmp_path.iterdir()) == [source]


def test_a_file_is_searched_for_the_place_line_and_audience_that_are_given(
    embedder: LetterEmbedder, tmp_path: Path
) -> None:
    made = Searcher.of(
        [
            make_entry("h-1", "车管所在哪里", region="460100"),
            make_entry("s-1", "车管所在哪里", region="460200"),
            make_entry("l-1", "失业金怎么领", lines=("12333",)),
            make_entry("o-1", "老年卡怎么办", audience="老年人"),
        ],
        embedder,
    )
    source, target = tmp_path / "in", tmp_path / "out"
    asked = [
        {"id": "a", "query": "车管所在哪里"},
        {"id": "b", "query": "车管所在哪里", "region": "460100"},
        {"id": "c", "query": "失业金怎么领"},
        {"id": "d", "query": "老年卡怎么办"},
    ]
    source.write_text("\n".join(json.dumps(each) for each in asked), "utf-8")
    search_file(made, source, target, on=TODAY, region="460200", line="12333", audience="老年人")
    rows = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [row["candidates"][0]["id"] for row in rows] == ["s-1", "h-1", "l-1", "o-1"]


@pytest.mark.parametrize("given", ["5", "1.50", "1e3", "-0", "123456789012345678901234567890"])
def test_a_number_comes_back_as_it_was_written(
    searcher: Searcher, tmp_path: Path, given: str
) -> None:
    (tmp_path / "in").write_text(f'{{"id": {given}, "query": "社保卡"}}', encoding="utf-8")
    assert search_file(searcher, tmp_path / "in", tmp_path / "out", on=TODAY) == (1, [])
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith(f'{{"id": {given}, "decision')


@pytest.mark.parametrize("given", ["true", "null", "NaN", "[1]"])
def test_other_ids_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"id is missing|no JSON"):
        parse_line(f'{{"id": {given}, "query": "x"}}'.encode())


def test_a_search_that_fails_costs_its_line_and_no_other(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Searcher.search

    def failing(self: Searcher, query: str, **options: object) -> object:
        if query == "坏":
            raise RuntimeError
        return search(self, query, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Searcher, "search", failing)
    (tmp_path / "in").write_text('{"id": 1, "query": "坏"}\n{"id": 2, "query": "好"}\n', "utf-8")
    done, bad = search_file(searcher, tmp_path / "in", tmp_path / "out", on=TODAY)
    assert (done, [str(line) for line in bad]) == (
        1,
        ["line 1: could not be searched (RuntimeError)"],
    )


def test_what_was_there_stays_when_the_work_breaks_off(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(Searcher, "search", interrupted)
    (tmp_path / "in").write_text('{"id": 1, "query": "x"}', "utf-8")
    (tmp_path / "out").write_text("before", "utf-8")
    with pytest.raises(KeyboardInterrupt):
        search_file(searcher, tmp_path / "in", tmp_path / "out", on=TODAY)
    assert (tmp_path / "out").read_text("utf-8") == "before"
    assert len(list(tmp_path.iterdir())) == 2


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


def test_evaluation_of_speech_asks_what_was_recognised_and_leaves_out_the_rest(
    searcher: Searcher,
) -> None:
    asked = [
        Labelled("1", "设宝卡雕了怎么补拌", frozenset({"a-1"})),
        Labelled("2", "没有人说过", frozenset({"a-1"})),
    ]
    recognised = {"1": Recognised("", ("社保卡丢了怎么补办",))}
    report = evaluate(searcher, asked, on=TODAY, heard="spoken", recognised=recognised)
    assert (report.shares["top_1"].hits, report.shares["top_1"].total) == (1, 1)
    assert report.heard == "spoken"


def test_labelled_questions_name_the_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "1", "query": "问", "expect": ["a"]}\n{"id": "2"}\n', encoding="utf-8")
    with pytest.raises(FileNotReadable, match="line 2"):
        read_labelled(path)


def test_the_list_of_gaps_holds_no_repeats() -> None:
    found = read_gaps()
    assert len(found) == len(set(found)) > 100


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
@pytest.mark.parametrize("heading", ["question\n", "问题\r\n", ""])
def test_a_list_of_gaps_needs_no_heading(tmp_path: Path, encoding: str, heading: str) -> None:
    path = tmp_path / "gaps.txt"
    path.write_bytes(f"{heading}怎么养猫\n\n怎么养狗\n怎么养猫\n".encode(encoding))
    assert read_gaps(path) == ("怎么养猫", "怎么养狗")


def test_a_list_of_gaps_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotReadable, match="cannot be read"):
        read_gaps(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"\xff\x00\x81")
    with pytest.raises(FileNotReadable, match="GBK"):
        read_gaps(tmp_path / "bad")


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
