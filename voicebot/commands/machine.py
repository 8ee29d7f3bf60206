"""`voicebot doctor` and `voicebot models`: is this machine ready?"""

from __future__ import annotations

from typing import Annotated

import typer

from voicebot.commands.session import open_settings, print_json

models = typer.Typer(no_args_is_help=True, help="The models.")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    quick: Annotated[
        bool, typer.Option(help="Leave out reading every byte of the models.")
    ] = False,
) -> None:
    """Check models, audio, database, ports and thread use; say how to mend what is wrong.

    \b
    Examples:
      voicebot doctor
      voicebot doctor --quick --json
    """
    from voicebot.doctor import healthy, run_checks, to_dict, to_table

    checks = run_checks(open_settings(), deep=not quick)
    if as_json:
        print_json(to_dict(checks))
    else:
        from rich.console import Console

        Console().print(to_table(checks))
    raise typer.Exit(0 if healthy(checks) else 1)


@models.callback()
def group() -> None:
    """The models: fetched once, checked by SHA-256."""


@models.command()
def fetch(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the models that only tests need.")
    ] = False,
    verify: Annotated[bool, typer.Option(help="Read every byte and mend damage.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Fetch what is missing and check it; a second run takes a moment.

    \b
    Examples:
      voicebot models fetch
      voicebot models fetch --all --verify
    """
    from voicebot.models import run

    folder = open_settings().paths.models
    raise typer.Exit(run(folder, all=everything, verify=verify, as_json=as_json))
