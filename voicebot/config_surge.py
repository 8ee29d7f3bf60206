"""Settings of surge control: who takes a call when many call (docs/surge.md)."""

from __future__ import annotations

from pydantic import Field, model_validator

from flows.forecast import Situation
from flows.surge import Policy
from voicebot.config_base import Section

_REGION = "^[0-9]{6}$"
_NAME = "^[A-Za-z0-9_.-]{1,64}$"


class SurgeQueue(Section):
    """[[surge.queues]] A queue of the PBX before the seats of one region."""

    line: str = Field(min_length=1)
    """The dialled number (DID) whose calls it takes."""
    name: str = Field("agents", pattern=_NAME)
    """As in queues.conf; the dialplan has it in VB_QUEUE."""
    region: str = Field(pattern=_REGION)
    """GB/T 2260 code of the seats."""
    local: bool = True
    """False: seats of another region that help out (异地座席, R9)."""
    trunk: str = Field("", pattern="^[A-Za-z0-9_.-]{0,64}$")
    """PJSIP endpoint behind which the seats are; empty: each member is a telephone of its own,
    and Asterisk knows which are free."""


class SurgeLine(Section):
    """[[surge.lines]] What is different on one line; what is left out is as in [surge]."""

    line: str = Field(min_length=1)
    enter_wait_s: float | None = Field(None, gt=0)
    leave_wait_s: float | None = Field(None, ge=0)
    hold_s: float | None = Field(None, ge=0)
    call_back_wait_s: float | None = Field(None, gt=0)
    seat_reserve: int | None = Field(None, ge=0)
    remote: bool | None = None
    call_back: bool | None = None
    bot_first: bool | None = None


class Surge(Section):
    """[surge] Seats, remote seats, the bot, a call-back: which of them takes a call.

    Without figures of seats the bot answers every call.
    """

    enter_wait_s: float = Field(10.0, gt=0)
    """The bot takes a call while a longer wait for a seat is to be expected. For `hold_s`, that
    begins a surge: the bot takes all that would wait."""
    leave_wait_s: float = Field(5.0, ge=0)
    """A shorter wait, expected for `hold_s`, ends it."""
    hold_s: float = Field(120.0, ge=0)
    """How long either must hold without a break."""
    call_back_wait_s: float = Field(180.0, gt=0)
    """Where the bot is full as well: from this expected wait on callers are called back."""
    look_ahead_s: float = Field(120.0, ge=0)
    """How far ahead arrivals are counted against seats."""
    stale_after_s: float = Field(15.0, gt=0)
    """Older figures of seats count as unknown."""
    seat_reserve: int = Field(1, ge=0)
    """In a surge, free seats kept for callers whom the bot hands over."""
    remote_keeps: int = Field(1, ge=0)
    """Free seats that another region keeps for its own callers."""
    remote: bool = True
    """Seats of other regions may be used (R9)."""
    call_back: bool = True
    """Callers may be put on the list of missed calls, to be called back."""
    bot_first: bool = False
    """The bot answers every call, whatever the figures say."""
    service_s: float = Field(180.0, gt=0)
    """Mean time of a call at a seat, until it is told or measured."""
    patience_s: float = Field(120.0, gt=0)
    """Mean time after which a waiting caller gives up, until it is told."""
    forecast: bool = False
    """Arrivals that past weeks let expect count like arrivals that are there."""
    forecast_weeks: int = Field(8, ge=1, le=104)
    """So many past weeks."""
    typhoon_factor: float = Field(3.0, ge=1)
    """What a typhoon multiplies the expected arrivals by."""
    holiday_factor: float = Field(1.0, gt=0)
    """The same for a public holiday, which is taken as a Sunday."""
    queues: tuple[SurgeQueue, ...] = ()
    lines: tuple[SurgeLine, ...] = ()

    @model_validator(mode="after")
    def _policies_hold(self) -> Surge:
        for line in ("", *(each.line for each in self.lines)):
            self.policy(line, 0)
        places = [(each.line, each.region) for each in self.queues]
        if len(set(places)) < len(places):
            raise ValueError("surge.queues: a line has two queues of one region; leave one out")
        return self

    def policy(self, did: str, reserve: int) -> Policy:
        """The law's settings of a line.

        Parameters:
            reserve: `admission.handoff_reserve`.
        """
        own = next((each for each in self.lines if each.line == did), None)
        values = self.model_dump(include=set(Policy.__dataclass_fields__))
        if own is not None:
            values |= own.model_dump(exclude={"line"}, exclude_none=True)
        return Policy(**values, reserve=reserve)

    @property
    def factors(self) -> dict[Situation, float]:
        """For `flows.forecast.Profile`."""
        return {Situation.HOLIDAY: self.holiday_factor, Situation.TYPHOON: self.typhoon_factor}
