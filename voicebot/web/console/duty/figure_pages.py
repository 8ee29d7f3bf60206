"""Figures (R17) with charts, and hot topics (热点).

GET /console/duty/figures    supervisor, admin: by line, region, department, hour or day
GET /console/duty/topics     the same: what callers called about, rising topics first
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request, Response

from voicebot.clock import today
from voicebot.figures.counting import BY, By
from voicebot.figures.indicators import INDICATORS
from voicebot.figures.report import BY_NAMES, Report, report
from voicebot.figures.topic_list import TopicLine, topic_lines
from voicebot.web.console.duty.desk import Desk, Supervisor, Text
from voicebot.web.console.duty.figure_view import SPANS, cells, glance, period_of
from voicebot.web.kept import Kept

CHARTED = ("connection", "human_connection", "response", "resolution", "satisfaction")
"""Shares that are drawn over days, hours or groups."""


def add_figure_pages(desk: Desk) -> None:
    console, records = desk.console, desk.records
    reports: Kept[Report] = Kept()
    kept_topics: Kept[list[TopicLine]] = Kept()

    @desk.app.get("/console/duty/figures", include_in_schema=False)
    async def figures(
        _: Supervisor,
        request: Request,
        span: Text = "",
        first: Text = "",
        last: Text = "",
        by: Text = "line",
    ) -> Response:
        named = span or ("" if first or last else "yesterday")
        period = period_of(named, first, last, today())
        divided: By = by if by in BY else "line"
        days: dict[str, Any] = {
            "period": period,
            "span": named,
            "spans": ("today", *SPANS),
            "by": divided,
            "ways": BY_NAMES,
        }
        counted = await reports.get(
            (period, divided),
            lambda: records.count(report, period, divided, time.time(), desk.lines),
        )
        if counted is None:
            return console.page(request, "duty/counting.html", title="duty.nav.figures", **days)
        found, at = counted
        rows: list[dict[str, Any]] = [
            {"label": row.label, "key": row.key, "cells": cells(row, found.divided)}
            for row in found.rows
        ]
        return console.page(
            request,
            "duty/figures.html",
            **days,
            glance=glance(found),
            divided=found.divided,
            rows=rows,
            total=cells(found.total, found.divided),
            lowest=found.lowest,
            counted_at=at,
            charted=[each.name for each in found.divided if each.name in CHARTED],
            definitions=INDICATORS,
        )

    @desk.app.get("/console/duty/topics", include_in_schema=False)
    async def topics(
        who: Supervisor, request: Request, span: Text = "", first: Text = "", last: Text = ""
    ) -> Response:
        named = span or ("" if first or last else "week")
        period = period_of(named, first, last, today())
        days: dict[str, Any] = {"period": period, "span": named, "spans": ("today", *SPANS)}
        counted = await kept_topics.get(period, lambda: records.count(topic_lines, period))
        desk.audit(request, who, "topics.read", str(period))
        if counted is None:
            return console.page(request, "duty/counting.html", title="duty.nav.topics", **days)
        return console.page(
            request, "duty/topics.html", topics=counted[0], days=period.days, **days
        )
