"""What of a span leaves the process: known attributes, closed words, numbers masked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from voicebot.masking import mask_text
from voicebot.tracing.call import ATTRIBUTES

HIDDEN = "***"
_WORD = re.compile(r"[!-~]{0,128}")
"""ASCII without a space: identifiers and words of the program, and nothing that was said."""


def masked(span: ReadableSpan) -> ReadableSpan:
    """The span with `ATTRIBUTES` alone, on it and on its events, and without descriptions.

    A text with anything but printable ASCII, or longer than an identifier, is hidden whole; in
    others what looks like somebody's number is masked as in logs.
    """
    return ReadableSpan(
        name=_text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_attributes(span.attributes),
        events=[
            Event(_text(event.name), _attributes(event.attributes), event.timestamp)
            for event in span.events
        ],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(given: Mapping[str, Any] | None) -> dict[str, str | bool | int | float]:
    return {
        name: _text(value) if isinstance(value, str) else value
        for name, value in (given or {}).items()
        if name in ATTRIBUTES and isinstance(value, str | bool | int | float)
    }


@lru_cache(4096)
def _text(text: str) -> str:
    return mask_text(text) if _WORD.fullmatch(text) else HIDDEN
