"""What is recommended to a human agent while the caller talks: danger first, then answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from kb.entry import Entry, Safety, Status, by_id
from kb.reading import HAINAN
from kb.search import Searcher
from tests.flows.scripted_call import DANGER, DOUBT, SCRIPTED_TRIAGE, ScriptedTriage
from tests.kb.conftest import LetterEmbedder, make_entry
from voicebot.assist import LIMIT, REMEMBERED, Recommendation, Said, recommend
from voicebot.errors import EmbedderFailed
from voicebot.knowledge import Knowledge, KnowledgeError

NOON = datetime(2026, 11, 24, 12, tzinfo=HAINAN)
ENTRIES = (
    make_entry(
        "a-1", "社保卡丢了怎么补办", variants=("社会保障卡遗失",), keywords=("社保卡", "挂失")
    ),
    make_entry("a-2", "身份证到期了怎么换", variants=("身份证过期了怎么办",)),
    make_entry("a-3", "怎么申请公租房"),
    make_entry("h-1", "车管所在哪里", region="460100"),
    make_entry("s-1", "车管所在哪里", region="460200"),
    make_entry("l-1", "怎么办失业登记", lines=("12333",)),
    make_entry("d-1", "两车碰了一下怎么处理", safety=Safety.ASK),
    make_entry("w-1", "怎么办居住证", status=Status.WITHDRAWN),
    make_entry("e-1", "怎么领消费券", valid_to=date(2026, 11, 23)),
)


def knowledge(entries: tuple[Entry, ...] = ENTRIES) -> Knowledge:
    embedder = LetterEmbedder()
    return Knowledge(Searcher.of(entries, embedder), by_id(entries), 7)


PUBLISHED = knowledge()


def recommended(*turns: str, base: Knowledge = PUBLISHED, **more: Any) -> Recommendation:
    """Of a conversation in which the agent's turns begin with 座席."""
    said = [
        Said("agent", turn.removeprefix("座席"))
        if turn.startswith("座席")
        else Said("caller", turn)
        for turn in turns
    ]
    embedder = cast(Any, LetterEmbedder())
    return recommend(
        said, knowledge=base, triage=SCRIPTED_TRIAGE, embedder=embedder, at=NOON, **more
    )


def ids(found: Recommendation) -> list[str]:
    return [each.entry.id for each in found.suggestions]


def test_the_answer_comes_with_its_probability_and_a_reason_in_plain_chinese() -> None:
    (first, *_) = recommended("我的社保卡丢了怎么补办").suggestions
    assert first.entry.id == "a-1"
    assert 0.5 < first.score <= 1
    assert first.reason == "说法接近“社保卡丢了怎么补办”；说到关键词：社保卡"


def test_the_last_turns_count_and_not_the_last_sentence_alone() -> None:
    alone = max((each.score for each in recommended("怎么补办").suggestions), default=0.0)
    found = recommended("社保卡丢了", "座席您请说", "怎么补办")
    assert ids(found)[0] == "a-1"
    assert found.suggestions[0].score > 2 * alone
    assert "说到关键词：社保卡" in found.suggestions[0].reason


def test_who_agrees_agrees_to_what_the_agent_has_made_of_it() -> None:
    assert ids(recommended("我想问证件", "座席您是想问身份证到期了怎么换吗", "对的"))[0] == "a-2"


def test_a_new_sentence_is_embedded_once_for_triage_and_search_together() -> None:
    base = knowledge()
    embedder = LetterEmbedder()
    base = replace(base, searcher=Searcher(cast(Searcher, base.searcher).index, embedder))
    recommend(
        [Said("caller", "社保卡丢了怎么补办？")],
        knowledge=base,
        triage=SCRIPTED_TRIAGE,
        embedder=cast(Any, embedder),
        at=NOON,
    )
    assert set(embedder.embedded) == {"社保卡丢了怎么补办"}


def test_a_new_matter_takes_over_from_the_one_before() -> None:
    found = recommended("社保卡丢了怎么补办", "座席先挂失", "好的", "那怎么申请公租房")
    assert ids(found)[0] == "a-3"


def test_nothing_is_recommended_before_anything_was_asked() -> None:
    assert recommended("喂你好").suggestions == ()
    assert recommended("座席您好，请讲").suggestions == ()


# ── only what may be read out ─────────────────────────────────────────────────────


def test_a_place_that_was_said_wins_over_the_one_given() -> None:
    assert ids(recommended("车管所在哪里", region="460200"))[0] == "s-1"
    found = recommended("海口的车管所在哪里", region="460200")
    assert ids(found) == ["h-1"]
    assert "来电人在海口" in found.suggestions[0].reason


def test_without_a_place_the_reason_says_what_to_ask() -> None:
    found = recommended("车管所在哪里")
    assert set(ids(found)) == {"h-1", "s-1"}
    assert all("请先问清地点" in each.reason for each in found.suggestions)


def test_entries_of_another_line_are_left_out() -> None:
    assert "l-1" not in ids(recommended("怎么办失业登记", line="12345"))
    assert ids(recommended("怎么办失业登记", line="12333"))[0] == "l-1"


@pytest.mark.parametrize("question", ["怎么办居住证", "怎么领消费券"])
def test_what_is_withdrawn_or_expired_is_never_recommended(question: str) -> None:
    assert not {"w-1", "e-1"} & set(ids(recommended(question)))


