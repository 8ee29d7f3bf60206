"""The console: the rooms people work in, as pages from this server (docs/console.md).

Pages are Jinja2 templates with HTMX; nothing is built, and nothing is loaded from elsewhere. Each
desk is a package of its own beside this one, with its `templates/`, its `static/` and its part of
the catalogue (`messages_<desk>.toml`), which are found by where they lie.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from voicebot.web.board import Board
from voicebot.web.console.agent import add_agent_desk
from voicebot.web.console.assets import add_assets, read_assets
from voicebot.web.console.calls.pages import add_calls
from voicebot.web.console.duty.pages import add_duty_desk
from voicebot.web.console.knowledge import add_knowledge_desk
from voicebot.web.console.live import ConsoleLive
from voicebot.web.console.now import add_now
from voicebot.web.console.police.view import add_police_view
from voicebot.web.console.shell import Console, add_problems
from voicebot.web.service import Service


def add_console(app: FastAPI, service: Service, board: Board) -> None:
    """The pages below ``/console/``; a desk adds its own by one line here.

    Parameters:
        board: what is going on this second, shared with the API.
    """
    assets = read_assets()
    live = app.state.console_live = ConsoleLive(service)
    console = Console(assets, live)
    _while_app_runs(app, live)
    add_assets(app, assets)
    add_problems(app, console)
    add_now(app, service, console)
    add_agent_desk(app, service, console)
    add_police_view(app, service, console)
    add_calls(app, service, console)
    add_knowledge_desk(app, console, app.state.knowledge_desk)
    add_duty_desk(app, service, console, board)


def _while_app_runs(app: FastAPI, live: ConsoleLive) -> None:
    others: Any = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(others(running))
            await stack.enter_async_context(live.running())
            yield state

    app.router.lifespan_context = lifespan
