"""The lines of one deployment, whichever node asks: nobody gets one that another has, the more
urgent goes first, and what a node had that died is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, delete, event, func, select, update
from sqlalchemy.orm import Session

from flows.waiting_list import PROBE_S, Wish
from flows.waiting_risk import precedence
from tests.voicebot.cluster.two_services import on_postgresql
from voicebot.cluster.line_leases import COUNTED_S, KEPT_S, WANTED_S, Heard, Here, Pair, leave
from voicebot.cluster.line_leases import tell as put_in
from voicebot.cluster.line_rows import NOW
from voicebot.cluster.line_turns import Given, give_out, take
from voicebot.cluster.tables import PoliceLineCountRow, PoliceLineRow, PoliceLineWantedRow

pytestmark = on_postgresql

LOCAL, PROVINCE = "110-469001", "110-460000"

T = TypeVar("T")


def lives(engine: Engine) -> int:
    """How many lines are some call's."""
    with Session(engine) as session:
        live = select(func.count()).where(PoliceLineRow.kept_until > NOW)
        return session.scalar(live) or 0


def passes(engine: Engine, seconds: float) -> None:
    """Everything was so much longer ago."""
    with Session(engine) as session, session.begin():
        session.execute(
            update(PoliceLineRow).values(
                kept_until=PoliceLineRow.kept_until - seconds,
                quiet_until=PoliceLineRow.quiet_until - seconds,
            )
        )
        session.execute(
            update(PoliceLineWantedRow).values(
                since=PoliceLineWantedRow.since - seconds,
                kept_until=PoliceLineWantedRow.kept_until - seconds,
            )
        )
        session.execute(
            update(PoliceLineCountRow).values(kept_until=PoliceLineCountRow.kept_until - seconds)
        )


class Node:
    """One process; `taken` is what its calls have."""

    def __init__(self, engine: Engine, run: str, lines: dict[str, int]) -> None:
        self._engine, self.run, self.configured, self.lines = engine, run, lines, lines
        self.taken: set[Pair] = set()
        self.waiting: dict[str, list[Wish]] = {}
        self.heard: list[Heard] = []
        self.taking = 0
        self.tells()

    def asks(self, call: str, number: str = LOCAL) -> bool:
        self.taking += 1
        got = self._act(take, self.run, self.taking, call, number, self.lines[number])
        if got:
            self.taken.add((call, number))
        return got

    def waits(
        self,
        call: str,
        *numbers: str,
        score: float = 3.0,
        waited_s: float = 0.0,
        idle: bool = True,
    ) -> None:
        wanted = numbers or (LOCAL,)
        self.waiting[call] = [Wish(call, each, score, waited_s, idle) for each in wanted]

    def over(self, call: str) -> None:
        self.waiting.pop(call, None)
        self.taken = {pair for pair in self.taken if pair[0] != call}

    def tells(self, asked: frozenset[Pair] = frozenset(), before: int | None = None) -> set[str]:
        """Numbers of which a line came free."""
        here = Here(
            self.run,
            self.taking if before is None else before,
            frozenset(self.taken),
            asked,
            tuple(self.wishes),
            tuple(self.heard),
        )
        self.heard.clear()
        self.told = self._act(put_in, self.configured, here)
        self.lines = {number: most for number, (_, most) in self.told.said.items()}
        return set(self.told.freed)

    def gets(self) -> list[Given]:
        """What its waiting callers are given now."""
        self.tells()
        found = self._act(give_out, self.lines, self.run, self.taking, self.wishes)
        for each in found:
            self.taken.add((each.call, each.destination))
            del self.waiting[each.call]
        return list(found)

    @property
    def wishes(self) -> list[Wish]:
        calls = sorted(
            self.waiting.values(),
            key=lambda of: precedence(of[0].score, of[0].waited_s, of[0].call),
        )
        return [wish for call in calls for wish in call]

    def leaves(self) -> None:
        self._act(leave, self.run)

    def _act(self, work: Callable[..., T], *arguments: object) -> T:
        with Session(self._engine) as session, session.begin():
            return work(session, *arguments)


Nodes = tuple[Node, Node]


def two(engine: Engine, **lines: int) -> Nodes:
    numbers = {LOCAL: lines.get("local", 1), PROVINCE: lines.get("province", 1)}
    return Node(engine, "a", numbers), Node(engine, "b", numbers)


# ── as many as there are ──────────────────────────────────────────────────────────


