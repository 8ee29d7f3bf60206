"""What people decide about a difference that no rule may mend."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.errors import VoicebotError
from voicebot.exchange.reconciliation import mending
from voicebot.exchange.reconciliation.comparing import Finding
from voicebot.exchange.reconciliation.entries import Entry
from voicebot.exchange.reconciliation.queue import OPEN
from voicebot.exchange.reconciliation.tables import DifferenceRow
from voicebot.exchange.schema import Envelope
from voicebot.security import local_act

_MOST_IN_AUDIT = 255


class Decision(StrEnum):
    CLOSE = "close"
    """It is left as it is, as long as both ledgers say the same as now."""
    SEND_AGAIN = "send_again"
    """Ours goes out once more."""
    ASK_AGAIN = "ask_again"
    """Theirs is fetched and received once more."""


class DecisionRefused(VoicebotError):
    """A difference is not there, is settled, or cannot be mended so."""

    code = "exchange.decision"


def possible(finding: Finding, sender: str, *, here: bool, there: bool) -> tuple[Decision, ...]:
    """What may be decided. Pure.

    Only its sender can bring a message again, and only what it has. Of two contents, or of two
    messages in one place, neither becomes right by being brought again: whoever sent them
    corrects them with a new message.

    Parameters:
        here, there: whether our ledger, or 110's, has the message.
    """
    if finding is Finding.LATE:
        return ()
    if finding not in (Finding.CONTENT, Finding.DUPLICATED):
        if sender == "12345" and here:
            return (Decision.CLOSE, Decision.SEND_AGAIN)
        if sender == "110" and there:
            return (Decision.CLOSE, Decision.ASK_AGAIN)
    return (Decision.CLOSE,)


def find(session: Session, finding: Finding, message: str, decision: Decision) -> DifferenceRow:
    """The difference, if that may be decided about it; locked until the transaction ends.

    Raises:
        DecisionRefused: it may not.
    """
    row = session.scalars(
        select(DifferenceRow)
        .where(DifferenceRow.finding == finding, DifferenceRow.id == message)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise DecisionRefused(
            f"No reconciliation has found {finding} of {message}; "
            "`voicebot exchange differences --all` lists what was found."
        )
    if row.state not in (*OPEN, "closed"):
        raise DecisionRefused(f"{finding} of {message} is {row.state}: nothing is to be decided.")
    allowed = possible(finding, row.sender, here=bool(row.ours), there=bool(row.theirs))
    if decision not in allowed:
        options = " or ".join(f"--{each.replace('_', '-')}" for each in allowed)
        raise DecisionRefused(
            f"{finding} of a message that {row.sender} has sent cannot be mended so; "
            f"possible: {options}."
        )
    return row


def decide(
    session: Session,
    finding: Finding,
    message: str,
    decision: Decision,
    *,
    note: str,
    at: float,
    envelope: Envelope | None = None,
) -> str:
    """Do what was decided and put on record who did so and why; the difference's state now.

    Parameters:
        note: why.
        at: seconds since the epoch.
        envelope: ask_again: the message as 110 has just given it.

    Raises:
        DecisionRefused: it may not be decided so, or could not be done; nothing is changed.
    """
    if not note.strip():
        raise DecisionRefused("A decision needs a reason: --note.")
    row = find(session, finding, message, decision)
    match decision:
        case Decision.CLOSE:
            row.state, row.settled_at = "closed", at
        case Decision.SEND_AGAIN:
            if not mending.send_again(session, [message], at=at):
                raise DecisionRefused(f"{message} is no longer the newest that we can send.")
        case Decision.ASK_AGAIN:
            theirs = Entry(**(row.theirs or {}))
            if envelope is None or not mending.take_in(session, envelope, theirs, at=at):
                raise DecisionRefused(f"110's platform has no {message} of this content.")
    if decision is not Decision.CLOSE:
        row.state, row.settled_at, row.repair = "mending", None, decision.value
    act = local_act("exchange.decide", f"{decision} {finding} {message}: {note}"[:_MOST_IN_AUDIT])
    row.decided_by, row.note = act.principal[:64], note
    session.add(act)
    return row.state
