"""`voicebot kb export`: entries into files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from voicebot.commands.knowledge_common import known_entries, write_whole
from voicebot.commands.session import InputError, open_settings

SHOWN = 20
"""Replaced characters that are printed; the rest is counted."""


def export_file(
    file: Annotated[Path, typer.Argument(help="Where to: .csv, .xlsx or .jsonl.")],
    form: Annotated[
        str, typer.Option("--format", help="csv, xlsx or jsonl; else by the name.")
    ] = "",
    encoding: Annotated[str, typer.Option(help="Of a CSV: utf-8, gbk or gb18030.")] = "utf-8",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write 〓 for a character that GBK lacks.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also drafts and what is in review or has ended.")
    ] = False,
    phrasings: Annotated[
        Path | None, typer.Option(help="Also write the further ways to ask, as CSV.")
    ] = None,
) -> None:
    """Write the published entries to a file that `import` reads back without a difference.

    Cells that a spreadsheet would run as a formula get an apostrophe, which `import` takes off.

    \b
    Examples:
      voicebot kb export faq.xlsx
      voicebot kb export faq.csv --encoding gbk
      voicebot kb export everything.jsonl --all --phrasings phrasings.csv
    """
    from kb.exporter import Encoding, Format, write_entries, write_phrasings

    form = form or file.suffix.lower().lstrip(".")
    if form not in ("csv", "xlsx", "jsonl"):
        raise InputError(f"{file}: which format? Use --format csv, xlsx or jsonl.")
    if encoding not in ("utf-8", "gbk", "gb18030"):
        raise InputError(f"--encoding {encoding}: use utf-8, gbk or gb18030.")
    entries = known_entries(open_settings(), published=not everything)
    if not entries:
        raise InputError("There is no such entry to write; `voicebot kb show` lists what there is.")
    data, replaced = write_entries(entries, cast(Format, form), cast(Encoding, encoding))
    lost = [each for each in replaced if form == "csv" and encoding != "utf-8"]
    for each in replaced[:SHOWN]:
        typer.echo(f"replaced: {each}", err=True)
    if len(replaced) > SHOWN:
        typer.echo(f"replaced: {len(replaced) - SHOWN} more", err=True)
    if lost and not replace:
        raise InputError(
            f"{encoding} lacks {len(lost)} characters of the entries; nothing was written. "
            "Use --encoding gb18030 or utf-8, or --replace to write 〓 for them."
        )
    write_whole(file, data)
    if phrasings is not None:
        write_whole(phrasings, write_phrasings(entries))
    typer.echo(f"{len(entries)} entries written to {file}.")
