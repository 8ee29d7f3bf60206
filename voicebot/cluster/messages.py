"""What processes of an installation tell each other, as bytes: JSON objects, read by their schema.

Those of a newer version may tell more than is known here: that is passed over. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from voicebot.whole_text import whole

Message = dict[str, Any]
T = TypeVar("T")

MOST_NAMED: Final = 10


def encoded(message: Message) -> bytes:
    """For the wire; half a character, as broken switches send it, costs no message.

    Raises:
        TypeError, ValueError: it is not JSON; nor are numbers that are none (NaN), which whoever
            receives them would refuse.
    """
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return whole(text).encode()


def decoded(data: bytes) -> Message:
    """From the wire. What could not be sent on to a screen is refused here: numbers that are
    none, half characters.

    Raises:
        ValueError: it is no such object.
    """
    try:
        message = json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
        if rb"\u" in data:
            json.dumps(message, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(message, dict):
        raise ValueError("no object")
    return message


def as_told(adapter: TypeAdapter[T], told: object) -> T:
    """What was told, by its schema; keys that are not in it are passed over.

    Raises:
        ValueError: names what is wrong, and nothing of what stands there.
    """
    try:
        return adapter.validate_python(told, extra="ignore")
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        wrong = sorted({_place(each["loc"]) for each in found})[:MOST_NAMED]
        raise ValueError(f"What is told is wrong: {', '.join(wrong)}.") from None


def _place(where: Iterable[int | str]) -> str:
    """The field, by its names; others' keys that are no names are left out."""
    names = [part for part in where if isinstance(part, str) and part.isidentifier()]
    return ".".join(names)[:64] or "all of it"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return number
