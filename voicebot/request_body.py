"""What people and machines send as JSON is taken as it is written, or refused."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict

T = TypeVar("T")

MOST_ROWS = 2**31 - 1
"""Columns of numbers are 32 bits wide on PostgreSQL."""

FromText = Annotated[T, Strict(False)]
"""An enumeration, a UUID or a moment: JSON has them as text."""
Version = Annotated[int, Field(ge=1, le=MOST_ROWS)]
"""Of what is kept in versions: the first is 1."""


class RequestBody(BaseModel):
    """A JSON body, or a part of one.

    ``"1"`` is no number, ``1`` and ``"true"`` are no booleans, ``1.0`` is no whole number, NaN and
    infinity are nothing at all; a field that is not known may be one misspelt. Every text, list and
    number has bounds of its own (tests/voicebot/test_request_bodies.py).
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