def test_an_index_that_is_older_than_the_publication_gives_nothing_away() -> None:
    withdrawn = replace(ENTRIES[0], status=Status.WITHDRAWN)
    stale = Knowledge(PUBLISHED.searcher, {**by_id(ENTRIES), "a-1": withdrawn}, 8)
    assert "a-1" not in ids(recommended("社保卡丢了怎么补办", base=stale))


def test_there_are_no_more_than_wanted() -> None:
    assert len(recommended("怎么办").suggestions) <= LIMIT
    assert len(recommended("车管所在哪里", limit=1).suggestions) == 1


def test_an_unreadable_knowledge_base_is_told() -> None:
    with pytest.raises(KnowledgeError):
        recommended("社保卡丢了怎么补办", base=Knowledge(None, {}, 0))


# ── danger first ──────────────────────────────────────────────────────────────────


def test_with_danger_there_is_no_answer_but_110() -> None:
    found = recommended("社保卡丢了怎么补办", "我家着火了")
    assert found.danger is not None
    assert found.danger.level == "certain"
    assert "一键转110" in found.danger.message
    assert found.danger.assessment.lines == ("119",)
    assert found.suggestions == ()


def test_danger_is_told_without_a_knowledge_base_too() -> None:
    found = recommended("我家着火了", base=Knowledge(None, {}, 0))
    assert found.danger is not None


AFTERWARDS = ["座席我查一下", "好的"] * REMEMBERED


@pytest.mark.parametrize("words", ["我家着火了", "给我接110"])
def test_danger_is_not_forgotten_however_long_they_talk_on(words: str) -> None:
    found = recommended("社保卡丢了怎么补办", words, *AFTERWARDS)
    assert found.danger is not None
    assert found.danger.level == "certain"
    assert found.suggestions == ()


def test_doubt_is_not_forgotten_either() -> None:
    found = recommended("有点怕", *AFTERWARDS, "两车碰了一下怎么处理")
    assert found.danger is not None
    assert "d-1" not in ids(found)


def test_triage_has_the_embedding_of_every_turn_however_old() -> None:
    known: list[set[str]] = []

    class Noting(ScriptedTriage):
        def assess(self, turns: Any, embeddings: Any) -> Any:
            known.append(set(embeddings))
            return super().assess(turns, embeddings)

    said = [Said("caller", f"第{number}个问题") for number in range(3 * REMEMBERED)]
    recommend(
        said,
        knowledge=PUBLISHED,
        triage=cast(Any, Noting()),
        embedder=cast(Any, LetterEmbedder()),
        at=NOON,
    )
    assert known == [{turn.text for turn in said}]


def test_answers_are_looked_for_with_the_last_turns_alone() -> None:
    assert recommended("社保卡丢了怎么补办", *["座席请稍等"] * REMEMBERED).suggestions == ()


class NoEmbedder(LetterEmbedder):
    def embed(self, texts: Any) -> Any:
        raise EmbedderFailed("no model")


def without_embedder(*words: str) -> Recommendation:
    embedder = NoEmbedder()
    searcher = Searcher(cast(Searcher, PUBLISHED.searcher).index, embedder)
    return recommend(
        [Said("caller", text) for text in words],
        knowledge=replace(PUBLISHED, searcher=searcher),
        triage=SCRIPTED_TRIAGE,
        embedder=cast(Any, embedder),
        at=NOON,
    )


@pytest.mark.parametrize(("words", "level"), [("我家着火了", "certain"), ("有点怕", "possible")])
def test_danger_is_told_without_an_embedder_too(words: str, level: str) -> None:
    with capture_logs() as logs:
        found = without_embedder("社保卡丢了怎么补办", words)
    assert found.danger is not None
    assert found.danger.level == level
    assert words not in repr(logs)


def test_without_an_embedder_and_without_danger_it_is_told() -> None:
    with pytest.raises(EmbedderFailed):
        without_embedder("社保卡丢了怎么补办")


@pytest.mark.parametrize("base", [Knowledge(None, {}, 0), PUBLISHED])
def test_possible_danger_is_told_without_a_knowledge_base_too(base: Knowledge) -> None:
    found = recommended("有点怕", "社保卡丢了怎么补办", base=base)
    assert found.danger is not None
    assert found.danger.level == "possible"
    assert bool(found.suggestions) is (base is PUBLISHED)


def test_who_asks_for_the_police_gets_them() -> None:
    found = recommended("给我接110")
    assert found.danger is not None
    assert found.danger.level == "certain"


def test_doubt_is_asked_about_and_answers_that_bear_on_danger_wait() -> None:
    assert ids(recommended("两车碰了一下怎么处理"))[0] == "d-1"
    assert "请先问安危" in recommended("两车碰了一下怎么处理").suggestions[0].reason
    found = recommended("有点怕", "两车碰了一下怎么处理")
    assert found.danger is not None
    assert found.danger.level == "possible"
    assert "d-1" not in ids(found)


WORDS = ["社保卡丢了怎么补办", "车管所在哪里", "对的", "两车碰了一下怎么处理", "怎么办居住证"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "座席"]),
            st.sampled_from([*WORDS, *DANGER, *DOUBT]) | st.text(max_size=20),
        ),
        max_size=8,
    )
)
def test_whatever_is_said_danger_has_no_answer_beside_it(turns: list[tuple[str, str]]) -> None:
    found = recommended(*(who + text for who, text in turns))
    if found.danger is not None and found.danger.level == "certain":
        assert found.suggestions == ()
    if found.danger is not None:
        assert all(each.entry.safety is Safety.NONE for each in found.suggestions)
    for each in found.suggestions:
        assert each.entry.status is Status.PUBLISHED
        assert 0 < each.score <= 1
