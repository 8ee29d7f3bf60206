"""The types of single fields: codes, numbers, times and texts, each with its one written form."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from voicebot.exchange.schema import codes

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.(?!0{6})[0-9]{6})?(Z|(?!.00:00)[+-][0-9]{2}:[0-9]{2})"
)


class Model(BaseModel):
    """A part of a message: frozen; a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("control_character", "contains a control character")
    return text


def _time(value: object) -> datetime:
    """One form only, or two systems would hash one moment differently."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _TIME.fullmatch(value):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    raise PydanticCustomError(
        "time_form", "must be a time with zone, written like 2026-11-26T19:06:53+08:00"
    )


def _division(code: str) -> str:
    if code not in codes.divisions():
        raise PydanticCustomError(
            "unknown_division", "is no division code (GB/T 2260) of flows/data/regions.csv"
        )
    return code


def _organisation(code: str) -> str:
    if code not in codes.organisations():
        raise PydanticCustomError(
            "unknown_organisation", "is no code of voicebot/exchange/data/organisations.csv"
        )
    return code


def _classification(code: str) -> str:
    if code not in codes.classification():
        raise PydanticCustomError(
            "unknown_classification", "is no code of voicebot/exchange/data/classification.csv"
        )
    return code


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+@~=-]{0,127}$")]
"""The number of a ticket, an order, a message, a call (a SIP Call-ID, too), an incident."""
TelephoneNumber = Annotated[str, Field(pattern=r"^[0-9A-Za-z+*#-]{0,64}$")]
"""As the network gave it; empty where it gave none."""
ShortText = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
LongText = Annotated[str, Field(max_length=20_000), AfterValidator(_printable)]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_TIME.pattern}$"}),
]
"""With its zone (GB/T 7408, RFC 3339); whole seconds or six digits after them, zero as Z."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DivisionCode = Annotated[str, Field(pattern=r"^46[0-9]{4}$"), AfterValidator(_division)]
"""行政区划代码, GB/T 2260."""
OrganisationCode = Annotated[
    str, Field(pattern=r"^46[0-9]{4}-[0-9]{3,5}$"), AfterValidator(_organisation)
]
"""组织机构代码: the division, and the organisation in it."""
ClassificationCode = Annotated[
    str, Field(pattern=r"^[0-9]{2}([0-9]{2}){0,2}$"), AfterValidator(_classification)
]
"""诉求分类, two digits a level; the official list is DB46/T 567-2022."""
PoliceCategory = Annotated[int, Field(ge=1, le=7)]
"""Annex 2 (110受理的事项): names in `voicebot.exchange.dossier.CATEGORY_NAMES`."""
