"""Rotas (值班表) from a file and into one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kb.headings import Headings
from telephony.numbers import caller_number
from voicebot.duty.names import LINES, write_region
from voicebot.duty.number_file import hours_cells
from voicebot.duty.reading_rows import (
    COMMON,
    BadCell,
    Read,
    hours_of,
    line_of,
    read_table,
    region_of,
)
from voicebot.duty.rota import SUPERIOR, Shift
from voicebot.exchange.address import unsafe

HEADINGS = Headings(
    {
        "person": ("值班人", "姓名", "值班人员"),
        "rank": ("顺序", "角色"),
        "phone": ("手机", "电话", "联系电话"),
        "email": ("邮箱", "电子邮箱"),
        "webhook": ("通知地址", "接口地址"),
        **COMMON,
    },
    ("line", "person"),
)
LONGEST_PERSON = 64
LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)
_PHONE = re.compile(r"\+?[0-9]{5,15}", re.ASCII)
_RANKS = {
    "": 1,
    "值班": 1,
    "值班员": 1,
    "主班": 1,
    "副班": 2,
    "备班": 2,
    "替补": 2,
} | dict.fromkeys(("带班领导", "带班", "领导"), SUPERIOR)


def read_shifts(data: bytes) -> Read[Shift]:
    """Shifts of a file (`voicebot.duty.reading_rows.read_table`); never raises."""
    return read_table(data, HEADINGS, _shift, shift_key)


def shift_key(shift: Shift) -> str:
    """What a row replaces when it is said anew: the same hours of the same rank."""
    hours = shift.hours
    first = hours.valid_from.isoformat() if hours.valid_from else ""
    place = shift.region or "all"
    return f"{shift.line}/{place}/{hours.days}/{hours.start}/{shift.rank}/{first}"


def shift_cells(shifts: Iterable[Shift]) -> list[tuple[str, ...]]:
    """Head and rows that `read_shifts` reads back without a difference."""
    columns = [field for field in HEADINGS.names if field != "remove"]
    rows = [tuple(HEADINGS.names[column][0] for column in columns)]
    for each in shifts:
        cells = {
            "person": each.person,
            "rank": "带班领导" if each.rank == SUPERIOR else str(each.rank),
            "phone": each.phone,
            "email": each.email,
            "webhook": each.webhook,
            "line": LINES.get(each.line, each.line),
            "region": each.region or write_region(""),
            **hours_cells(each.hours),
        }
        rows.append(tuple(cells[column] for column in columns))
    return rows


def _shift(cells: Mapping[str, str]) -> Shift:
    person = cells["person"]
    if not person or len(person) > LONGEST_PERSON:
        raise BadCell("person", f"a name of 1 to {LONGEST_PERSON} characters is needed")
    rank = _rank(cells["rank"])
    phone = re.sub(r"[\s-]", "", cells["phone"])
    if phone and not _PHONE.fullmatch(phone):
        raise BadCell("phone", "is no telephone number of 5 to 15 digits")
    if phone and (known := caller_number(phone).number):
        phone = known
    email, webhook = cells["email"], cells["webhook"]
    if email and not (len(email) <= LONGEST_EMAIL and _EMAIL.fullmatch(email)):
        raise BadCell("email", "is no e-mail address")
    if webhook and (reason := unsafe(webhook)):
        raise BadCell("webhook", reason)
    if not (phone or email or webhook):
        raise BadCell("phone", "nothing says how to reach the person: 手机, 邮箱 or 通知地址")
    return Shift(
        line_of(cells), region_of(cells), person, rank, hours_of(cells), phone, email, webhook
    )


def _rank(text: str) -> int:
    if text in _RANKS:
        return _RANKS[text]
    if text.isascii() and text.isdecimal() and 1 <= int(text) < SUPERIOR:
        return int(text)
    raise BadCell("rank", f"{text[:20]!r} is no order: 1, 2, 3 … or 带班领导")