def test_as_many_calls_get_through_as_there_are_lines_whichever_node_has_them(
    engine: Engine,
) -> None:
    a, b = two(engine, local=3)
    assert [a.asks("1"), b.asks("2"), a.asks("3")] == [True] * 3
    assert not b.asks("4")
    assert b.asks("4", PROVINCE), "the province has lines of its own"


def ask_at_once(threads: ThreadPoolExecutor, number: str, *nodes: Node) -> list[bool]:
    """Whether each node got a line for a call of its own; as many threads as nodes."""
    together = Barrier(len(nodes))

    def ask(node: Node) -> bool:
        together.wait(10)
        return node.asks(node.run + number)

    return list(threads.map(ask, nodes))


def test_of_two_nodes_that_ask_at_one_moment_one_gets_the_last_line(engine: Engine) -> None:
    a, b = two(engine)
    with ThreadPoolExecutor(2) as threads:
        for number in range(30):
            asked = ask_at_once(threads, str(number), a, b)
            assert sorted(asked) == [False, True]
            for node in (a, b):
                node.taken.clear()
                node.tells()


def test_two_nodes_that_ask_at_one_moment_get_two_lines(engine: Engine) -> None:
    """Neither waits for the other, nor fails for both having looked at the same line."""
    a, b = two(engine, local=2)
    with ThreadPoolExecutor(2) as threads:
        for number in range(30):
            asked = ask_at_once(threads, str(number), a, b)
            assert asked == [True, True]
            for node in (a, b):
                node.taken.clear()
                node.tells()


def test_a_line_that_a_call_leaves_is_free_for_the_other_node(engine: Engine) -> None:
    a, b = two(engine)
    assert a.asks("1")
    a.over("1")
    assert not b.asks("2"), "nothing was told yet"
    assert a.tells() == {LOCAL}
    assert b.asks("2")


# ── nodes that differ ─────────────────────────────────────────────────────────────


def slots(engine: Engine) -> set[int]:
    with Session(engine) as session:
        local = select(PoliceLineRow.slot).where(PoliceLineRow.destination == LOCAL)
        return set(session.scalars(local))


def differing(engine: Engine) -> Nodes:
    a, b = Node(engine, "a", {LOCAL: 6}), Node(engine, "b", {LOCAL: 2})
    a.tells()
    b.tells()
    return a, b


def test_a_node_that_knows_of_fewer_lines_takes_none_away(engine: Engine) -> None:
    a, b = differing(engine)
    assert [a.asks(str(call)) for call in range(5)] == [True] * 5
    assert b.asks("5"), "the sixth"
    assert not a.asks("6")


def test_who_waits_at_a_node_that_knows_of_fewer_lines_gets_the_next(engine: Engine) -> None:
    a, b = differing(engine)
    assert [a.asks(str(call)) for call in range(5)] == [True] * 5
    b.waits("urgent", score=9.0)
    b.tells()
    a.waits("other")
    assert a.gets() == []
    assert b.gets() == [Given("urgent", LOCAL, sure=True)]


def test_a_node_is_told_that_others_know_of_more_or_fewer_lines(engine: Engine) -> None:
    for node in differing(engine):
        assert node.told.said == {LOCAL: (2, 6)}


@pytest.mark.parametrize("ends", [True, False])
def test_the_greater_number_is_forgotten_with_the_node_that_says_it(
    engine: Engine, ends: bool
) -> None:
    a, b = differing(engine)
    if ends:
        a.leaves()
    passes(engine, COUNTED_S)
    b.tells()
    assert slots(engine) == {0, 1}


def test_lines_that_somebody_deleted_are_there_again(engine: Engine) -> None:
    a, _ = two(engine, local=2)
    with Session(engine) as session, session.begin():
        session.execute(delete(PoliceLineRow))
    a.tells()
    assert [a.asks(call) for call in "123"] == [True, True, False]


# ── the node that has a line ──────────────────────────────────────────────────────


def test_a_line_is_kept_while_its_node_says_so_and_free_once_the_node_is_dead(
    engine: Engine,
) -> None:
    a, b = two(engine)
    assert a.asks("1")
    for _ in range(3):
        passes(engine, KEPT_S - 1.0)
        assert not b.asks("2")
        a.tells()
    passes(engine, KEPT_S)
    assert b.asks("2")


def test_a_node_that_ends_leaves_its_lines_at_once(engine: Engine) -> None:
    a, b = two(engine)
    a.waits("2", score=9.0)
    assert a.asks("1")
    a.tells()
    a.leaves()
    assert b.asks("3")


def test_a_line_that_was_given_too_late_is_given_back(engine: Engine) -> None:
    a, b = two(engine)
    assert a.asks("1")
    a.taken.clear()  # the answer came when nobody waited for it
    assert a.tells() == {LOCAL}
    assert b.asks("2")


@pytest.mark.parametrize("known", [True, False])
def test_a_line_that_is_being_asked_for_is_not_taken_for_one_that_is_given_up(
    engine: Engine, known: bool
) -> None:
    a, b = two(engine)
    before = a.taking
    assert a.asks("1")
    a.taken.clear()
    a.tells(frozenset({("1", LOCAL)}) if known else frozenset(), a.taking if known else before)
    assert not b.asks("2")


def test_what_was_dialled_while_nobody_could_count_counts_from_then_on(engine: Engine) -> None:
    a, b = two(engine, local=2)
    assert b.asks("1")
    a.taken = {("2", LOCAL), ("3", LOCAL)}
    a.tells()
    assert lives(engine) == 3
    a.over("2")
    a.tells()
    assert not b.asks("4"), "two lines are in use, as many as there are"
    a.over("3")
    a.tells()
    assert b.asks("4")
    assert lives(engine) == 2


def test_a_call_that_was_given_two_lines_of_a_number_keeps_one(engine: Engine) -> None:
    a, b = two(engine, local=2)
    a.taken = {("1", LOCAL)}
    with Session(engine) as session, session.begin():
        local = update(PoliceLineRow).where(PoliceLineRow.destination == LOCAL)
        session.execute(local.values(call_id="1", run="a", kept_until=NOW + KEPT_S))
    assert not b.asks("2")
    assert a.tells() == {LOCAL}
    assert b.asks("2")


def test_lines_above_their_number_are_forgotten_with_the_node_that_dialled_them(
    engine: Engine,
) -> None:
    a, b = two(engine)
    a.taken = {("1", LOCAL), ("2", LOCAL), ("3", LOCAL)}
    a.tells()
    assert lives(engine) == 3
    passes(engine, KEPT_S)
    b.tells()
    assert slots(engine) == {0}


def test_a_node_whose_line_another_has_by_now_says_again_that_it_has_one(engine: Engine) -> None:
    a, b = two(engine)
    assert a.asks("1")
    passes(engine, KEPT_S)  # frozen, and its caller talks to 110 all the same
    assert b.asks("2")
    a.tells()
    b.over("2")
    b.tells()
    assert not b.asks("3")


def test_a_node_that_froze_over_a_line_keeps_the_others_waiting_for_nothing(
    engine: Engine,
) -> None:
    a, b = two(engine, local=2)
    with Session(engine) as frozen:
        assert take(frozen, a.run, 1, "1", LOCAL, 2)
        assert take(frozen, a.run, 2, "2", PROVINCE, 1)
        b.waits("3")
        assert b.gets() == [Given("3", LOCAL, sure=True)]
        assert not b.asks("4", PROVINCE)
        b.waits("4", PROVINCE)
        assert b.gets() == []
        busy(b, "3")
        frozen.rollback()
    assert b.gets() == [Given("4", PROVINCE, sure=True)]


def test_two_nodes_that_tell_at_once_of_what_they_dialled_stand_in_no_others_way(
    engine: Engine,
) -> None:
    """As when the database comes back: all lines are taken, and each counts its own above them."""
    lines = {LOCAL: 1, PROVINCE: 1}
    a, b, c = (Node(engine, run, lines) for run in "abc")
    assert c.asks("x")
    assert c.asks("y", PROVINCE)
    with ThreadPoolExecutor(2) as threads:
        for number in range(8):
            a.taken = {(f"a{number}", LOCAL), (f"b{number}", PROVINCE)}
            b.taken = {(f"c{number}", PROVINCE), (f"d{number}", LOCAL)}
            together = Barrier(2)

            def tell(node: Node, together: Barrier = together) -> None:
                together.wait(10)
                node.tells()
                while not node.told.complete:
                    node.tells()

            for told in [threads.submit(tell, node) for node in (a, b)]:
                told.result()
            assert lives(engine) == 6
            for node in (a, b):
                node.taken.clear()
                node.tells()


def test_a_node_that_froze_while_it_told_keeps_the_others_waiting_for_nothing(
    engine: Engine,
) -> None:
    a, b = two(engine)
    c = Node(engine, "c", a.lines)
    assert c.asks("1")
    a.taken = {("2", LOCAL)}
    with Session(engine) as frozen:
        put_in(frozen, b.lines, Here("b", 0, frozenset({("3", LOCAL)})))
        a.tells()
        assert not a.told.complete
        frozen.rollback()
    a.tells()
    assert a.told.complete
    assert lives(engine) == 2


def test_a_line_that_another_process_has_in_hand_keeps_no_node_waiting(engine: Engine) -> None:
    a, _ = two(engine, local=2)
    assert a.asks("1")
    assert a.asks("2")
    a.over("2")
    with Session(engine) as other:
        other.execute(select(PoliceLineRow).with_for_update())
        a.tells()
        assert lives(engine) == 2, "and none counts twice"
        a.leaves()
    a.tells()
    assert lives(engine) == 1


def test_a_caller_who_was_given_a_line_and_dials_late_has_it(engine: Engine) -> None:
    a, b = two(engine)
    a.waits("1")
    assert a.gets() == [Given("1", LOCAL, sure=True)]
    b.waits("2", score=9.0)
    b.tells()
    a.taken.clear()  # it is kept for him no more
    assert a.asks("1")
    assert b.gets() == []


def test_a_clock_of_the_database_that_is_set_back_closes_no_number(engine: Engine) -> None:
    a, b = two(engine)
    assert a.asks("1")
    busy(a, "1")
    gone = Node(engine, "gone", b.lines)
    gone.waits("gone", score=9.0)
    gone.tells()
    passes(engine, -3600.0)
    a.waits("2")
    assert a.gets() == [Given("2", LOCAL, sure=False)]
    passes(engine, -3600.0)
    a.tells()
    assert not b.asks("3"), "whoever lives says so by the new clock"
    passes(engine, KEPT_S)
    b.tells()
    passes(engine, -3600.0)
    b.waits("4")
    assert b.gets() == [Given("4", LOCAL, sure=False)], "and who has died has nothing for an hour"


# ── who is next ───────────────────────────────────────────────────────────────────


def test_the_more_urgent_caller_of_the_other_node_gets_the_line_that_is_free_here(
    engine: Engine,
) -> None:
    a, b = two(engine)
    assert a.asks("1")
    a.waits("2", score=5.0)
    b.waits("3", score=9.0)
    assert (a.gets(), b.gets()) == ([], [])
    a.over("1")
    assert a.gets() == []
    assert b.gets() == [Given("3", LOCAL, sure=True)]
    b.over("3")
    b.tells()
    assert a.gets() == [Given("2", LOCAL, sure=True)]


def test_a_caller_who_has_waited_long_goes_before_one_who_is_a_little_worse(
    engine: Engine,
) -> None:
    a, b = two(engine)
    a.waits("new", score=5.5)
    b.waits("long", score=5.0, waited_s=120.0)
    b.tells()
    assert a.gets() == []
    assert b.gets() == [Given("long", LOCAL, sure=True)]


def test_who_calls_goes_behind_all_who_wait_while_there_are_lines_for_these_alone(
    engine: Engine,
) -> None:
    a, b = two(engine, local=2)
    b.waits("1")
    b.tells()
    assert a.asks("2"), "one line is left for who waits"
    assert not a.asks("3")
    assert b.gets() == [Given("1", LOCAL, sure=True)]


def test_as_many_of_those_who_wait_get_through_as_there_are_lines(engine: Engine) -> None:
    a, b = two(engine, local=2)
    for node, call, score in ((a, "1", 4.0), (a, "2", 9.0), (b, "3", 5.0)):
        node.waits(call, score=score)
        node.tells()
    assert a.gets() == [Given("2", LOCAL, sure=True)]
    assert b.gets() == [Given("3", LOCAL, sure=True)]


def test_who_wants_several_gets_the_one_that_he_would_rather_have_and_holds_up_no_other(
    engine: Engine,
) -> None:
    a, b = two(engine)
    a.waits("1", LOCAL, PROVINCE, score=9.0)
    b.waits("2", LOCAL, PROVINCE)
    b.tells()
    assert a.gets() == [Given("1", LOCAL, sure=True)]
    assert b.gets() == [Given("2", PROVINCE, sure=True)]


def test_a_caller_whose_node_is_dead_holds_up_nobody_for_long(engine: Engine) -> None:
    a, b = two(engine)
    a.waits("1", score=9.0)
    a.tells()
    b.waits("2")
    assert b.gets() == []
    passes(engine, WANTED_S)
    assert b.gets() == [Given("2", LOCAL, sure=True)]


# ── a number that others call too ─────────────────────────────────────────────────


def busy(node: Node, call: str) -> None:
    node.over(call)
    node.heard.append(Heard(call, LOCAL, busy=True))
    node.tells()


def test_a_number_that_was_busy_is_left_in_peace_by_every_node(engine: Engine) -> None:
    a, b = two(engine, local=3)
    assert a.asks("1")
    busy(a, "1")
    assert not b.asks("2")
    b.waits("2")
    assert b.gets() == []
    passes(engine, PROBE_S)
    b.tells()
    assert not b.asks("3"), "somebody waits"
    assert b.gets() == [Given("2", LOCAL, sure=False)]


def test_one_caller_at_a_time_tries_it_the_most_urgent_of_those_for_whom_nothing_rings(
    engine: Engine,
) -> None:
    a, b = two(engine, local=3)
    assert a.asks("1")
    busy(a, "1")
    passes(engine, PROBE_S)
    a.waits("2", score=9.0, idle=False)
    b.waits("3", score=5.0)
    b.waits("4", score=4.0)
    a.tells()
    b.tells()
    assert a.gets() == []
    assert b.gets() == [Given("3", LOCAL, sure=False)]
    busy(b, "3")
    assert b.gets() == []


def test_a_number_that_rings_again_is_open_to_all(engine: Engine) -> None:
    a, b = two(engine, local=3)
    assert a.asks("1")
    assert a.asks("2")
    busy(a, "1")
    assert not b.asks("3")
    a.heard.append(Heard("2", LOCAL, busy=False))
    a.tells()
    assert b.asks("3")


def test_a_number_that_answers_has_a_line_for_one_who_would_leave_what_rings_for_it(
    engine: Engine,
) -> None:
    a, b = two(engine, local=3)
    assert a.asks("1")
    assert a.asks("2")
    busy(a, "1")
    b.waits("3", idle=False)
    assert b.gets() == []
    a.heard.append(Heard("2", LOCAL, busy=False, answered=True))
    a.tells()
    assert b.gets() == [Given("3", LOCAL, sure=True)]


def test_a_call_of_ours_that_leaves_a_busy_number_leaves_a_line_that_is_free(
    engine: Engine,
) -> None:
    a, b = two(engine, local=3)
    assert a.asks("1")
    assert a.asks("2")
    busy(a, "1")
    a.over("2")
    a.tells()
    b.waits("3", idle=False)
    assert b.gets() == [Given("3", LOCAL, sure=True)]


