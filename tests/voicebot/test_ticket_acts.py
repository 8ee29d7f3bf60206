"""People's acts on tickets: each leaves a step, and 110 hears what it has to."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.voicebot.ticket_desk import (
    DAY,
    MONDAY,
    SUPERVISOR,
    act,
    opened,
    sent,
    steps,
)
from voicebot.exchange.inbox import HANDLERS, receive
from voicebot.exchange.schema import (
    Body,
    Envelope,
    Evaluation,
    Feedback,
    Person,
    PoliceOrder,
    Receipt,
    Status,
    Supervision,
    Ticket,
    canonical_json,
    read_envelope,
    seal,
)
from voicebot.exchange.sending import send
from voicebot.exchange.wording import moment
from voicebot.figures.counting import total
from voicebot.records import operations
from voicebot.records.operations import add_turn
from voicebot.records.tables import TicketRow
from voicebot.tickets import exchange
from voicebot.tickets.errors import ActRefused, TicketChanged, UnknownTicket
from voicebot.tickets.states import Act

# ── acts ──────────────────────────────────────────────────────────────────────────


def test_each_act_is_kept_with_who_when_and_why(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH, at=MONDAY + 60, why="属供水")
    act(desk, Act.RETURN, at=MONDAY + 120, by=SUPERVISOR, why="不属本局")
    _, dispatch, back = steps(desk)
    assert (dispatch.before, dispatch.after, dispatch.who) == ("created", "dispatched", "王座席")
    assert (back.at, back.why, back.role) == (MONDAY + 120, "不属本局", "supervisor")
    assert back.department == "市水务局"


def test_of_two_who_saw_the_same_one_is_told_to_look_again(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH, version=1)
    with pytest.raises(TicketChanged, match="at version 2; read it again"):
        act(desk, Act.WITHDRAW, version=1)
    assert len(steps(desk)) == 2


def test_an_unknown_ticket_is_a_sentence(desk: Session) -> None:
    with pytest.raises(UnknownTicket, match="no ticket T9"):
        act(desk, Act.NOTE, "T9")


def test_a_second_extension_is_for_a_supervisor(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    act(desk, Act.EXTEND)
    with pytest.raises(ActRefused, match="for a supervisor"):
        act(desk, Act.EXTEND)
    assert act(desk, Act.EXTEND, by=SUPERVISOR).extensions == 2


# ── one matter, several tickets ───────────────────────────────────────────────────


def test_what_is_merged_is_answered_closed_and_reopened_with_its_main_ticket(
    desk: Session,
) -> None:
    for ticket in ("C1-t1", "C2-t1", "C3-t1"):
        opened(desk, ticket)
    act(desk, Act.LINK, "C3-t1", main="C2-t1")
    act(desk, Act.LINK, "C2-t1", main="C1-t1")  # takes the third along
    third = desk.get_one(TicketRow, "C3-t1")
    assert (third.status, third.main) == ("merged", "C1-t1")
    for kind in (Act.DISPATCH, Act.ACCEPT, Act.ANSWER, Act.CLOSE):
        act(desk, kind)
    assert (third.status, third.answer) == ("closed", "已修复。")
    assert steps(desk, "C3-t1")[-1].details == {"main": "C1-t1"}
    act(desk, Act.REOPEN)
    assert third.status == "merged"


def test_a_matter_that_one_caller_withdraws_is_still_the_others(desk: Session) -> None:
    opened(desk)
    opened(desk, "C2-t1")
    act(desk, Act.LINK, "C2-t1", main="C1-t1")
    act(desk, Act.WITHDRAW)
    other = desk.get_one(TicketRow, "C2-t1")
    assert (other.status, other.main) == ("created", None)


@pytest.mark.parametrize(
    ("main", "reason"),
    [("C1-t1", "into itself"), ("C2-t1", "is merged into C4-t1"), ("C3-t1", "is withdrawn")],
)
def test_a_ticket_is_merged_into_an_open_one_of_its_own(
    desk: Session, main: str, reason: str
) -> None:
    for ticket in ("C1-t1", "C2-t1", "C3-t1", "C4-t1"):
        opened(desk, ticket)
    act(desk, Act.LINK, "C2-t1", main="C4-t1")
    act(desk, Act.WITHDRAW, "C3-t1")
    with pytest.raises(ActRefused, match=reason):
        act(desk, Act.LINK, main=main)


# ── 110 ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("done", [(), (Act.DISPATCH,), (Act.ANSWER, Act.CLOSE), (Act.WITHDRAW,)])
def test_a_conflict_calls_110_in_at_any_state(desk: Session, done: tuple[Act, ...]) -> None:
    opened(desk)
    add_turn(
        desk,
        call_id="C1",
        seq=0,
        side="caller",
        text="他们要打起来了",
        start=1.0,
        end=2.5,
        entry=None,
        final=True,
    )
    for kind in done:
        act(desk, kind)
    row = act(desk, Act.ESCALATE, why="双方持械对峙")
    (message,) = sent(desk, row.police_order)
    assert message["kind"] == "police_order"
    body = message["body"]
    assert body["reason"] == "双方持械对峙（工单诉求：路灯坏了）"
    assert (body["division"], body["desk"]) == ("460106", "460106-110")
    assert body["caller"]["number"] == "13800138000"
    assert body["related"] == ["C1-t1"]
    assert [turn["text"] for turn in body["transcript"]] == ["他们要打起来了"]
    assert steps(desk)[-1].details["order"] == row.police_order


def test_a_ticket_of_any_carrier_can_be_escalated(desk: Session) -> None:
    opened(
        desk, "呼叫 1?-t1", call_id="呼叫 1?", number="sip:x y", name="张\x07三", region="999999"
    )
    row = act(desk, Act.ESCALATE, "呼叫 1?-t1")
    (message,) = sent(desk, row.police_order)
    assert read_envelope(canonical_json(message)).subject == row.police_order


def test_what_was_refused_leaves_no_message(desk: Session) -> None:
    opened(desk)
    with pytest.raises(ActRefused, match="reason"):
        act(desk, Act.ESCALATE, why=" ")
    assert sent(desk, "C1-t1-j2") == []


def test_110_refusing_an_order_is_a_dispute(desk: Session) -> None:
    opened(desk)
    act(desk, Act.DISPATCH)
    order = act(desk, Act.ESCALATE).police_order
    again = act(desk, Act.ESCALATE).police_order
    came(desk, Status(state="on_site", at=moment(MONDAY)), again)
    row = desk.get_one(TicketRow, "C1-t1")
    assert row.status == "dispatched"
    came(desk, Status(state="rejected", at=moment(MONDAY), note="不属110"), order)
    assert row.status == "disputed"
    last = steps(desk)[-1]
    assert (last.who, last.why, last.details["subject"]) == ("110", "不属110", order)


def ordered(desk: Session, number: str = "W1", **values: Any) -> None:
    """A police order that no ticket was escalated with."""
    order = PoliceOrder(
        number=number,
        created_at=moment(MONDAY),
        division="460106",
        place="和平大道",
        caller=Person(name="王五", number="13700137000", confidential=True),
        reason="楼下有人打架",
        **values,
    )
    send(desk, order, subject=number, at=MONDAY)


@pytest.mark.parametrize(("values", "channel"), [({}, "web"), ({"call_id": "C9"}, "telephone")])
def test_an_order_without_a_ticket_that_110_refuses_becomes_one_in_dispute(
    desk: Session, values: dict[str, Any], channel: str
) -> None:
    ordered(desk, **values)
    came(desk, Status(state="on_site", at=moment(MONDAY)), "W1")
    assert desk.get(TicketRow, "W1") is None
    came(desk, Feedback(outcome="out_of_scope", result="不属110", at=moment(MONDAY)), "W1", 2)
    row = desk.get_one(TicketRow, "W1")
    assert (row.status, row.channel, row.matter) == ("disputed", channel, "楼下有人打架")
    assert (row.place, row.number, row.region) == ("和平大道", "13700137000", "460106")
    assert (row.name, row.confidential) == ("王五", True)
    assert [(step.act, step.who) for step in steps(desk, "W1")] == [
        ("create", "110"),
        ("dispute", "110"),
    ]
    came(desk, Status(state="returned", at=moment(MONDAY)), "W1", 3)
    assert [step.act for step in steps(desk, "W1")][2:] == ["note"]


@pytest.mark.parametrize("subject", ["C1-h1", "W1"], ids=["the hand-off", "its order"])
@pytest.mark.parametrize(
    ("news", "false"),
    [
        (Feedback(outcome="out_of_scope", result="不归公安", at=moment(MONDAY)), 1.0),
        (Status(state="returned", at=moment(MONDAY)), 1.0),
        (Status(state="on_site", at=moment(MONDAY)), 0.0),
    ],
    ids=["out of scope", "returned", "on site"],
)
def test_a_hand_off_that_110_says_was_not_its_matter_is_a_false_transfer(
    desk: Session, subject: str, news: Body, false: float
) -> None:
    dossier = {"handoff": "C1-h1", "call_id": "C1", "region": None, "category": None, "lines": [],
               "flags": [], "reason": "danger", "evidence": [], "revision": 1}  # fmt: skip
    operations.write_dossier(desk, destination="110-460100", dossier=dossier, at=MONDAY)
    operations.handoff_state(
        desk, handoff="C1-h1", destination="110-460100", state="confirmed", at=MONDAY + 5
    )
    ordered(desk, handoff="C1-h1")
    came(desk, news, subject)
    desk.flush()
    figures = total(desk, MONDAY, MONDAY + DAY, MONDAY + DAY).figures
    assert figures["false_transfer"].value == false


def test_a_refused_report_of_a_number_makes_nobody_a_ticket(desk: Session) -> None:
    ordered(desk, "nuisance-1", flags=("nuisance",))
    came(desk, Status(state="rejected", at=moment(MONDAY)), "nuisance-1")
    assert desk.get(TicketRow, "nuisance-1") is None


# ── matters that 110 passes on ────────────────────────────────────────────────────


def test_all_that_is_said_of_tickets_has_a_handler() -> None:
    assert HANDLERS["ticket"] is exchange.take_ticket
    for kind in ("status", "receipt", "feedback", "evaluation", "supervision"):
        assert HANDLERS[kind] is exchange.take_news


def came(desk: Session, body: Body, subject: str, sequence: int = 1) -> Envelope:
    envelope = seal(body, subject=subject, sequence=sequence, sender="110", sent_at=moment(MONDAY))
    assert receive(desk, envelope, at=MONDAY).state == "applied"
    return envelope


def matter() -> Ticket:
    return Ticket(
        number="J1",
        created_at=moment(MONDAY),
        division="460106",
        matter="楼上漏水",
        channel="110",
        type="complaint",
        caller=Person(name="李四", number="13900139000", confidential=True),
    )


def test_a_matter_of_110_is_a_ticket_and_110_hears_what_becomes_of_it(desk: Session) -> None:
    envelope = came(desk, matter(), "J1")
    receive(desk, envelope, at=MONDAY + 5)  # twice
    row = desk.get_one(TicketRow, "J1")
    assert (row.matter, row.kind, row.channel, row.confidential) == (
        "楼上漏水",
        "complaint",
        "110",
        True,
    )
    for kind in (Act.DISPATCH, Act.ACCEPT, Act.NOTE, Act.ANSWER):
        act(desk, kind, "J1")
    told = [(m["kind"], m["body"].get("state")) for m in sent(desk, "J1")]
    assert told == [
        ("receipt", None),
        ("status", "dispatched"),
        ("status", "accepted"),
        ("feedback", None),
        ("status", "resolved"),
    ]
    assert sent(desk, "J1")[0]["body"]["message"] == envelope.id


def test_110_may_take_its_matter_back(desk: Session) -> None:
    came(desk, matter(), "J1")
    came(desk, Status(state="withdrawn", at=moment(MONDAY)), "J1", 2)
    assert desk.get_one(TicketRow, "J1").status == "withdrawn"


def test_110_cannot_take_back_what_callers_have_told_us(desk: Session) -> None:
    opened(desk)
    came(desk, Status(state="withdrawn", at=moment(MONDAY)), "C1-t1")
    assert desk.get_one(TicketRow, "C1-t1").status == "created"
    assert steps(desk)[-1].why == "110：withdrawn"


@pytest.mark.parametrize(
    "body",
    [
        Status(state="on_site", at=moment(MONDAY), note="  "),
        Feedback(outcome="resolved", result="\n", at=moment(MONDAY)),
        Evaluation(score=5, channel="key", at=moment(MONDAY), comment=" "),
        Supervision(reason="overdue", at=moment(MONDAY), text=" "),
    ],
)
def test_what_110_says_without_words_stops_nothing(desk: Session, body: Body) -> None:
    opened(desk)
    came(desk, body, "C1-t1")
    assert steps(desk)[-1].why


def test_what_110_says_late_of_a_closed_ticket_is_kept(desk: Session) -> None:
    came(desk, matter(), "J1")
    act(desk, Act.ANSWER, "J1")
    act(desk, Act.CLOSE, "J1")
    came(desk, Status(state="withdrawn", at=moment(MONDAY)), "J1", 2)
    came(desk, Feedback(outcome="resolved", result="已劝离", at=moment(MONDAY)), "J1", 3)
    assert desk.get_one(TicketRow, "J1").status == "closed"
    assert [s.why for s in steps(desk, "J1")[-2:]] == ["110：withdrawn", "已劝离"]


def test_a_number_that_is_ours_is_not_overwritten(desk: Session) -> None:
    opened(desk, "J1")
    envelope = seal(matter(), subject="J1", sequence=1, sender="110", sent_at=moment(MONDAY))
    delivery = receive(desk, envelope, at=MONDAY)
    assert (delivery.state, delivery.reason[:7]) == ("refused", "number:")
    assert desk.get_one(TicketRow, "J1").matter == "路灯坏了"


def test_news_of_what_is_no_ticket_is_left_to_others(desk: Session) -> None:
    receipt = Receipt(
        message="m", content_hash="0" * 64, result="accepted", at=moment(MONDAY + DAY)
    )
    came(desk, receipt, "H1")
