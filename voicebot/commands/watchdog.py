"""`voicebot watchdog`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import open_settings

if TYPE_CHECKING:
    from telephony.asterisk.access import AsteriskAccess


def watchdog(
    user: Annotated[str, typer.Option(help="ARI user, instead of the one of the settings.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="File with that user's ARI password.")
    ] = None,
) -> None:
    """Keep Asterisk's callers connected to humans while the voice bot is dead.

    It runs beside `voicebot serve`, as a process of its own. When the voice bot has not
    said for 1.7 s that it lives, every caller who is with nobody goes to the dialplan's
    fallback; callers who are with 110 or a seat stay with them.

    \b
    Examples:
      voicebot watchdog
      voicebot watchdog --user watchdog --password-file /etc/voicebot/watchdog.password
    """
    from voicebot.asterisk_access import asterisk_access

    settings = open_settings(quiet=False).asterisk
    if not settings.url:
        typer.echo("There is no Asterisk in the settings ([asterisk] url).", err=True)
        raise typer.Exit(1)
    if password_file is not None:
        settings = settings.model_copy(update={"password_file": str(password_file)})
    if user:
        settings = settings.model_copy(update={"user": user})
    access = asterisk_access(settings)
    asyncio.run(_run(access))


async def _run(access: AsteriskAccess) -> None:
    """Until SIGTERM or SIGINT."""
    from telephony.asterisk.watchdog import Watchdog

    watching = asyncio.create_task(Watchdog(access).run())
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, watching.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await watching
