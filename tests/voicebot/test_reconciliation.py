"""Two ledgers are compared, and what differs is mended by rule or left to a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.exchange.reconciliation.comparing import (
    Difference,
    Finding,
    Limits,
    compare,
    same_place,
)
from voicebot.exchange.reconciliation.entries import Entry, Sender, SortedLedger
from voicebot.exchange.reconciliation.rules import Repair, repair

NOW = 1_000_000.0
LIMITS = Limits(grace_s=300, late_s=60)


def entry(
    name: str = "m-1",
    sender: Sender = "12345",
    *,
    at: float = NOW - 3600,
    received: float | None = None,
    state: str = "applied",
    content: str = "a",
    sequence: int = 1,
) -> Entry:
    return Entry(
        name,
        sender,
        "ticket",
        "T-1",
        sequence,
        content,
        state,
        at,
        at if received is None else received,
    )


def differences(ours: Iterable[Entry], theirs: Iterable[Entry]) -> list[Difference]:
    with SortedLedger(ours) as mine, SortedLedger(theirs) as other:
        return [
            *compare(mine.by_id(), other.by_id(), now=NOW, limits=LIMITS),
            *same_place(mine.by_place(), here=True),
            *same_place(other.by_place(), here=False),
        ]


def only(ours: Iterable[Entry], theirs: Iterable[Entry]) -> tuple[Finding, Repair]:
    (difference,) = differences(ours, theirs)
    return difference.finding, repair(difference)


def test_ledgers_that_say_the_same_do_not_differ() -> None:
    assert differences([entry()], [entry(received=NOW - 3590)]) == []


def test_ours_that_they_lack_is_sent_again() -> None:
    assert only([entry()], []) == (Finding.MISSING_THERE, Repair.SEND_AGAIN)


def test_theirs_that_we_lack_is_asked_for_again() -> None:
    assert only([], [entry(sender="110")]) == (Finding.MISSING_HERE, Repair.ASK_AGAIN)


def test_what_the_sender_itself_has_lost_is_for_a_person() -> None:
    assert only([], [entry()]) == (Finding.MISSING_HERE, Repair.PERSON)
    assert only([entry(sender="110")], []) == (Finding.MISSING_THERE, Repair.PERSON)


def test_one_key_with_two_contents_is_for_a_person() -> None:
    assert only([entry()], [entry(content="b")]) == (Finding.CONTENT, Repair.PERSON)
    assert only([entry()], [entry(sequence=2)]) == (Finding.CONTENT, Repair.PERSON)


@pytest.mark.parametrize("told", ["applied", "waiting"])
def test_what_was_confirmed_but_not_applied_is_brought_again(told: str) -> None:
    ours = entry(state=told)
    assert only([ours], [entry(state="waiting")]) == (Finding.STATE, Repair.SEND_AGAIN)
    theirs = entry(sender="110", state=told)
    here = replace(theirs, state="waiting")
    assert only([here], [theirs]) == (Finding.STATE, Repair.ASK_AGAIN)


@pytest.mark.parametrize("state", ["refused", "conflict"])
def test_what_would_be_refused_again_is_for_a_person(state: str) -> None:
    assert only([entry(state=state)], [entry(state=state)]) == (Finding.STATE, Repair.PERSON)
    assert only([entry(state=state)], []) == (Finding.MISSING_THERE, Repair.PERSON)


def test_a_dossier_whose_newer_state_went_out_instead_is_not_missed() -> None:
    assert differences([entry(state="superseded")], []) == []


def test_of_what_arrived_while_its_receipt_was_lost_the_receiver_is_believed() -> None:
    assert only([entry(state="waiting")], [entry()]) == (Finding.STATE, Repair.TAKE_THEIRS)
    theirs = entry(sender="110", state="waiting")
    assert only([replace(theirs, state="applied")], [theirs]) == (Finding.STATE, Repair.NONE)


def test_what_is_under_way_is_no_difference_yet() -> None:
    young, old = (entry(at=NOW - age, state="waiting") for age in (299, 301))
    assert differences([young], []) == []
    assert differences([young], [replace(young, state="applied", at=NOW)]) == []
    assert len(differences([old], [])) == 1


def test_a_clock_that_ran_ahead_hides_nothing() -> None:
    assert only([entry(at=NOW + 86400)], []) == (Finding.MISSING_THERE, Repair.SEND_AGAIN)


def test_what_came_late_is_told_and_needs_nothing() -> None:
    assert only([entry()], [entry(received=NOW - 3600 + 61)]) == (Finding.LATE, Repair.NONE)


def test_a_message_that_a_ledger_has_twice_is_for_a_person() -> None:
    assert only([entry()], [entry(), entry()]) == (Finding.DUPLICATED, Repair.PERSON)


def test_two_messages_in_one_place_are_for_a_person() -> None:
    both = [entry("m-1"), entry("m-2", content="b")]
    found = differences(both, both)
    assert [(each.finding, each.instead_of) for each in found] == [
        (Finding.DUPLICATED, "m-1"),
        (Finding.DUPLICATED, "m-1"),
    ]


entries = st.builds(
    Entry,
    id=st.sampled_from([f"m-{n}" for n in range(8)]),
    sender=st.sampled_from(["12345", "110"]),
    kind=st.sampled_from(["ticket", "status"]),
    subject=st.sampled_from(["T-1", "警-2"]),
    sequence=st.integers(1, 3),
    content_hash=st.sampled_from(["a", "b"]),
    state=st.sampled_from(["applied", "waiting", "refused"]),
    sent_at=st.sampled_from([NOW - 3600, NOW]),
    at=st.sampled_from([NOW - 3600, NOW - 3500, NOW]),
)
ledgers = st.lists(entries, max_size=12)


@settings(max_examples=40)
@given(ledgers)
def test_a_ledger_comes_back_whole_in_either_order(ledger: list[Entry]) -> None:
    with SortedLedger(ledger) as kept:
        assert sorted(map(repr, kept.by_id())) == sorted(map(repr, ledger))
        assert [each.id for each in kept.by_id()] == sorted(each.id for each in ledger)
        assert [each.place for each in kept.by_place()] == sorted(each.place for each in ledger)


@settings(max_examples=40)
@given(ledgers, ledgers)
def test_the_other_side_sees_the_same_differences_from_its_side(
    ours: list[Entry], theirs: list[Entry]
) -> None:
    swapped = {
        Finding.MISSING_HERE: Finding.MISSING_THERE,
        Finding.MISSING_THERE: Finding.MISSING_HERE,
    }

    def turned(ledger: Iterable[Entry]) -> list[Entry]:
        return [
            replace(each, sender="110" if each.sender == "12345" else "12345") for each in ledger
        ]

    def seen(found: Iterable[Difference]) -> list[tuple[str, Finding]]:
        return sorted((each.entry.id, each.finding) for each in found)

    here = differences(ours, theirs)
    there = differences(turned(theirs), turned(ours))
    assert seen(here) == sorted(
        (name, swapped.get(finding, finding)) for name, finding in seen(there)
    )


@settings(max_examples=40)
@given(ledgers)
def test_every_message_is_accounted_for(ledger: list[Entry]) -> None:
    """Against an empty ledger each old message is missing once, and each surplus line found."""
    old = [replace(each, sent_at=NOW - 3600) for each in ledger]
    with SortedLedger(old) as mine:
        found = list(compare(mine.by_id(), (), now=NOW, limits=LIMITS))
    assert len(found) == len(old)
    missing = [each for each in found if each.finding is Finding.MISSING_THERE]
    assert {each.entry.id for each in missing} == {each.id for each in old}
