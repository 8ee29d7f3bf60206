"""PJSUA's C functions that its Python module leaves out; the wheel exports them."""

from __future__ import annotations

import ctypes

import pjsua2 as pj

library = ctypes.CDLL(pj._pjsua2.__file__)


def held_calls() -> int:
    """Calls that PJSIP holds, those included whose last request nothing has answered yet."""
    return int(library.pjsua_call_get_count())


def is_up(slot: int) -> bool:
    """A call is up under this id of PJSIP, which uses its ids again at once."""
    return bool(library.pjsua_call_is_active(slot))
