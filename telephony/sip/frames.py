"""PCM in and out of PJSUA2's frames without a copy for each sample.

SWIG turns a `ByteVector` into bytes item by item: 160 µs for a frame of 20 ms, and 310 µs
at 16 kHz. Reading the vector's own memory takes 2 µs. That relies on how libstdc++ lays a
vector out (begin, end, capacity), so `pick` proves it on a known buffer first.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

log = logging.getLogger(__name__)

_POINTERS = ctypes.POINTER(ctypes.c_void_p)

Reader = Callable[[Any], bytes]
Writer = Callable[[Any, bytes], None]


def read_fast(vector: Any) -> bytes:
    """The content of a `pj.ByteVector`."""
    begin_end = ctypes.cast(int(vector.this), _POINTERS)
    begin, end = begin_end[0], begin_end[1]
    return ctypes.string_at(begin, end - begin) if begin else b""


def write_fast(vector: Any, data: bytes) -> None:
    """Makes `data` the content of a `pj.ByteVector`."""
    vector.resize(len(data))
    ctypes.memmove(ctypes.cast(int(vector.this), _POINTERS)[0], data, len(data))


def read_slowly(vector: Any) -> bytes:
    return bytes(vector)


def write_slowly(vector: Any, data: bytes) -> None:
    vector.clear()
    for value in data:
        vector.append(value)


def pick() -> tuple[Reader, Writer]:
    """The fast way when it gives back a known buffer, else the slow one with a warning."""
    known = bytes(range(256)) + b"\x00\xff" * 32
    # The layout is first looked at without following a pointer that might be none.
    if _layout_fits(known):
        there = pj.ByteVector()
        write_fast(there, known[::-1])
        if bytes(there) == known[::-1]:
            return read_fast, write_fast
    log.warning("the layout of std::vector is not known: frames are copied item by item")
    return read_slowly, write_slowly


def _layout_fits(known: bytes) -> bool:
    vector = pj.ByteVector(known)
    words = ctypes.cast(int(vector.this), _POINTERS)
    begin, end, capacity = (words[i] or 0 for i in range(3))
    if end - begin != len(known) or capacity < end or not begin:
        return False
    return read_fast(vector) == known
