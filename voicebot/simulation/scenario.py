"""A day of the hotline as data: who calls, how long they wait, who is there to answer."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from flows.surge import Policy

HALF_HOURS = 48
HALF_HOUR_S = 1800.0
DAY_S = HALF_HOURS * HALF_HOUR_S

_Share = Annotated[float, Field(ge=0, le=1)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Count = Annotated[int, Field(ge=0, le=100_000)]
_Factor = Annotated[float, Field(ge=0, le=1000)]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""HH:MM of the day."""
HalfHour = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[03]0$")]
"""HH:00 or HH:30."""


def half_hour(n: int) -> str:
    """When the n-th of the day begins, HH:MM."""
    return f"{n // 2:02d}:{n % 2 * 30:02d}"


def _known(values: object) -> object:
    """A dataclass takes no unknown names, but says so without naming them."""
    if isinstance(values, dict):
        names = {field.name for field in fields(Policy)}
        for name in values:
            if name not in names:
                raise ValueError(f"{name} is none of {', '.join(sorted(names))}")
    return values


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Spread(_Strict):
    """How a time is spread about its mean."""

    kind: Literal["exponential", "lognormal", "gamma", "fixed"] = "exponential"
    mean_s: _Seconds
    cv: Annotated[float, Field(gt=0, le=10)] | None = None
    """Standard deviation ÷ mean, of `lognormal` and `gamma`."""

    @model_validator(mode="after")
    def _cv_where_needed(self) -> Spread:
        if (self.cv is not None) != (self.kind in ("lognormal", "gamma")):
            raise ValueError("cv belongs to lognormal and gamma, and they need it")
        return self


class Bursts(_Strict):
    """Sudden rushes at times that nobody knows: a power cut, a message that goes round."""

    per_day: _Factor = 0.0
    minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    factor: _Factor = 2.0


class Rush(_Strict):
    """Hours at which more, or fewer, call than the profile says."""

    begins: Time
    ends: Time
    factor: _Factor

    @model_validator(mode="after")
    def _in_order(self) -> Rush:
        if self.ends <= self.begins:
            raise ValueError("ends must be later than begins")
        return self


class ArrivalRates(_Strict):
    """Calls of the day: a Poisson process whose rate changes."""

    calls_per_day: Annotated[float, Field(gt=0, le=5_000_000)]
    factor: _Factor = 1.0
    half_hours: Annotated[list[_Factor], Field(min_length=HALF_HOURS, max_length=HALF_HOURS)]
    """The day's profile from 00:00 on, in any unit."""
    day_cv: Annotated[float, Field(ge=0, le=2)] = 0.0
    """How much whole days differ: standard deviation ÷ mean."""
    bursts: Bursts = Bursts()
    rushes: list[Rush] = []

    @model_validator(mode="after")
    def _somebody_calls(self) -> ArrivalRates:
        if not sum(self.half_hours):
            raise ValueError("half_hours are all 0")
        return self


class Redial(_Strict):
    """Callers who got nobody and try again."""

    share: _Share = 0.0
    after: Spread = Spread(mean_s=180)
    most: Annotated[int, Field(ge=0, le=20)] = 4
    """Tries after the first."""


class Callers(_Strict):
    """What the callers do."""

    patience: Spread
    redial: Redial = Redial()
    danger: _Share = 0.0
    """Share of callers in danger, who belong to 110."""
    number_known: _Share = 1.0
    takes_call_back: _Share = 0.5


class Seats(_Strict):
    """The seats of one region that take this line's calls."""

    region: Annotated[str, Field(pattern="^[0-9]{6}$")]
    local: bool = True
    staffed: Annotated[dict[HalfHour, _Count], Field(min_length=1)]
    """How many from each time on; 0 before the first."""

    def by_half_hour(self) -> list[int]:
        """Staffed seats in each of the 48 half-hours."""
        found, seats = [], 0
        for n in range(HALF_HOURS):
            seats = self.staffed.get(half_hour(n), seats)
            found.append(seats)
        return found


class Bot(_Strict):
    """What the bot does with a call that it answers."""

    room: _Count
    """Calls that it can have at once, those it has handed over and stays with included."""
    contained: _Share
    """Share that needs no human; callers in danger not among them."""
    contained_time: Spread
    leaving_time: Spread
    """Until the others ask for, or get, a human."""
    seat_wait_s: _Seconds = 45
    """How long the queue of seats keeps a caller whom the bot hands over
    (`handoff.queue_timeout_s`); then the bot writes a work order."""
    ticket_time: Spread = Spread(mean_s=40)
    """Until the work order is written."""
    hears_danger: _Share = 1.0
    danger_time: Spread = Spread(mean_s=10)
    """Until a caller in danger is handed to 110."""


class Police(_Strict):
    """110, as far as callers are handed to it by the bot."""

    seats: _Count
    time: Spread = Spread(mean_s=120)


class Scenario(_Strict):
    """One day."""

    title: Annotated[str, Field(min_length=1, max_length=80)]
    about: str
    sources: list[str] = []
    """What was published or measured, and where."""
    assumptions: list[str] = []
    """What was not."""
    arrivals: ArrivalRates
    callers: Callers
    seats: Annotated[list[Seats], Field(min_length=1)]
    service: Spread
    """Time that a seat is busy with a call, after-work included."""
    bot: Bot
    trunks: _Count
    """Incoming lines: calls that can be there at once, wherever they are."""
    lines: _Count
    """Outgoing lines, for hand-offs and for seats of other regions."""
    police: Police
    policy: Annotated[Policy, BeforeValidator(_known)] = Policy()
    """Of surge control; what is not given is as it is delivered."""
    forecast: _Factor = 1.0
    """Calls that the forecast expects, as a multiple of an ordinary day's."""

    @model_validator(mode="after")
    def _local_seats(self) -> Scenario:
        regions = [group.region for group in self.seats]
        if len(set(regions)) < len(regions):
            raise ValueError("a region's seats are given twice")
        if not any(group.local for group in self.seats):
            raise ValueError("no seats are local")
        return self

    def staffed(self, by_half_hour: list[int]) -> Scenario:
        """The same day with these local seats, and none of other regions."""
        local = next(group for group in self.seats if group.local)
        steps = {half_hour(n): seats for n, seats in enumerate(by_half_hour)}
        return self.model_copy(update={"seats": [local.model_copy(update={"staffed": steps})]})

    def without_bot(self) -> Scenario:
        """The same day with seats alone: no bot, and nobody who notes call-backs."""
        return self.model_copy(
            update={
                "bot": self.bot.model_copy(update={"room": 0}),
                "policy": replace(self.policy, call_back=False),
            }
        )
