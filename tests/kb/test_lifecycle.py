"""From a draft to what is spoken and back: who may take which step, and what each one changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from kb import lifecycle, store
from kb.entry import Entry, Status
from kb.errors import KbError, Outdated, SamePerson, StepRefused
from kb.ledger import Act
from tests.kb.conftest import NOON, make_entry

ENTRY = make_entry("x-1", "怎么办证")
MINUTE = timedelta(minutes=1)
AUTHOR, REVIEWER = Act("甲", "新政策", at=NOON), Act("乙", "核对过", at=NOON)


def answers(session: Session, at: datetime = NOON) -> list[str]:
    return [entry.answer for entry in store.published(session, at)]


def statuses(session: Session) -> list[Status]:
    return [version.entry.status for version in store.history(session, "x-1")]


@pytest.fixture
def live(session: Session) -> Session:
    """Version 1 is published."""
    lifecycle.add(session, replace(ENTRY, answer="一。"), AUTHOR, submit=True)
    lifecycle.approve(session, "x-1", REVIEWER)
    lifecycle.publish(session, "x-1", AUTHOR)
    return session


def reviewed(session: Session, answer: str) -> None:
    lifecycle.edit(session, "x-1", {"answer": answer}, AUTHOR, submit=True)
    lifecycle.approve(session, "x-1", REVIEWER)


def test_an_entry_is_spoken_only_after_the_last_of_its_steps(session: Session) -> None:
    lifecycle.add(session, ENTRY, AUTHOR)
    assert answers(session) == []
    lifecycle.submit(session, "x-1", AUTHOR)
    assert answers(session) == []
    lifecycle.approve(session, "x-1", REVIEWER)
    assert answers(session) == []
    lifecycle.publish(session, "x-1", AUTHOR)
    assert answers(session) == [ENTRY.answer]


@pytest.mark.parametrize("reviewer", ["甲", " 甲", "甲 "])
def test_nobody_approves_what_he_wrote(session: Session, reviewer: str) -> None:
    lifecycle.add(session, ENTRY, AUTHOR, submit=True)
    with pytest.raises(SamePerson, match="somebody else"):
        lifecycle.approve(session, "x-1", Act(reviewer))
    assert statuses(session) == [Status.IN_REVIEW]


def test_nobody_approves_what_he_wrote_a_part_of(session: Session) -> None:
    lifecycle.add(session, ENTRY, Act("Li Hua"))
    lifecycle.edit(session, "x-1", {"answer": "改过。"}, Act("王"), submit=True)
    for writer in ("LI  HUA", "王"):
        with pytest.raises(SamePerson):
            lifecycle.approve(session, "x-1", Act(writer))
    lifecycle.approve(session, "x-1", Act("赵"))


def test_who_wrote_what_was_approved_long_ago_may_review_what_others_change(
    live: Session,
) -> None:
    lifecycle.edit(live, "x-1", {"answer": "二。"}, Act("丙"), submit=True)
    lifecycle.approve(live, "x-1", AUTHOR)
    assert statuses(live) == [Status.PUBLISHED, Status.APPROVED]


def test_a_name_is_needed(session: Session) -> None:
    with pytest.raises(StepRefused, match="name"):
        lifecycle.add(session, ENTRY, Act("  "))


def test_a_rejected_version_goes_back_with_the_reason(session: Session) -> None:
    lifecycle.add(session, ENTRY, AUTHOR, submit=True)
    with pytest.raises(StepRefused, match="reason"):
        lifecycle.reject(session, "x-1", Act("乙"))
    lifecycle.reject(session, "x-1", Act("乙", "电话号码不对"))
    assert statuses(session) == [Status.DRAFT]
    assert store.history(session, "x-1")[0].steps[-1].why == "电话号码不对"


def test_a_reviewer_approves_the_version_that_he_read(session: Session) -> None:
    lifecycle.add(session, ENTRY, AUTHOR, submit=True)
    lifecycle.edit(session, "x-1", {"answer": "二。"}, AUTHOR)
    lifecycle.approve(session, "x-1", REVIEWER, version=1)
    assert statuses(session) == [Status.APPROVED, Status.DRAFT]
    lifecycle.publish(session, "x-1", AUTHOR)
    assert answers(session) == [ENTRY.answer]


def test_who_edits_an_entry_that_has_changed_meanwhile_is_told(session: Session) -> None:
    lifecycle.add(session, ENTRY, AUTHOR)
    lifecycle.edit(session, "x-1", {"answer": "二。"}, Act("丙"), seen=1)
    with pytest.raises(Outdated, match="version 2"):
        lifecycle.edit(session, "x-1", {"answer": "另一个。"}, AUTHOR, seen=1)


def test_a_publication_waits_for_its_minute_and_replaces_the_old_one_in_it(live: Session) -> None:
    at = NOON + 90 * MINUTE
    reviewed(live, "二。")
    lifecycle.publish(live, "x-1", AUTHOR, effective_at=at)
    assert answers(live, at - timedelta(seconds=1)) == ["一。"]
    assert answers(live, at) == ["二。"]
    assert store.published(live, NOON)[0].until == at
    assert store.next_step(live, NOON) == at


def test_what_was_valid_since_the_first_day_of_the_calendar_can_be_published(
    session: Session,
) -> None:
    lifecycle.add(session, replace(ENTRY, valid_from=date.min), AUTHOR, submit=True)
    lifecycle.approve(session, "x-1", REVIEWER)
    lifecycle.publish(session, "x-1", AUTHOR)
    assert answers(session) == [ENTRY.answer]


def test_a_publication_of_the_past_is_refused(live: Session) -> None:
    reviewed(live, "二。")
    with pytest.raises(StepRefused, match="11:59 is over"):
        lifecycle.publish(live, "x-1", AUTHOR, effective_at=NOON - MINUTE)


def test_the_later_decision_replaces_one_still_to_take_effect(live: Session) -> None:
    reviewed(live, "二。")
    lifecycle.publish(live, "x-1", AUTHOR, effective_at=NOON + 60 * MINUTE)
    reviewed(live, "三。")
    lifecycle.publish(live, "x-1", AUTHOR)
    assert answers(live) == answers(live, NOON + 61 * MINUTE) == ["三。"]


def test_a_step_that_was_overruled_is_no_next_step(live: Session) -> None:
    reviewed(live, "二。")
    lifecycle.publish(live, "x-1", AUTHOR, effective_at=NOON + 2 * MINUTE)
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    assert store.next_step(live, NOON) == NOON + MINUTE
    assert store.next_step(live, NOON + MINUTE) is None


def test_a_withdrawal_takes_effect_at_once_or_at_its_minute(live: Session) -> None:
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + 5 * MINUTE)
    assert answers(live, NOON + 4 * MINUTE) == ["一。"]
    assert answers(live, NOON + 5 * MINUTE) == []
    lifecycle.withdraw(live, "x-1", AUTHOR)
    assert answers(live) == []
    with pytest.raises(StepRefused, match="withdrawn already"):
        lifecycle.withdraw(live, "x-1", AUTHOR)


def test_a_planned_withdrawal_is_brought_forward_and_never_put_off(live: Session) -> None:
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + 2 * MINUTE)
    with pytest.raises(StepRefused, match=r"12:02 on.*rollback x-1 1"):
        lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + 3 * MINUTE)
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    assert answers(live, NOON + MINUTE) == []


def test_a_planned_withdrawal_is_put_off_by_a_rollback_and_a_new_one(live: Session) -> None:
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + MINUTE)
    lifecycle.rollback(live, "x-1", 1, AUTHOR)
    lifecycle.withdraw(live, "x-1", AUTHOR, effective_at=NOON + 2 * MINUTE)
    assert answers(live, NOON + MINUTE) == ["一。"]
    assert answers(live, NOON + 2 * MINUTE) == []


def test_a_withdrawal_takes_what_was_to_come_with_it(live: Session) -> None:
    reviewed(live, "二。")
    lifecycle.publish(live, "x-1", AUTHOR, effective_at=NOON + 5 * MINUTE)
    lifecycle.withdraw(live, "x-1", AUTHOR)
    assert answers(live, NOON + 6 * MINUTE) == []


def test_rollback_to_an_approved_version_is_spoken_at_once_and_says_so(live: Session) -> None:
    reviewed(live, "二。")
    lifecycle.publish(live, "x-1", AUTHOR)
    made = lifecycle.rollback(live, "x-1", 1, Act("丙", "二错了", at=NOON))
    assert (made.version, made.status) == (3, Status.PUBLISHED)
    assert answers(live) == ["一。"]
    third = store.history(live, "x-1")[2]
    assert (third.based_on, third.why) == (1, "content of version 1: 二错了")
    assert third.steps[0].why == "version 1 was approved by 乙"


def test_rollback_to_a_version_nobody_approved_is_reviewed(live: Session) -> None:
    lifecycle.edit(live, "x-1", {"answer": "草稿。"}, AUTHOR)
    reviewed(live, "三。")
    made = lifecycle.rollback(live, "x-1", 2, Act("丙", at=NOON))
    assert made.status is Status.IN_REVIEW
    with pytest.raises(SamePerson):  # 甲 wrote version 2
        lifecycle.approve(live, "x-1", AUTHOR)
    lifecycle.approve(live, "x-1", REVIEWER)


def test_rollback_brings_back_what_was_withdrawn_by_mistake(live: Session) -> None:
    lifecycle.withdraw(live, "x-1", AUTHOR)
    lifecycle.rollback(live, "x-1", 1, AUTHOR)
    assert answers(live) == ["一。"]


def test_rollback_to_what_is_no_longer_valid_is_refused(live: Session) -> None:
    lifecycle.edit(live, "x-1", {"valid_to": date(2027, 12, 31)}, AUTHOR, submit=True)
    lifecycle.approve(live, "x-1", REVIEWER)
    later = Act("丙", at=NOON + timedelta(days=60))
    with pytest.raises(StepRefused, match="valid until 2026-12-31"):
        lifecycle.rollback(live, "x-1", 1, later)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (lambda s: lifecycle.publish(s, "x-1", AUTHOR), "is published"),
        (lambda s: lifecycle.approve(s, "x-1", REVIEWER), "is published"),
        (lambda s: lifecycle.submit(s, "x-1", AUTHOR), "is published"),
        (lambda s: lifecycle.add(s, ENTRY, AUTHOR), "already"),
        (lambda s: lifecycle.edit(s, "x-1", {"answer": "一。"}, AUTHOR), "Nothing is changed"),
        (lambda s: lifecycle.rollback(s, "x-1", 1, AUTHOR), "already"),
        (lambda s: lifecycle.rollback(s, "x-1", 7, AUTHOR), "no 7"),
        (lambda s: lifecycle.withdraw(s, "x-9", AUTHOR), "no entry x-9"),
    ],
)
def test_a_step_out_of_turn_is_refused_and_changes_nothing(
    live: Session, step: Callable[[Session], Entry], sentence: str
) -> None:
    before = store.revision(live), store.history(live, "x-1")
    with pytest.raises(KbError, match=sentence):
        step(live)
    assert (store.revision(live), store.history(live, "x-1")) == before


class AnyOrderOfSteps(RuleBasedStateMachine):
    """Whatever three people try in whatever order, two of them have read what is spoken."""

    people = st.sampled_from(["甲", "乙", "丙"])

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        store.metadata.create_all(self.engine)
        self.session = Session(self.engine)
        self.now = NOON
        self.wrote: dict[str, set[str]] = {}
        self.read: dict[str, set[str]] = {}
        lifecycle.add(self.session, replace(ENTRY, answer="0"), Act("甲", at=NOON))
        self.wrote["0"] = {"甲"}

    def act(self, who: str) -> Act:
        self.now += timedelta(seconds=20)
        return Act(who, "因", at=self.now)

    def tried(self, step: Callable[[], Entry]) -> Entry | None:
        try:
            return step()
        except KbError:
            return None

    @rule(who=people, submit=st.booleans())
    def edit(self, who: str, submit: bool) -> None:
        answer = str(len(self.wrote))
        act = self.act(who)
        lifecycle.edit(self.session, "x-1", {"answer": answer}, act, submit=submit)
        self.wrote[answer] = {who}

    @rule(who=people)
    def submit(self, who: str) -> None:
        self.tried(lambda: lifecycle.submit(self.session, "x-1", self.act(who)))

    @rule(who=people, version=st.integers(1, 6) | st.none())
    def approve(self, who: str, version: int | None) -> None:
        act = self.act(who)
        done = self.tried(lambda: lifecycle.approve(self.session, "x-1", act, version=version))
        if done is not None:
            self.read.setdefault(done.answer, set()).add(who)

    @rule(who=people, minutes=st.integers(0, 3))
    def publish(self, who: str, minutes: int) -> None:
        act = self.act(who)
        at = self.now + minutes * MINUTE
        self.tried(lambda: lifecycle.publish(self.session, "x-1", act, effective_at=at))

    @rule(who=people)
    def withdraw(self, who: str) -> None:
        self.tried(lambda: lifecycle.withdraw(self.session, "x-1", self.act(who)))

    @rule(who=people, version=st.integers(1, 6))
    def roll_back(self, who: str, version: int) -> None:
        self.tried(lambda: lifecycle.rollback(self.session, "x-1", version, self.act(who)))

    @invariant()
    def what_is_spoken_was_read_by_somebody_who_did_not_write_it(self) -> None:
        for minutes in range(5):
            for answer in answers(self.session, self.now + minutes * MINUTE):
                assert self.read.get(answer, set()) - self.wrote[answer]

    @invariant()
    def until_tells_when_another_is_spoken(self) -> None:
        for entry in store.published(self.session, self.now):
            if entry.until is not None:
                after = store.published(self.session, entry.until)
                assert [e.version for e in after] != [entry.version]

    def teardown(self) -> None:
        self.session.close()
        self.engine.dispose()


AnyOrderOfSteps.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestAnyOrderOfSteps = AnyOrderOfSteps.TestCase
