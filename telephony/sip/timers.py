"""Shorter SIP timers than PJSIP's.

A request that nothing answers holds one of the process's few calls for 64·T1 = 32 s
(RFC 3261, timers B and F). PJSUA2 has no setting for it; the structure it is read from is
exported, and is looked for by its contents, so that another layout changes nothing.
"""

from __future__ import annotations

import ctypes
import logging
import struct

from telephony.sip.library import library

log = logging.getLogger(__name__)

UNANSWERED_MS = 8_000
"""How long a request is repeated: 0, 0.5, 1.5, 3.5 and 7.5 s."""

_KNOWN = struct.pack("=4I", 500, 4_000, 5_000, 32_000)
"""T1, T2, T4 and the timeout, in milliseconds, as they stand side by side."""
_WITHIN = 128


def shorten() -> bool:
    """Before PJSIP starts; False when the timers are not where they are known to be."""
    try:
        start = (ctypes.c_char * _WITHIN).in_dll(library, "pjsip_sip_cfg_var")
    except ValueError:
        log.warning("PJSIP's timers are not found: a dead trunk holds a call for 32 s")
        return False
    at = bytes(start.raw).find(_KNOWN)
    if at < 0:
        log.warning("PJSIP's timers are not known: a dead trunk holds a call for 32 s")
        return False
    changed = struct.pack("=I", UNANSWERED_MS)
    ctypes.memmove(ctypes.addressof(start) + at + len(_KNOWN) - len(changed), changed, 4)
    return True
