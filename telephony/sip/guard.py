"""What PJSIP does not survive is kept from it, by whatever way it comes.

PJSIP is built with assertions, and aborts with its calls on some messages that no telephone sends,
and on a key that some gateways send. A module of ours (`pjsip_module` of sip_module.h) stands
before its transactions and sees every message: one that is malformed goes no further, the body of
an INFO is written anew, and that of a provisional response is hidden where it is no sure answer:
PJSUA gives up a call whose early answer it cannot use, and aborts when the next one is good.
"""

from __future__ import annotations

import ctypes
import logging
import re
import struct
from collections.abc import Callable

from telephony.sip.datagram import Datagram, malformed, read
from telephony.sip.info_keys import key_in, written
from telephony.sip.library import library
from telephony.sip.sdp import is_sure_answer

log = logging.getLogger(__name__)

_NAME, _AFTER_TRANSPORTS = b"voicebot-guard", 12
"""Priority: transports are at 8, transactions at 16."""
_PACKET = 4320
"""Bytes of a received message up to its packet's end; the packet has 4000 of them."""
_FIELDS = struct.Struct("=24Q")
"""What follows it; the address of the message within the packet is among it."""
_BEFORE_BODY = re.compile(rb"(?>\r\n?|\n)(?>\r\n?|\n)")
"""The empty line, of any line ends that PJSIP takes for one."""

_TOLD_EVERY = 1000
"""Malformed messages: whoever sends them does not fill the log."""
_BODY, _DATA = 104, 80
"""Where a message (pjsip_msg) has its body, and a body (pjsip_msg_body) its text."""

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
        ("on_rx_response", _Callback),
        ("others", ctypes.c_void_p * 3),
    )


class Guard:
    """Stands from `stand` on, and must live as long as PJSIP.

    Parameters:
        profile: of our offers, RTP/AVP or RTP/SAVP.
        give_up: asked about each answer by its Call-ID: ends a call that cannot bear one, and is
            True then.
    """

    def __init__(self, profile: str, give_up: Callable[[str], bool]) -> None:
        self._profile, self._give_up = profile, give_up
        self._dropped = 0
        look = _Callback(self._look)
        self._module = _Module(
            name=_NAME,
            name_length=len(_NAME),
            id=-1,
            priority=_AFTER_TRANSPORTS,
            on_rx_request=look,
            on_rx_response=look,
        )

    def stand(self) -> None:
        """Once PJSUA is initialised."""
        endpoint = library.pjsua_get_pjsip_endpt()
        if library.pjsip_endpt_register_module(endpoint, ctypes.byref(self._module)) != 0:
            log.error("PJSIP takes no module: malformed messages may end this process")

    def _look(self, received: int) -> int:
        """1 keeps a message (pjsip_rx_data) from the rest of PJSIP."""
        try:
            return int(self._keeps(received))
        except Exception:
            log.exception("a message could not be looked at")
            return 0

    def _keeps(self, received: int) -> bool:
        found = _message(received)
        if found is None:
            log.error("a message is not where it is known to be in PJSIP's memory")
            return False
        start, length, parsed = found
        data = ctypes.string_at(start, length)
        message = survived(data)
        if message is None:
            self._dropped += 1
            if self._dropped % _TOLD_EVERY == 1:
                log.warning("malformed messages are dropped, this is number %d", self._dropped)
            return True
        if message.method == "INFO":
            after = ctypes.string_at(start + length, 1)
            new = readable(data, length if after != b"\0" else received + _PACKET - start)
            new += b"\0" * (len(new) > length)
            ctypes.memmove(start, new, len(new))
        elif message.answers_an_invite:
            if self._give_up(message.first("call-id")):
                return True
            if message.code < 200 and not is_sure_answer(message.body, self._profile):
                _take_body(parsed, range(start, start + length + 1))
        return False


def survived(data: bytes) -> Datagram | None:
    """A request or response that PJSIP may see; None for one that it may not."""
    message = read(data)
    return None if message is None or malformed(message) else message


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


def _take_body(message: int, packet: range) -> None:
    """A message (pjsip_msg) has none from now on."""
    place = ctypes.c_void_p.from_address(message + _BODY)
    if place.value and ctypes.c_void_p.from_address(place.value + _DATA).value in packet:
        place.value = None


def _message(received: int) -> tuple[int, int, int] | None:
    """Address and length of the text, looked for by what it is (another layout changes nothing),
    and the parsed message (pjsip_msg), whose address follows them.
    """
    fields = _FIELDS.unpack(ctypes.string_at(received + _PACKET, _FIELDS.size))
    for start, following, parsed in zip(fields, fields[1:], fields[2:], strict=False):
        length = following & 0xFFFFFFFF
        if received < start < received + _PACKET and 0 < length <= received + _PACKET - start:
            return start, length, parsed
    return None
