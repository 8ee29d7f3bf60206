"""Departments and what each is responsible for (权责清单), as they stand in ``flows/data``.

Both files are data to be replaced by a province's own list: ``departments.csv`` (department,
province, local, level, aliases) and ``responsibilities.csv`` (department, duty, matters).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from flows.dispatch.errors import DispatchError
from flows.gazetteer import read_names

DATA = Path(__file__).parent.parent / "data"
DEPARTMENTS = DATA / "departments.csv"
RESPONSIBILITIES = DATA / "responsibilities.csv"
LEVELS = ("county", "city", "province")
PROVINCE = "460000"


@dataclass(frozen=True, slots=True)
class Department:
    """One department (部门); `key` is what the lines of the training data name it by."""

    key: str
    province: str
    local: str
    level: str
    """``county`` | ``city`` | ``province``: the lowest level that has one of its own."""
    aliases: tuple[str, ...] = ()
    """Names by which the knowledge base knows it."""

    def name(self, region: str | None) -> str:
        """Its official name in a region (GB/T 2260), the province's where none is known."""
        if region is None or region == PROVINCE or self.level == "province":
            return self.province
        districts, names = _divisions()
        if region not in names:
            return self.province
        city = districts.get(region)
        if city is None:
            return names[region] + self.local
        return names[city] + ("" if self.level == "city" else names[region]) + self.local


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty (职责) of a department, with words that callers use for its matters."""

    department: str
    name: str
    matters: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Its name and its matters."""
        return (self.name, *self.matters)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All departments by key, and all duties."""

    departments: Mapping[str, Department]
    duties: tuple[Duty, ...]

    def by_alias(self, name: str) -> str | None:
        """The key of the department that is called so in the knowledge base."""
        return next(
            (key for key, each in self.departments.items() if name == key or name in each.aliases),
            None,
        )


@cache
def read_catalogue(
    departments: Path = DEPARTMENTS, responsibilities: Path = RESPONSIBILITIES
) -> Catalogue:
    """The catalogue of two files.

    Raises:
        DispatchError: a file is missing or a row is wrong; names file and line.
    """
    known: dict[str, Department] = {}
    for line, row in _rows(departments, ("department", "province", "local", "level", "aliases")):
        where = f"{departments.name}, line {line}"
        key, level = row["department"], row["level"]
        if not key or key in known:
            raise DispatchError(f"{where}, department: {key!r} is empty or there already.")
        if level not in LEVELS:
            raise DispatchError(f"{where}, level: {level!r} is none of {', '.join(LEVELS)}.")
        if not row["province"] or (level != "province" and not row["local"]):
            raise DispatchError(f"{where}: a name is missing.")
        known[key] = Department(key, row["province"], row["local"], level, _list(row["aliases"]))
    duties = []
    for line, row in _rows(responsibilities, ("department", "duty", "matters")):
        where = f"{responsibilities.name}, line {line}"
        if row["department"] not in known:
            raise DispatchError(
                f"{where}, department: {row['department']!r} is not in {departments.name}."
            )
        if not row["duty"] or not _list(row["matters"]):
            raise DispatchError(f"{where}: the duty or its matters are empty.")
        duties.append(Duty(row["department"], row["duty"], _list(row["matters"])))
    return Catalogue(MappingProxyType(known), tuple(duties))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        content = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DispatchError(f"{path} cannot be read as UTF-8 text.") from error
    rows = csv.DictReader(content.splitlines())
    if tuple(rows.fieldnames or ()) != columns:
        raise DispatchError(f"{path.name}, line 1: the columns are {', '.join(columns)}.")
    for row in rows:
        if None in row or None in row.values():
            raise DispatchError(f"{path.name}, line {rows.line_num}: not {len(columns)} cells.")
        yield rows.line_num, {name: cell.strip() for name, cell in row.items()}


def _list(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


@cache
def _divisions() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The city of each district, and the name of each region."""
    regions = read_names().regions
    cities = {each.code: each.parent for each in regions if each.parent not in ("", PROVINCE)}
    return cities, {each.code: each.name for each in regions}
