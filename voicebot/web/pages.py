"""The call page and the receipt of a notice: the files that anybody may load, and no others.

They are the only tokenless thing in the service and hold no data: not a line, not a
number, not a setting. Whatever the page shows it asks the API for, with the token that
the visitor gives it.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Response

_JAVASCRIPT = "text/javascript; charset=utf-8"

PUBLIC = {
    "/call": ("call.html", "text/html; charset=utf-8"),
    "/call/call.css": ("call.css", "text/css; charset=utf-8"),
    "/call/call.js": ("call.js", _JAVASCRIPT),
    "/call/phone.js": ("phone.js", _JAVASCRIPT),
    "/call/words.js": ("words.js", _JAVASCRIPT),
    "/call/worklet.js": ("worklet.js", _JAVASCRIPT),
    "/call/icon.svg": ("icon.svg", "image/svg+xml"),
    "/receipt": ("receipt.html", "text/html; charset=utf-8"),
    "/receipt/receipt.js": ("receipt.js", _JAVASCRIPT),
}
"""File in `static/` and media type, by path."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the files: everything from here, nothing inline."""


def add_pages(app: FastAPI) -> None:
    """The routes of `PUBLIC`; the files are read once."""
    folder = files("voicebot.web") / "static"
    for path, (name, media_type) in PUBLIC.items():
        _add(app, path, (folder / name).read_bytes(), media_type)


def _add(app: FastAPI, path: str, content: bytes, media_type: str) -> None:
    @app.get(path, include_in_schema=False)
    async def page() -> Response:
        return Response(
            content,
            media_type=media_type,
            headers={"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"},
        )
