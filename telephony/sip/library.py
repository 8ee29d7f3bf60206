"""PJSUA's C functions that its Python module leaves out; the wheel exports them."""

from __future__ import annotations

import ctypes

import pjsua2 as pj

library = ctypes.CDLL(pj._pjsua2.__file__)


def held_calls() -> int:
    """Calls that PJSIP holds, those included whose last request nothing has answered yet."""
    return int(library.pjsua_call_get_count())
