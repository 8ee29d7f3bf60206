"""`voicebot kb add|edit|submit|withdraw|rollback`: entries written and ended."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import today
from voicebot.commands.knowledge_acts import (
    AsJson,
    At,
    Name,
    Names,
    Who,
    Why,
    act_on,
    by,
    minute_of,
    read_knowledge,
)
from voicebot.commands.knowledge_common import database_exists
from voicebot.commands.session import InputError, open_settings
from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    from kb.entry import Entry
    from kb.entry_form import Values

Fields = Annotated[
    list[str], typer.Option("--set", help="field=value; the texts of a list apart by |.")
]
Form = Annotated[
    Path | None, typer.Option(help="A filled-in form, as the editor shows it; - reads it here.")
]
Submit = Annotated[bool, typer.Option("--submit", help="Hand it in for review at once.")]


def add(
    entry: Name,
    fields: Fields = [],  # noqa: B006
    form: Form = None,
    submit: Submit = False,
    who: Who = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Write a new entry, in $EDITOR or field by field. It is a draft until it is handed in.

    \b
    Examples:
      voicebot kb add sb-101
      voicebot kb add sb-101 --form sb-101.toml --submit
      voicebot kb add sb-101 --set 问题=社保卡丢了怎么办 --set 答案=先打电话挂失。 \\
        --set category=社保/社保卡 --set department=省人社厅 --set valid_to=2027-12-31
    """
    from kb import ledger, lifecycle
    from kb.entry_form import blank
    from kb.importer import is_identifier

    if not is_identifier(entry):
        raise InputError(f"{entry[:70]!r} is no id: letters, digits, - _ . and at most 64.")
    if database_exists(open_settings()) and read_knowledge(partial(ledger.newest, name=entry)):
        raise InputError(f"There is an entry {entry} already: `voicebot kb edit {entry}`.")
    act = by(who, why or "new entry")
    with _filled(entry, blank(today()), fields, form) as written:
        act_on("kb.add", [partial(lifecycle.add, entry=written, act=act, submit=submit)], as_json)


def edit(
    entry: Name,
    fields: Fields = [],  # noqa: B006
    form: Form = None,
    submit: Submit = False,
    who: Who = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Write a new version of an entry, in $EDITOR or field by field.

    What is spoken stays as it is until the new version is reviewed and published.

    \b
    Examples:
      voicebot kb edit sb-101
      voicebot kb edit sb-101 --set answer=先打电话挂失，再去网点补办。 --why 流程变了 --submit
      voicebot kb edit sb-101 --form sb-101.toml --json
    """
    from kb import ledger, lifecycle
    from kb.entry_form import values_of

    act = by(who, why or "edited")
    last = read_knowledge(lambda session: ledger.newest(session, entry).get(entry))
    if last is None:
        raise InputError(f"There is no entry {entry!r}; `voicebot kb add {entry}` writes one.")
    with _filled(entry, values_of(last), fields, form) as written:
        changes = {name: getattr(written, name) for name in ledger.CONTENT}
        change = partial(
            lifecycle.edit, name=entry, changes=changes, act=act, seen=last.version, submit=submit
        )
        act_on("kb.edit", [change], as_json)


def submit(entries: Names, who: Who = "", why: Why = "", as_json: AsJson = False) -> None:
    """Hand drafts in for review.

    \b
    Examples:
      voicebot kb submit sb-101
      voicebot kb submit sb-101 sb-102 --why 十二月的新口径
    """
    from kb import lifecycle

    act = by(who, why or "handed in")
    act_on(
        "kb.submit", [partial(lifecycle.submit, name=name, act=act) for name in entries], as_json
    )


def withdraw(
    entries: Names, at: At = "", who: Who = "", why: Why = "", as_json: AsJson = False
) -> None:
    """Take entries out of use, at once or at a minute. No earlier version comes back.

    Running services are silent about them within seconds. One person is enough.

    \b
    Examples:
      voicebot kb withdraw sb-101 --why 政策已废止
      voicebot kb withdraw sb-101 sb-102 --at '2026-12-31 18:00'
    """
    from kb import lifecycle

    act, minute = by(who, why or "withdrawn"), minute_of(at)
    act_on(
        "kb.withdraw",
        [partial(lifecycle.withdraw, name=n, act=act, effective_at=minute) for n in entries],
        as_json,
    )


def rollback(
    entry: Name,
    version: Annotated[int, typer.Argument(help="The version whose content is to come back.")],
    at: At = "",
    who: Who = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Write the content of an old version as a new one.

    If the old one was approved, the new one is published; if not, it waits for review.

    \b
    Examples:
      voicebot kb rollback sb-101 2 --why 新口径的电话号码是错的
      voicebot kb rollback sb-101 2 --at '2026-12-01 08:00'
    """
    from kb import lifecycle

    act, minute = by(who, why), minute_of(at)
    change = partial(lifecycle.rollback, name=entry, version=version, act=act, effective_at=minute)
    act_on("kb.rollback", [change], as_json)


@contextmanager
def _filled(name: str, values: Values, fields: list[str], form: Path | None) -> Iterator[Entry]:
    """The entry as it was filled in: by `--set`, by a form, or in the editor.

    What was written in the editor is kept unless the block ends well.
    """
    from kb.entry_form import entry_of, field, read_form

    if fields and form is not None:
        raise InputError("Give either --set or --form.")
    for text in fields:
        key, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--set {text!r}: write field=value.")
        values[field(key)] = value
    if fields:
        yield entry_of(name, values)
    elif form is not None:
        yield entry_of(name, values | read_form(_text_of(form)))
    else:
        with _edited(name, values) as entry:
            yield entry


@contextmanager
def _edited(name: str, values: Values) -> Iterator[Entry]:
    """The entry as the editor left it; the form is kept unless the block ends well."""
    from kb.entry_form import entry_of, read_form, write_form
    from kb.errors import KbError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor and not sys.stdin.isatty():
        raise InputError("There is no editor: set $EDITOR, or use --set field=value or --form.")
    handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".toml")
    form = Path(path)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(write_form(values))
    kept = f"Your form is kept: mend it and add --form {form}"
    try:
        subprocess.run([*shlex.split(editor or "vi"), str(form)], check=True)  # noqa: S603
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise InputError(f"The editor failed ({error}). {kept}") from None
    try:
        yield entry_of(name, values | read_form(_text_of(form)))
    except (KbError, VoicebotError) as error:
        raise InputError(f"{error} {kept}") from None
    form.unlink()


def _text_of(form: Path) -> str:
    """What a form holds; - is standard input."""
    try:
        data = sys.stdin.buffer.read() if str(form) == "-" else form.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{form} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{form} is no text in UTF-8; save it as UTF-8.") from None
