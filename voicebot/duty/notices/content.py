"""What a message to a person on duty says: line, place, number of the order. Pure.

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


def facts(
    *, line: str, region: str, subject: str, caller: str, receipt: str, own_line: bool
) -> dict[str, str]:
    """What a message is made of, as it is kept."""
    number = caller if own_line else mask_number(caller)
    return {
        "receipt": receipt,
        "line": LINES.get(line, line),
        "place": write_region(region),
        "order": subject,
        "number": number or WITHHELD,
    }


def message(settings: Notices, known: Mapping[str, str], token: str) -> dict[str, Any]:
    """What a channel sends; the receipt's token is made when it is sent, and kept nowhere.

    The link has it behind a #, where no server's log has it.
    """
    link = f"{settings.public_url.rstrip('/')}/receipt#{known['receipt']}.{token}"
    values = {
        **known,
        "minutes": f"{max(1, round(settings.acknowledge_s / 60))}",
        "link": link if settings.public_url else "",
    }
    return {
        **values,
        "token": token,
        "title": f"12345联动通知 {known['line']} {known['order']}",
        "text": settings.text.format_map(values).strip(),
    }
