"""`voicebot kb check`: what an administrator should mend before callers meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import today
from voicebot.commands.knowledge_acts import read_knowledge
from voicebot.commands.knowledge_common import database_sentences, known_entries, progress_bar
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date

    from kb.checks import Finding
    from kb.entry import Entry
    from voicebot.config import Settings

_SEVERITIES = {"error": "错误", "warning": "警告", "note": "提示"}
_WIDTH = 140
"""Columns of the table where there is no terminal."""


def check(
    only: Annotated[list[str] | None, typer.Option(help="A code; may be repeated.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="A code; may be repeated.")] = None,
    days: Annotated[int, typer.Option(min=0, help="How soon an end of validity counts.")] = 30,
    fail_on: Annotated[
        str, typer.Option(help="error, warning or note: exit 1 from that on.")
    ] = "error",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Look for entries that callers would be served badly by; nothing is changed.

    Codes: too_long, unreadable, missing_source, expires_soon, dead_link (each entry by itself),
    unfilled_slot, unused_value (slots and their values), near_duplicate, contradiction (two beside
    each other), retrieves_another (each question asked of the search without it). Looked at is what
    is published and what waits to be.

    \b
    Examples:
      voicebot kb check
      voicebot kb check --only contradiction --only near_duplicate
      voicebot kb check --skip retrieves_another --fail-on warning --json
    """
    from kb.checks import CODES, Severity, in_order

    for code in (*(only or ()), *(skip or ())):
        if code not in CODES:
            raise InputError(f"There is no check {code}; there are {', '.join(CODES)}.")
    if fail_on not in _SEVERITIES:
        raise InputError(f"--fail-on {fail_on}: use error, warning or note.")
    wanted = set(only or CODES) - set(skip or ())
    settings = open_settings()
    entries = _entries(settings)
    if not entries:
        raise InputError("There is no entry to check; `voicebot kb import` brings some.")
    findings = in_order([f for f in _findings(settings, entries, wanted, days) if f.code in wanted])
    if as_json:
        for finding in findings:
            print_json(finding.as_dict())
    else:
        _show(findings, len(entries))
    severe = list(Severity)[: list(Severity).index(Severity(fail_on)) + 1]
    raise typer.Exit(1 if any(f.severity in severe for f in findings) else 0)


def _entries(settings: Settings) -> list[Entry]:
    """What is spoken, and the newest version of what is to be or should be spoken."""
    from kb.entry import Status

    ended = (Status.EXPIRED, Status.WITHDRAWN)
    newest = [e for e in known_entries(settings, published=False) if e.status not in ended]
    spoken = {(e.id, e.version): e for e in known_entries(settings, published=True)}
    return [*spoken.values(), *(e for e in newest if (e.id, e.version) not in spoken)]


def _findings(
    settings: Settings, entries: Sequence[Entry], wanted: Collection[str], days: int
) -> list[Finding]:
    from kb.checks_pairs import check_pairs
    from kb.checks_retrieval import check_retrieval
    from kb.checks_slots import check_slots
    from kb.checks_text import check_texts
    from kb.entry import by_id
    from kb.slot_store import slots
    from voicebot.knowledge import open_embedder

    found = list(check_texts(entries, today(), soon_days=days))
    found += check_slots(entries, read_knowledge(slots), today())
    # Beside each other stands what will be spoken once all that waits is published.
    coming = [_as_if_published(entry, today()) for entry in by_id(entries).values()]
    embedder = open_embedder(settings)
    if {"near_duplicate", "contradiction"} & set(wanted):
        with progress_bar("comparing entries") as progress:
            found += check_pairs(coming, embedder.embed_corpus, progress)
    if "retrieves_another" in wanted:
        with database_sentences(), progress_bar("asking each question") as progress:
            found += check_retrieval(
                coming, embedder, today(), embed=embedder.embed_corpus, progress=progress
            )
    return found


def _as_if_published(entry: Entry, on: date) -> Entry:
    from dataclasses import replace

    from kb.entry import Status

    return replace(
        entry,
        status=Status.PUBLISHED,
        valid_from=min(entry.valid_from, on),
        valid_to=max(entry.valid_to, on),
    )


def _show(findings: Sequence[Finding], checked: int) -> None:
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    table = Table()
    for heading in ("级别", "检查", "条目", "问题", "怎么办"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(
            _SEVERITIES[finding.severity], finding.code, finding.entry, finding.reason,
            finding.advice,
        )  # fmt: skip
    if findings:
        console.print(table, markup=False)
    counts = Counter(finding.severity for finding in findings)
    told = "，".join(f"{name} {counts[level]}" for level, name in _SEVERITIES.items())  # type: ignore[index]
    typer.echo(f"检查了 {checked} 条：{told}。")
