"""Telephone numbers as they may be shown in logs and event files."""

from __future__ import annotations


def mask_number(number: str) -> str:
    """Keeps the first three and last two characters of a long number: 138******00.

    Of seven characters or fewer only the first two stay: more of a short number
    would be most of it.
    """
    if len(number) <= 7:
        return number[:2] + "*" * max(0, len(number) - 2)
    return number[:3] + "*" * (len(number) - 5) + number[-2:]
