from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from asr import phonetics
from kb import regions
from kb.entry import Entry
from kb.errors import RankerNotReadable
from kb.features import Question, compare
from kb.index import build
from kb.ngram_index import NgramIndex
from kb.noise import Homophones
from kb.ranker import Model, Ranker
from kb.search import Candidate, Searcher, decide
from kb.wording import ngrams, sounds, without_fillers
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry


@pytest.fixture
def searcher(entries: list[Entry], embedder: LetterEmbedder) -> Searcher:
    return Searcher.of(entries, embedder)


def first(searcher: Searcher, query: str, **more: object) -> str:
    result = searcher.search(query, on=TODAY, **more)  # type: ignore[arg-type]
    return result.candidates[0].id


def test_a_wording_finds_its_entry(searcher: Searcher) -> None:
    assert first(searcher, "社会保障卡遗失了") == "a-1"
    assert first(searcher, "我的身份证过期了") == "a-2"


def test_a_knowledge_base_of_a_few_entries_answers_too(embedder: LetterEmbedder) -> None:
    few = [make_entry("a-1", "社保卡丢了怎么补办"), make_entry("a-2", "身份证到期了怎么换")]
    result = Searcher.of(few, embedder).search("我的社保卡丢了怎么补办", on=TODAY)
    assert (result.decision, result.entry) == ("answer", "a-1")


def test_scores_are_probabilities_in_falling_order(searcher: Searcher) -> None:
    scores = [c.score for c in searcher.search("社保卡不见了", on=TODAY).candidates]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= sum(scores) <= 1.001


def test_homophones_cost_little(searcher: Searcher) -> None:
    assert first(searcher, "设保卡丢了怎么不办") == "a-1"


def test_syllables_alone_are_enough(searcher: Searcher) -> None:
    heard = phonetics.to_syllables("身份证过期了怎么办")
    assert first(searcher, "", syllables=heard) == "a-2"


def test_where_the_words_leave_doubt_the_listeners_opinion_by_itself_counts_in_part(
    searcher: Searcher,
) -> None:
    heard = phonetics.to_syllables("身份证过期了怎么办")
    in_doubt = searcher.search("那个怎么说呢", on=TODAY)
    by_sound = searcher.search("", syllables=heard, on=TODAY)
    both = searcher.search("那个怎么说呢", syllables=heard, on=TODAY)
    assert in_doubt.decision != "answer"
    assert both.candidates[0].id == by_sound.candidates[0].id == "a-2"
    assert both.candidates[0].score >= 0.3 * by_sound.candidates[0].score - 1e-3
    assert both.decision != "answer"


def test_words_without_doubt_stand_whatever_the_listener_heard(searcher: Searcher) -> None:
    heard = phonetics.to_syllables("身份证过期了怎么办")
    found = searcher.search("社保卡丢了怎么补办", syllables=heard, on=TODAY)
    assert (found.decision, found.entry) == ("answer", "a-1")


def test_nothing_heard_is_no_answer(searcher: Searcher) -> None:
    for query in ("", "  ", "，。"):
        assert searcher.search(query, on=TODAY).decision == "none"


def test_an_entry_of_another_region_is_never_a_candidate(searcher: Searcher) -> None:
    for region in ("460100", "460106"):
        found = searcher.search("车管所在哪里", region=region, on=TODAY).candidates
        assert found[0].id == "h-1"
        assert "s-1" not in {c.id for c in found}
    elsewhere = searcher.search("车管所在哪里", region="469005", on=TODAY).candidates
    assert {"h-1", "s-1"}.isdisjoint(c.id for c in elsewhere)


def test_a_place_in_the_question_wins_over_the_callers(searcher: Searcher) -> None:
    assert first(searcher, "三亚的车管所在哪里", region="460100") == "s-1"


def test_the_application_may_resolve_places(entries: list[Entry], embedder: LetterEmbedder) -> None:
    searcher = Searcher.of(
        entries, embedder, resolve_region=lambda text: "460200" if "天涯" in text else None
    )
    assert first(searcher, "天涯这边车管所在哪里", region="460100") == "s-1"


def test_regional_twins_are_both_candidates_while_the_place_is_unknown(
    searcher: Searcher,
) -> None:
    found = searcher.search("车管所在哪里", on=TODAY).candidates
    assert {c.id for c in found[:2]} == {"h-1", "s-1"}
    assert found[0].score == pytest.approx(found[1].score, abs=0.3)


