"""What a message to a person on duty says: line, place, number of the order. Pure.

A reminder (督办) says what is late instead, and nothing of the caller.

No word of the caller's leaves the case this way; the dossier goes to the line's desk. The
calling number is whole for people of the line itself, who may have to call back, and masked
for anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telephony.masking import mask_number
from voicebot.config_notices import Notices
from voicebot.duty.names import LINES, write_region

WITHHELD = "号码隐藏"
REMINDER = "12345督办：{line}，{place}。{reminder}请在{minutes}分钟内确认。{link}"
REMINDER_S = 3600.0
"""Nobody is in danger: an hour until the next one is told …"""
REMINDER_ALARM_S = 86400.0
"""… and a day until the log says again that nobody has answered."""


def facts(
    *,
    line: str,
    region: str,
    subject: str,
    caller: str,
    receipt: str,
    own_line: bool,
    text: str = "",
) -> dict[str, str]:
    """What a message is made of, as it is kept; `text`: what a reminder says."""
    number = caller if own_line else mask_number(caller)
    known = {
        "receipt": receipt,
        "line": LINES.get(line, line),
        "place": write_region(region),
        "order": subject,
    }
    return {**known, "reminder": text} if text else {**known, "number": number or WITHHELD}


def message(settings: Notices, known: Mapping[str, str], token: str) -> dict[str, Any]:
    """What a channel sends; the receipt's token is made when it is sent, and kept nowhere.

    The link has it behind a #, where no server's log has it.
    """
    link = f"{settings.public_url.rstrip('/')}/receipt#{known['receipt']}.{token}"
    reminder = "reminder" in known
    values = {
        **known,
        "minutes": f"{max(1, round(acknowledge_s(settings, reminder=reminder) / 60))}",
        "link": link if settings.public_url else "",
    }
    title = "12345督办" if reminder else "12345联动通知"
    text = REMINDER if reminder else settings.text
    return {
        **values,
        "token": token,
        "title": f"{title} {known['line']} {known['order']}",
        "text": text.format_map(values).strip(),
    }


def acknowledge_s(settings: Notices, *, reminder: bool) -> float:
    """How long a person has until the next one is told."""
    return REMINDER_S if reminder else settings.acknowledge_s
