"""The agent desk (话务台): calls as they are spoken, answers under the hand, 110 by one key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response

from voicebot.agents.drafts import DISPOSITIONS
from voicebot.callers.nuisance import REASONS
from voicebot.records.duty import region_names
from voicebot.tickets.deadlines import Kind
from voicebot.web.console.agent.acts import STAFF, add_acts
from voicebot.web.console.agent.forms import add_forms
from voicebot.web.console.shell import Console, NavEntry, Visitor, visitor
from voicebot.web.service import Service

PATH = "/console/agent"


def add_agent_desk(app: FastAPI, service: Service, console: Console) -> None:
    """The page, and the endpoints that it uses."""
    console.nav.append(NavEntry(PATH, "agent.nav", "headset", STAFF, "agent"))
    add_acts(app, service)
    add_forms(app, service)
    notices = service.settings.notices

    @app.get(PATH, include_in_schema=False)
    async def desk(
        request: Request,
        _: Annotated[Visitor, Depends(visitor(*STAFF))],
        call: Annotated[str, Query(max_length=128)] = "",
    ) -> Response:
        return console.page(
            request,
            "agent/desk.html",
            call=call,
            regions=region_names(),
            kinds={kind.value: kind.chinese for kind in Kind},
            dispositions=DISPOSITIONS,
            nuisances=REASONS,
            sms=bool(notices.sms_url) and not notices.sms_template,
        )
