"""What callers asked in vain as HTTP, and the list of known gaps (知识缺口)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from kb import store
from voicebot.knowledge_desk.gaps import DAYS
from voicebot.records.tables import AuditRow
from voicebot.web.access import Refusal
from voicebot.web.knowledge.desk import Desk, Editor, audit_row
from voicebot.web.knowledge.models import KnownGap

NO_WORDS = {"code": "bad_request", "message": "That is no question."}
NOT_KNOWN = {"code": "not_found", "message": "That question is not on the list of known gaps."}


def _one_of_them(days: int) -> int:
    if days not in DAYS:
        raise ValueError(f"one of {', '.join(map(str, DAYS))}")
    return days


Days = Annotated[int, Query(description="1, 7 or 30."), AfterValidator(_one_of_them)]


def add_gaps(app: FastAPI, desk: Desk) -> None:
    """Adds the endpoints of gaps (`voicebot.web.knowledge`)."""
    records = desk.records

    @app.get("/v1/knowledge/gaps")
    async def gaps(principal: Editor, request: Request, days: Days = 7) -> dict[str, Any]:
        """Questions that were not answered, or badly, one meaning each, the most frequent first.

        They are put together in the background: `made_at` (seconds since the epoch) says when, and
        is null while that is done for the first time. Personal numbers are masked.
        """
        found = await desk.gaps.lately(days)
        desk.audit(request, principal, "kb.gaps.read", f"{days} days")
        return {
            "days": days,
            "working": desk.gaps.working(days),
            "made_at": found.made_at if found else None,
            "since": found.since if found else None,
            "calls": found.calls if found else 0,
            "gaps": [gap.as_dict() for gap in found.gaps] if found else [],
        }

    @app.get("/v1/knowledge/gaps/known")
    async def known(_: Editor) -> dict[str, Any]:
        """Questions whose callers are told that there is no answer yet."""
        return {"questions": list(await records.read(store.gaps))}

    @app.post("/v1/knowledge/gaps/known")
    async def add(given: KnownGap, principal: Editor, request: Request) -> dict[str, Any]:
        """Put a question on that list."""
        if not any(character.isalnum() for character in given.question):
            raise Refusal(422, NO_WORDS)
        row = audit_row(request, principal, "kb.gaps.add", "1 question")
        new = await records.transact(_add, given.question, principal.name, row)
        return {"added": new}

    @app.post("/v1/knowledge/gaps/known/close")
    async def close(given: KnownGap, principal: Editor, request: Request) -> dict[str, Any]:
        """Take a question off the list, because an entry answers it now."""
        row = audit_row(request, principal, "kb.gaps.close", "1 question")
        if not await records.transact(_close, given.question, row):
            raise Refusal(404, NOT_KNOWN)
        return {"closed": 1}


def _add(session: Session, question: str, who: str, row: AuditRow) -> int:
    session.add(row)
    return store.import_gaps(session, [question], who)


def _close(session: Session, question: str, row: AuditRow) -> bool:
    found = store.close_gap(session, question)
    if found:
        session.add(row)
    return found
