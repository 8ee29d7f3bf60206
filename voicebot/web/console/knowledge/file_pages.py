"""Files of entries: what one would change is looked at before it is done."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from kb.headings import headings
from kb.importer import REQUIRED
from voicebot.knowledge_desk.importing import SHOWN, PreviewGone
from voicebot.knowledge_desk.reasons import in_chinese
from voicebot.web.console.knowledge.room import PREFIX, Editor, Room
from voicebot.web.knowledge.files import MOST_FILE_BYTES


def add_file_pages(room: Room) -> None:
    """Adds GET /console/knowledge/import."""

    @room.app.get(PREFIX + "/import", include_in_schema=False)
    async def page(
        request: Request, who: Editor, preview: Annotated[str, Query(max_length=40)] = ""
    ) -> Response:
        held, gone = None, False
        if preview:
            try:
                held = room.desk.imports.get(preview, who.name)
            except PreviewGone:
                gone = True
        chinese = who.language == "zh"
        return room.console.page(
            request,
            "knowledge/import.html",
            preview=held,
            gone=gone,
            shown=SHOWN,
            counts=held.counts if held else {},
            changed=held.changed if held else [],
            reason=in_chinese if chinese else str,
            columns=[(field, names[0]) for field, names in _columns()],
            most_mb=MOST_FILE_BYTES // 2**20,
        )


def _columns() -> list[tuple[str, tuple[str, ...]]]:
    """The required columns, with what they may be called."""
    names = headings("entries", REQUIRED).names
    return [(field, names[field]) for field in REQUIRED]
