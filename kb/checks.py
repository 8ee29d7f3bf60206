"""What a check of the knowledge base finds: one form for all checks.

`checks_text` looks at one entry alone, `checks_slots` at slots and their values, `checks_pairs` at
two entries beside each other, `checks_retrieval` asks the search. Each check is a function from
entries to findings; nothing here is changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How soon somebody should look."""

    ERROR = "error"
    """错误: a caller hears something wrong, or nothing."""
    WARNING = "warning"
    """警告: a caller may be told something wrong, or will be soon."""
    NOTE = "note"
    """提示: worth a look when the entry is next edited."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of one entry, or of `entry` beside `other`."""

    code: str
    """``too_long`` | ``unreadable`` | ``missing_source`` | ``expires_soon`` | ``dead_link`` |
    ``unfilled_slot`` | ``unused_value`` | ``near_duplicate`` | ``contradiction`` |
    ``retrieves_another``"""
    severity: Severity
    entry: str
    """Empty for a value that no entry uses."""
    reason: str
    advice: str
    other: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


CODES = (
    "too_long", "unreadable", "missing_source", "expires_soon", "dead_link", "unfilled_slot",
    "unused_value", "near_duplicate", "contradiction", "retrieves_another",
)  # fmt: skip
_ORDER = {severity: place for place, severity in enumerate(Severity)}


def in_order(findings: list[Finding]) -> list[Finding]:
    """The worst first, then by kind and entry."""
    return sorted(findings, key=lambda f: (_ORDER[f.severity], CODES.index(f.code), f.entry))
