"""A knowledge base of many entries: promising ones are found first, then compared exactly."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb import index_file
from kb.entry import Entry
from kb.features import Question, compare
from kb.index import Embedder, Index, build, open_gaps, texts_of
from kb.index_file import open_index
from kb.large_index import LargeIndex
from kb.search import Searcher
from kb.segment_file import segments_in
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry

THINGS = (
    "社保卡",
    "身份证",
    "驾驶证",
    "公租房",
    "营业执照",
    "居住证",
    "医保卡",
    "护照",
    "公积金",
    "户口本",
)
ACTS = ("丢了怎么补办", "到期了怎么换", "怎么申请", "要多少钱", "在哪里办", "要带什么材料")
PLACES = ("学校", "医院", "车站", "码头", "公园", "市场", "工厂", "村里", "镇上", "机场")
GAPS = ("婚假几天", "产假几天")


@pytest.fixture(autouse=True)
def every_base_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "LARGE", 100)
    monkeypatch.setattr(index_file, "FRESH", 5)


def six_hundred() -> list[Entry]:
    """Entries with two wordings each; the last three are for Sanya alone."""
    entries = [
        make_entry(
            f"e-{n:03}", f"{place}的{thing}{act}", variants=(f"我要问{thing}在{place}{act}",)
        )
        for n, (place, thing, act) in enumerate(
            (p, t, a) for p in PLACES for t in THINGS for a in ACTS
        )
    ]
    return [*entries[:-3], *(replace(e, region="460200") for e in entries[-3:])]


@pytest.fixture
def many() -> list[Entry]:
    return six_hundred()


def opened(
    entries: Sequence[Entry], embedder: Embedder, folder: Path, **more: object
) -> LargeIndex:
    index = open_index(entries, embedder, folder, gaps=GAPS, **more)  # type: ignore[arg-type]
    assert isinstance(index, LargeIndex)
    return index


def everything(index: LargeIndex | Index) -> np.ndarray:
    return np.ones(len(index.entries), bool)


def asked(text: str, embedder: LetterEmbedder) -> Question:
    question = Question.heard(text, ["护照要多少钱"])
    return replace(question, vectors=embedder.embed([text]))


def test_similarities_are_those_of_the_exact_comparison(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    question = asked("医院的社保卡不见了怎么补", embedder)
    exact = compare(build(many, embedder, gaps=GAPS), question)
    large = opened(many, embedder, tmp_path)
    views = large.compare(question, everything(large))
    assert views.rows is not None
    assert 10 < len(views.rows) < 600
    assert views.columns.keys() == exact.columns.keys()
    for name, column in views.columns.items():
        in_8_bits = name.startswith(("e5", "use"))
        expected = exact.columns[name][views.rows]
        np.testing.assert_allclose(column, expected, atol=0.02 if in_8_bits else 1e-5, err_msg=name)
    for name, two in views.gaps.items():
        assert two == pytest.approx(exact.gaps[name], abs=1e-5), name


def test_the_best_entries_are_among_those_compared(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    exact, large = build(many, embedder), opened(many, embedder, tmp_path)
    for entry in many[::37]:
        question = asked(entry.question, embedder)
        views = large.compare(question, everything(large))
        for name in ("e5_best", "characters", "sounds"):
            best = np.argsort(-compare(exact, question).columns[name], kind="stable")[:5]
            assert views.rows is not None
            assert len(set(best) & set(views.rows)) >= 4, name


def test_what_is_usual_is_judged_by_a_sample(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    exact, large = build(many, embedder), opened(many, embedder, tmp_path)
    question = asked("驾驶证到期了要换", embedder)
    views, all_views = large.compare(question, everything(large)), compare(exact, question)
    assert views.sample is not None
    for name, column in all_views.columns.items():
        spread = float(column.std())
        assert views.sample[name].mean() == pytest.approx(column.mean(), abs=0.25 * spread), name
        assert views.sample[name].std() == pytest.approx(spread, rel=0.25), name


def test_a_large_and_a_small_index_give_the_same_answers(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    small = Searcher(build(many, embedder, gaps=GAPS), embedder)
    large = Searcher(opened(many, embedder, tmp_path), embedder)
    for entry in many[::41]:
        found = [s.search(entry.variants[0], on=TODAY).candidates for s in (small, large)]
        assert found[0][0].id == found[1][0].id == entry.id
        assert found[0][0].score == pytest.approx(found[1][0].score, abs=0.1)


def test_few_entries_of_a_region_are_found_among_many_of_others(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    elsewhere = [replace(e, region="460100") for e in many[:-3]]
    searcher = Searcher(opened([*elsewhere, *many[-3:]], embedder, tmp_path), embedder)
    found = searcher.search("户口本在哪里办", region="460200", on=TODAY).candidates
    assert {c.id for c in found} == {e.id for e in many[-3:]}


def test_a_filter_comes_before_the_cut(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    large = opened(many, embedder, tmp_path)
    eligible = np.arange(600) % 2 == 1
    question = asked(many[10].question, embedder)
    views = large.compare(question, eligible)
    assert views.rows is not None
    assert len(views.rows) > 10
    assert eligible[views.rows].all()


def test_a_publication_embeds_what_has_changed_and_nothing_else(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    before = opened(many, embedder, tmp_path)
    embedder.embedded.clear()
    changed = [replace(many[0], answer="新的答复。"), *many[2:], make_entry("n-1", "怎么种芒果")]
    after = opened(changed, embedder, tmp_path, previous=before)
    assert set(embedder.embedded) == {*changed[0].wordings, "新的答复。", "怎么种芒果"} | {
        changed[-1].answer
    }
    assert after.segment is before.segment
    searcher = Searcher(after, embedder)
    assert searcher.search("怎么种芒果", on=TODAY).candidates[0].id == "n-1"
    assert searcher.search(many[0].question, on=TODAY).candidates[0].id == many[0].id
    withdrawn = searcher.search(many[1].question, on=TODAY)
    assert many[1].id not in {c.id for c in withdrawn.candidates}


def test_a_withdrawn_entry_comes_back_without_being_embedded(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    before = opened(many[1:], embedder, tmp_path)
    without = opened(many[2:], embedder, tmp_path, previous=before)
    embedder.embedded.clear()
    again = opened(many[1:], embedder, tmp_path, previous=without)
    assert embedder.embedded == []
    found = Searcher(again, embedder).search(many[1].question, on=TODAY)
    assert found.candidates[0].id == many[1].id


def test_a_gap_is_open_as_long_as_no_entry_that_is_in_force_asks_it(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    gap = many[1].question
    given = (*GAPS, f"{gap}？", GAPS[0], "")
    index: LargeIndex | None = None
    written = make_entry("n-1", "婚假几天")
    for entries, filled in (
        (many[2:], ()),
        (many[1:], (f"{gap}？",)),  # it is in no segment
        ([replace(many[1], answer="新的答复。"), *many[2:]], (f"{gap}？",)),
        (many[2:], ()),
        ([*many[2:], written], ("婚假几天",)),
    ):
        index = open_index(entries, embedder, tmp_path, gaps=given, previous=index)  # type: ignore[assignment]
        assert isinstance(index, LargeIndex)
        assert index.gaps == tuple(g for g in given[:3] if g not in filled)
        assert index.gaps == open_gaps(entries, given)


def test_what_was_withdrawn_and_comes_back_fills_its_gap_again(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    first = opened(many, embedder, tmp_path)
    gap = (many[1].question,)
    index = open_index(many[2:], embedder, tmp_path, gaps=gap, previous=first)
    assert index.gaps == gap
    index = open_index(many, embedder, tmp_path, gaps=gap, previous=index)
    assert index.gaps == ()
    unasked = open_index(many, embedder, tmp_path)
    assert isinstance(unasked, LargeIndex)
    without = open_index(many[2:], embedder, tmp_path, gaps=gap, previous=unasked)
    assert without.gaps == gap
    again = open_index(many, embedder, tmp_path, gaps=gap, previous=without)
    assert again.gaps == (), "dead when the segment's wordings were first looked at"


def test_a_stored_segment_is_opened_and_only_the_gaps_are_embedded(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    built = opened(many, embedder, tmp_path)
    fresh = LetterEmbedder()
    loaded = opened(many, fresh, tmp_path)
    assert set(fresh.embedded) == set(GAPS)
    queries = [e.question for e in many[::53]]
    first, second = (
        [Searcher(index, embedder).search(q, on=TODAY) for q in queries]
        for index in (built, loaded)
    )
    assert first == second


def test_when_much_is_new_a_segment_is_made_and_two_are_kept(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    for count in (560, 570, 580, 590):
        index = opened(many[:count], embedder, tmp_path)
        assert len(index.segment) == count
    assert len(segments_in(tmp_path)) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_segment_is_passed_over_for_the_one_before(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    opened(many[:-6], embedder, tmp_path)
    newest = opened(many, embedder, tmp_path).segment.path
    for name in ("vectors.faiss", "characters.weights.npy", "facts.json"):
        whole = (newest / name).read_bytes()
        (newest / name).write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        assert opened(many[:-3], embedder, tmp_path).segment.path != newest
        (newest / name).write_bytes(whole)
    assert opened(many[:-3], embedder, tmp_path).segment.path == newest


def test_with_no_whole_segment_one_is_made_again(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    path = opened(many, embedder, tmp_path).segment.path
    (path / "vectors.faiss").write_bytes(b"")
    again = opened(many, embedder, tmp_path)
    found = Searcher(again, embedder).search(many[5].question, on=TODAY)
    assert found.candidates[0].id == many[5].id


def test_another_model_gets_a_segment_of_its_own_and_the_old_one_stays(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    old = opened(many, embedder, tmp_path)
    other = LetterEmbedder()
    other.identity = "letters, second edition"
    assert opened(many, other, tmp_path).segment.path != old.segment.path
    assert opened(many, embedder, tmp_path).segment.path == old.segment.path


def test_a_small_index_of_another_model_is_not_taken_for_ones_own(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    open_index(entries, embedder, tmp_path)
    other = LetterEmbedder()
    other.identity = "letters, second edition"
    open_index(entries, other, tmp_path)
    assert set(other.embedded) == set(texts_of(entries))


def test_words_and_sounds_find_it_without_an_embedder(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    searcher = Searcher(opened(many, embedder, tmp_path), None)
    assert searcher.search(many[44].question, on=TODAY).candidates[0].id == many[44].id


def test_nothing_heard_and_nothing_known_are_no_candidates(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    searcher = Searcher(opened(many, embedder, tmp_path), None)
    assert searcher.search("", on=TODAY).candidates == ()
    assert searcher.search("ψ", on=TODAY).decision == "none"


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from kb import index_file, segment_build, segment_file
    from tests.kb.conftest import LetterEmbedder
    from tests.kb.test_large_index import GAPS, six_hundred

    folder, moment = Path(sys.argv[1]), sys.argv[2]
    index_file.LARGE, segment_build.AT_ONCE = 100, 100

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    class Dying(LetterEmbedder):
        def embed(self, texts):
            if len(self.embedded) > 1000:
                die()
            return super().embed(texts)

    embedder = LetterEmbedder()
    if moment == "embedding":
        embedder = Dying()
    elif moment == "counting":
        segment_build.NgramIndex = die
    elif moment == "hashing":
        segment_file._hash = die
    else:
        Path.rename = die
    index_file.open_index(six_hundred(), embedder, folder, gaps=GAPS, anew=True)
"""


@pytest.mark.parametrize("moment", ["embedding", "counting", "hashing", "moving"])
def test_a_kill_while_a_segment_is_made_leaves_the_one_before_serving(
    many: list[Entry], embedder: LetterEmbedder, tmp_path: Path, moment: str
) -> None:
    before = opened(many[:-4], embedder, tmp_path).segment.path
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), moment],
        cwd=Path(__file__).resolve().parents[2],
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    fresh = LetterEmbedder()
    index = opened(many[:-4], fresh, tmp_path)
    assert index.segment.path == before
    assert set(fresh.embedded) == set(GAPS)
    found = Searcher(index, embedder).search(many[7].question, on=TODAY)
    assert found.candidates[0].id == many[7].id
    assert len(list(tmp_path.iterdir())) == 2
    opened(many, embedder, tmp_path, anew=True)
    assert sorted(tmp_path.iterdir()) == sorted(segments_in(tmp_path))


def test_progress_is_told_for_small_and_large_indexes(
    many: list[Entry], entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    for given in (many, entries):
        told: list[tuple[int, int]] = []
        open_index(given, embedder, tmp_path, progress=lambda *step: told.append(step), anew=True)  # noqa: B023
        assert told[-1][0] == told[-1][1] > 0
