"""The one set of codes of both platforms (统一的组织结构和行政区划代码): data, replaceable.

`voicebot/exchange/data/organisations.csv` (code, name, division, kind) is systematic but
our own, and `classification.csv` (code, name; two digits a level) stands where the
official list of DB46/T 567-2022 goes. Both are read once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from flows.gazetteer import REGIONS, parse_regions

OrganisationKind = Literal["12345", "110", "department"]


@dataclass(frozen=True, slots=True)
class Organisation:
    """One row of `organisations.csv`."""

    code: str
    name: str
    division: str
    kind: OrganisationKind


@cache
def divisions() -> Mapping[str, str]:
    """Name by GB/T 2260 code."""
    return {each.code: each.name for each in parse_regions(REGIONS.read_text("utf-8-sig"))}


@cache
def organisations() -> Mapping[str, Organisation]:
    """Hotlines, police desks and departments by code."""
    return {
        row["code"]: Organisation(row["code"], row["name"], row["division"], row["kind"])  # type: ignore[arg-type]
        for row in _rows("organisations.csv")
    }


def organisation_of(division: str, kind: OrganisationKind) -> Organisation | None:
    """The hotline or the police desk of a division; None where it has none."""
    return next(
        (o for o in organisations().values() if (o.division, o.kind) == (division, kind)), None
    )


@cache
def classification() -> Mapping[str, str]:
    """Name by code; ``01`` > ``0102`` > ``010203``."""
    return {row["code"]: row["name"] for row in _rows("classification.csv")}


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("voicebot.exchange").joinpath("data", name).read_text("utf-8-sig")
    return iter(csv.DictReader(text.splitlines()))
