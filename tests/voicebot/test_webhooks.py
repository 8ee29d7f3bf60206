"""What happens is told to whoever wants to know: written with it, without a word of a caller."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from kb import lifecycle
from kb.entry import Entry, Status
from kb.ledger import Act as KnowledgeAct
from tests.voicebot.ticket_desk import act, opened
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.config_retention import Retention
from voicebot.config_webhooks import Event, Webhook
from voicebot.incidents import acts as incident_acts
from voicebot.incidents.taking_in import take_in
from voicebot.records import operations
from voicebot.reloading import reloaded
from voicebot.retention.running import Run
from voicebot.tickets.states import Act
from voicebot.webhooks import queue
from voicebot.webhooks.tables import WebhookEventRow
from voicebot.webhooks.telling import EVENTS, subscribe

pytestmark = pytest.mark.usefixtures("database_url")

ROOT = Path(__file__).resolve().parents[2]
NOON = 1_795_406_400.0
NUMBER, WORDS = "13800138000", "我被埋在山下"


def named(name: str, *events: Event) -> Webhook:
    return Webhook(
        name=name, url="https://a.example/events", secret_file=Path("key"), events=events
    )


def dossier(revision: int = 1, call: str = "C1") -> dict[str, Any]:
    return {
        "handoff": f"H-{call}",
        "call_id": call,
        "revision": revision,
        "caller": NUMBER,
        "region": "469001",
        "category": 3,
        "lines": ["110"],
        "flags": [],
        "reason": "danger",
        "evidence": [WORDS],
        "notes": [],
        "transcript": [{"side": "caller", "text": WORDS, "start": 0.0, "end": 1.0}],
    }


def started(session: Session) -> None:
    operations.start_call(
        session, call_id="C1", caller=NUMBER, did="12345", started_at=NOON, recording=""
    )


def ended(session: Session) -> None:
    started(session)
    operations.finish_call(
        session, call_id="C1", ended_at=NOON + 60, outcome="ticket", region="460106"
    )


def broken_off(session: Session) -> None:
    started(session)
    operations.break_off_call(session, call_id="C1", at=NOON + 60)


def handed_off(session: Session) -> None:
    operations.write_dossier(session, destination="110-469001", dossier=dossier(), at=NOON)
    for state, at in (("ringing", NOON + 1), ("confirmed", NOON + 5)):
        operations.handoff_state(
            session, handoff="H-C1", destination="110-469001", state=state, at=at
        )
    operations.handoff_returned(session, handoff="H-C1", at=NOON + 60)


def ticket(session: Session) -> None:
    operations.save_ticket(
        session, ticket="C1-t1", at=NOON, call_id="C1", matter=WORDS, number=NUMBER, name="王女士"
    )
    operations.save_ticket(session, ticket="C1-t1", at=NOON + 1, call_id="C1", matter=WORDS * 2)


def dispatched(session: Session) -> None:
    opened(session, number=NUMBER, matter=WORDS)
    act(session, Act.DISPATCH)
    act(session, Act.NOTE)


def incident(session: Session) -> None:
    for call in ("C1", "C2"):
        operations.write_dossier(
            session, destination="110-469001", dossier=dossier(call=call), at=NOON
        )
    take_in(session, NOON + 1)
    number = session.scalars(
        select(WebhookEventRow.subject).where(WebhookEventRow.event == "incident.opened")
    ).first()
    if number is not None:
        incident_acts.close(session, number, by="李督办", at=NOON + 60)


def surge(session: Session) -> None:
    decision = {
        "call_id": "C1",
        "line": "12345",
        "destination": "bot",
        "reason": "long_wait",
        "mode": "surge",
        "because": "等候过长",
        "figures": {"wait_s": 90.0, "outlook_s": 200.0, "override": None},
    }
    operations.note_surge_decision(session, **decision, at=NOON, was="normal", node="media1")
    operations.note_surge_decision(session, **{**decision, "call_id": "C2"}, at=NOON + 1)


def published(session: Session) -> None:
    entry = Entry(
        id="zs-1",
        version=1,
        category="城市管理/路灯",
        department="市政管理局",
        region="",
        question="路灯坏了找谁",
        variants=(),
        answer="请拨打12345。",
        keywords=(),
        source="",
        channel="",
        valid_from=date(2026, 1, 1),
        valid_to=date(2099, 12, 31),
        status=Status.DRAFT,
    )
    lifecycle.add(session, entry, KnowledgeAct("甲"), submit=True)
    lifecycle.approve(session, "zs-1", KnowledgeAct("乙"))
    lifecycle.publish(session, "zs-1", KnowledgeAct("乙"))


TELLS: dict[Callable[[Session], None], list[str]] = {
    started: ["call.started"],
    ended: ["call.started", "call.ended"],
    broken_off: ["call.started", "call.ended"],
    handed_off: ["handoff.changed"] * 4,
    ticket: ["ticket.opened"],
    dispatched: ["ticket.opened", "ticket.changed"],
    incident: [
        *["handoff.changed"] * 2,
        "incident.opened",
        "incident.changed",
        "incident.changed",
    ],
    surge: ["surge.changed"],
    published: ["knowledge.published"],
}


def told(engine: Engine, webhook: str = "all") -> list[WebhookEventRow]:
    with Session(engine) as session:
        rows = select(WebhookEventRow).where(WebhookEventRow.webhook == webhook)
        return list(session.scalars(rows.order_by(WebhookEventRow.number)))


@pytest.fixture
def subscribed(engine: Engine) -> Engine:
    with Session(engine) as session, session.begin():
        subscribe(session, [named("all"), named("calls", "call.started", "call.ended")])
    return engine


@pytest.mark.parametrize("happens", TELLS, ids=lambda each: each.__name__)
def test_what_happens_is_told_in_its_transaction(
    subscribed: Engine, happens: Callable[[Session], None]
) -> None:
    with Session(subscribed) as session:
        happens(session)
        session.rollback()
    assert told(subscribed) == []
    with Session(subscribed) as session, session.begin():
        happens(session)
    found = told(subscribed)
    assert [row.event for row in found] == TELLS[happens]
    assert {row.waiting_for for row in found} == {"all"}
    calls = [row.event for row in told(subscribed, "calls")]
    assert calls == [event for event in TELLS[happens] if event.startswith("call.")]


def test_every_event_there_is_was_told_here() -> None:
    assert {event for events in TELLS.values() for event in events} == set(EVENTS)


def test_the_document_explains_every_event_and_what_it_holds(subscribed: Engine) -> None:
    document = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
    lines = [line for line in document.splitlines() if line.startswith("| `")]
    for happens in TELLS:
        with Session(subscribed) as session, session.begin():
            happens(session)
    for row in told(subscribed):
        (line,) = [each for each in lines if f"`{row.event}`" in each.split("|")[1]]
        assert all(f"`{name}`" in line for name in row.data), row.event


def test_what_comes_twice_out_of_the_spool_is_told_once(subscribed: Engine) -> None:
    for _ in range(2):
        with Session(subscribed) as session, session.begin():
            ended(session)
            handed_off(session)
            ticket(session)
            surge(session)
    events = [row.event for row in told(subscribed)]
    assert sorted(events) == sorted([*TELLS[ended], *TELLS[handed_off], *TELLS[ticket],
                                     *TELLS[surge]])  # fmt: skip


def test_nodes_that_see_a_surge_otherwise_are_told_apart(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        surge(session)
    with Session(subscribed) as session, session.begin():
        operations.note_surge_decision(
            session,
            call_id="C3",
            line="12345",
            destination="seat",
            reason="seat_free",
            mode="normal",
            because="",
            figures={},
            at=NOON,
            was="surge",
            node="media2",
        )
    found = [(row.data["node"], row.data["was"], row.data["mode"]) for row in told(subscribed)]
    assert found == [("media1", "normal", "surge"), ("media2", "surge", "normal")]


@pytest.mark.parametrize("happens", TELLS, ids=lambda each: each.__name__)
def test_no_number_no_name_and_no_word_of_a_caller_leaves(
    subscribed: Engine, happens: Callable[[Session], None]
) -> None:
    with Session(subscribed) as session, session.begin():
        happens(session)
    text = json.dumps([queue.wire(row) for row in told(subscribed)], ensure_ascii=False)
    assert not any(private in text for private in (NUMBER, WORDS, "王女士", "和平大道"))


def test_of_a_confidential_ticket_not_even_its_call_is_told(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        opened(session, confidential=True)
    (row,) = told(subscribed)
    assert (row.data["confidential"], row.data["call"]) == (True, "")


def test_nothing_is_written_where_nobody_wants_to_know(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        ended(session)
    with Session(engine) as session:
        assert session.scalars(select(WebhookEventRow)).all() == []


def test_a_receiver_that_is_taken_out_is_told_nothing_more(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        started(session)
        subscribe(session, [named("calls", "call.ended")])
        ended(session)
    assert [row.event for row in told(subscribed)] == ["call.started"]
    assert [row.event for row in told(subscribed, "calls")] == ["call.started", "call.ended"]


# ── what waits, and for how long ──────────────────────────────────────────────────


def test_one_event_of_a_subject_is_due_at_a_time_and_the_oldest_first(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        ended(session)
        ticket(session)
        due = queue.claim(session, "all", NOON + 100, 10)
        assert [each.event["event"] for each in due] == ["call.started", "ticket.opened"]
        assert not queue.is_due(session, "all", NOON + 100)
        done = [queue.Attempt(each.number, NOON + 100, "", 0.0) for each in due]
        queue.settle(session, done)
        (last,) = queue.claim(session, "all", NOON + 100, 10)
        assert last.event["event"] == "call.ended"


def test_what_a_dead_process_had_claimed_comes_up_again(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        started(session)
        first = queue.claim(session, "all", NOON, 10)
        assert queue.claim(session, "all", NOON + queue.LEASE_S - 1, 10) == []
        assert queue.claim(session, "all", NOON + queue.LEASE_S, 10) == first


def test_what_a_wrong_clock_put_far_off_is_due(subscribed: Engine) -> None:
    with Session(subscribed) as session, session.begin():
        started(session)
        row = session.scalars(select(WebhookEventRow).where(WebhookEventRow.webhook == "all")).one()
        row.next_attempt_at = NOON + 86_400
        session.flush()
        assert queue.is_due(session, "all", NOON)


def test_what_waits_is_sent_again_at_once_and_what_was_delivered_where_it_is_named(
    subscribed: Engine,
) -> None:
    with Session(subscribed) as session, session.begin():
        started(session)
        (due,) = queue.claim(session, "all", NOON, 1)
        queue.settle(session, [queue.Attempt(due.number, NOON, "HTTP 503", NOON + 30)])
        assert not queue.is_due(session, "all", NOON + 1)
        assert queue.send_again(session, "all", None, at=NOON + 1) == 1
        (due,) = queue.claim(session, "all", NOON + 1, 1)
        queue.settle(session, [queue.Attempt(due.number, NOON + 2, "", 0.0)])
        assert queue.send_again(session, "all", None, at=NOON + 3) == 0
        assert queue.send_again(session, "all", [due.event["id"]], at=NOON + 3) == 1
        assert queue.is_due(session, "all", NOON + 3)
        with pytest.raises(queue.UnknownEvent, match="nothing was changed"):
            queue.send_again(session, "all", ["none"], at=NOON)


def test_events_end_when_their_time_is_over_taken_or_not(
    subscribed: Engine, tmp_path: Path
) -> None:
    with Session(subscribed) as session, session.begin():
        started(session)
        (due,) = queue.claim(session, "all", NOON, 1)
        queue.settle(session, [queue.Attempt(due.number, NOON, "", 0.0)])

    def run(days_later: float) -> dict[str, int]:
        who = {"principal": "service", "role": "service", "client": ""}
        now = NOON + days_later * 86_400
        done = Run(subscribed, Retention(webhooks=30), tmp_path, who, now, pause=lambda _: None)
        return dict(done.run().removed["webhooks"])

    assert run(29) == {}
    assert run(31) == {"events": 1, "given_up": 1}
    assert told(subscribed) == told(subscribed, "calls") == []


# ── settings ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('name = "a"\nurl = "http://a.example/x"\nsecret_file = "k"', "https"),
        ('name = "A b"\nurl = "https://a.example/x"\nsecret_file = "k"', "name"),
        ('name = "a"\nurl = "https://a.example/x"', "secret_file"),
        (
            'name = "a"\nurl = "https://a.example/x"\nsecret_file = "k"\nevents = ["call"]',
            "call.started",
        ),
        ('name = "a"\nurl = "https://a.example/x"\nsecret_file = "k"\nbogus = 1', "tls_ca"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_reason(
    tmp_path: Path, lines: str, reason: str
) -> None:
    file = tmp_path / "v.toml"
    file.write_text(f"[[webhooks]]\n{lines}\n")
    with pytest.raises(ConfigError, match=reason):
        load_settings(file)


def test_two_receivers_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two webhooks named 'a'"):
        Settings(webhooks=(named("a"), named("a")))


def test_another_receiver_counts_after_a_restart() -> None:
    running = Settings()
    found = reloaded(running, Settings(webhooks=(named("a"),)))
    assert found.restart == ("webhooks",)
    assert found.settings.webhooks == ()
