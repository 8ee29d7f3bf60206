"""How long the kinds of matters may take (办理时限), in working days: data in deadlines.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Kind(StrEnum):
    """What a caller wants (诉求类型), as the exchange with 110 names it (`schema.Ticket.type`)."""

    CONSULTATION = "consultation"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    SUGGESTION = "suggestion"
    PRAISE = "praise"

    @property
    def chinese(self) -> str:
        return _NAMES[self]


_NAMES = {
    Kind.CONSULTATION: "咨询",
    Kind.HELP: "求助",
    Kind.COMPLAINT: "投诉",
    Kind.REPORT: "举报",
    Kind.SUGGESTION: "意见建议",
    Kind.PRAISE: "表扬",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Working days."""

    dispatch: int
    """From the ticket, or its return, to its dispatch."""
    answer: Mapping[Kind, int]
    """From the first dispatch to the answer."""


@cache
def limits() -> Limits:
    """The limits of deadlines.toml.

    Raises:
        ValueError: a kind is missing, or a limit is no whole number from 0 to 365.
    """
    values = tomllib.loads(files("voicebot.tickets").joinpath("deadlines.toml").read_text("utf-8"))
    days = {kind: values["answer"].get(kind.value) for kind in Kind}
    for name, value in (("dispatch", values.get("dispatch")), *days.items()):
        if type(value) is not int or not 0 <= value <= 365:
            raise ValueError(f"deadlines.toml: {name} must be whole working days, 0 to 365.")
    return Limits(values["dispatch"], days)
