"""Limits, closed hours, evaluations and calls of ours: none of them stands before danger."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flows.state import Phase
from tests.flows.scripted_call import Call

WORDS = st.sampled_from(
    ["公积金怎么提取", "没有了谢谢", "满意", "不满意", "好的", "转人工", "路灯坏了", "我要申诉",
     "再说一遍"]
)  # fmt: skip
CALLS = st.builds(
    Call,
    limited=st.booleans(),
    limited_until=st.sampled_from(["", "十二月一号"]),
    closed=st.booleans(),
    evaluates=st.booleans(),
    calling=st.sampled_from(["", "missed", "danger", "evaluation"]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS, st.lists(WORDS, max_size=5), st.booleans())
def test_whoever_says_danger_is_put_through_whatever_was_said_before(
    call: Call, before: list[str], heard_out: bool
) -> None:
    call.start(greeted=heard_out)
    for words in before:
        call.asks(words, ("a", 0.95))
        if heard_out:
            call.hear_out()
        assume(call.state.phase is not Phase.ENDED)
    call.begins()
    call.partial("我家着火了")
    handoff = call.state.handoff
    assert handoff is not None
    if handoff.to_police:
        return
    assert handoff.alarmed, "a seat that has the call is told"
    assert not call.limited, "it has no seat"
    assert not call.closed, "there is no seat"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS, st.lists(WORDS, max_size=5))
def test_the_key_of_110_is_at_most_one_press_away(call: Call, before: list[str]) -> None:
    call.start()
    for words in before:
        call.asks(words, ("a", 0.95))
        call.hear_out()
        assume(call.state.phase not in (Phase.ENDED, Phase.TICKET_NUMBER))
    call.presses("1")
    if call.state.handoff is None:
        assert call.state.evaluated, "only 满意 takes the first press"
        call.presses("1")
    assert call.state.handoff is not None
    assert call.state.handoff.to_police
