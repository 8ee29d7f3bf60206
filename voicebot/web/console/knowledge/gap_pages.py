"""What callers asked in vain, as they said it, with a button to write the answer."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from voicebot.knowledge_desk.gaps import DAYS
from voicebot.web.console.knowledge.room import PREFIX, Editor, Room
from voicebot.web.console.shell import principal
from voicebot.web.console.visitors import is_fragment
from voicebot.web.knowledge.gaps import Days


def add_gap_pages(room: Room) -> None:
    """Adds GET /console/knowledge/gaps."""
    desk, console = room.desk, room.console

    @room.app.get(PREFIX + "/gaps", include_in_schema=False)
    async def page(
        request: Request,
        who: Editor,
        days: Days = 7,
        again: bool = False,
    ) -> Response:
        """`again`: put the list together anew, whatever its age."""
        if again:
            desk.gaps.renew(days)
        found = await desk.gaps.lately(days)
        values: dict[str, Any] = {
            "days": days,
            "every": DAYS,
            "found": found,
            "working": desk.gaps.working(days),
        }
        if is_fragment(request):
            return console.fragment(request, "knowledge/gap_list.html", **values)
        desk.audit(request, principal(who), "kb.gaps.read", f"{days} days")
        return console.page(request, "knowledge/gaps.html", **values)
