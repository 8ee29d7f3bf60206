"""Strategies that begin with something whole and spoil it: random bytes alone get nowhere."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

LARGEST = 256 * 1024
"""Bytes; a case does not grow beyond it."""

_EXTREMES = (b"\x00", b"\xff", b"\x7f\xff", b"\x80\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80")
_WORDS = (
    b"\x00", b"\r\n", b"\n", b'"', b"'", b",", b";", b"{", b"}", b"[", b"]", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xd5\xc5", b"%00", b"%d", b"-1", b"99999999999999999999", b"1e999", b"NaN",
    b"\\ud800", "\u4e2d".encode(), "\U0001f642".encode(), b"A" * 300, b"../", b"\x1b",
)  # fmt: skip
_PLACE = st.integers(0, 2**16 - 1)

Edit = tuple[int, int, int, bytes]


def mutated(samples: Sequence[bytes], words: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """One of `samples` after a few edits; `words` mean something to the parser."""
    pieces = st.binary(max_size=12) | st.sampled_from((*words, *_WORDS, *_EXTREMES))
    edits = st.lists(st.tuples(st.integers(0, 6), _PLACE, _PLACE, pieces), max_size=8)
    whole = st.sampled_from(list(samples))
    return st.builds(edited, whole, whole, edits)


def edited(sample: bytes, other: bytes, edits: Sequence[Edit]) -> bytes:
    """`sample` after the edits; some put in parts of `other`."""
    data = bytearray(sample)
    for kind, place, length, piece in edits:
        at = place * (len(data) + 1) >> 16
        end = min(len(data), at + 1 + length % 97)
        match kind:
            case 0:
                data[at : at + len(piece)] = piece
            case 1:
                data[at:at] = piece
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * (1 + length % 50)
            case 4:
                del data[at:]
            case 5:
                data[at:] = other[length * len(other) >> 16 :]
            case 6 if at < len(data):
                data[at] ^= piece[0] if piece else 1
        del data[LARGEST:]
    return bytes(data)


ODD: SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**40, -(2**63) - 1,
            1e308, -1e308, float("inf"), float("nan"), 0.1, "", " ", "\x00", "\ud800", "\u202e",
            "\U0001f642", "0", "-1", "a" * 5000, "\uff11" * 6, "2026-02-30T25:61:61Z", [], {},
            [[]], [None] * 50, {"": ""}, {"a": {"a": {"a": {}}}},
        ]
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=3) | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)  # fmt: skip
"""Values that are seldom thought of."""

Change = tuple[int, int, Any]


def changed_json(samples: Sequence[Any]) -> SearchStrategy[Any]:
    """A JSON value: one of `samples` with values replaced, removed, renamed or put in."""
    changes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 999), ODD), max_size=5)
    return st.builds(changed, st.sampled_from(list(samples)), changes)


def changed(sample: Any, changes: Sequence[Change]) -> Any:
    value = copy.deepcopy(sample)
    for kind, where, odd in changes:
        found = list(_places(value))
        if not found:
            return odd
        container, key = found[where % len(found)]
        odd = copy.deepcopy(odd)  # hypothesis gives the same object again
        if kind == 0:
            container[key] = odd
        elif kind == 1:
            del container[key]
        elif isinstance(container, dict):
            container[odd if kind == 2 and isinstance(odd, str) else f"{key}x"] = copy.deepcopy(
                container[key]
            )
        else:
            container.insert(key, odd)
    return value


def json_text(samples: Sequence[Any]) -> SearchStrategy[bytes]:
    """JSON as bytes, mostly whole: with NaN, lone surrogates as escapes, names given twice."""
    plain = changed_json(samples).map(lambda value: json.dumps(value).encode())
    texts = [json.dumps(each, ensure_ascii=False).encode() for each in samples]
    deep = st.integers(1, 2000).map(lambda n: b"[" * n * 50)
    return plain | plain | mutated(texts) | st.binary(max_size=60) | deep


def _places(value: Any) -> Any:
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield value, key
        yield from _places(value[key])
