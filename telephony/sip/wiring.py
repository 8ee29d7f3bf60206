"""What a room is asked for, and what it needs of the process that it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pjsua2 as pj

from telephony.sip.music import Sound
from telephony.sip.party import Party


@dataclass(frozen=True, slots=True)
class Dial:
    """A leg to dial.

    Parameters:
        uri: the far side.
        caller_uri: what From says: the caller's own number.
        headers: further headers of the INVITE or REFER.
        answer_s: how long it may take until it is answered.
        refer: hand the caller over by REFER instead.
    """

    uri: str
    caller_uri: str
    headers: dict[str, str]
    answer_s: float
    refer: bool = False


class Wiring(Protocol):
    """What a room needs of the process it lives in."""

    @property
    def account(self) -> pj.Account: ...

    def open_port(self, call: int, leg: int, rate: int) -> pj.AudioMedia: ...

    def close_port(self, call: int, leg: int) -> None: ...

    def report(self, op: str, call: int = 0, leg: int = 0, **values: object) -> None: ...

    def end(self, party: Party) -> None:
        """Hangs up, if that is still to be done, and keeps the party until it may go."""

    def sound(self, sound: Sound) -> pj.AudioMedia:
        """The source of a sound; all rooms share it."""

    def room_changed(self) -> None:
        """A room may be over, or its callers and legs others."""