# ── many who wait ─────────────────────────────────────────────────────────────────


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Statements that the database is sent meanwhile."""
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


FIVE = {f"110-{number}": 1 for number in range(5)}


def test_what_fifty_callers_want_is_told_in_as_many_statements_as_what_one_wants(
    engine: Engine,
) -> None:
    a = Node(engine, "a", FIVE)
    a.waits("0", *FIVE)
    with counted(engine) as sent:
        a.tells()
        of_one = len(sent)
    for call in range(50):
        a.waits(str(call), *FIVE, score=9.0)
    with counted(engine) as sent:
        a.tells()
    assert len(sent) == of_one <= 12
    a.waiting = {"7": a.waiting["7"]}
    a.tells()
    with Session(engine) as session:
        told = session.execute(select(PoliceLineWantedRow.call_id, PoliceLineWantedRow.score))
        assert sorted(map(tuple, told)) == [("7", 9.0)] * 5, "others are forgotten"


@pytest.mark.parametrize("why", ["somebody more urgent elsewhere", "busy", "busy and full"])
def test_fifty_callers_for_whom_there_is_no_line_cost_a_handful_of_statements(
    engine: Engine, why: str
) -> None:
    a, b = Node(engine, "a", FIVE), Node(engine, "b", FIVE)
    if why != "somebody more urgent elsewhere":
        assert all(b.asks(f"talks-{number}", number) for number in FIVE)
    for call in range(50):
        a.waits(str(call), *FIVE, idle=call % 2 == 0)
    a.tells()
    if why == "somebody more urgent elsewhere":
        b.waits("urgent", *FIVE, score=9.0)
    else:
        b.heard = [Heard(f"talks-{number}", number, busy=True) for number in FIVE]
        if why == "busy":
            b.taken.clear()
    b.tells()
    with counted(engine) as sent:
        given = a._act(give_out, a.lines, a.run, a.taking, a.wishes)
    assert not given
    assert len(sent) <= (1 + 2 * len(FIVE) if why.startswith("somebody") else 1)


def test_a_line_worth_a_try_goes_past_those_for_whom_something_rings(engine: Engine) -> None:
    a, _ = two(engine, local=2)
    assert a.asks("1")
    busy(a, "1")
    passes(engine, PROBE_S)
    for call, score in (("2", 9.0), ("3", 8.0), ("4", 7.0)):
        a.waits(call, score=score, idle=call == "4")
    assert a.gets() == [Given("4", LOCAL, sure=False)]


# ── in any order ──────────────────────────────────────────────────────────────────

SCORES = st.floats(1.0, 11.0).map(lambda score: round(score, 2))
WAITED = st.floats(0.0, 900.0).map(lambda waited: round(waited, 1))


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(waiting=st.lists(st.tuples(SCORES, WAITED, st.booleans()), min_size=1, max_size=6))
def test_whoever_waits_where_they_get_lines_in_the_order_of_their_urgency(
    engine: Engine, waiting: list[tuple[float, float, bool]]
) -> None:
    nodes = two(engine)
    for number, (score, waited, at_b) in enumerate(waiting):
        nodes[at_b].waits(f"c{number}", score=score, waited_s=waited)
    urgency = {f"c{n}": score + waited / 180 for n, (score, waited, _) in enumerate(waiting)}
    for node in nodes:
        node.tells()
    served = []
    while any(node.waiting for node in nodes):
        for node in nodes:
            for each in node.gets():
                served.append(urgency[each.call])
                node.over(each.call)
                node.tells()
    # Each begins to wait when its node says so for the first time, some milliseconds apart.
    assert served == pytest.approx(sorted(served, reverse=True), abs=0.01)
    for node in nodes:
        node.leaves()


class AnyHour(RuleBasedStateMachine):
    """Calls come, wait, get through and go at two nodes, which tell of it when they like, die and
    begin again.
    """

    CALLS, NODES = st.sampled_from("123456"), st.sampled_from([0, 1])

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.runs = 0

    @initialize()
    def begin(self) -> None:
        with Session(self.engine) as session, session.begin():
            session.execute(delete(PoliceLineRow))
            session.execute(delete(PoliceLineWantedRow))
        self.nodes = [self.new(), self.new()]

    def new(self) -> Node:
        self.runs += 1
        return Node(self.engine, f"run-{self.runs}", {LOCAL: 2})

    def mine(self, at: int, call: str) -> tuple[Node, str]:
        return self.nodes[at], f"{self.nodes[at].run}-{call}"

    @rule(at=NODES, call=CALLS, score=SCORES)
    def calls(self, at: int, call: str, score: float) -> None:
        node, name = self.mine(at, call)
        if (name, LOCAL) in node.taken or name in node.waiting:
            return
        if not node.asks(name):
            node.waits(name, score=score)

    @rule(at=NODES, call=CALLS)
    def goes(self, at: int, call: str) -> None:
        node, name = self.mine(at, call)
        node.over(name)

    @rule(at=NODES)
    def tells(self, at: int) -> None:
        self.nodes[at].gets()

    @rule(at=NODES)
    def dies(self, at: int) -> None:
        self.nodes[at] = self.new()
        passes(self.engine, KEPT_S)
        self.nodes[1 - at].tells()  # who lives does so in time

    @invariant()
    def no_more_lines_are_had_than_there_are(self) -> None:
        if hasattr(self, "nodes"):
            assert len({pair for node in self.nodes for pair in node.taken}) <= 2
            assert lives(self.engine) <= 2

    def teardown(self) -> None:
        """Whoever waits gets through when those who talk have gone."""
        if not hasattr(self, "nodes"):
            return
        for _ in range(12):
            for node in self.nodes:
                for call, _ in list(node.taken):
                    node.over(call)
                node.gets()
        assert not any(node.waiting for node in self.nodes)


def test_at_any_hour(engine: Engine) -> None:
    run_state_machine_as_test(
        partial(AnyHour, engine),  # type: ignore[arg-type]
        settings=hypothesis_settings(max_examples=25, stateful_step_count=25, deadline=None),
    )
