"""The life of a ticket (工单): what each act makes of it. Pure.

Rule 1: whatever changes the state of a ticket is a step of this machine.
Rule 2: the caller's deadline begins with the first dispatch, and a return does not move it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicebot.tickets import supervision, working_days
from voicebot.tickets.deadlines import Kind, Limits, limits
from voicebot.tickets.errors import ActIncomplete, ActRefused
from voicebot.tickets.states import (
    AT_DEPARTMENT,
    FOLLOWED,
    FROM,
    NEEDS_REASON,
    TO_DISPATCH,
    Act,
    Status,
)

DISPUTED_AFTER = 2
"""Returns after which a matter goes to 会商 instead of to another department (R10)."""
MOST_DAYS = 60
"""Working days of one extension."""


@dataclass(frozen=True, slots=True)
class Life:
    """What the steps of a ticket have made of it; columns of `TicketRow`. Times: epoch."""

    status: Status = Status.CREATED
    version: int = 0
    kind: Kind = Kind.HELP
    department: str | None = None
    main: str | None = None
    returns: int = 0
    extensions: int = 0
    answer: str = ""
    police_order: str = ""
    due_at: float | None = None
    awaited_by: float | None = None
    remind_at: float | None = None
    dispatched_at: float | None = None
    accepted_at: float | None = None
    answered_at: float | None = None
    closed_at: float | None = None
    suspended_at: float | None = None
    disputed_at: float | None = None
    escalated_at: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """An act, with what it needs."""

    act: Act
    at: float
    """Seconds since the epoch."""
    why: str = ""
    department: str = ""
    """dispatch: whose it is now."""
    kind: Kind | None = None
    """dispatch: what it has turned out to be; None: as before."""
    answer: str = ""
    """answer: what the caller is told."""
    days: int = 0
    """extend: working days."""
    main: str = ""
    """link: the ticket of the same matter."""
    order: str = ""
    """escalate: number of the police order."""
    following: bool = field(default=False, kw_only=True)
    """Done on the main ticket, and here because this one is merged into it."""


def begin(at: float, *, withdrawn: bool = False, kind: Kind = Kind.HELP) -> Life:
    """A new ticket, one that waits to be dispatched, or that its caller has withdrawn already."""
    if withdrawn:
        return Life(Status.WITHDRAWN, version=1, kind=kind)
    return _waiting(Life(Status.CREATED, version=1, kind=kind), at, limits())


def step(life: Life, request: Request) -> Life:
    """The ticket after an act.

    Raises:
        ActRefused: its state does not allow the act, or something is missing for it.
    """
    _check(life, request)
    return _waiting(
        replace(_done(life, request), version=life.version + 1), request.at, limits(), before=life
    )


def allowed(life: Life) -> tuple[Act, ...]:
    """What can be done next, for people to choose from."""
    return tuple(act for act, states in FROM.items() if life.status in states)


def _check(life: Life, request: Request) -> None:
    states = FOLLOWED.get(request.act) if request.following else FROM.get(request.act)
    if states is None or life.status not in states:
        raise ActRefused(_refusal(life, request.act))
    missing = _missing(request)
    if missing:
        raise ActIncomplete(f"{request.act.value} needs {missing}.")
    if request.act is Act.EXTEND and not 1 <= request.days <= MOST_DAYS:
        raise ActIncomplete(f"extend needs days, 1 to {MOST_DAYS} working days.")


def _refusal(life: Life, act: Act) -> str:
    said = f"The ticket is {life.status.value} ({life.status.chinese}) and cannot be"
    if life.status is Status.MERGED:
        hint = f"act on the main ticket {life.main}, or unlink this one"
    else:
        hint = f"possible now: {', '.join(each.value for each in allowed(life))}"
    return f"{said} taken through {act.value} ({act.chinese}); {hint}."


def _missing(request: Request) -> str:
    if request.act in NEEDS_REASON and not request.why.strip():
        return "a reason (why)"
    match request.act:
        case Act.DISPATCH if not request.department.strip():
            return "a department"
        case Act.ANSWER if not request.answer.strip():
            return "the answer to the caller"
        case Act.LINK if not request.main:
            return "the main ticket"
        case Act.ESCALATE if not request.order:
            return "the number of a police order"
    return ""


def _done(life: Life, request: Request) -> Life:
    at = request.at
    match request.act:
        case Act.DISPATCH:
            return _dispatched(life, request)
        case Act.ACCEPT:
            first = at if life.accepted_at is None else life.accepted_at
            return replace(life, status=Status.ACCEPTED, accepted_at=first)
        case Act.START:
            return replace(life, status=Status.WORKING)
        case Act.ANSWER:
            return replace(life, status=Status.ANSWERED, answered_at=at, answer=request.answer)
        case Act.CLOSE:
            return replace(life, status=Status.CLOSED, closed_at=at)
        case Act.RETURN:
            life = replace(life, returns=life.returns + 1)
            if life.returns >= DISPUTED_AFTER:
                return _disputed(life, at)
            return replace(life, status=Status.RETURNED, department=None)
        case Act.DISPUTE:
            return _disputed(life, at)
        case Act.EXTEND:
            due = _later(life.due_at, request.days)
            return replace(life, due_at=due, extensions=life.extensions + 1)
        case Act.SUSPEND:
            return replace(life, status=Status.SUSPENDED, suspended_at=at)
        case Act.RESUME:
            rested = working_days.between(life.suspended_at or at, at)
            due = _later(life.due_at, rested)
            return replace(life, status=Status.WORKING, due_at=due, suspended_at=None)
        case Act.WITHDRAW:
            return replace(life, status=Status.WITHDRAWN, suspended_at=None)
        case Act.REOPEN:
            return _reopened(life, request)
        case Act.ESCALATE:
            first = at if life.escalated_at is None else life.escalated_at
            return replace(life, police_order=request.order, escalated_at=first)
        case Act.LINK:
            return replace(life, status=Status.MERGED, main=request.main, suspended_at=None)
        case Act.UNLINK:
            return replace(life, status=_on_its_own(life), main=None)
        case _:
            return life


def _dispatched(life: Life, request: Request) -> Life:
    kind = request.kind or life.kind
    first = request.at if life.dispatched_at is None else life.dispatched_at
    due = life.due_at
    if due is None or kind is not life.kind:
        due = working_days.end_of(first, limits().answer[kind])
    return replace(
        life,
        status=Status.DISPATCHED,
        department=request.department.strip(),
        kind=kind,
        due_at=due,
        dispatched_at=first,
    )


def _disputed(life: Life, at: float) -> Life:
    since = at if life.disputed_at is None else life.disputed_at
    return replace(life, status=Status.DISPUTED, department=None, disputed_at=since)


def _reopened(life: Life, request: Request) -> Life:
    if request.following and life.main is not None:
        status, main = Status.MERGED, life.main
    else:
        status, main = _on_its_own(life), None
    due = working_days.end_of(request.at, limits().answer[life.kind])
    return replace(
        life,
        status=status,
        main=main,
        answered_at=None,
        closed_at=None,
        due_at=due if life.dispatched_at is not None else None,
    )


def _on_its_own(life: Life) -> Status:
    return Status.CREATED if life.department is None or life.due_at is None else Status.DISPATCHED


def _later(due: float | None, days: int) -> float | None:
    return None if due is None else working_days.end_of(due - 1.0, days)


def _waiting(life: Life, at: float, within: Limits, before: Life | None = None) -> Life:
    """With the deadline of whatever is to be done next, and its first reminder."""
    same = before is not None and (before.status, before.due_at) == (life.status, life.due_at)
    if same:
        return life
    if life.status in AT_DEPARTMENT:
        deadline = life.due_at
    elif life.status in TO_DISPATCH:
        deadline = working_days.end_of(at, within.dispatch)
        if life.due_at is not None:
            deadline = min(deadline, life.due_at)
    else:
        deadline = None
    if before is not None and deadline == before.awaited_by:
        return life
    return replace(life, awaited_by=deadline, remind_at=supervision.next_after(deadline, at))
