"""Settings of the SIP endpoint, as its processes share them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from telephony.errors import TelephonyError

SLOTS = 4
"""Calls, legs included, that one process can hold: the wheel's PJSUA_MAX_CALLS."""

MIN_CALLER_TIMEOUT_S = 3.5
"""An answer to our question takes up to 3 s of it."""

_TRUNK = re.compile(r"(?P<scheme>sips?):(?P<host>[A-Za-z0-9.\-\[\]:]+)(?P<rest>;[\w=;.-]+)?")


@dataclass(frozen=True, slots=True)
class SipSettings:
    """See voicebot.config_telephony.Sip, which checks what people write.

    Parameters:
        host, port: where calls are taken; port 0 takes a free one.
        transport: udp, tcp or tls.
        tls_ca: file of the authorities that trunks are checked against; "" checks nothing.
        srtp: off, optional or required.
        processes: media processes.
        callers_per_process: callers that one process takes; what is left of its `SLOTS`
            is for their legs, so that with 2 each caller always has room for 110.
        trunks: SIP address by trunk name.
        peers: addresses that calls are taken from; others get 403.
        police_peers: those that are the 110 trunk, as host or host:port.
        fallback: `NAME/NUMBER` dialled for a caller whose application is dead; "" for none.
        acknowledge_key: the key by which a desk says that it has the call (按键确认).
        music: WAV file (8 or 16 kHz mono) that a caller on hold hears; "" for soft tones.
        log_file: PJSIP's own log; "" for none. It may hold numbers.
        media_timeout_s: a leg that is off-hook and sends no audio for so long is lost; more
            for trunks that leave silence out without comfort noise.
        caller_timeout_s: a caller who sends no audio for so long, and does not answer when
            asked, is gone.
    """

    host: str = "127.0.0.1"
    port: int = 5062
    transport: str = "udp"
    tls_certificate: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    srtp: str = "off"
    processes: int = 1
    callers_per_process: int = 2
    trunks: Mapping[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ("127.0.0.1",)
    police_peers: tuple[str, ...] = ()
    fallback: str = ""
    acknowledge_key: str = "1"
    music: str = ""
    log_file: str = ""
    media_timeout_s: float = 2.0
    caller_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        if not 1 <= self.callers_per_process <= SLOTS:
            raise TelephonyError("bad_setting", f"callers_per_process must be 1 to {SLOTS}.")
        if not (0.5 <= self.media_timeout_s <= self.caller_timeout_s >= MIN_CALLER_TIMEOUT_S):
            raise TelephonyError(
                "bad_setting",
                "media_timeout_s must be at least 0.5, and caller_timeout_s at least "
                f"{MIN_CALLER_TIMEOUT_S:g} and not less than media_timeout_s.",
            )
        for name, address in self.trunks.items():
            if not _TRUNK.fullmatch(address):
                raise TelephonyError(
                    "bad_setting",
                    f"The SIP address of trunk {name!r} must be like sip:127.0.0.1:5110 "
                    "or sips:sbc.example;transport=tls.",
                )
        if self.fallback:
            self.uri(*self.fallback.partition("/")[::2])

    @property
    def front(self) -> bool:
        """Workers hide behind one port (`telephony.sip.front`)."""
        return self.transport == "udp"

    def uri(self, trunk: str, number: str) -> str:
        """The SIP URI of a number behind a trunk. Errors: TelephonyError `no_such_trunk`."""
        found = _TRUNK.fullmatch(self.trunks.get(trunk, ""))
        if not found or not number:
            raise TelephonyError(
                "no_such_trunk", f"There is no SIP trunk {trunk!r} in the settings ([sip.trunks])."
            )
        return f"{found['scheme']}:{number}@{found['host']}{found['rest'] or ''}"

    def is_peer(self, address: str) -> bool:
        """Calls are taken from `address`, a host:port."""
        return _host(address) in self.peers or address in self.peers

    def is_police(self, address: str) -> bool:
        """`address`, a host:port, is the 110 trunk."""
        return _host(address) in self.police_peers or address in self.police_peers

    def to_values(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> SipSettings:
        lists = {name: tuple(values[name]) for name in ("peers", "police_peers")}
        return cls(**{**values, **lists})


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
