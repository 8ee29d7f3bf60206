"""What several endpoints take in their paths and queries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime

MOST_ROWS = 2**31 - 1
"""Columns of numbers are 32 bits wide on PostgreSQL."""

RowNumber = Annotated[int, Path(ge=0, le=MOST_ROWS)]
"""The number of a limit, a rule, a reconciliation."""


def _of_ours(moment: datetime) -> datetime:
    """The first and last days of the calendar have no moment in another zone."""
    if not 2000 <= moment.year < 3000:
        raise ValueError("is before 2000 or after 2999")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_of_ours)]
"""With its zone, such as 2026-11-26T09:30:00+08:00."""
