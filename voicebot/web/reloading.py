"""POST /v1/config/reload   admin: the settings read again (voicebot.reloading)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request

from voicebot.config import ConfigError
from voicebot.reloading import reload
from voicebot.request_body import RequestBody
from voicebot.security import Principal
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.service import Service

Admin = Annotated[Principal, Depends(require("admin"))]


class ReloadWanted(RequestBody):
    """`dry_run`: say what would change, and change nothing."""

    dry_run: bool = False


def add_reloading(app: FastAPI, service: Service) -> None:
    """Adds the endpoint."""

    @app.post("/v1/config/reload")
    async def reload_config(wanted: ReloadWanted, who: Admin, request: Request) -> dict[str, Any]:
        client = client_of(request)
        try:
            found = await reload(service, who, client, dry_run=wanted.dry_run)
        except ConfigError as error:
            raise Refusal(422, {"code": "bad_config", "message": str(error)}) from None
        return {
            "dry_run": wanted.dry_run,
            "changed": list(found.changed),
            "restart": list(found.restart),
        }
