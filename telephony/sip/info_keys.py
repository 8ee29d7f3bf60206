"""Keys that come in SIP INFO, as `application/dtmf-relay` has them; pure.

No standard gives it a grammar, and gateways differ: blanks after the sign, numbers from 10 for
what has no digit, no end of the line. PJSUA takes the one character after `Signal=`, and ends the
process with its calls where the line has no end. So it is shown what `written` gives instead.
"""

from __future__ import annotations

import re

_SIGNAL = re.compile(r"^\s*Signal\s*=\s*(\d{1,2}|[*#])\s*$", re.IGNORECASE | re.MULTILINE)
_BY_NUMBER = {"10": "*", "11": "#"}


def key_in(body: str) -> str:
    """The key 0-9, * or # that was pressed; "" when it is another, or none."""
    found = _SIGNAL.search(body.replace("\r", "\n").replace("\0", "\n"))
    if not found:
        return ""
    key = _BY_NUMBER.get(found[1], found[1])
    return key if len(key) == 1 else ""


def written(key: str) -> bytes:
    """A key as PJSUA reads it; nothing for none."""
    return f"Signal={key}\r\n".encode() if key else b""
