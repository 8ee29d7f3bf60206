"""What chan_websocket says on its text frames (`f(json)`), and what it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass

from telephony.errors import MediaStreamError

FLUSH = json.dumps({"command": "FLUSH_MEDIA"})
GET_STATUS = json.dumps({"command": "GET_STATUS"})
HANG_UP = json.dumps({"command": "HANGUP"})

_LONGEST = 65536


@dataclass(frozen=True, slots=True)
class Started:
    """MEDIA_START: the channel is up; audio may have come before it (asterisk#1712)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """MEDIA_XOFF, MEDIA_XON: whether Asterisk takes more audio."""

    open: bool


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS: frames that wait in Asterisk to be played."""

    queued_frames: int


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else, such as marks and keys, which we follow in other ways."""


MediaEvent = Started | Flow | Status | Other


def parse(text: str) -> MediaEvent:
    """Errors: MediaStreamError `bad_message` for what is not an event."""
    try:
        event = json.loads(text) if len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise MediaStreamError("bad_message", "Asterisk's media socket sent no event.")
    match event["event"]:
        case "MEDIA_START":
            return Started()
        case "MEDIA_XOFF":
            return Flow(open=False)
        case "MEDIA_XON":
            return Flow(open=True)
        case "STATUS":
            length = event.get("queue_length")
            if not isinstance(length, int) or length < 0:
                raise MediaStreamError("bad_message", "A media status has no queue length.")
            return Status(length)
        case _:
            return Other()
