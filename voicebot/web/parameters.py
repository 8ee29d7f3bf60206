"""What several endpoints take in their paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

MOST_ROWS = 2**31 - 1
"""Columns of numbers are 32 bits wide on PostgreSQL."""

RowNumber = Annotated[int, Path(ge=0, le=MOST_ROWS)]
"""The number of a limit, a rule, a reconciliation."""
