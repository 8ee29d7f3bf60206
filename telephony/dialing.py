"""The dial allow-list: only numbers of the duty directory are ever dialled.

Toll fraud lock. A number is dialled because it *is*, character for character,
in the directory that an administrator wrote, never because it looks right:
nothing is trimmed, completed or converted before the comparison.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from telephony.errors import NotInDutyDirectory, TelephonyError
from telephony.trunk_address import check_line_url

_NUMBER = re.compile(r"[A-Za-z0-9*#+_-]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DutyNumber:
    """One number that may be dialled (值班号码).

    Parameters:
        number: as it is dialled, such as `110-460100` or `seat`.
        kind: `110`, `119`, `120`, `122`, `12395`, `seat` …
        region: GB/T 2260 code of the area it serves, "" for all.
        url: address of its line: a media WebSocket, or `trunk:NAME/NUMBER`.
        name: for people, such as 海口市公安局110.
    """

    number: str
    kind: str
    region: str
    url: str
    name: str


class DutyDirectory:
    """The duty directory (值班号码表): an immutable value.

    Errors: TelephonyError `bad_number`, `double_number`, `bad_kind`, or those of
    `check_line_url`, when an entry cannot stand.
    """

    def __init__(self, numbers: Iterable[DutyNumber]) -> None:
        table: dict[str, DutyNumber] = {}
        for entry in numbers:
            if not _NUMBER.fullmatch(entry.number):
                raise TelephonyError(
                    "bad_number",
                    f"The duty directory has an entry named {entry.name!r} without a number "
                    "of 1 to 32 letters, digits, +, *, #, _ or -.",
                )
            if entry.number in table:
                raise TelephonyError(
                    "double_number",
                    f"The duty directory has two entries for one number, "
                    f"{table[entry.number].name!r} and {entry.name!r}; keep one.",
                )
            if not entry.kind:
                raise TelephonyError(
                    "bad_kind", f"The duty directory's entry {entry.name!r} has no kind."
                )
            check_line_url(entry.url)
            table[entry.number] = entry
        self._table = table

    def resolve(self, number: str) -> DutyNumber:
        """The entry of exactly this number. Errors: NotInDutyDirectory for anything else."""
        entry = self._table.get(number) if isinstance(number, str) else None
        if entry is None:
            raise NotInDutyDirectory
        return entry

    def __iter__(self) -> Iterator[DutyNumber]:
        return iter(self._table.values())

    def __len__(self) -> int:
        return len(self._table)
