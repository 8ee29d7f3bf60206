"""The audio of approved answers, by the hash that names it.

    GET, HEAD /v1/knowledge/audio/{hash}    admin, supervisor, agent, editor, reviewer: WAV (ranges)

What a hash names never changes, so that browsers may keep it. The folder holds prompts and
answers alone: nothing with a caller's number or name is ever written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse

from voicebot.call.audio_files import audio_path
from voicebot.call.audio_library import audio_folder
from voicebot.security import EDITORS, Principal
from voicebot.web.access import Refusal, require

if TYPE_CHECKING:
    from voicebot.web.service import Service

LISTENERS = ("admin", "supervisor", "agent", *EDITORS)
PATH = "/v1/knowledge/audio/"
KEEP_S = 365 * 24 * 3600

ANSWERS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The part that Range names."},
    304: {"description": "What If-None-Match names."},
    404: {"description": "No such audio."},
    416: {"description": "No such range."},
}
NOT_FOUND = {"code": "not_found", "message": "There is no audio of this name."}

Listener = Annotated[Principal, Depends(require(*LISTENERS))]


def audio_url(name: str) -> str:
    """Where the audio of that name is."""
    return PATH + name


def add_answer_audio(app: FastAPI, service: Service) -> None:
    """Adds GET and HEAD /v1/knowledge/audio/{hash}."""
    folder = audio_folder(service.settings)

    @app.get(PATH + "{name}", response_class=FileResponse, responses=ANSWERS)
    @app.head(PATH + "{name}", response_class=FileResponse, responses=ANSWERS)
    async def answer_audio(name: str, _: Listener, request: Request) -> Response:
        """An approved answer as callers hear it."""
        try:
            path = audio_path(folder, name)
            size = path.stat()
        except (ValueError, FileNotFoundError):
            raise Refusal(404, NOT_FOUND) from None
        headers = {
            "ETag": f'"{name}"',
            # The token is asked for again: what is kept is one person's.
            "Cache-Control": f"private, max-age={KEEP_S}, immutable",
        }
        if _matches(request.headers.get("if-none-match", ""), name):
            return Response(status_code=304, headers=headers)
        return FileResponse(path, media_type="audio/wav", headers=headers, stat_result=size)


def _matches(given: str, name: str) -> bool:
    """Whether If-None-Match names it; weak tags count (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or f'"{name}"' in tags
