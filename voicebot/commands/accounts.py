"""`voicebot account`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from voicebot.commands.callers_common import moment
from voicebot.commands.knowledge_common import change_knowledge, database_sentences
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Accounts of people who log in.")

Name = Annotated[str, typer.Argument(help="The person's name, as `list` shows it.")]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role", help="admin, supervisor, agent, editor, reviewer, auditor, desk or 110."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.callback()
def group() -> None:
    """Accounts of people who log in; sessions end at once with what an account loses.

    A password is asked for twice, unseen, or read as the first line of standard input; it is
    never an argument, which other users of the machine could see.
    """


@app.command()
def add(name: Name, role: RoleOption) -> None:
    """Make an account with a password.

    \b
    Examples:
      voicebot account add 王芳 --role agent
      voicebot account add 李主任 --role reviewer < password.txt
    """
    from voicebot.accounts import keeping
    from voicebot.accounts.errors import AccountsError
    from voicebot.accounts.names import checked_name, role_of

    called, wanted = checked_name(name), role_of(role)
    if _changed(lambda session: keeping.found(session, called)) is not None:
        raise AccountsError(f"There is an account {called!r} already.")
    hashed = _new_password(called)
    _changed(lambda session: keeping.add(session, called, wanted, hashed))
    typer.echo(f"{called} may log in as {wanted}.")


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts.

    \b
    Examples:
      voicebot account list
      voicebot account list --json
    """
    from voicebot.accounts.keeping import listed

    rows = _changed(listed)
    if not rows and not as_json:
        typer.echo("There are no accounts yet; `voicebot account add` makes one.")
    for row in rows:
        if as_json:
            print_json(row)
            continue
        seen = moment(row["logged_in_at"]) if row["logged_in_at"] else "never"
        state = "disabled" if row["disabled_at"] else "enabled"
        typer.echo(
            f"{row['id']}  {row['role']:<10}  {state:<8}  last log-in {seen:<16}  "
            f"{row['log_in']}  {row['name']}"
        )


@app.command()
def role(name: Name, role: RoleOption) -> None:
    """Give an account another role; it has to log in again.

    \b
    Examples:
      voicebot account role 王芳 --role supervisor
    """
    from voicebot.accounts import keeping

    _changed(lambda session: keeping.set_role(session, name, role))
    typer.echo("Changed; its sessions are over.")


@app.command()
def password(name: Name) -> None:
    """Give an account another password; it has to log in again.

    \b
    Examples:
      voicebot account password 王芳
      voicebot account password 王芳 < password.txt
    """
    from voicebot.accounts import keeping

    hashed = _new_password(name)
    _changed(lambda session: keeping.set_password(session, name, hashed))
    typer.echo("Changed; its sessions are over.")


@app.command()
def disable(name: Name) -> None:
    """Let an account in no more; its sessions are over at once.

    \b
    Examples:
      voicebot account disable 王芳
    """
    from voicebot.accounts import keeping

    _changed(lambda session: keeping.disable(session, name))
    typer.echo("Disabled; its sessions are over.")


@app.command()
def enable(name: Name) -> None:
    """Let a disabled account in again.

    \b
    Examples:
      voicebot account enable 王芳
    """
    from voicebot.accounts import keeping

    _changed(lambda session: keeping.enable(session, name))
    typer.echo("Enabled.")


def _new_password(name: str) -> str:
    """The hash of a password that is asked for."""
    from voicebot.accounts.passwords import checked_password, hashed

    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            raise InputError("Write the password to standard input, as its first line.")
    return hashed(checked_password(given, open_settings().accounts.password_length, name))


def _changed(work: Callable[[Session], T]) -> T:
    with database_sentences("The accounts cannot be read or written", "Try again."):
        return change_knowledge(open_settings(), work)
