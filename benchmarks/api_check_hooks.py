"""What schemathesis cannot send by itself: bodies that are audio. Read by its own process."""

from __future__ import annotations

from typing import Any

import schemathesis  # type: ignore[import-not-found]


@schemathesis.serializer("audio/wav", "audio/flac", "audio/ogg")  # type: ignore[misc]
def as_it_is(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
