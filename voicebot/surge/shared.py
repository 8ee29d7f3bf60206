"""What the processes of an installation tell each other for surge control, checked as it comes.

Keys of newer versions are passed over.
"""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from voicebot.surge.board import SETTLES_S, Line, SeatReport


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class SeatsTold(_Told):
    """A line's seats as an ACD or the PBX has told them to one process."""

    report: SeatReport
    settles_s: Annotated[float, Field(ge=0, le=3600)] = SETTLES_S


class SentToSeats(_Told):
    """A caller was given to the seats or the queue of a region; "" for the line's own."""

    line: Line
    region: Annotated[str, Field(pattern="^([0-9]{6})?$")]


class Arrived(_Told):
    """A call was offered, wherever it goes."""

    line: Line
    key: Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
    """`voicebot.admission.offer_key`"""


Told = SeatsTold | SentToSeats | Arrived


class Others(Protocol):
    """The other processes of the installation."""

    def tell(self, told: Told) -> None:
        """At once, to those that are there."""
        ...

    def stands_for(self) -> int:
        """How many calls of the installation a call that is offered here is counted for: more
        than itself where calls of other nodes are not heard of.
        """
        ...


class _None:
    def tell(self, told: Told) -> None:
        pass

    def stands_for(self) -> int:
        return 1


ALONE: Final[Others] = _None()
"""This process is the only one."""
