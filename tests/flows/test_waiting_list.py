"""One list for all calls: a free line goes to the riskiest who wants it, and to nobody twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flows.waiting_list import PROBE_S, RESERVED_S, STALE_S, Claim, WaitingList, Wish
from flows.waiting_risk import AGEING_S, Risk, precedence, urgency

LOCAL, PROVINCE, SEAT = "110-469001", "110-460000", "seat"


def wants(*numbers: str, score: float = 3.0, since: float = 0.0, idle: bool = True) -> Claim:
    return Claim("h", None, numbers, idle, Risk(score), since)


def given_to(lines: WaitingList, at: float) -> list[tuple[str, str]]:
    return [(each.call, each.destination) for each in lines.grants(at)]


# ── a number of which the lines are counted ───────────────────────────────────────


def test_as_many_calls_get_through_as_there_are_lines() -> None:
    lines = WaitingList({LOCAL: 2})
    assert [lines.take(call, LOCAL, 0.0) for call in "abc"] == [True, True, False]


def test_a_line_that_is_free_goes_to_the_riskiest() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.take("a", LOCAL, 0.0)
    lines.renew("b", wants(LOCAL, score=5.0, since=1.0), 1.0)
    lines.renew("c", wants(LOCAL, score=9.0, since=2.0), 2.0)
    assert given_to(lines, 3.0) == []
    lines.renew("a", None, 3.0)
    assert given_to(lines, 3.1) == [("c", LOCAL)]
    assert given_to(lines, 3.2) == [], "it is kept for him"
    assert not lines.take("b", LOCAL, 3.2)
    assert lines.take("c", LOCAL, 3.3)


def test_a_newcomer_does_not_go_before_those_who_wait() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.take("a", LOCAL, 0.0)
    lines.renew("b", wants(LOCAL), 1.0)
    lines.renew("a", None, 2.0)
    assert not lines.take("new", LOCAL, 2.0)
    assert given_to(lines, 2.1) == [("b", LOCAL)]


def test_who_wants_several_gets_the_one_that_he_would_rather_have() -> None:
    lines = WaitingList({LOCAL: 1, PROVINCE: 1})
    lines.renew("b", wants(LOCAL, PROVINCE), 0.0)
    lines.renew("c", wants(LOCAL, PROVINCE, score=9.0), 0.0)
    assert given_to(lines, 0.1) == [("c", LOCAL), ("b", PROVINCE)]


def test_a_line_that_is_not_taken_goes_to_the_next() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.renew("b", wants(LOCAL, score=9.0), 0.0)
    lines.renew("c", wants(LOCAL), 0.0)
    assert given_to(lines, 0.1) == [("b", LOCAL)]
    lines.renew("b", wants(), 0.2)  # a seat has him
    assert given_to(lines, 0.3) == [("c", LOCAL)]
    assert given_to(lines, 0.3 + RESERVED_S) == [("c", LOCAL)], "he may not have heard of it"


def test_words_that_are_worse_move_a_caller_up_and_waiting_does_so_slowly() -> None:
    lines = WaitingList({LOCAL: 0})
    lines.renew("a", wants(LOCAL, score=5.0, since=0.0), 0.0)
    lines.renew("b", wants(LOCAL, score=5.0, since=10.0), 10.0)
    assert [call for call, _ in lines.waiting(10.0)] == ["a", "b"]
    lines.renew("b", wants(LOCAL, score=9.0, since=10.0), 11.0)
    assert [call for call, _ in lines.waiting(11.0)] == ["b", "a"]
    at = 5 * AGEING_S
    lines.renew("c", wants(LOCAL, score=9.0, since=at), at)
    assert [call for call, _ in lines.waiting(at)] == ["b", "a", "c"]


def test_a_call_that_is_not_heard_of_any_more_holds_up_nobody() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.renew("dead", wants(LOCAL, score=10.0), 0.0)
    lines.renew("b", wants(LOCAL), STALE_S)
    assert given_to(lines, STALE_S + 1) == [("b", LOCAL)]


# ── a number of which nobody knows how many lines it has, or that others call too ─


def test_a_number_that_is_not_counted_is_dialled_by_all_until_it_is_busy() -> None:
    lines = WaitingList()
    assert all(lines.take(call, LOCAL, 0.0) for call in "abc")
    lines.busy("c", LOCAL, 1.0)
    assert not lines.take("d", LOCAL, 1.1)


def test_the_riskiest_alone_tries_a_busy_number_again() -> None:
    lines = WaitingList()
    lines.take("a", LOCAL, 0.0)
    lines.busy("a", LOCAL, 0.0)
    lines.renew("a", wants(LOCAL), 0.0)
    lines.renew("b", wants(LOCAL, score=9.0), 0.0)
    assert given_to(lines, PROBE_S - 0.1) == []
    assert [(g.call, g.sure) for g in lines.grants(PROBE_S)] == [("b", False)]
    assert given_to(lines, PROBE_S + 0.1) == [], "one at a time"


def test_nobody_for_whom_something_rings_is_taken_from_it_for_a_try() -> None:
    lines = WaitingList()
    lines.busy("a", LOCAL, 0.0)
    lines.renew("a", wants(LOCAL, idle=False), 0.0)
    assert given_to(lines, PROBE_S) == []
    assert lines.take("new", LOCAL, PROBE_S), "and a newcomer may try meanwhile"


def test_busy_seats_of_ordinary_calls_shut_nobody_in_danger_out_of_a_seat() -> None:
    """They are dialled without asking this list."""
    lines = WaitingList()
    for second in range(10):
        lines.busy("ordinary", SEAT, float(second))
        assert lines.take("danger", SEAT, second + 0.5)
        lines.busy("danger", SEAT, second + 0.7)


def test_a_number_that_rings_again_is_open_to_all() -> None:
    lines = WaitingList()
    assert lines.take("a", LOCAL, 0.0)
    assert lines.take("b", LOCAL, 0.0)
    lines.busy("a", LOCAL, 1.0)
    assert not lines.take("c", LOCAL, 1.5)
    lines.reached("b", LOCAL, answered=False)
    assert lines.take("c", LOCAL, 1.6)


def test_a_number_that_answers_has_a_line_for_who_waits() -> None:
    lines = WaitingList()
    lines.take("a", LOCAL, 0.0)
    lines.take("b", LOCAL, 0.0)
    lines.busy("a", LOCAL, 1.0)
    lines.renew("a", wants(LOCAL, score=9.0, idle=False), 1.0)
    lines.reached("b", LOCAL, answered=True)
    assert [(each.call, each.sure) for each in lines.grants(1.1)] == [("a", True)]


def test_what_others_say_of_a_number_that_they_did_not_get_here_counts_for_nothing() -> None:
    lines = WaitingList()
    lines.busy("a", LOCAL, 1.0)
    lines.reached("a", LOCAL, answered=True)
    assert lines.take("b", LOCAL, 1.1)


def test_a_call_of_ours_that_leaves_a_busy_number_leaves_a_line() -> None:
    lines = WaitingList()
    lines.take("a", LOCAL, 0.0)
    lines.take("b", LOCAL, 1.0)
    lines.busy("b", LOCAL, 1.0)
    lines.renew("b", wants(LOCAL, idle=False), 1.0)
    lines.renew("a", None, 1.5)
    assert [(g.call, g.sure) for g in lines.grants(1.6)] == [("b", True)]


def test_counted_lines_that_are_busy_all_the_same_are_tried_and_not_trusted() -> None:
    lines = WaitingList({LOCAL: 6})
    lines.take("a", LOCAL, 0.0)
    lines.busy("a", LOCAL, 0.5)  # others call 110 too
    lines.renew("a", wants(LOCAL), 0.5)
    assert given_to(lines, 1.0) == []
    assert [(g.call, g.sure) for g in lines.grants(0.5 + PROBE_S)] == [("a", False)]


# ── lines that other processes have and want as well ──────────────────────────────


def test_a_line_that_others_gave_out_is_kept_for_who_wants_it_and_for_nobody_else() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.renew("a", wants(LOCAL, score=9.0), 0.0)
    lines.renew("b", wants(PROVINCE), 0.0)
    grant = lines.keep("a", LOCAL, 1.0, sure=True)
    assert grant is not None
    assert (grant.handoff, grant.risk.score, grant.waited_s) == ("h", 9.0, 1.0)
    assert lines.keep("a", LOCAL, 1.0, sure=True) is None, "one is enough"
    assert lines.keep("b", LOCAL, 1.0, sure=True) is None
    assert lines.keep("gone", LOCAL, 1.0, sure=True) is None
    assert lines.taken == {("a", LOCAL)}
    assert lines.take("a", LOCAL, 1.1)


def test_lines_that_calls_elsewhere_have_are_given_to_nobody_who_waits() -> None:
    lines = WaitingList({LOCAL: 3})
    for call in "abc":
        lines.renew(call, wants(LOCAL), 0.0)
    assert lines.grants(1.0, elsewhere={LOCAL: 3}) == ()
    assert len(lines.grants(1.0, elsewhere={LOCAL: 2})) == 1
    assert len(lines.grants(1.0, elsewhere={LOCAL: 2})) == 0
    assert len(lines.grants(1.0)) == 2


def test_what_others_give_out_this_list_does_not() -> None:
    lines = WaitingList({LOCAL: 1, PROVINCE: 1})
    lines.renew("a", wants(LOCAL, PROVINCE), 0.0)
    assert [each.destination for each in lines.grants(0.1, {LOCAL})] == [PROVINCE]


def test_a_line_that_others_gave_a_call_is_counted_here_too() -> None:
    lines = WaitingList({LOCAL: 1})
    lines.hold("a", LOCAL)
    assert not lines.take("b", LOCAL, 0.0)
    lines.hold("a", PROVINCE)
    assert lines.taken == {("a", PROVINCE)}
    lines.let_go("a")
    assert lines.take("b", LOCAL, 0.0)


def test_others_are_told_who_waits_the_most_urgent_first_but_for_whom_a_line_is_kept() -> None:
    lines = WaitingList({LOCAL: 2})
    lines.renew("a", wants(LOCAL, PROVINCE, SEAT, score=5.0, since=1.0), 1.0)
    lines.renew("b", wants(PROVINCE, score=9.0, since=2.0, idle=False), 2.0)
    told = lines.wishes(4.0, {LOCAL, PROVINCE})
    assert told == (
        Wish("b", PROVINCE, 9.0, 2.0, idle=False),
        Wish("a", LOCAL, 5.0, 3.0, idle=True),
        Wish("a", PROVINCE, 5.0, 3.0, idle=True),
    )
    assert lines.keep("a", LOCAL, 4.0, sure=True)
    assert [wish.call for wish in lines.wishes(4.0, {LOCAL, PROVINCE})] == ["b"]


WAITING = st.tuples(st.floats(1.0, 11.0), st.floats(0.0, 3600.0), st.sampled_from("abc"))


@given(st.lists(WAITING, max_size=6), st.floats(0.0, 3600.0))
def test_the_order_of_those_who_wait_does_not_change_while_they_wait(
    waiting: list[tuple[float, float, str]], seconds: float
) -> None:
    order = sorted(waiting, key=lambda each: precedence(*each))
    later = [urgency(score, waited + seconds) for score, waited, _ in order]
    assert later == pytest.approx(sorted(later, reverse=True))


@given(WAITING, WAITING)
def test_of_two_the_one_with_the_greater_urgency_goes_first(
    one: tuple[float, float, str], other: tuple[float, float, str]
) -> None:
    urgencies = [Risk(score).urgency(waited) for score, waited, _ in (one, other)]
    if urgencies[0] != urgencies[1]:
        assert (precedence(*one) < precedence(*other)) == (urgencies[0] > urgencies[1])


# ── in any order ──────────────────────────────────────────────────────────────────


class AnyHour(RuleBasedStateMachine):
    """Calls come, wait, get through and go in any order; lines are counted."""

    CALLS = st.sampled_from("abcdefgh")

    def __init__(self) -> None:
        super().__init__()
        self.lines = WaitingList({LOCAL: 2, SEAT: 1})
        self.at = 0.0
        self.talking: dict[str, str] = {}
        self.waiting: dict[str, Claim] = {}

    @rule(call=CALLS, number=st.sampled_from([LOCAL, SEAT]), score=st.floats(1, 10))
    def calls(self, call: str, number: str, score: float) -> None:
        if call in self.talking or call in self.waiting:
            return
        if self.lines.take(call, number, self.at):
            self.talking[call] = number
            self.lines.renew(call, Claim("h", number), self.at)
        else:
            self.waiting[call] = wants(LOCAL, SEAT, score=score, since=self.at)
            self.lines.renew(call, self.waiting[call], self.at)

    @rule(call=CALLS)
    def goes(self, call: str) -> None:
        self.talking.pop(call, None)
        self.waiting.pop(call, None)
        self.lines.renew(call, None, self.at)

    @rule(call=CALLS)
    def says_worse(self, call: str) -> None:
        if call in self.waiting:
            worse = replace(self.waiting[call], risk=Risk(10.0))
            self.waiting[call] = worse
            self.lines.renew(call, worse, self.at)

    @rule(seconds=st.floats(0.1, 5.0))
    def time_passes(self, seconds: float) -> None:
        self.at += seconds
        for call, claim in self.waiting.items():
            self.lines.renew(call, claim, self.at)

    @rule(takes_it=st.booleans())
    def lines_are_given_out(self, takes_it: bool) -> None:
        before = {
            call: claim.risk.urgency(self.at - claim.since) for call, claim in self.waiting.items()
        }
        given = self.lines.grants(self.at)
        urgency = [before[each.call] for each in given]
        assert urgency == sorted(urgency, reverse=True)
        for each in given:
            assert each.call not in self.talking
            if takes_it:
                assert self.lines.take(each.call, each.destination, self.at)
                self.talking[each.call] = each.destination
                del self.waiting[each.call]
                self.lines.renew(each.call, Claim("h", each.destination), self.at)

    @invariant()
    def no_line_is_had_by_two(self) -> None:
        for number, count in self.lines.lines.items():
            assert self.lines.in_use(number) <= count
            assert sum(each == number for each in self.talking.values()) <= count

    @invariant()
    def nobody_is_lost(self) -> None:
        assert {call for call, _ in self.lines.waiting(self.at)} == set(self.waiting)

    def teardown(self) -> None:
        """When all who talk have gone, those who wait get through, the riskiest first."""
        for call in list(self.talking):
            self.goes(call)
        for _ in range(20):
            self.time_passes(RESERVED_S)
            self.lines_are_given_out(takes_it=True)
            for call in list(self.talking):
                self.goes(call)
        assert not self.waiting


TestAnyHour = AnyHour.TestCase
TestAnyHour.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
