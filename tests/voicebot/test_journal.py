"""What a call writes down: a ticket that the caller wants no more says so plainly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from flows.actions import OpenTicket
from voicebot.call.journal import Journal


class Saved:
    """In place of the records: keeps what is saved."""

    def __init__(self) -> None:
        self.tickets: list[Mapping[str, Any]] = []

    async def save_ticket(self, ticket: Mapping[str, Any]) -> bool:
        self.tickets.append(ticket)
        return True


@pytest.mark.parametrize(
    ("withdrawn", "matter"), [(False, "路灯坏了"), (True, "（来电人已撤回）路灯坏了")]
)
async def test_a_withdrawn_ticket_is_kept_and_marked(withdrawn: bool, matter: str) -> None:
    saved = Saved()
    journal = Journal(cast(Any, saved), cast(Any, None), str)
    ticket = OpenTicket("c1-t1", "路灯坏了", "", "", "", withdrawn=withdrawn)
    assert await journal.save_ticket(ticket)
    assert saved.tickets[0]["matter"] == matter
