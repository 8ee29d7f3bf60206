"""What people and switches say, in the form that a message of ours may have. Pure.

A message that does not keep to its schema is never made (`voicebot.exchange.schema`): what somebody
has typed or pasted must not end what he does.
"""

from __future__ import annotations

import re
from datetime import datetime

from voicebot.clock import BEIJING

LONG, SHORT = 20_000, 200
"""Characters of a long text and of a short one."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NOT_IN_A_NUMBER = re.compile(r"[^0-9A-Za-z+*#-]")


def text(words: str, most: int = LONG) -> str:
    """No control characters, and not without end."""
    return _CONTROL.sub(" ", words)[:most]


def number(signalled: str) -> str:
    """A telephone number; "" for what is none."""
    return _NOT_IN_A_NUMBER.sub("", signalled)[:64]


def moment(at: float) -> datetime:
    """`at`: seconds since the epoch."""
    return datetime.fromtimestamp(round(at), BEIJING)
