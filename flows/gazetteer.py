"""The names of places as they stand in ``data/regions.csv`` and ``data/places.toml``, checked."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

REGIONS = Path(__file__).parent / "data" / "regions.csv"
PLACES = Path(__file__).parent / "data" / "places.toml"


class Region(NamedTuple):
    code: str
    name: str
    parent: str
    extension: str
    aliases: tuple[str, ...]


class Names(NamedTuple):
    """Regions with their aliases, other names by code, and what is only sometimes or never a
    place."""

    regions: tuple[Region, ...]
    places: Mapping[str, list[str]]
    common: frozenset[str] = frozenset()
    no_places: tuple[str, ...] = ()


class GazetteerError(Exception):
    """The places' data break their form; the message names file and line."""

    code = "flows.places"


def read_names(regions: Path = REGIONS, places: Path = PLACES) -> Names:
    """The names of both files.

    Raises:
        GazetteerError: a file is missing or wrong; names the line.
    """
    try:
        known = parse_regions(regions.read_text(encoding="utf-8-sig"), regions.name)
        listed = tomllib.loads(places.read_text(encoding="utf-8"))
    except OSError as error:
        raise GazetteerError(f"The places {error.filename} cannot be read.") from error
    except tomllib.TOMLDecodeError as error:
        raise GazetteerError(f"{places.name}: not valid TOML: {error}.") from error
    codes = {region.code for region in known}
    for code, names in listed.get("places", {}).items():
        if code not in codes:
            raise GazetteerError(f"{places.name}: {code} is no code of {regions.name}.")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise GazetteerError(f"{places.name}: {code} must be a list of names.")
    return Names(
        known,
        listed.get("places", {}),
        frozenset(listed.get("common", ())),
        tuple(listed.get("no_places", ())),
    )


def parse_regions(content: str, name: str = "regions.csv") -> tuple[Region, ...]:
    """The rows of ``regions.csv``: code, name, parent, local_110_extension, …, aliases (;).

    Raises:
        GazetteerError: names the line and the column.
    """
    rows = csv.DictReader(content.splitlines())
    regions: dict[str, Region] = {}
    for row in rows:
        code = (row.get("code") or "").strip()
        if not re.fullmatch(r"[0-9]{6}", code):
            raise GazetteerError(
                f"{name}, line {rows.line_num}, code: {code!r} is not six figures."
            )
        if not (row.get("name") or "").strip():
            raise GazetteerError(f"{name}, line {rows.line_num}, name: it is empty.")
        parent = (row.get("parent") or "").strip()
        if parent and parent not in regions:
            raise GazetteerError(
                f"{name}, line {rows.line_num}, parent: {parent} stands in no line above."
            )
        aliases = tuple(a.strip() for a in (row.get("aliases") or "").split(";") if a.strip())
        extension = (row.get("local_110_extension") or "").strip()
        regions[code] = Region(code, row["name"].strip(), parent, extension, aliases)
    return tuple(regions.values())
