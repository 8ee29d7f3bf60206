"""The one UDP address before all media processes: a stateless proxy (RFC 3261, 16.11).

It sees the INVITE of a call and what belongs to that one transaction; everything later
goes straight to the process, whose own address is in its Contact. So calls that are up
do not depend on it, and it may die with the main process. A call that no process has
room for is refused here, 503 with Retry-After, before it costs anything.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import cast

import structlog

from telephony.sip.datagram import (
    Datagram,
    forwarded,
    has_dialog,
    malformed,
    read,
    reply,
    returned,
)
from telephony.sip.settings import SipSettings

log = structlog.get_logger()

RETRY_AFTER_S = 5
LARGEST = 3900
"""Bytes; PJSIP cuts a datagram at 4000, and aborts on an INVITE that was cut."""
MOST_ROUTES = 10_000
"""Calls whose process is remembered; the oldest is forgotten first."""

_METHODS = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "PRACK", "INFO", "NOTIFY"})


class Front(asyncio.DatagramProtocol):
    """Parameters:
    choose: the port of a process for a new call's Call-ID; None when there is no room.
    ports: of the processes that are up.
    coming: a process will be up in a moment.
    """

    def __init__(
        self,
        settings: SipSettings,
        choose: Callable[[str], int | None],
        ports: Callable[[], Collection[int]],
        coming: Callable[[], bool],
    ) -> None:
        self._settings, self._choose, self._ports = settings, choose, ports
        self._coming = coming
        self._routes: OrderedDict[str, int] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._own = ""
        self.port = 0
        self.dropped = 0
        """Datagrams that were no SIP message, or none of ours."""

    @classmethod
    async def open(
        cls,
        settings: SipSettings,
        choose: Callable[[str], int | None],
        ports: Callable[[], Collection[int]],
        coming: Callable[[], bool],
    ) -> Front:
        """Errors: OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        _, front = await loop.create_datagram_endpoint(
            lambda: cls(settings, choose, ports, coming), local_addr=(settings.host, settings.port)
        )
        return front

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]
        self._own = f"{self._settings.host}:{self.port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        source = (addr[0], addr[1])
        message = read(data)
        if message is None:
            self.dropped += bool(data.strip())  # an empty line keeps a NAT open
        elif message.method:
            self._request(message, source)
        else:
            self._response(message, source)

    def _response(self, message: Datagram, source: tuple[str, int]) -> None:
        ours = source[0] == self._settings.host and source[1] in self._ports()
        out = returned(message, self._own) if ours else None
        if out is None:
            self.dropped += 1
        else:
            self._send(out[0], out[1])

    def _request(self, message: Datagram, source: tuple[str, int]) -> None:
        if not self._settings.is_peer(f"{source[0]}:{source[1]}"):
            log.warning("sip_stranger_refused")
            self._refuse(message, source, 403, "Forbidden")
            return
        if message.method == "OPTIONS" and not has_dialog(message):
            # A trunk asks whether we are there.
            code, reason = (200, "OK") if self._ports() else (503, "Service Unavailable")
            self._refuse(message, source, code, reason)
            return
        if message.method not in _METHODS:
            allow = "Allow: " + ", ".join(sorted(_METHODS | {"OPTIONS"}))
            self._refuse(message, source, 405, "Method Not Allowed", allow)
            return
        if malformed(message):
            self._refuse(message, source, 400, "Bad Request")
            return
        out = forwarded(message, self._own, source)
        if out is None:
            self._refuse(message, source, 483, "Too Many Hops")
        elif len(out.to_bytes()) > LARGEST:
            self._refuse(message, source, 513, "Message Too Large")
        elif (port := self._route(message, source)) is not None:
            self._send(out, (self._settings.host, port))

    def _route(self, message: Datagram, source: tuple[str, int]) -> int | None:
        """The process that this request is for; None when there is none: it was refused, or
        is left to its next retransmission.
        """
        sip_id = message.first("call-id")
        port = self._routes.get(sip_id)
        if port in self._ports():
            return port
        if message.method != "INVITE" or has_dialog(message):
            self._refuse(message, source, 481, "Call/Transaction Does Not Exist")
            return None
        # As PJSUA2 reads it, who reports the call by it.
        port = self._choose(sip_id.encode("latin-1").decode(errors="surrogateescape"))
        if port is None and self._coming():
            return None
        if port is None:
            later = f"Retry-After: {RETRY_AFTER_S}"
            self._refuse(message, source, 503, "Service Unavailable", later)
            return None
        self._routes[sip_id] = port
        while len(self._routes) > MOST_ROUTES:
            self._routes.popitem(last=False)
        return port

    def _refuse(
        self, message: Datagram, source: tuple[str, int], code: int, reason: str, *extra: str
    ) -> None:
        if message.method != "ACK":  # which nobody answers
            self._send(reply(message, code, reason, source, *extra), source)

    def _send(self, message: Datagram, target: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(message.to_bytes(), target)
