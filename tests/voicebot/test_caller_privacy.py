"""Who may see what of a caller: one rule, whatever the list."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot import caller_privacy as privacy
from voicebot.security import ROLES

NUMBER, NAME, WORDS = "13800138000", "张三丰", "我住三号楼"
KNOW_NOTHING = sorted(set(ROLES) - privacy.KNOW_ALL)
C1 = {"C1"}

LISTS: dict[str, Any] = {
    "calls": lambda role: privacy.call({"call_id": "C1", "caller": NUMBER}, role, C1),
    "missed": lambda role: privacy.call(
        {"call_id": "C1", "number": NUMBER, "danger": False, "state": "waiting"}, role, C1
    ),
    "missed, danger, settled": lambda role: privacy.call(
        {"call_id": "C1", "number": NUMBER, "danger": True, "state": "done"}, role, C1
    ),
    "evaluations of its call": lambda role: privacy.evaluation(
        {"call_id": "C1", "ticket": "", "number": NUMBER}, role, C1, ()
    ),
    "evaluations of its ticket": lambda role: privacy.evaluation(
        {"call_id": "C2", "ticket": "T1", "number": NUMBER}, role, (), {"T1"}
    ),
    "incident": lambda role: privacy.member({"call_id": "C1", "words": WORDS}, role, C1),
    "waiting": lambda role: privacy.waiting({"call_id": "C1", "reasons": [WORDS]}, role, C1),
    "limits": lambda role: privacy.limit(
        {"number": NUMBER, "evidence": ["C1", "C2"], "reason": "abuse"}, role, C1
    ),
    "nuisance": lambda role: privacy.nuisance({"number": NUMBER, "calls": 3}, role, {NUMBER}),
    "ticket": lambda role: privacy.ticket(
        {
            "confidential": True,
            "name": NAME,
            "number": NUMBER,
            "call_id": "C1",
            "transcript": [{"text": WORDS}],
            "evaluations": [{"call_id": "C1", "score": 1}],
        },
        role,
    ),
    "merged ticket": lambda role: privacy.ticket(
        {
            "confidential": False,
            "name": "",
            "number": "",
            "call_id": "C9",
            "merged": [{"confidential": True, "name": NAME, "number": NUMBER, "call_id": "C1"}],
        },
        role,
    ),
    "live words": lambda role: privacy.live(
        {"call_id": "C1", "kind": "hypothesis", "text": WORDS, "confidential": True}, role
    ),
    "live number": lambda role: privacy.live(
        {"call_id": "C1", "kind": "call", "caller": NUMBER, "confidential": True}, role
    ),
}


def tells(shown: Any) -> bool:
    text = json.dumps(shown, ensure_ascii=False)
    return any(secret in text for secret in (NUMBER, NAME, WORDS))


@pytest.mark.parametrize("role", KNOW_NOTHING)
@pytest.mark.parametrize("name", LISTS)
def test_of_a_confidential_caller_a_list_tells_nothing(name: str, role: str) -> None:
    assert not tells(LISTS[name](role))


@pytest.mark.parametrize("role", sorted(privacy.KNOW_ALL))
@pytest.mark.parametrize("name", LISTS)
def test_supervisors_see_all_of_it(name: str, role: str) -> None:
    assert tells(LISTS[name](role))


@given(st.sampled_from(ROLES), st.booleans(), st.booleans())
def test_only_confidence_hides_and_only_danger_overrides_it(
    role: str, confidential: bool, danger: bool
) -> None:
    knows = privacy.may_know(role, confidential=confidential, danger=danger)
    assert knows == (not confidential or danger or role in {"supervisor", "admin"})


@pytest.mark.parametrize("state", ["waiting", "given_up"])
def test_who_was_in_danger_and_not_reached_yet_can_be_called_by_any_agent(state: str) -> None:
    missed = {"call_id": "C1", "number": NUMBER, "danger": True, "state": state}
    assert privacy.call(missed, "agent", C1)["number"] == NUMBER


def test_a_limit_keeps_the_evidence_that_is_not_confidential() -> None:
    shown = privacy.limit({"number": NUMBER, "evidence": ["C1", "C2"]}, "agent", C1)
    assert shown == {"number": "保密", "evidence": ["C2"]}


def test_calls_settled_together_do_not_tell_whose_the_confidential_one_is() -> None:
    assert privacy.settled(["C1", "C2"], "C2", "agent", C1) == ["C2"]
    assert privacy.settled(["C1", "C2"], "C2", "agent", ()) == ["C1", "C2"]
    assert privacy.settled(["C1", "C2"], "C2", "supervisor", C1) == ["C1", "C2"]


def test_agents_see_live_numbers_masked_for_confidence_may_still_be_asked_for() -> None:
    message = {"call_id": "C1", "kind": "call", "state": "started", "caller": NUMBER}
    shown = privacy.live(message, "agent")
    assert shown is not None
    assert shown["caller"] == "138******00"
    assert privacy.live(message, "supervisor") == message


def test_how_far_a_confidential_call_is_stays_in_the_live_view() -> None:
    for kind in ("call", "transfer", "hung_up"):
        message = {"call_id": "C1", "kind": kind, "state": "ended", "confidential": True}
        assert privacy.live(message, "agent") == message
    assert privacy.live({"call_id": "C1", "kind": "ticket", "confidential": True}, "agent") is None


@pytest.mark.parametrize(
    ("role", "own", "numbers", "lines", "reads"),
    [
        ("110", "", {"seat"}, {"seat"}, False),
        ("110", "", {"110-460100"}, {"110"}, True),
        ("110", "", {"seat"}, {"seat", "119"}, False),
        ("110", "", set(), set(), False),
        ("desk", "", {"seat"}, {"seat"}, False),
        ("desk", "", {"seat@u-1a2b", "seat-2"}, {"seat"}, False),
        ("desk", "", {"110-460100"}, {"110"}, True),
        ("desk", "", {"seat"}, {"seat", "119"}, True),
        ("desk", "", set(), set(), False),
        ("desk", "119", {"110-460100"}, {"110"}, False),
        ("desk", "119", {"110-460100"}, {"110", "119"}, True),
        ("desk", "110-460100", {"110-460200"}, {"110"}, False),
        ("desk", "seat", {"seat@u-1a2b"}, {"seat"}, True),
        ("desk", "seat-2", {"seat-2"}, {"seat"}, True),
        ("desk", "seat-2", {"seat-3"}, {"seat"}, False),
    ],
)
def test_110_and_the_desks_read_the_hand_offs_that_went_to_them(
    role: str, own: str, numbers: set[str], lines: set[str], reads: bool
) -> None:
    sent_to = privacy.Receivers(frozenset(numbers), frozenset(lines))
    assert privacy.may_read_dossier(role, own, sent_to) is reads
