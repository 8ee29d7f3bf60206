"""Messages between the service and its ear process: length, kind, call, and what belongs to it.

Little-endian structures, for each packet of each call makes two of them. What the process answers
is read with care, since it works on strangers' audio in native code; it trusts us, whose first
message is a pickled function.
"""

from __future__ import annotations

import json
import struct
from enum import IntEnum

from asr.distress import Kind, Mark
from voicebot.call.caller_ear import Listened, ListenerFault, Sensed

MOST_BYTES = 16 << 20
"""Of one message: eight minutes of audio."""

_HEAD = struct.Struct("<IBI")
"""Bytes of what follows, kind, call."""
_KIND = struct.Struct("<BI")
_SENSED = struct.Struct("<HHB")
"""Frames, bytes of marks, what there is of the listener."""
_FRAME = struct.Struct("<dH")
_LISTENED = struct.Struct("<dH")
"""Start, and how many ends follow."""


class Ask(IntEnum):
    """To the process. Each is answered, but for `OPEN` and `CLOSE`."""

    LOAD = 0
    OPEN = 1
    HEAR = 2
    """int16 samples."""
    PASS = 3
    """The same, which the listener does not hear."""
    FINISH = 4
    CUT = 5
    CLOSE = 6
    PING = 7


class Tell(IntEnum):
    """From the process."""

    LOADED = 0
    NOT_LOADED = 1
    """Why, for people."""
    SENSED = 2
    SETTLED = 3
    FAULT = 4
    """The class of what the listener raised when it was to settle."""
    FAILED = 5
    """The class of what else was raised."""
    PONG = 6


class Nonsense(ValueError):
    """What came is no message of ours."""


class _Newest(IntEnum):
    """Of the listener, in an answer."""

    NONE = 0
    SAME = 1
    NEW = 2
    FAULT = 3


def message(kind: Ask | Tell, call: int = 0, content: bytes = b"") -> bytes:
    """One whole message."""
    return _HEAD.pack(_KIND.size + len(content), kind, call) + content


class Inbox:
    """Messages out of a stream of bytes, of which `space` takes what comes next."""

    def __init__(self) -> None:
        self._buffer = bytearray(1 << 18)
        self._view = memoryview(self._buffer)
        self._filled = 0

    def space(self) -> memoryview:
        """Room for the next bytes; never empty."""
        if self._filled == len(self._buffer):
            grown = bytearray(2 * len(self._buffer))
            grown[: self._filled] = self._buffer
            self._buffer, self._view = grown, memoryview(grown)
        return self._view[self._filled :]

    def filled(self, count: int) -> list[tuple[int, int, bytes]]:
        """So many bytes were put there: (kind, call, content) of each message that is whole now.

        Raises:
            Nonsense: there is one of an impossible length.
        """
        end, at, found = self._filled + count, 0, []
        while end - at >= _HEAD.size:
            length, kind, call = _HEAD.unpack_from(self._buffer, at)
            if not _KIND.size <= length <= MOST_BYTES:
                raise Nonsense(f"a message of {length} bytes")
            after = at + 4 + length
            if after > end:
                break
            found.append((kind, call, bytes(self._view[at + _HEAD.size : after])))
            at = after
        if at:
            self._buffer[: end - at] = self._buffer[at:end]
        self._filled = end - at
        return found


def pack_sensed(sensed: Sensed, before: Listened | None) -> bytes:
    """An answer to audio.

    Parameters:
        before: what was told of the listener last; the same again is not repeated.
    """
    frames, marks, listened = sensed
    marked = b""
    if marks:
        marked = json.dumps([(m.kind, m.confidence, m.start, m.end) for m in marks]).encode()
    what, tail = _Newest.NONE, b""
    if isinstance(listened, ListenerFault):
        what, tail = _Newest.FAULT, str(listened).encode()
    elif listened is not None:
        what = _Newest.SAME if listened == before else _Newest.NEW
        tail = pack_listened(listened) if what is _Newest.NEW else b""
    return b"".join(
        (
            _SENSED.pack(len(frames), len(marked), what),
            *(_FRAME.pack(*frame) for frame in frames),
            marked,
            tail,
        )
    )


def unpack_sensed(content: bytes, before: Listened | None) -> Sensed:
    """The answer again.

    Parameters:
        before: the last one's.

    Raises:
        Nonsense: it is none.
    """
    try:
        count, marked, what = _SENSED.unpack_from(content)
        at = _SENSED.size
        after = at + count * _FRAME.size
        frames = list(_FRAME.iter_unpack(content[at:after])) if count else []
        marks = tuple(_mark(*each) for each in json.loads(content[after : after + marked])) \
            if marked else ()  # fmt: skip
    except (struct.error, ValueError, TypeError):
        raise Nonsense("audio is not answered like this") from None
    tail = content[after + marked :]
    if what == _Newest.SAME and before is not None:
        return Sensed(frames, marks, before)
    if what == _Newest.NEW:
        return Sensed(frames, marks, unpack_listened(tail))
    if what == _Newest.FAULT:
        return Sensed(frames, marks, ListenerFault(text(tail)))
    if what == _Newest.NONE:
        return Sensed(frames, marks, None)
    raise Nonsense(f"the listener is not {what}")


def _mark(kind: str, confidence: float, start: float, end: float) -> Mark:
    return Mark(Kind(kind), float(confidence), float(start), float(end))


def pack_listened(listened: Listened) -> bytes:
    """Start, ends, syllables; a syllable holds no space."""
    syllables, start, ends = listened
    head = _LISTENED.pack(start, len(ends)) + struct.pack(f"<{len(ends)}d", *ends)
    return head + " ".join(syllables).encode()


def unpack_listened(content: bytes) -> Listened:
    """They again.

    Raises:
        Nonsense: they are none.
    """
    try:
        start, count = _LISTENED.unpack_from(content)
        ends = struct.unpack_from(f"<{count}d", content, _LISTENED.size)
    except struct.error:
        raise Nonsense("syllables are not told like this") from None
    return Listened(tuple(text(content[_LISTENED.size + 8 * count :]).split()), start, ends)


def text(content: bytes) -> str:
    """Raises:
    Nonsense: it is none.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Nonsense("no text") from None
