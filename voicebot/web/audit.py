"""GET /v1/audit   auditor, admin: who did what, the newest first. The look is an act itself.

Whether the audit is as it was written says `voicebot audit verify`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request

from voicebot.auditing.checking import newest
from voicebot.security import Principal
from voicebot.web.access import client_of, require
from voicebot.web.service import Service

Auditor = Annotated[Principal, Depends(require("auditor", "admin"))]
Words = Annotated[str, Query(max_length=255)]


def add_audit(app: FastAPI, service: Service) -> None:
    """Adds the endpoint."""
    records = service.records

    @app.get("/v1/audit")
    async def audit(
        principal: Auditor,
        request: Request,
        who: Words = "",
        action: Words = "",
        subject: Words = "",
        refused: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> dict[str, Any]:
        found = await records.read(
            newest, who=who, action=action, subject=subject, refused=refused, limit=limit
        )
        client = client_of(request)
        records.audit(principal, "audit.list", subject or who, client)
        return {"acts": [asdict(link) for link in found]}
