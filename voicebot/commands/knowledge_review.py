"""`voicebot kb review`: what is written, read by a second person and judged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_acts import (
    AsJson,
    Who,
    Why,
    act_on,
    by,
    local,
    read_knowledge,
    tell,
)
from voicebot.commands.knowledge_history import (
    as_text,
    changes_between,
    last_published,
    signed,
    values_with_steps,
    versions_of,
)
from voicebot.commands.session import InputError, print_json

if TYPE_CHECKING:
    from kb.ledger import Version


def review(
    entry: Annotated[str, typer.Argument(help="An entry's id; without it, all that waits.")] = "",
    approve: Annotated[bool, typer.Option("--approve", help="Let it pass.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Send it back; say --why.")] = False,
    version: Annotated[int, typer.Option(help="The version you have read.")] = 0,
    who: Who = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Read what waits for review, and let it pass or send it back.

    Who wrote a part of a version may not approve it. Name the version that you have read: the
    author may have written another since.

    \b
    Examples:
      voicebot kb review
      voicebot kb review sb-101
      voicebot kb review sb-101 --version 3 --approve --as 李主任
      voicebot kb review sb-101 --version 3 --reject --why 电话号码是旧的
    """
    from kb import lifecycle

    if approve and reject:
        raise InputError("Give either --approve or --reject.")
    if not approve and not reject:
        _show_waiting(entry, as_json)
        return
    if not entry or not version:
        raise InputError(
            "Name the entry and the version you have read: "
            "`voicebot kb review ID --version N --approve`."
        )
    act = by(who, why or ("approved" if approve else ""))
    step = lifecycle.approve if approve else lifecycle.reject
    change = partial(step, name=entry, act=act, version=version)
    act_on("kb.approve" if approve else "kb.reject", [change], as_json)


def _show_waiting(name: str, as_json: bool) -> None:
    from kb import ledger
    from kb.entry import Status

    if not name:
        for entry in read_knowledge(partial(ledger.standing, status=Status.IN_REVIEW)):
            tell(entry, as_json)
        return
    versions = versions_of(name)
    read = next((v for v in reversed(versions) if v.entry.status is Status.IN_REVIEW), None)
    if read is None:
        raise InputError(f"No version of {name} waits for review; `voicebot kb history {name}`.")
    last = last_published(versions)
    if as_json:
        before = {"published_version": last.entry.version} if last else {}
        print_json(values_with_steps(read) | before)
        return
    _show(read, last)
    typer.echo(
        f"\nvoicebot kb review {name} --version {read.entry.version} --approve\n"
        f"voicebot kb review {name} --version {read.entry.version} --reject --why …"
    )


def _show(version: Version, last: Version | None) -> None:
    """All that a reviewer has to read: the form, how it is spoken, and what is new in it."""
    from kb.entry_form import values_of, write_form
    from voicebot.call.voices.reading import spoken

    entry = version.entry
    typer.echo(
        f"{entry.id} v{entry.version}  {local(version.at)}  "
        f"{signed(version.who, version.login)}  {version.why}\n"
    )
    typer.echo(write_form(values_of(entry)))
    typer.echo(f"读作：{spoken(entry.answer)}")
    if last is not None:
        typer.echo(f"\nChanged since v{last.entry.version}, which was published:")
        typer.echo(as_text(changes_between(last.entry, entry)) or "Nothing.")
