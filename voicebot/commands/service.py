"""`voicebot serve` and `voicebot demo`."""

from __future__ import annotations

import typer

from voicebot.commands.session import open_settings, prepare_threads


def serve() -> None:
    """Answer calls until interrupted. At first start the tokens are made and shown once.

    \b
    Examples:
      voicebot serve
      VOICEBOT_SERVER__PORT=9000 VOICEBOT_LOG__JSON=true voicebot serve
    """
    prepare_threads()
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
