"""What several endpoints take in their paths and queries."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from voicebot.request_body import MOST_ROWS, FromText

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

RowNumber = Annotated[int, Path(ge=0, le=MOST_ROWS)]
"""The number of a limit, a rule, a reconciliation."""


def _day_written_out(value: object) -> object:
    """pydantic takes seconds since the epoch for a day as well."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("is no day such as 2026-11-26")
    return value


def _moment_written_out(value: object) -> object:
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DAY.match(value)):
        raise ValueError("is no moment such as 2026-11-26T09:30:00+08:00")
    return value


Day = Annotated[date, BeforeValidator(_day_written_out)]
"""Such as 2026-11-26."""


def _of_ours(moment: datetime) -> datetime:
    """The first and last days of the calendar have no moment in another zone."""
    if not 2000 <= moment.year < 3000:
        raise ValueError("is before 2000 or after 2999")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_of_ours), BeforeValidator(_moment_written_out)]
"""With its zone, such as 2026-11-26T09:30:00+08:00."""

LocalMoment = Annotated[
    FromText[datetime], AfterValidator(_of_ours), BeforeValidator(_moment_written_out)
]
"""Without its zone it is Hainan's, as a browser's form has it: 2026-11-26T09:30."""
