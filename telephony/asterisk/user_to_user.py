"""User-to-User (RFC 7433): a short text that travels with a SIP call, hex-encoded."""

from __future__ import annotations

MAX_BYTES = 128
"""What ISDN gateways carry of it (RFC 7433 section 4)."""


def encode(text: str) -> str:
    """The header's value for `text`; "" for no text.

    Raises ValueError when it is longer than `MAX_BYTES` in UTF-8.
    """
    data = text.encode()
    if len(data) > MAX_BYTES:
        raise ValueError(f"User-to-User carries {MAX_BYTES} bytes, not {len(data)}")
    return f"{data.hex()};encoding=hex" if data else ""


def decode(value: str) -> str:
    """The text of a header's value; "" when there is none or it cannot be read."""
    content, *parameters = (part.strip() for part in value.split(";"))
    encoding = next(
        (
            given.partition("=")[2].strip().lower()
            for given in parameters
            if given.lower().startswith("encoding=")
        ),
        "hex",
    )
    if encoding != "hex":
        return ""
    try:
        data = bytes.fromhex(content.strip('"'))
        return data[:MAX_BYTES].decode()
    except ValueError:
        return ""
