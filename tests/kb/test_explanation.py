"""Why a search found what it found."""

from __future__ import annotations

import pytest

from kb.entry import Entry
from kb.explanation import Explanation, explain
from kb.search import Searcher
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry


@pytest.fixture
def searcher(entries: list[Entry], embedder: LetterEmbedder) -> Searcher:
    return Searcher.of(entries, embedder, gaps=["路灯坏了谁来修", "井盖丢了找谁", "海滩几点关门"])


def explained(searcher: Searcher, query: str, **known: object) -> Explanation:
    return explain(searcher.index, searcher.examine(query, on=TODAY, **known))  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["社保卡不见了要去哪里补", "车管所在哪里", "今天天气", "喂", ""])
def test_it_explains_what_the_search_finds_and_nothing_else(searcher: Searcher, query: str) -> None:
    found, told = searcher.search(query, on=TODAY), explained(searcher, query)
    assert (told.decision, told.entry) == (found.decision, found.entry)
    assert [(c.id, c.score) for c in told.candidates] == [(c.id, c.score) for c in found.candidates]


def test_the_wording_that_was_nearest_is_named_in_each_way(searcher: Searcher) -> None:
    first = explained(searcher, "社保卡不见了要去哪里补").candidates[0]
    assert first.id == "a-1"
    for way in ("text", "sound", "meaning"):
        like = first.nearest[way]  # type: ignore[index]
        assert (like.wording, like.kind) == ("社保卡不见了要去哪里补", "variant")
        assert like.similarity > 0.95


def test_what_was_only_heard_has_a_sound_and_neither_words_nor_meaning(
    searcher: Searcher,
) -> None:
    heard = ("she4", "bao3", "ka3", "diu1", "le5", "zen3", "me5", "bu3", "ban4")
    told = explained(searcher, "", syllables=heard)
    assert told.encoders == ()
    assert set(told.candidates[0].nearest) == {"sound"}
    assert told.candidates[0].nearest["sound"].wording == "社保卡丢了怎么补办"


def test_a_wording_without_its_city_is_told_as_such(searcher: Searcher) -> None:
    told = explained(searcher, "车管所地址电话", region="460100")
    assert told.candidates[0].id == "h-1"
    assert told.candidates[0].nearest["text"].kind == "local"
    assert told.candidates[0].weight["place"] >= 0
    assert told.place == "460100"


def test_the_first_candidate_is_ahead_by_what_speaks_for_it(searcher: Searcher) -> None:
    first, *others = explained(searcher, "社保卡丢了怎么补办").candidates
    assert others
    assert sum(first.weight.values()) > max(sum(each.weight.values()) for each in others)


def test_a_known_gap_that_the_question_resembles_is_named(searcher: Searcher) -> None:
    gap = explained(searcher, "路灯坏了谁来修啊").gap
    assert gap is not None
    assert gap.wording == "路灯坏了谁来修"
    assert explained(searcher, "社保卡丢了怎么补办").gap is None


def test_thresholds_and_the_chance_that_nothing_answers_are_told(searcher: Searcher) -> None:
    told = explained(searcher, "社保卡丢了怎么补办")
    assert told.clarify_at > 0
    assert 0 < told.answer_at < 1
    assert told.nothing + sum(c.score for c in told.candidates) <= 1.001


def test_a_question_without_words_has_no_candidates() -> None:
    told = explained(Searcher.of([make_entry("a", "甲乙丙")], LetterEmbedder()), "，。")
    assert (told.decision, told.candidates, told.encoders) == ("none", (), ())
