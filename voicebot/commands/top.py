"""`voicebot top`: the running service at a glance."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from voicebot.config import Settings
    from voicebot.metrics.reading import Reading

WINDOW_S = 300.0
"""The live screen's delays are of the last five minutes."""


def top(
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON; without --once one object a line.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    url: Annotated[str, typer.Option(help="Of the service; this machine's by default.")] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="VOICEBOT_METRICS_TOKEN",
            help="Of a role that reads metrics; this machine's by default.",
        ),
    ] = "",
) -> None:
    """Show calls, delays, queues and hand-offs of the running service, live; Ctrl-C ends it.

    Delays are of the last five minutes; with --once, since the service was started.

    \b
    Examples:
      voicebot top
      voicebot top --once
      voicebot top --once --json
      voicebot top --url https://bot.example --token vb_…
    """
    from voicebot.metrics.reading import summary

    settings = open_settings()
    if once:
        found = summary(_read(settings, url, token))
        if as_json:
            print_json(found)
        else:
            _print(found)
    elif as_json:
        seen: deque[tuple[float, Reading]] = deque()
        while True:
            print_json(_of_late(seen, _read(settings, url, token)))
            time.sleep(every)
    else:
        _watch(settings, url, token, every)


def _read(settings: Settings, url: str, token: str) -> Reading:
    from voicebot.commands.asking import ask
    from voicebot.metrics.reading import Reading

    answer = ask(settings, url, token, "/metrics")
    try:
        return Reading.of(answer.text)
    except ValueError:
        raise InputError(f"{answer.url} answers, but not with metrics: is it voicebot's?") from None


def _of_late(seen: deque[tuple[float, Reading]], reading: Reading) -> dict[str, Any]:
    from voicebot.metrics.reading import summary

    now = time.monotonic()
    seen.append((now, reading))
    while now - seen[0][0] > WINDOW_S:
        seen.popleft()
    return summary(reading, seen[0][1] if len(seen) > 1 else None)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    from voicebot.commands.top_screen import screen

    Console().print(screen(found))


def _watch(settings: Settings, url: str, token: str, every: float) -> None:
    from rich.live import Live
    from rich.text import Text

    from voicebot.commands.top_screen import screen

    seen: deque[tuple[float, Reading]] = deque()
    first = screen(_of_late(seen, _read(settings, url, token)))
    with Live(first, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            try:
                live.update(screen(_of_late(seen, _read(settings, url, token))), refresh=True)
            except InputError as error:  # being restarted: it is asked again
                seen.clear()
                live.update(Text(str(error), style="red"), refresh=True)
