"""Which day it is where the callers are, whatever clock the machine is set to."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")


def today() -> date:
    """The day by which an entry's validity is judged (Beijing time)."""
    return datetime.now(BEIJING).date()
