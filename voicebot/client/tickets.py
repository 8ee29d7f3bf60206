"""Operations about tickets (工单)."""

from __future__ import annotations

from functools import partial
from typing import Any

from voicebot.client.answers import Ticket, TicketDetail
from voicebot.client.calls import rows_of
from voicebot.client.operation import Operation, Pages, given, named, post, read


def search(
    *,
    status: str = "",
    kind: str = "",
    department: str = "",
    region: str = "",
    number: str = "",
    channel: str = "",
    text: str = "",
    since: float | None = None,
    until: float | None = None,
    overdue: bool | None = None,
    disputed: bool | None = None,
    limit: int | None = None,
) -> Pages[Ticket]:
    """Tickets, the newest first; of those overdue the longest first.

    Parameters:
        status: ``created``, ``dispatched``, ``accepted`` …
        number: the caller's, in full.
        text: in matter, place or answer.
        since, until: seconds since the epoch.
        limit: rows of one page.
    """
    query = {
        "status": status,
        "kind": kind,
        "department": department,
        "region": region,
        "number": number,
        "channel": channel,
        "text": text,
        "since": since,
        "until": until,
        "overdue": overdue,
        "disputed": disputed,
        "limit": limit,
    }
    return Pages(read("/v1/tickets", query), "tickets")


def ticket(ticket_id: str) -> Operation[TicketDetail]:
    """All that is on record about a ticket, with its ``version`` and the acts it allows."""
    return read(f"/v1/tickets/{named(ticket_id)}")


def duplicates(ticket_id: str) -> Operation[list[dict[str, Any]]]:
    """What may be the same matter."""
    return Operation(
        "GET",
        f"/v1/tickets/{named(ticket_id)}/duplicates",
        read=partial(rows_of, "duplicates"),
    )


def act(
    ticket_id: str,
    what: str,
    version: int,
    *,
    why: str | None = None,
    department: str | None = None,
    kind: str | None = None,
    classification: str | None = None,
    region: str | None = None,
    answer: str | None = None,
    days: int | None = None,
    main: str | None = None,
    category: int | None = None,
) -> Operation[TicketDetail]:
    """Do one act; the ticket after it. `Conflict`: its state does not allow it, or (code
    ``ticket.changed``) somebody has acted since `version` was read.

    Parameters:
        what: ``dispatch``, ``accept``, ``return``, ``answer``, ``escalate`` …
        version: of the ticket as it was read.
        department: of a dispatch.
        answer: what the caller is told.
        days: working days of an extension.
        main: the ticket of the same matter, of a link.
        category: of an escalation to 110, 1-7.
    """
    body = given(
        act=what,
        why=why,
        department=department,
        kind=kind,
        classification=classification,
        region=region,
        answer=answer,
        days=days,
        main=main,
        category=category,
    )
    return post(f"/v1/tickets/{named(ticket_id)}/acts", body, {"If-Match": f'"{version}"'})
