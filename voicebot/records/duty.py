"""The duty directory (值班号码表) as delivered: the 110 of each county, seats, other lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import structlog
from sqlalchemy.orm import Session

from flows.events import DutyLine
from flows.routes import LEG_LINES
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import TelephonyError
from voicebot.clock import now
from voicebot.config import HandoffSettings
from voicebot.duty.hours import Hours
from voicebot.exchange.address import unsafe
from voicebot.records.tables import DutyNumberRow

log = structlog.get_logger()

# (number, kind, name): lines that are told by message and may be dialled beside 110 (R8).
_OTHER_LINES = (
    ("119", "119", "消防救援119"),
    ("120", "120", "医疗急救120"),
    ("122", "122", "交通事故报警122"),
    ("12395", "12395", "海上搜救12395"),
    ("95598", "power", "供电抢修95598"),
    ("water-460000", "water", "供水抢修值班"),
    ("gas-460000", "gas", "燃气抢修值班"),
    ("020-61330000", "railway", "铁路公安020-61330000"),
)


@cache
def _regions() -> tuple[Mapping[str, str], ...]:
    text = files("flows").joinpath("data/regions.csv").read_text("utf-8-sig")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def region_names() -> Mapping[str, str]:
    """Name by GB/T 2260 code, for example ``460106`` → 海口市龙华区."""
    names = {row["code"]: row["name"] for row in _regions()}
    return {
        row["code"]: names[row["parent"]] + row["name"]
        if row["parent"] in names and row["parent"] != "460000"
        else row["name"]
        for row in _regions()
    }


def seed(handoff: HandoffSettings) -> list[dict[str, Any]]:
    """Rows of `duty_number` as delivered, with the addresses of the settings."""
    desk = {"url": handoff.desk_url, "http_url": handoff.desk_http}
    seat = {
        "url": handoff.seat_url or handoff.desk_url,
        "http_url": handoff.seat_http or handoff.desk_http,
    }
    rows = [
        {
            "number": row["local_110_extension"],
            "kind": "110",
            "region": row["code"],
            "name": f"{region_names()[row['code']]}110",
            **_with_number(desk, row["local_110_extension"]),
        }
        for row in _regions()
    ]
    rows.append(
        {
            "number": "seat",
            "kind": "seat",
            "region": "",
            "name": "人工座席",
            **_with_number(seat, "seat"),
        }
    )
    rows.extend(
        {"number": number, "kind": kind, "region": "", "name": name, **_with_number(desk, number)}
        for number, kind, name in _OTHER_LINES
    )
    return rows


def _with_number(addresses: Mapping[str, str], number: str) -> dict[str, str]:
    return {key: address.replace("{number}", number) for key, address in addresses.items()}


def duty_lines(directory: DutyDirectory) -> tuple[DutyLine, ...]:
    """The numbers of the lines that are called beside 110 (R8)."""
    return tuple(
        DutyLine(number.kind, number.number, number.region)
        for number in directory
        if number.kind in LEG_LINES
    )


def write_seed(session: Session, handoff: HandoffSettings) -> None:
    """Bring the delivered rows up to date; those an administrator changed stay."""
    for values in seed(handoff):
        row = session.get(DutyNumberRow, values["number"])
        if row is None:
            session.add(DutyNumberRow(seeded=True, **values))
        elif row.seeded:
            for name, value in values.items():
                setattr(row, name, value)


def sound(rows: Iterable[Mapping[str, Any]]) -> Iterator[DutyNumber]:
    """The rows that may be dialled and posted to now; of unsound ones the log says why not."""
    at = now()
    for row in rows:
        if not in_force(row, at):
            continue
        number = duty_number(row)
        try:
            DutyDirectory([number])
        except TelephonyError as error:
            log.error("duty_number_left_out", number=row["number"], reason=error.code)
            continue
        if row["http_url"] and (reason := unsafe(row["http_url"])):
            # The line itself is sound; the outbox will not post there.
            log.error("duty_number_unsafe", number=row["number"], reason=reason)
        yield number


def in_force(row: Mapping[str, Any], at: datetime) -> bool:
    """Whether a row of the directory holds at that moment; those as delivered always do."""
    names = ("days", "start", "end", "valid_from", "valid_to")
    hours = Hours(**{name: row[name] for name in names if name in row})
    return hours.beginning(at) is not None


def duty_number(row: Mapping[str, Any]) -> DutyNumber:
    """A row in the form in which `telephony.dialing.DutyDirectory` takes it."""
    return DutyNumber(row["number"], row["kind"], row["region"], row["url"], row["name"])
