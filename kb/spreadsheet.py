"""Cells that a spreadsheet would run as a formula, made harmless and read back.

A cell that begins with one of `=+-@` (their full-width forms, a tab or a line end as well) may be
run by the program that opens the file; a leading apostrophe makes it text (OWASP, CSV Injection).
"""

from __future__ import annotations

import re

_RUN = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def guarded(cell: str) -> str:
    """`cell` as it may be written into a spreadsheet."""
    return f"'{cell}" if _RUN.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell
