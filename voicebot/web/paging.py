"""Keys of pages as they stand in addresses: ``1795735831.0~C1``."""

from __future__ import annotations

from voicebot.web.access import Refusal

BAD_AFTER = {
    "code": "bad_request",
    "message": "after is the `next` of the page before, unchanged.",
}


def write_key(key: tuple[float, str] | None) -> str | None:
    """As `read_key` reads it; None: there is no further page."""
    return None if key is None else f"{key[0]!r}~{key[1]}"


def read_key(after: str) -> tuple[float, str] | None:
    """None: the first page.

    Raises:
        Refusal: 422, it is no key.
    """
    if not after:
        return None
    at, mark, id_ = after.partition("~")
    try:
        if not mark:
            raise ValueError
        return float(at), id_
    except ValueError:
        raise Refusal(422, BAD_AFTER) from None
