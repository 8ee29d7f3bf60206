"""PJSUA's C functions that its Python module leaves out; the wheel exports them."""

from __future__ import annotations

import ctypes

import pjsua2 as pj

library = ctypes.CDLL(pj._pjsua2.__file__)
library.pjsip_tsx_get_dlg.argtypes = (ctypes.c_void_p,)
library.pjsip_tsx_get_dlg.restype = ctypes.c_void_p
library.pjsip_dlg_get_inv_session.argtypes = (ctypes.c_void_p,)
library.pjsip_dlg_get_inv_session.restype = ctypes.c_void_p
library.pjsip_inv_terminate.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
library.pjsua_get_pjsip_endpt.restype = ctypes.c_void_p
library.pjsip_endpt_register_module.argtypes = (ctypes.c_void_p, ctypes.c_void_p)

_REQUEST_TIMEOUT = 408


def held_calls() -> int:
    """Calls that PJSIP holds, those included whose last request nothing has answered yet."""
    return int(library.pjsua_call_get_count())


def is_up(slot: int) -> bool:
    """A call is up under this id of PJSIP, which uses its ids again at once."""
    return bool(library.pjsua_call_is_active(slot))


def session_of(transaction: int) -> int:
    """The INVITE session that a transaction of PJSIP belongs to; 0 for none."""
    dialog = library.pjsip_tsx_get_dlg(transaction)
    return int((dialog and library.pjsip_dlg_get_inv_session(dialog)) or 0)


def terminate(session: int) -> None:
    """Ends a session that is not over yet, and with it its call, without waiting for anybody."""
    library.pjsip_inv_terminate(session, _REQUEST_TIMEOUT, 1)
