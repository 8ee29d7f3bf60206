"""Figures and hot topics, as HTTP.

GET /v1/figures?from&to&by&format      supervisor, admin: `voicebot.figures.report`
GET /v1/figures/definitions            supervisor, admin: what each figure means
GET /v1/topics?from&to                 supervisor, admin: `voicebot.figures.topic_list`
"""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response

from voicebot.clock import today
from voicebot.figures.counting import By
from voicebot.figures.indicators import INDICATORS
from voicebot.figures.report import Period, PeriodError, as_csv, report
from voicebot.figures.topic_list import MOST, topic_lines
from voicebot.security import Principal
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.parameters import Day

if TYPE_CHECKING:
    from voicebot.web.service import Service

Supervisor = Annotated[Principal, Depends(require("admin", "supervisor"))]
First = Annotated[Day | None, Query(alias="from", description="First day; yesterday.")]
Last = Annotated[Day | None, Query(alias="to", description="Last day, included; the first.")]


def add_figures(app: FastAPI, service: Service) -> None:
    """Adds the endpoints above."""

    @app.get(
        "/v1/figures",
        response_model=None,
        responses={200: {"content": {"text/csv": {}}}},
    )
    async def figures(
        _: Supervisor,
        first: First = None,
        last: Last = None,
        by: By = "line",
        format: Literal["json", "csv"] = "json",
    ) -> dict[str, Any] | Response:
        """The figures of whole days in Hainan, divided by line, region, department, hour or day."""
        period = _period(first, last)
        lines = {line.did: line.name for line in service.settings.lines}
        found = await service.records.count(report, period, by, time.time(), lines)
        if format == "csv":
            name = f"figures-{period.first}-{period.last}-{by}.csv"
            return Response(
                as_csv(found).encode("utf-8-sig"),
                media_type="text/csv; charset=utf-8",
                headers={
                    "Content-Disposition": f'attachment; filename="{name}"',
                    "Cache-Control": "no-store",
                },
            )
        return found.as_dict()

    @app.get("/v1/figures/definitions")
    async def definitions(_: Supervisor) -> list[dict[str, Any]]:
        return [asdict(each) for each in INDICATORS]

    @app.get("/v1/topics")
    async def topics(
        principal: Supervisor,
        request: Request,
        first: First = None,
        last: Last = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = MOST,
    ) -> list[dict[str, Any]]:
        """What callers called about, rising topics first; wordings are theirs, masked."""
        period = _period(first, last)
        found = await service.records.count(topic_lines, period, limit)
        client = client_of(request)
        service.records.audit(principal, "topics.read", str(period), client)
        return [line.as_dict() for line in found]


def _period(first: date | None, last: date | None) -> Period:
    begins = first or today() - timedelta(days=1)
    try:
        return Period(begins, last or begins)
    except PeriodError as error:
        raise Refusal(422, {"code": error.code, "message": str(error)}) from None
