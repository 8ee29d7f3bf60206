"""How content callers are: what their words mean, and who is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.pending import Ticket
from flows.satisfaction import due, score
from flows.state import State


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("满意", 1),
        ("很满意。", 1),
        ("非常满意谢谢", 1),
        ("挺好的", 1),
        ("不错", 1),
        ("一", 1),
        ("第一个", 1),
        ("基本满意", 2),
        ("还可以吧", 2),
        ("一般", 2),
        ("比较满意", 2),
        ("二", 2),
        ("不满意", 3),
        ("不太满意", 3),
        ("不是很满意", 3),
        ("太差了", 3),
        ("不行", 3),
        ("按三", 3),
        ("不是不满意", None),
        ("没有不满意", None),
        ("好的", None),
        ("嗯", None),
        ("", None),
        ("公积金怎么提取", None),
        ("你们满意了我可不满意你们上次说好的事情到现在也没有人管", None),
    ],
)
def test_short_replies_are_understood_and_nothing_is_guessed(
    words: str, expected: int | None
) -> None:
    assert score(words) == expected


@given(st.text(max_size=40))
def test_any_words_are_a_score_or_none(words: str) -> None:
    assert score(words) in (1, 2, 3, None)


CONTENT = State(call_id="c", caller="13800138000", evaluates=True, answered=1)


def test_who_had_an_answer_or_a_ticket_is_asked() -> None:
    assert due(CONTENT)
    assert due(replace(CONTENT, answered=0, ticket=Ticket("c-t1", "路灯", complete=True)))
    assert not due(replace(CONTENT, answered=0, ticket=Ticket("c-t1", "路灯")))


@pytest.mark.parametrize(
    "why_not",
    [
        {"evaluates": False},
        {"evaluated": True},
        {"answered": 0},
        {"limited": True},
        {"handoffs": 1},
        {"asked_danger": 1},
        {"doubt": 0.2},
        {"distress": ("crying",)},
        {"trunk": "110"},
    ],
    ids=lambda why: next(iter(why)),
)
def test_nobody_is_asked_twice_after_danger_in_distress_or_while_limited(
    why_not: dict[str, object],
) -> None:
    assert not due(replace(CONTENT, **why_not))  # type: ignore[arg-type]
