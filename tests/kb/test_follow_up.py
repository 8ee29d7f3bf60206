"""A follow-up question is searched in the context of the entry answered before it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.entry import Entry
from kb.follow_up import asked_aspect, in_context
from kb.search import Searcher
from tests.kb.conftest import TODAY, LetterEmbedder, make_entry


@pytest.mark.parametrize(
    ("question", "aspect"),
    [
        ("那要带什么材料", "materials"),
        ("需要准备哪些东西啊", "materials"),
        ("要带身份证吗", "materials"),
        ("在哪儿办", "place"),
        ("那我要去哪里办理呢", "place"),
        ("呃，地址在哪里", "place"),
        ("多少钱", "fee"),
        ("那个要收费吗", "fee"),
        ("要不要交钱的", "fee"),
        ("要多久", "duration"),
        ("几个工作日能办好", "duration"),
        ("什么时候可以拿到", "duration"),
        ("那周末上班吗", "hours"),
        ("几点下班", "hours"),
        ("电话是多少", "phone"),
        ("那我打哪个电话", "phone"),
        ("网上可以办吗", "online"),
        ("可以在手机上弄吗", "online"),
        ("一定要本人去吗", "deputy"),
        ("别人可以代办吗", "deputy"),
    ],
)
def test_a_question_without_a_subject_names_its_aspect(question: str, aspect: str) -> None:
    found = asked_aspect(question)
    assert found is not None
    assert found.name == aspect


@pytest.mark.parametrize(
    "question",
    [
        "社保卡要带什么材料",
        "办护照多少钱",
        "车管所在哪里",
        "公积金网上能提取吗",
        "结婚登记周末能办吗",
        "新生儿医保要多久",
        "谢谢",
        "",
        "没有了",
        "我想投诉",
        "邻居装修几点不能施工",
    ],
)
def test_a_question_with_a_subject_of_its_own_is_no_follow_up(question: str) -> None:
    assert asked_aspect(question) is None


def test_the_context_is_the_question_of_the_entry_before() -> None:
    assert (
        in_context("那要带什么材料？", "社保卡丢了怎么补办？") == "社保卡丢了怎么补办，要带什么材料"
    )


@given(st.text(max_size=60))
def test_any_words_are_a_follow_up_or_not(words: str) -> None:
    asked_aspect(words)


@pytest.fixture
def searcher(entries: list[Entry], embedder: LetterEmbedder) -> Searcher:
    told = replace(entries[0], answer="带身份证到社保卡服务网点补办，当场能拿到。")
    return Searcher.of([told, *entries[1:]], embedder)


def test_a_follow_up_finds_the_entry_it_follows(searcher: Searcher) -> None:
    found = searcher.search("那要带什么材料", previous="a-1", on=TODAY)
    assert found.candidates[0].id == "a-1"


def test_a_follow_up_finds_the_entry_that_answers_it(
    entries: list[Entry], embedder: LetterEmbedder
) -> None:
    fee = make_entry("a-9", "社保卡丢了补办多少钱", answer="补办社保卡收工本费二十元。")
    searcher = Searcher.of([*entries, fee], embedder)
    assert searcher.search("多少钱", previous="a-1", on=TODAY).candidates[0].id == "a-9"


def test_an_answer_that_does_not_speak_of_the_aspect_is_not_given_again(
    searcher: Searcher,
) -> None:
    assert searcher.search("多少钱", previous="a-1", on=TODAY).entry != "a-1"


def test_without_an_entry_before_it_nothing_is_added(searcher: Searcher) -> None:
    alone = searcher.search("那要带什么材料", on=TODAY)
    assert searcher.search("那要带什么材料", previous="gone", on=TODAY) == alone


def test_a_new_question_is_searched_by_itself(searcher: Searcher) -> None:
    assert searcher.search("身份证到期了怎么换", previous="a-1", on=TODAY).candidates[0].id == "a-2"
