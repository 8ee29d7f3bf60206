"""What PJSIP does not survive is kept from it, by whatever way it comes.

PJSIP is built with assertions, and aborts with its calls on some requests that no telephone sends,
and on a key that some gateways send. A module of ours (`pjsip_module` of sip_module.h) stands
before its transactions and sees every request: one that is malformed goes no further, and the
body of an INFO is written anew.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import re
import struct

from telephony.sip.datagram import malformed, read
from telephony.sip.info_keys import key_in, written
from telephony.sip.library import library

log = logging.getLogger(__name__)

_AFTER_TRANSPORTS = 12
"""Priority: transports are at 8, transactions at 16."""
_PACKET = 4320
"""Bytes of a received message up to its packet's end; the packet has 4000 of them."""
_FIELDS = struct.Struct("=24Q")
"""What follows it; the address of the message within the packet is among it."""
_BEFORE_BODY = re.compile(rb"(?>\r\n?|\n)(?>\r\n?|\n)")
"""The empty line, of any line ends that PJSIP takes for one."""

_TOLD_EVERY = 1000
"""Malformed requests: whoever sends them does not fill the log."""

_dropped = itertools.count(1)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class _Module(ctypes.Structure):
    _fields_ = (
        ("list", ctypes.c_void_p * 2),
        ("name", ctypes.c_char_p),
        ("name_length", ctypes.c_ssize_t),
        ("id", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("load_start_stop_unload", ctypes.c_void_p * 4),
        ("on_rx_request", _Callback),
        ("others", ctypes.c_void_p * 4),
    )


def stand() -> None:
    """Once PJSUA is initialised; to the end of the process."""
    library.pjsua_get_pjsip_endpt.restype = ctypes.c_void_p
    endpoint = ctypes.c_void_p(library.pjsua_get_pjsip_endpt())
    if library.pjsip_endpt_register_module(endpoint, ctypes.byref(_module)) != 0:
        log.error("PJSIP takes no module: malformed requests may end this process")


def is_survived(request: bytes) -> bool:
    """PJSIP may see it."""
    message = read(request)
    return message is not None and not malformed(message)


def readable(request: bytes, room: int) -> bytes:
    """An INFO, not shorter than it was, whose body PJSUA can read; it holds a key or nothing.

    Parameters:
        room: bytes that it may have, with a NUL at its end if it becomes longer.
    """
    if (empty := _BEFORE_BODY.search(request)) is None:
        return request
    head, old = request[: empty.end()], request[empty.end() :]
    new = written(key_in(old.decode("latin-1")))
    if len(head) + len(new) + 1 > room and len(new) > len(old):
        new = b""
    return head + new.ljust(len(old), b"\r")


def _looked_at(received: int) -> int:
    """1 keeps a request (pjsip_rx_data) from the rest of PJSIP."""
    found = _message(received)
    if found is None:
        log.error("a request is not where it is known to be in PJSIP's memory")
        return 0
    start, length = found
    request = ctypes.string_at(start, length)
    if not is_survived(request):
        if (number := next(_dropped)) % _TOLD_EVERY == 1:
            log.warning("malformed requests are dropped, this is number %d", number)
        return 1
    if request.startswith(b"INFO "):
        after = ctypes.string_at(start + length, 1)
        room = length if after != b"\0" else received + _PACKET - start
        new = readable(request, room)
        if len(new) > length:
            new += b"\0"
        ctypes.memmove(start, new, len(new))
    return 0


def _message(received: int) -> tuple[int, int] | None:
    """Address and length of the text, looked for by what it is: another layout changes nothing."""
    fields = _FIELDS.unpack(ctypes.string_at(received + _PACKET, _FIELDS.size))
    for each, following in itertools.pairwise(fields):
        length = following & 0xFFFFFFFF
        if received < each < received + _PACKET and 0 < length <= received + _PACKET - each:
            return each, length
    return None


_module = _Module(
    name=b"voicebot-guard",
    name_length=14,
    id=-1,
    priority=_AFTER_TRANSPORTS,
    on_rx_request=_Callback(_looked_at),
)
