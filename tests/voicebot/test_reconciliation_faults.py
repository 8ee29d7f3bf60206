"""Whatever goes wrong between two platforms, reconciliation ends with equal ledgers (R14)."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.voicebot.exchange_twins import HANDLERS, NOW, TODAY, Platform
from voicebot.exchange import inbox
from voicebot.exchange.reconciliation.running import Outcome, Reconciliation

TOMORROW = NOW + 86400


class Trouble(RuleBasedStateMachine):
    """Messages in both directions over a line that loses, repeats, reorders and lies."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, self.theirs = Platform("12345"), Platform("110")
        self.sent: dict[str, list[str]] = {"12345": [], "110": []}

    def _sides(self, sender: str) -> tuple[Platform, Platform]:
        both = (self.ours, self.theirs)
        return both if sender == "12345" else (both[1], both[0])

    @rule(sender=st.sampled_from(["12345", "110"]), subject=st.sampled_from(["T1", "T2"]))
    def send(self, sender: str, subject: str) -> None:
        self.sent[sender].append(self._sides(sender)[0].send(subject))

    @rule(
        sender=st.sampled_from(["12345", "110"]),
        which=st.integers(0, 9),
        fault=st.sampled_from(["none", "answer lost", "twice", "receiver dies", "lie", "lost"]),
    )
    def deliver(self, sender: str, which: int, fault: str) -> None:
        source, target = self._sides(sender)
        waiting = source.waiting()
        if not waiting:
            return
        envelope = waiting[which % len(waiting)]  # in any order
        state = "applied"
        if fault == "receiver dies":
            target.receive(envelope, dies=True)
        elif fault not in ("lost", "lie"):
            state = target.receive(envelope)
            if fault == "twice":
                state = target.receive(envelope)
        if fault in ("none", "twice", "lie"):
            source.told(envelope.id, state)

    @precondition(lambda self: any(self.sent.values()))
    @rule(side=st.sampled_from(["12345", "110"]))
    def disk_loses_the_newest(self, side: str) -> None:
        self._sides(side)[0].forget_newest()

    def teardown(self) -> None:
        both_come_back(self.ours, self.theirs)
        everything = Counter(self.sent["12345"] + self.sent["110"])
        assert self.ours.ledger() == self.theirs.ledger()
        assert self.ours.ledger().keys() == everything.keys()
        assert {state for _, state in self.ours.ledger().values()} <= {"applied"}
        assert self.theirs.effects() == Counter(self.sent["12345"])
        assert self.ours.effects() == Counter(self.sent["110"])
        for each in (self.ours, self.theirs):
            each.engine.dispose()


def both_come_back(ours: Platform, theirs: Platform) -> None:
    """The line works again, both deliver what waits, and the ledgers are reconciled."""
    for _ in range(4):
        for source, target in ((ours, theirs), (theirs, ours)):
            for envelope in source.waiting():
                source.told(envelope.id, target.receive(envelope))
        if not reconcile(ours, theirs).unsettled:
            return
    pytest.fail("reconciliation comes to no end")


def reconcile(ours: Platform, theirs: Platform, *, repair: bool = True) -> Outcome:
    engine = ours.engine
    run = Reconciliation(engine, engine, theirs, principal="test", clock=lambda: TOMORROW)
    return run.run(TODAY, repair=repair)


@pytest.fixture(autouse=True)
def _messages_have_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, handler in HANDLERS.items():
        monkeypatch.setitem(inbox.HANDLERS, kind, handler)


def test_whatever_happens_both_ledgers_end_equal_and_nothing_is_lost() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Trouble, settings=settings(max_examples=30, stateful_step_count=20)
    )


def test_without_repair_nothing_is_changed_but_the_list() -> None:
    ours, theirs = Platform("12345"), Platform("110")
    ours.send("T1")
    theirs.send("T2")
    before = ours.ledger(), theirs.ledger()
    outcome = reconcile(ours, theirs, repair=False)
    assert outcome.found == {"missing_here": 1, "missing_there": 1}
    assert (outcome.mending, outcome.unsettled) == (0, 2)
    assert (ours.ledger(), theirs.ledger()) == before


def test_a_repair_counts_only_once_the_next_comparison_proves_it() -> None:
    ours, theirs = Platform("12345"), Platform("110")
    theirs.send("T2")
    first = reconcile(ours, theirs)
    assert (first.mending, first.settled, first.unsettled) == (1, 0, 1)
    for envelope in theirs.waiting():
        theirs.told(envelope.id, ours.receive(envelope))
    second = reconcile(ours, theirs)
    assert (second.found, second.settled, second.unsettled) == ({"late": 1}, 1, 0)
