"""`voicebot kb slots`: what answers say of each region: fees, addresses, numbers (口径里的空位)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.knowledge_acts import Who, Why, by, read_knowledge
from voicebot.commands.knowledge_common import (
    change_knowledge,
    database_sentences,
    progress_bar,
    write_whole,
)
from voicebot.commands.knowledge_files import file_bytes, tell_rows
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(
    no_args_is_help=True, help="Values of the slots in answers, by region and period."
)


@app.command("import")
def import_slots(
    file: Annotated[
        Path, typer.Argument(help="name, region, value, source, valid_from, valid_to.")
    ],
    reviewed_by: Annotated[str, typer.Option(help="Who has read the values: somebody else.")],
    who: Who = "",
    why: Why = "",
    check: Annotated[bool, typer.Option(help="Only read the file and say what is wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Take values of slots from a file; faulty rows are named and left out, good ones kept.

    An answer says {公积金电话} where the value for the caller's county, city or province belongs.
    Calls have new values within seconds; an empty value takes back the one of that name, region
    and first day. `voicebot kb publish` renders the audio beforehand.

    \b
    Examples:
      voicebot kb slots import 空位.csv --reviewed-by 李主任
      voicebot kb slots import 空位.xlsx --reviewed-by 李主任 --check
    """
    from kb.slot_file import read_slots
    from kb.slot_store import import_slots as store_slots
    from voicebot.security import local_act

    found = read_slots(file_bytes(file))
    tell_rows(file, found.errors, found.warnings)
    if not found.slots:
        raise InputError(f"{file} holds no usable value; nothing was changed.")
    act = by(who, why or f"import {file.name}")
    changed = 0

    def change(session: Session) -> None:
        nonlocal changed
        changed = store_slots(session, found.slots, act, reviewed_by)
        session.add(local_act("kb.slots.import", f"{file.name}: {changed} values"))

    if not check:
        with database_sentences(), progress_bar("storing"):
            change_knowledge(open_settings(), change)
    if as_json:
        print_json({"read": len(found.slots), "changed": changed, "left_out": len(found.errors)})
    else:
        typer.echo(
            f"{len(found.slots)} values read, {changed} changed, {len(found.errors)} rows left out."
        )
    raise typer.Exit(1 if found.errors else 0)


@app.command("list")
def list_slots(
    name: Annotated[str, typer.Argument(help="Only this slot's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the values of slots, past and coming ones too.

    \b
    Examples:
      voicebot kb slots list
      voicebot kb slots list 公积金电话 --json
    """
    from kb.slot_store import slots

    for slot in read_knowledge(slots):
        if name and slot.name != name.strip("{}"):
            continue
        if as_json:
            print_json(
                {
                    "name": slot.name,
                    "region": slot.region,
                    "value": slot.value,
                    "source": slot.source,
                    "valid_from": slot.valid_from.isoformat(),
                    "valid_to": slot.valid_to.isoformat(),
                }
            )
        else:
            place = slot.region or "全省"
            typer.echo(f"{slot.name}  {place}  {slot.value}  {slot.valid_from}..{slot.valid_to}")


@app.command("export")
def export_slots(file: Annotated[Path, typer.Argument(help="Where to, as CSV.")]) -> None:
    """Write the values to a CSV file that `slots import` reads back without a difference.

    \b
    Examples:
      voicebot kb slots export 空位.csv
    """
    from kb.slot_file import write_slots
    from kb.slot_store import slots

    known = read_knowledge(slots)
    if not known:
        raise InputError("There is no value to write; `voicebot kb slots import` brings some.")
    write_whole(file, write_slots(known))
    typer.echo(f"{len(known)} values written to {file}.")
