"""`voicebot serve` and `voicebot demo`."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from voicebot.commands.session import open_settings, prepare_threads


def serve(
    roles: Annotated[
        str | None,
        typer.Option(help="Of media, web, worker and asr, with commas, instead of server.roles."),
    ] = None,
) -> None:
    """Answer calls until interrupted. At first start the tokens are made and shown once.

    One command does everything. Several processes, each with roles of its own, are one
    installation where they share PostgreSQL and NATS (docs/deployment.md, Roles).

    \b
    Examples:
      voicebot serve
      VOICEBOT_SERVER__PORT=9000 VOICEBOT_LOG__JSON=true voicebot serve
      voicebot serve --roles media
      voicebot serve --roles web,worker
    """
    prepare_threads()
    if roles is not None:  # in the environment, so that a reload finds it as well
        named = [role.strip() for role in roles.split(",") if role.strip()]
        os.environ["VOICEBOT_SERVER__ROLES"] = json.dumps(named)
    settings = open_settings(quiet=False)
    from voicebot.serving import serve as run

    raise typer.Exit(run(settings))


def demo() -> None:
    """Place three real calls, show them live, and say whether each came out as it must.

    \b
    Examples:
      voicebot demo
    """
    settings = open_settings()
    from voicebot.demo import run

    raise typer.Exit(run(settings))
