"""`voicebot audit`: who did what, and that nobody has changed that since."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.callers_common import moment
from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.auditing.chain import Anchor
    from voicebot.auditing.checking import Checked
    from voicebot.config import Settings

app = typer.Typer(no_args_is_help=True, help="The audit: who did what; whether it was changed.")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

SHOWN = 3
UNUSUAL = {
    "many": "calls and tickets read:",
    "refused": "refusals:",
    "old": "calls read that were over for a month:",
    "one_caller": "calls read of one number:",
}

_FAILED = "The audit cannot be read"
_ADVICE = "On a new machine, run `voicebot db migrate` first."


@app.callback()
def group() -> None:
    """The audit: a chain of hashes, to which every privileged act is added."""


@app.command()
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="ID:HASH, as an earlier verify printed it; may be given often."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="An exported audit instead of the database's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole audit; exit code 1 where a row was altered, removed or put in.

    What it prints last, ID:HASH, is the anchor of today's audit: kept on paper or on another
    machine, it proves later that the rows up to it are the same. Anchors are also kept in the
    state folder, or with the secrets where processes share them, and every check is held to them.

    \b
    Examples:
      voicebot audit verify
      voicebot audit verify --anchor 1204:9f2c…
      voicebot audit verify --file audit-2026-11.jsonl --json
    """
    from voicebot.auditing.checking import (
        anchors_file,
        check,
        check_file,
        keep_anchor,
        read_anchors,
    )

    settings = open_settings()
    given = _given(anchor or [])
    if file is not None:
        result = check_file(file, given)
    else:
        kept = anchors_file(settings.paths)
        before = {kept, settings.paths.state / kept.name}  # of before secrets were shared
        with _reading(settings) as session:
            known = [each for path in sorted(before) for each in read_anchors(path)]
            result = check(session, [*known, *given])
        if not result.findings and result.rows:
            keep_anchor(kept, result.head, time.time())
    _tell(result, as_json)
    if result.findings:
        raise typer.Exit(1)


@app.command("list")
def list_(
    who: Annotated[str, typer.Option(help="Of one person or token only.")] = "",
    action: Annotated[str, typer.Option(help="Acts that begin so: 'call', 'kb.publish'.")] = "",
    subject: Annotated[str, typer.Option(help="On one call, ticket, number only.")] = "",
    refused: Annotated[bool, typer.Option(help="Only what was not allowed.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List acts, the newest first. The look is an act itself.

    \b
    Examples:
      voicebot audit list
      voicebot audit list --who 王芳 --action call.read --limit 200
      voicebot audit list --refused --json
    """
    from voicebot.auditing.checking import newest
    from voicebot.security import audit_local

    settings = open_settings()
    with _reading(settings) as session:
        found = newest(
            session, who=who, action=action, subject=subject, refused=refused, limit=limit
        )
    audit_local(settings.database_url, "audit.list", subject or who)
    if not found and not as_json:
        typer.echo("There is no such act on record.")
    for link in found:
        if as_json:
            print_json(asdict(link))
            continue
        allowed = "" if link.allowed else "  (refused)"
        line = (
            f"{link.id:>7}  {moment(link.at)}  {link.principal} ({link.role})  {link.action}  "
            f"{link.subject}  {link.client}{allowed}"
        )
        typer.echo(_printable(line.rstrip()))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="New file, one JSON object a line.")],
) -> None:
    """Write the whole audit, with its hashes, to a file that `verify --file` checks anywhere.

    \b
    Examples:
      voicebot audit export audit-2026-11.jsonl
    """
    from voicebot.auditing.checking import as_line, check, links
    from voicebot.security import audit_local

    settings = open_settings()
    audit_local(settings.database_url, "audit.export", out.name)
    with _reading(settings) as session:
        result = check(session)
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            upto = takewhile(lambda link: link.id <= result.head.id, links(session))
            file.writelines(f"{as_line(link)}\n" for link in upto)
    typer.echo(f"{result.rows} rows in {out}. Anchor {result.head.id}:{result.head.hash}")


@app.command()
def unusual(
    days: Annotated[int, typer.Option(min=1, max=366, help="Of so many days up to now.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Show reading that a supervisor should ask about.

    Far more calls and tickets in a day than colleagues look at, calls that are long over, call
    after call of one number, refusal upon refusal. It is a question, not a proof; the look is an
    act itself.

    \b
    Examples:
      voicebot audit unusual
      voicebot audit unusual --days 30 --json
    """
    from voicebot.auditing.reading_acts import unusual_reading
    from voicebot.security import audit_local

    settings, now = open_settings(), time.time()
    with _reading(settings) as session:
        found = unusual_reading(session, now - days * 86400.0, now)
    audit_local(settings.database_url, "audit.unusual", f"{days} days")
    if not found and not as_json:
        typer.echo(f"Nothing stands out in the last {days} days.")
    for each in found:
        if as_json:
            print_json({**asdict(each), "day": each.day.isoformat()})
            continue
        shown = " ".join(each.subjects[:SHOWN]) + (" …" if len(each.subjects) > SHOWN else "")
        line = (
            f"{each.day}  {each.who}  {UNUSUAL[each.reason.value]} {each.count}"
            f" (usual: {each.usual:g})  {shown}"
        )
        typer.echo(_printable(line))


@contextmanager
def _reading(settings: Settings) -> Iterator[Session]:
    from sqlalchemy.orm import Session

    from voicebot.records.database import open_engine

    bring_up_to_date(settings)
    engine = open_engine(settings.database_url)
    try:
        with database_sentences(_FAILED, _ADVICE), Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _printable(line: str) -> str:
    """What a terminal would obey is written out: some of it strangers have asked for."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in line
    )


def _given(words: list[str]) -> list[Anchor]:
    from voicebot.auditing.chain import parse_anchor

    anchors = []
    for each in words:
        anchor = parse_anchor(each)
        if anchor is None:
            raise InputError(
                f"--anchor {each!r}: write the number and the 64 digits that `voicebot audit "
                "verify` printed, with a colon between them."
            )
        anchors.append(anchor)
    return anchors


def _tell(result: Checked, as_json: bool) -> None:
    anchor = f"{result.head.id}:{result.head.hash}"
    if as_json:
        print_json(
            {
                "rows": result.rows,
                "whole": not result.findings,
                "findings": [{"id": each.id, "fault": each.fault} for each in result.findings],
                "anchor": anchor,
            }
        )
        return
    for finding in result.findings:
        typer.echo(str(finding))
    if result.findings:
        typer.echo(f"The audit of {result.rows} rows is not what was written.")
    else:
        typer.echo(f"The audit of {result.rows} rows is whole. Anchor {anchor}")
