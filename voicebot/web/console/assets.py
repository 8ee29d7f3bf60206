"""The console's files without data: style, scripts, what is vendored."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastapi import FastAPI, Request, Response

from voicebot.web.console.places import parts

PREFIX = "/console/static/"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file, as it was when the service started."""

    content: bytes
    media_type: str

    @cached_property
    def version(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, 6)


def read_assets() -> Mapping[str, Asset]:
    """By name below `PREFIX`; a desk's files stand beside the shell's own."""
    found = {}
    for folder in parts("static"):
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".js", ".css", ".svg", ".png", ".txt"}:
                found[file.relative_to(folder).as_posix()] = Asset(file.read_bytes(), _type(file))
    return found


def add_assets(app: FastAPI, assets: Mapping[str, Asset]) -> None:
    @app.get(PREFIX + "{name:path}", include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        found = assets.get(name)
        if found is None:
            return Response(status_code=404)
        headers = {
            "Cache-Control": _FOR_EVER
            if request.query_params.get("v") == found.version
            else "no-cache",
            "ETag": f'"{found.version}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.compressed, headers=headers, media_type=found.media_type)
        return Response(found.content, headers=headers, media_type=found.media_type)


def _type(file: Path) -> str:
    return _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain"
