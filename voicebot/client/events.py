"""Live events: text/event-stream as the service writes it, and going on where it broke off."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from voicebot.client.operation import Operation, read

RESET = "reset"
BEGIN = "begin"
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 15.0
SILENT_S = 45.0
"""The service says something each 15 s: a stream that is silent for so long is dead."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something that happened.

    Parameters:
        seq: its number; given as `after` another stream goes on behind it.
        topic: ``calls``, ``call:<id>``, ``handoffs``, ``queue``, ``surge``; ``reset``: some
            were missed, so read anew what you show.
        data: by topic, see docs/console.md.
    """

    seq: int
    topic: str
    data: Any


class Stream:
    """Reads one stream after the other; knows where to go on. Pure.

    Parameters:
        after: the number of the last event that is known already; None: from now on.
    """

    def __init__(self, topics: Iterable[str], after: int | None) -> None:
        self._topics, self._last = ",".join(topics), after
        self._failures = 0
        self._rest = b""
        self._number, self._topic = "", ""
        self._data: list[str] = []

    @property
    def last(self) -> int | None:
        """Number of the newest event that was read."""
        return self._last

    def operation(self) -> Operation[Any]:
        """Asks for the events that were not read yet."""
        self._rest = b""
        self._empty()
        return read("/v1/events", {"topics": self._topics, "after": self._last})

    def take(self, data: bytes) -> Iterator[LiveEvent]:
        """The events that are complete with what has come."""
        # At line feeds alone: words may hold what else is an end of line to Unicode.
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if (event := self._line(line.decode().removesuffix("\r"))) is not None:
                yield event

    def _line(self, text: str) -> LiveEvent | None:
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self._number = value
            elif name == "event":
                self._topic = value
            elif name == "data":
                self._data.append(value)
            return None
        number, topic, data = self._number, self._topic, "\n".join(self._data)
        self._empty()
        if not number:
            return None
        self._last, self._failures = int(number), 0
        if topic == BEGIN:
            return None
        return LiveEvent(self._last, topic, json.loads(data))

    def pause_s(self) -> float:
        """How long to wait before the next attempt: longer with each that came to nothing."""
        self._failures += 1
        return min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (min(self._failures, 16) - 1))

    def _empty(self) -> None:
        self._number, self._topic, self._data = "", "", []
