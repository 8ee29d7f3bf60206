"""What processes and nodes say to each other: pure, and safe to read from anybody.

A request is the length of a header, the header (JSON) and samples; everything else is JSON.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from asr.hypothesis import Hypothesis, Pcm
from asr.urgency import Urgency

SAMPLE_RATE: Final = 16_000
LONGEST_S: Final = 30.0
"""Of the audio of one request: 960 kB."""
MOST_HEADER: Final = 4096
LONGEST_BYTES: Final = round(LONGEST_S * SAMPLE_RATE) * 2 + 256
"""Of a request with its header."""
_LENGTH: Final = struct.Struct("<I")
_SAMPLE: Final = np.dtype("<i2")

NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Label = Annotated[str, Field(max_length=200)]
_Count = Annotated[int, Field(ge=0, le=100_000)]
_Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Unreadable(ValueError):
    """What came is no message of ours; the text says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """Of a request.

    Args:
        final: the best there is, with alternatives; else a quick partial.
        urgency: among other requests.
        within_s: one that has waited for so long is wanted no more, seconds.
    """

    final: bool
    urgency: Urgency
    within_s: _Seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """The node has the request in hand."""

    node: NodeName
    kind: Literal["taken"] = "taken"


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer.

    Args:
        hypothesis: its times begin with the request's audio.
        decode_s: what the decode alone took, seconds.
    """

    node: NodeName
    hypothesis: Hypothesis
    decode_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
    kind: Literal["heard"] = "heard"


Why = Literal["full", "leaving", "late", "lost", "failed", "unreadable"]
"""``lost``: the node's own engine was; another node may do better. ``failed``: it raised at this
audio, and so would another's."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The node does not answer, and why."""

    node: NodeName
    why: Why
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class Status:
    """How a node is.

    Args:
        engine: as in ``Hypothesis.engine`` of its answers.
        model: the weights, for people.
        workers: decodes that it does at a time.
        waiting, at_work: requests in hand.
        utilisation: share of its workers' time, 0..1.
        leaving: it takes no more requests.
    """

    node: NodeName
    engine: _Label
    model: _Label
    workers: Annotated[int, Field(ge=1, le=1024)]
    waiting: _Count
    at_work: _Count
    utilisation: Annotated[float, Field(ge=0, le=1)]
    leaving: bool = False
    kind: Literal["status"] = "status"


Answer = Taken | Heard | Refused | Status


def packed(header: Header, pcm: Pcm) -> bytes:
    """A request; samples that came from 16 bits lose nothing."""
    text = json.dumps(asdict(header)).encode()
    samples: bytes = (
        np.clip(np.rint(pcm * np.float32(32768.0)), -32768, 32767).astype(_SAMPLE).tobytes()
    )
    return _LENGTH.pack(len(text)) + text + samples


def unpacked(message: bytes) -> tuple[Header, Pcm]:
    """A request.

    Raises:
        Unreadable: it is none, or its audio is longer than ``LONGEST_S``.
    """
    if len(message) < _LENGTH.size:
        raise Unreadable("it is too short")
    (length,) = _LENGTH.unpack_from(message)
    if length > MOST_HEADER:
        raise Unreadable("its header is too long")
    start = _LENGTH.size + length
    samples = len(message) - start
    if samples < 0 or samples % _SAMPLE.itemsize:
        raise Unreadable("it is cut off")
    if samples > LONGEST_S * SAMPLE_RATE * _SAMPLE.itemsize:
        raise Unreadable("its audio is too long")
    header = _read(_HEADER, message[_LENGTH.size : start])
    pcm = np.frombuffer(message, _SAMPLE, offset=start).astype(np.float32) / np.float32(32768.0)
    return header, pcm


def said(answer: Answer) -> bytes:
    """An answer, or a status."""
    return json.dumps(asdict(answer), ensure_ascii=False, default=float).encode()


def answer(message: bytes) -> Answer:
    """An answer, or a status.

    Raises:
        Unreadable: it is none.
    """
    read: Answer = _read(_ANSWER, message)
    if isinstance(read, Heard) and not all(map(math.isfinite, _moments(read.hypothesis))):
        raise Unreadable("hypothesis: a moment is none")
    return read


def _moments(heard: Hypothesis) -> Iterator[float]:
    yield from (heard.start, heard.end)
    for word in heard.words:
        yield from (word.start, word.end)


def _read(reader: TypeAdapter[Any], message: bytes) -> Any:
    try:
        return reader.validate_json(message)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"] if isinstance(part, int | str))
        raise Unreadable(f"{where[:60] or 'it'}: {first['type']}") from None


_HEADER: Final = TypeAdapter(Header)
_ANSWER: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
