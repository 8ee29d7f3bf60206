"""The command line: `voicebot --help`.

Exit codes: 0 done · 1 not done, or a check failed; the reason is on standard error ·
2 the command was written wrongly · 70 a fault of the program · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from voicebot.commands import (
    accounts,
    asr,
    audio,
    audit,
    call,
    callers,
    database,
    desk,
    dispatch,
    duty,
    exchange,
    figures,
    handoff,
    incidents,
    knowledge,
    machine,
    recording,
    replay,
    retention,
    service,
    settings,
    simulate,
    surge,
    tickets,
    tokens,
    top,
    triage,
    watchdog,
    webhooks,
)
from voicebot.commands import transcribe as transcribing

OURS = frozenset({"voicebot", "asr", "kb", "flows", "telephony"})
DEBUG_VARIABLE = "VOICEBOT_DEBUG"

app = typer.Typer(
    name="voicebot",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def options(
    config: Annotated[
        Path | None, typer.Option(help="Settings file instead of ./voicebot.toml.")
    ] = None,
) -> None:
    """Voice bot and overflow IVR of the 12345 hotline, with live hand-off to 110.

    \b
    Examples:
      voicebot demo                       three calls, shown live
      voicebot serve                      answer calls
      voicebot call --audio question.wav  place a call
      voicebot triage "厨房着火了"          what a sentence means for the route
      voicebot COMMAND --help             examples of each command
    """
    if config is not None:
        os.environ["VOICEBOT_CONFIG"] = str(config)


app.command("serve")(service.serve)
app.command("demo")(service.demo)
app.command("call")(call.call)
app.command("desk")(desk.desk)
app.command("top")(top.top)
app.command("watchdog")(watchdog.watchdog)
app.command("replay")(replay.replay)
app.command("simulate")(simulate.simulate)
app.command("transcribe")(transcribing.transcribe)
app.command("doctor")(machine.doctor)
app.add_typer(asr.app, name="asr")
app.add_typer(triage.app, name="triage")
app.add_typer(dispatch.app, name="dispatch")
app.add_typer(knowledge.app, name="kb")
app.add_typer(exchange.app, name="exchange")
app.add_typer(figures.app, name="figures")
app.add_typer(tickets.app, name="tickets")
app.add_typer(machine.models, name="models")
app.add_typer(settings.app, name="config")
app.add_typer(database.app, name="db")
app.add_typer(tokens.app, name="token")
app.add_typer(accounts.app, name="account")
app.add_typer(recording.app, name="recording")
app.add_typer(retention.app, name="retention")
app.add_typer(audio.app, name="audio")
app.add_typer(audit.app, name="audit")
app.add_typer(callers.app, name="callers")
app.add_typer(duty.app, name="duty")
app.add_typer(incidents.app, name="incidents")
app.add_typer(handoff.app, name="handoff")
app.add_typer(surge.app, name="surge")
app.add_typer(webhooks.app, name="webhooks")


def main() -> None:
    """Run the command of this process, and never end in a traceback for the user."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """One sentence on standard error; the exit code."""
    if _ours(error):
        print(f"voicebot: {error}", file=sys.stderr)
        return 1
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        print(f"voicebot: {where}{error.strerror}.", file=sys.stderr)
        return 1
    from voicebot.masking import mask_text

    print(
        f"voicebot: a fault of the program, {type(error).__name__}: {mask_text(str(error))[:300]}\n"
        f"Please report it with what {DEBUG_VARIABLE}=1 shows in addition.",
        file=sys.stderr,
    )
    return 70


def _ours(error: Exception) -> bool:
    """One of our own errors, whose text is written for people."""
    return isinstance(getattr(error, "code", None), str) and any(
        each.__module__.partition(".")[0] in OURS for each in type(error).__mro__
    )


if __name__ == "__main__":
    main()
