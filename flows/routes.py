"""Where a live call can be handed to, in order (R1). Pure."""

from __future__ import annotations

from flows.actions import Route
from flows.events import DutyLine

LEG_LINES = ("119", "120", "122", "12395")
"""Lines that are called beside 110; the others (power, water, gas, railway) get a message."""

POLICE = "110"
SEAT = "seat"
PROVINCE = "460000"


def police_routes(region: str | None) -> tuple[Route, ...]:
    """The county's 110, its city's, the province's, a seat: each falls to the next (R1)."""
    return (*(Route(f"110-{code}", POLICE) for code in areas(region) if code), Route(SEAT, SEAT))


def line_routes(
    line: str, region: str | None, duty_lines: tuple[DutyLine, ...]
) -> tuple[Route, ...]:
    """A line's own chain: its number of the county, of the city, of the province, the line's."""
    chain = [
        known.number
        for area in areas(region)
        for known in duty_lines
        if known.line == line and known.region == area
    ]
    return tuple(Route(number, line) for number in dict.fromkeys(chain)) or (Route(line, line),)


def areas(region: str | None) -> tuple[str, ...]:
    """The places that serve a region, the nearest first: county, city, province, all ("")."""
    return (*dict.fromkeys(code for code in (region, _city(region), PROVINCE) if code), "")


def lies_in(region: str | None, area: str) -> bool:
    """Whether `area` is the region itself, its city or the province: it tells nothing new."""
    return region is not None and area in (region, _city(region), PROVINCE)


def same_city(region: str | None, other: str) -> bool:
    """Whether both are of one city, or one county under the province."""
    return region is not None and (_city(region) or region) == (_city(other) or other)


def _city(region: str | None) -> str | None:
    """The city of a district (GB/T 2260); counties under the province (4690xx) have none."""
    return f"{region[:4]}00" if region and region[2:4] != "90" else None
