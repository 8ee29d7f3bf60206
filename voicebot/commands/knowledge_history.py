"""`voicebot kb history|diff|stats`: what became of entries, compared and counted."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.clock import now, today
from voicebot.commands.knowledge_acts import AsJson, Name, local, read_knowledge
from voicebot.commands.session import InputError, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from kb.entry import Entry
    from kb.ledger import Version

SOON = timedelta(days=30)
"""How long before its end an entry is counted as ending soon."""


def history(entry: Name, as_json: AsJson = False) -> None:
    """Every version of an entry and every step taken with it: who, when, why.

    \b
    Examples:
      voicebot kb history sb-101
      voicebot kb history sb-101 --json
    """
    for version in versions_of(entry):
        if as_json:
            print_json(values_with_steps(version))
            continue
        basis = f", from v{version.based_on}" if version.based_on else ""
        typer.echo(
            f"v{version.entry.version}{basis}  {local(version.at)}  "
            f"{signed(version.who, version.login)}  {version.why}"
        )
        for step in version.steps:
            effective = f" from {local(step.effective_at)}" if step.effective_at else ""
            typer.echo(
                f"    {step.status.value}{effective}  {local(step.at)}  "
                f"{signed(step.who, step.login)}  {step.why}"
            )


def diff(
    entry: Name,
    old: Annotated[int, typer.Option("--from", help="Default: the one published last.")] = 0,
    new: Annotated[int, typer.Option("--to", help="Default: the newest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """What two versions of an entry differ in.

    \b
    Examples:
      voicebot kb diff sb-101
      voicebot kb diff sb-101 --from 1 --to 3
      voicebot kb diff sb-101 --json
    """
    from kb import ledger

    versions = versions_of(entry)
    last = last_published(versions)
    left = ledger.chosen(versions, old) if old else last or versions[0]
    right = ledger.chosen(versions, new) if new else versions[-1]
    changes = changes_between(left.entry, right.entry)
    if as_json:
        numbers = {"from": left.entry.version, "to": right.entry.version}
        print_json({"id": entry, **numbers, "changes": changes})
        return
    typer.echo(f"{entry}: v{left.entry.version} → v{right.entry.version}")
    typer.echo(as_text(changes) or "No difference.")


def stats(as_json: AsJson = False) -> None:
    """How many entries are spoken, waiting, planned and ending soon, by department and region.

    \b
    Examples:
      voicebot kb stats
      voicebot kb stats --json
    """
    counted = read_knowledge(_count)
    if as_json:
        print_json(counted)
        return
    for name, value in counted.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, number in value.items():
                typer.echo(f"  {number:6}  {key}")
        else:
            typer.echo(f"{name}: {value}")


def _count(session: Session) -> dict[str, Any]:
    from kb import ledger, store

    spoken = store.published(session, now())
    newest = ledger.newest(session)
    planned = store.next_step(session, now())
    return {
        "spoken now": len(spoken),
        "next planned step": local(planned) if planned else "",
        f"ending within {SOON.days} days": sum(e.valid_to <= today() + SOON for e in spoken),
        "gaps": len(store.gaps(session)),
        "newest versions by state": _sorted(e.status.value for e in newest.values()),
        "spoken by department": _sorted(e.department for e in spoken),
        "spoken by region": _sorted(e.region or "460000" for e in spoken),
    }


def _sorted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def changes_between(old: Entry, new: Entry) -> dict[str, dict[str, Any]]:
    """The fields that differ: {field: {from, to}}."""
    from kb.entry_form import values_of

    before, after = values_of(old), values_of(new)
    return {
        name: {"from": before[name], "to": after[name]}
        for name in after
        if before[name] != after[name]
    }


def as_text(changes: dict[str, dict[str, Any]]) -> str:
    """The same for people, text by text."""
    lines = []
    for name, change in changes.items():
        before, after = (value if isinstance(value, list) else [value] for value in change.values())
        shown = list(difflib.ndiff(before, after))
        lines += [f"{name}:", *(f"  {line}" for line in shown if not line.startswith("?"))]
    return "\n".join(lines)


def last_published(versions: Sequence[Version]) -> Version | None:
    """The version published last, whether or not it is still spoken."""
    from kb.entry import Status

    found: Version | None = None
    for version in versions:
        if any(step.status is Status.PUBLISHED for step in version.steps):
            found = version
    return found


def versions_of(name: str) -> list[Version]:
    """An entry's versions, oldest first.

    Raises:
        InputError: there is no such entry.
    """
    from kb import ledger

    found = read_knowledge(lambda session: ledger.history(session, name))
    if not found:
        raise InputError(f"There is no entry {name!r}.")
    return found


def signed(who: str, login: str) -> str:
    """A person, with the login beside the name where that is another."""
    return who if not login or login == who else f"{who} ({login})"


def values_with_steps(version: Version) -> dict[str, Any]:
    """A version as JSON has it."""
    from voicebot.knowledge_desk.entries import as_dict

    return as_dict(version, logins=True)
