"""How a leg says who calls: the caller's own number, never ours (R13). Pure."""

from __future__ import annotations

import re

from telephony.sip.headers import user_to_user_value

_UNSAFE = re.compile(r"[^0-9A-Za-z+*#._-]")


def own_uri(host: str, number: str) -> str:
    """The URI of a number at our address, in angle brackets."""
    return f"<sip:{_UNSAFE.sub('', number) or 'anonymous'}@{host}>"


def leg_headers(host: str, caller: str, did: str, handoff: str = "") -> dict[str, str]:
    """Headers of a leg's INVITE or REFER, beside From.

    Parameters:
        caller: their number, "" when it is withheld.
        did: what they dialled.
        handoff: id of the hand-off, which goes into User-to-User (RFC 7433).
    """
    headers = {"Diversion": f"{own_uri(host, did)};reason=unconditional"}
    if caller:
        headers["P-Asserted-Identity"] = own_uri(host, caller)
    if handoff:
        headers["User-to-User"] = user_to_user_value(handoff)
    return headers
