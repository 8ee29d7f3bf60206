"""What time it is where the callers are, whatever clock the machine is set to."""

from __future__ import annotations

from datetime import date, datetime

from kb.reading import HAINAN

BEIJING = HAINAN


def now() -> datetime:
    """The moment by which it is judged what may be spoken (Beijing time)."""
    return datetime.now(BEIJING)


def today() -> date:
    """The day by which an entry's validity is judged (Beijing time)."""
    return now().date()
