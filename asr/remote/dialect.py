"""What a protocol must say of itself; the two that there are stand beside this file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Protocol

from asr.cleaning import whole
from asr.errors import RemoteProtocolBroken
from asr.hypothesis import Capabilities, Word

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech that the server has closed."""

    readings: tuple[str, ...]
    """Raw texts, best first, at least one."""
    words: tuple[Word, ...]
    """Of the best reading; seconds from the first sample of the connection."""
    until: int
    """Samples of the connection that had gone out when it was closed."""
    exact: bool
    """Whether the next segment begins just there."""

    def later(self, samples: int) -> Segment:
        """The same with its times counted from ``samples`` earlier."""
        seconds = samples / SAMPLE_RATE
        words = tuple(Word(w.text, w.start + seconds, w.end + seconds) for w in self.words)
        return replace(self, words=words, until=self.until + samples)


class Answer(Enum):
    """What a message means for the end of the utterance."""

    MORE = auto()
    PERHAPS_LAST = auto()
    """The last, if nothing follows shortly."""
    LAST = auto()


class Transcript(Protocol):
    """What a server has said on one connection, without a socket."""

    @property
    def segments(self) -> list[Segment]:
        """Closed stretches, in order."""

    @property
    def partial(self) -> str:
        """Raw text of what is not closed yet."""

    def sent(self, samples: int) -> None:
        """A message with audio went out."""

    def ended(self) -> None:
        """The message that ends the utterance went out."""

    def answered(self, samples: int) -> bool:
        """Whether what the server could say of the first ``samples`` has been said."""

    def take(self, message: str | bytes) -> Answer:
        """The next message of the server.

        Raises:
            RemoteProtocolBroken: it is none of the protocol; the message never holds its text.
        """


class Dialect(Protocol):
    """A protocol. Audio is 16-bit little-endian mono PCM at 16 kHz in binary messages."""

    @property
    def name(self) -> str:
        """The engine's name."""

    @property
    def capabilities(self) -> Capabilities:
        """What a server of this kind can do."""

    @property
    def frame(self) -> int:
        """Samples of one message."""

    @property
    def silence(self) -> int:
        """Samples of silence sent before the end, where the server would else keep a rest."""

    @property
    def silent_if_nothing(self) -> bool:
        """Whether servers may answer nothing at all where nothing was said."""

    def opening(self) -> str:
        """The first message of a connection."""

    def ending(self) -> str:
        """The message that ends the utterance."""

    def transcript(self) -> Transcript:
        """For a new connection."""


def read_object(message: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RemoteProtocolBroken: it is none.
    """
    try:
        answer = json.loads(message)
    except (ValueError, RecursionError):
        raise RemoteProtocolBroken("The speech server sent what is no JSON.") from None
    if not isinstance(answer, dict):
        raise RemoteProtocolBroken("The speech server sent JSON that is no object.")
    return answer


def text_of(answer: dict[str, Any], key: str) -> str:
    """A text of a message, "" where there is none; for half a character, which nothing that is
    told of it could hold, ? stands there.

    Raises:
        RemoteProtocolBroken: it is no text.
    """
    value = answer.get(key, "")
    if not isinstance(value, str):
        raise RemoteProtocolBroken(f"The speech server sent a {key!r} that is no text.")
    return whole(value)


def seconds(value: Any) -> float:
    """A moment that a word is given.

    Raises:
        TypeError, ValueError, OverflowError: it is none.
    """
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("no moment")
    return found
