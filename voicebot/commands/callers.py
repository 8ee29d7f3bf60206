"""`voicebot callers`: limited numbers, missed calls, evaluations."""

from __future__ import annotations

import typer

from voicebot.commands import callers_limits, callers_missed

app = typer.Typer(no_args_is_help=True, help="Limited numbers, missed calls, evaluations.")
app.add_typer(callers_limits.app)
app.add_typer(callers_missed.app)


@app.callback()
def group() -> None:
    """Numbers limited for nuisance (骚扰限制), missed calls (漏接), evaluations (满意度)."""
