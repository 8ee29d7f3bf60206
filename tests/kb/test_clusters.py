"""Questions are put together by what they mean, and the same ones always in the same way."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb import clusters
from kb.clusters import cluster
from tests.kb.conftest import LetterEmbedder

LIGHTS = ["路灯坏了谁来修", "路灯坏了找谁修", "我想问一下路灯坏了谁来修？"]
WATER = ["自来水停了几天", "自来水停了几天了"]


def grouped(texts: list[str]) -> list[set[str]]:
    centre = np.zeros(160, np.float32)
    found = cluster(texts, LetterEmbedder().embed, centre)
    return [{texts[n] for n in each.members} for each in found]


def test_questions_that_share_their_meaning_come_together_the_largest_first() -> None:
    assert grouped([*WATER, *LIGHTS]) == [set(LIGHTS), set(WATER)]


def test_the_wording_asked_most_stands_for_its_group() -> None:
    texts = [LIGHTS[1], *[LIGHTS[0]] * 3]
    (found,) = cluster(texts, LetterEmbedder().embed, np.zeros(160, np.float32))
    assert texts[found.members[0]] == LIGHTS[0]
    assert len(found) == 4


def test_the_order_of_the_questions_does_not_matter() -> None:
    texts = [*LIGHTS, *WATER, "公积金怎么提取"]
    shuffled = texts.copy()
    random.Random(5).shuffle(shuffled)
    assert grouped(shuffled) == grouped(texts)


def test_rare_questions_beyond_the_most_join_the_nearest_group_or_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "MOST_TOGETHER", 2)
    fund = ["公积金怎么提取", "怎么提取公积金"]
    texts = [*[LIGHTS[0]] * 3, *[fund[0]] * 2, LIGHTS[1], fund[1], "骑车要戴头盔"]
    assert grouped(texts) == [set(LIGHTS[:2]), set(fund), {"骑车要戴头盔"}]


@given(st.lists(st.text(max_size=12), max_size=12))
def test_each_question_is_in_one_group(texts: list[str]) -> None:
    found = cluster(texts, LetterEmbedder().embed)
    assert sorted(n for each in found for n in each.members) == list(range(len(texts)))