def test_an_entry_past_its_validity_is_left_out_even_of_an_old_index(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    ended = replace(entries[0], valid_to=TODAY - timedelta(days=1))
    searcher = Searcher.of([ended, *entries[1:]], embedder)
    found = searcher.search("社保卡丢了怎么补办", on=TODAY)
    assert "a-1" not in {c.id for c in found.candidates}


def test_an_empty_knowledge_base_answers_nothing(embedder: LetterEmbedder) -> None:
    result = Searcher.of([], embedder).search("社保卡丢了", on=TODAY)
    assert (result.decision, result.entry, result.candidates) == ("none", None, ())


def test_without_an_embedder_words_and_sounds_still_find_it(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    searcher = Searcher(build(entries, embedder), None)
    assert first(searcher, "社会保障卡遗失") == "a-1"


def test_a_known_gap_lowers_the_probability(entries: list[Entry], embedder: LetterEmbedder) -> None:
    query = "社保卡密码忘了怎么改"
    plain = Searcher.of(entries, embedder).search(query, on=TODAY)
    with_gap = Searcher.of(entries, embedder, gaps=[query, "社保卡密码怎么改"]).search(
        query, on=TODAY
    )
    assert with_gap.candidates[0].score < plain.candidates[0].score


def test_a_gap_that_an_entry_now_asks_is_dropped(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    index = build(entries, embedder, gaps=["社保卡丢了怎么补办？", "婚假几天"])
    assert index.gaps == ("婚假几天",)


MODEL = Model(("sounds",), np.zeros(3), np.zeros(6), np.zeros(6), answer=0.8, clarify=0.6)


@pytest.mark.parametrize(
    ("scores", "decision", "entry"),
    [
        ((0.9, 0.05), "answer", "e0"),
        ((0.8, 0.0), "answer", "e0"),
        ((0.45, 0.4), "clarify", None),
        ((0.3, 0.2), "none", None),
        ((0.7,), "none", None),
        ((), "none", None),
    ],
)
def test_the_decision_follows_the_probabilities(
    scores: tuple[float, ...], decision: str, entry: str | None
) -> None:
    candidates = [Candidate(f"e{n}", score) for n, score in enumerate(scores)]
    result = decide(candidates, MODEL)
    assert (result.decision, result.entry) == (decision, entry)


@pytest.mark.parametrize(
    ("spoken", "kept"),
    [
        ("呃，那个，我想问一下社保卡怎么补", "社保卡怎么补"),
        ("喂你好请问身份证到期了怎么换", "身份证到期了怎么换"),
        ("那个社保卡丢了", "社保卡丢了"),
        ("我就是那个单位的", "我就是那个单位的"),
        ("嗯，呃", "嗯，呃"),
    ],
)
def test_fillers_are_stripped_and_words_are_not(spoken: str, kept: str) -> None:
    assert without_fillers(spoken) == kept


def test_confusable_syllables_sound_the_same() -> None:
    assert sounds("补办")[0] == sounds("不办")[0]
    assert sounds("之") == sounds("资")
    assert sounds("南") == sounds("兰")
    assert sounds("精") == sounds("今")


def test_cosine_of_a_document_with_itself_is_one() -> None:
    documents = [ngrams(text, (1, 2)) for text in ("社保卡", "身份证", "公积金")]
    index = NgramIndex(documents)
    assert index.scores(documents[1]).tolist() == pytest.approx([0, 1, 0], abs=1e-5)
    assert NgramIndex([]).scores(["甲"]).shape == (0,)
    assert NgramIndex([[], ["甲"]], "bm25").scores(["甲", "乙"])[1] > 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("我在海口", "460100"),
        ("我从海口来三亚", "460200"),
        ("东方航空改签", None),
        ("东方市那边", "469007"),
        ("身份证", None),
    ],
)
def test_city_names_are_resolved(text: str, code: str | None) -> None:
    assert regions.mentioned(text) == code


@pytest.mark.parametrize(
    ("entry", "caller", "fits"),
    [
        ("", "460100", True),
        ("460100", "460106", True),
        ("460100", "460200", False),
        ("469002", "469005", False),
        ("469002", "469002", True),
        ("460100", None, True),
        ("460100", "460000", True),
    ],
)
def test_regions_cover_their_districts(entry: str, caller: str | None, fits: bool) -> None:
    assert regions.covers(entry, caller) is fits


def test_a_city_entry_is_found_without_the_citys_name() -> None:
    entry = make_entry("h", "海口车管所在哪", region="460100")
    assert entry.wordings == ("海口车管所在哪", "车管所在哪")


def test_made_up_errors_repeat_and_sound_alike() -> None:
    noise = Homophones(["补办不办部伴", "社保设报"])
    once, again = (noise.spoil("社保补办", "7", replaced=1.0, dropped=0.0) for _ in range(2))
    assert once == again != "社保补办"
    assert sounds(once) == sounds("社保补办")


def test_the_ranker_survives_a_round_trip_and_refuses_damage() -> None:
    ranker = Ranker.load()
    again = Ranker.parse(ranker.dump())
    assert [m.views for m in again.models] == [m.views for m in ranker.models]
    for text in ("", "{}", '{"format": 99, "models": []}', "[1]"):
        with pytest.raises(RankerNotReadable):
            Ranker.parse(text)
    with pytest.raises(RankerNotReadable):
        Ranker.load(Path("/nonexistent/ranker.json"))


def test_views_of_a_long_list_of_alternatives_take_the_best(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    index = build(entries, embedder)
    views = compare(index, Question.heard("乱码", ["身份证过期了怎么办", "社会保障卡遗失"]))
    assert views.columns["characters"][1] == pytest.approx(0.9, abs=1e-4)


def test_candidates_are_at_most_the_limit(searcher: Searcher) -> None:
    assert len(searcher.search("证", on=date(2026, 6, 1), limit=2).candidates) == 2
