"""Files of entries as HTTP: what one would change is shown first, and done once it is confirmed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from kb.headings import parse_pairs
from voicebot.web.access import Refusal
from voicebot.web.knowledge.desk import Desk, Editor, a_file, act_of, audit_row, refused

MOST_FILE_BYTES = 48 * 2**20
"""100,000 entries as CSV are 40 MB."""
EMPTY = {"code": "bad_request", "message": "The file is empty: send it as the body."}


def add_files(app: FastAPI, desk: Desk) -> None:
    """Adds the endpoints of imports (`voicebot.web.knowledge`)."""

    @app.post(
        "/v1/knowledge/imports",
        status_code=201,
        max_body_size=MOST_FILE_BYTES,
        openapi_extra=a_file("text/csv", "application/octet-stream"),
    )
    async def preview(
        request: Request,
        principal: Editor,
        name: Annotated[str, Query(max_length=200)] = "file",
        mapping: Annotated[list[str], Query(alias="map", max_length=20)] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """What a file (CSV, XLSX or JSON Lines, UTF-8 or GBK, as the body) would change.

        Nothing is put on record. Rows that cannot be used are told by line and reason; the others
        are not affected. `map`: headings of your own, such as 我们的问法=question.
        """
        data = await request.body()
        if not data:
            raise Refusal(422, EMPTY)
        with refused():
            made = await desk.imports.preview(data, name, principal.name, parse_pairs(mapping))
        return made.as_dict()

    @app.get("/v1/knowledge/imports/{preview_id}")
    async def one(preview_id: str, principal: Editor) -> dict[str, Any]:
        """A preview once more; it is kept for an hour."""
        with refused():
            return desk.imports.get(preview_id, principal.name).as_dict()

    @app.post("/v1/knowledge/imports/{preview_id}/confirm")
    async def confirm(preview_id: str, principal: Editor, request: Request) -> dict[str, Any]:
        """Put the good rows on record, in one transaction. What is approved or published in the
        file goes into review. 409: the knowledge base has changed; read the preview again."""
        with refused():
            held = desk.imports.get(preview_id, principal.name)
            row = audit_row(
                request, principal, "kb.import", f"{held.name}: {len(held.entries)} entries"
            )
            login = act_of(principal, "").login
            stored = await desk.imports.confirm(preview_id, principal.name, login, row)
        return {
            "added": list(stored.added),
            "changed": list(stored.changed),
            "unchanged": list(stored.unchanged),
        }
