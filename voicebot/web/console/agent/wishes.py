"""A wish for confidentiality (保密) that an agent has noted holds while the call still runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from voicebot.agents import drafts
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.tickets.confidential import confidential_calls

if TYPE_CHECKING:
    from voicebot.call.session import CallSession


def noted(session: Session, call_id: str) -> bool:
    """It stands in a ticket of the call, or was ticked in its form."""
    typed = drafts.read(session, call_id)["typed"]
    return bool(typed.get("confidential")) or bool(confidential_calls(session, [call_id]))


async def learn(records: Records, call_id: str, session: CallSession) -> None:
    """The running call knows what is on record; without the database what it has heard itself."""
    if session.confidential:
        return
    with suppress(RecordsUnavailable):
        if await records.read(noted, call_id):
            session.keep_confidential()
