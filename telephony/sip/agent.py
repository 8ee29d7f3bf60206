"""The PJSIP of a media process: transports, codecs, the account that calls arrive at."""

from __future__ import annotations

from collections.abc import Callable

import pjsua2 as pj

from telephony.sip.guard import Guard
from telephony.sip.settings import SLOTS, SipSettings
from telephony.sip.timers import shorten

BRIDGE_RATE = 16000
"""Hz of the conference bridge: G.722 keeps its width, G.711 is resampled by PJMEDIA."""

RTP_PORT, RTP_PORTS = 16384, 16000
"""First port of RTP, and how many from there on; below those that Linux gives out itself."""

_KINDS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}
_SRTP = {
    "off": pj.PJMEDIA_SRTP_DISABLED,
    "optional": pj.PJMEDIA_SRTP_OPTIONAL,
    "required": pj.PJMEDIA_SRTP_MANDATORY,
}
_CODECS = {"PCMA/8000": 250, "PCMU/8000": 240, "G722/16000": 230}


class IncomingAccount(pj.Account):  # type: ignore[misc]
    """Parameters: `offered` takes PJSIP's id and the text and source of each INVITE."""

    def __init__(self, offered: Callable[[int, str, str], None]) -> None:
        super().__init__()
        self._offered = offered

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        self._offered(prm.callId, prm.rdata.wholeMsg, prm.rdata.srcAddress)


class Agent:
    """Starts PJSIP with one transport and one account; everything on the calling thread.

    Parameters:
        port: where SIP is listened for; 0 for a free one.
        offered: takes each INVITE.
        give_up: ends a call that cannot bear the answer that has come (`guard.Guard`).

    Errors: pj.Error when the port is taken or the certificate cannot be read.
    """

    def __init__(
        self,
        settings: SipSettings,
        port: int,
        offered: Callable[[int, str, str], None],
        give_up: Callable[[str], bool],
    ) -> None:
        shorten()
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(_endpoint_config(settings))
        profile = "RTP/SAVP" if settings.srtp == "required" else "RTP/AVP"
        self._guard = Guard(profile, give_up)
        self._guard.stand()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 0)
        for name, priority in _CODECS.items():
            self.endpoint.codecSetPriority(name, priority)
        self._transport = self._listen(settings, settings.transport, port)
        self._clients(settings)
        self.endpoint.libStart()
        name = self.endpoint.transportGetInfo(self._transport).localName
        self.port = int(name.rpartition(":")[2])
        self.account = IncomingAccount(offered)
        self.account.create(_account_config(settings, self.port))

    def turn(self, wait_ms: int) -> None:
        """Lets PJSIP work for up to `wait_ms`."""
        self.endpoint.libHandleEvents(wait_ms)

    def stop_listening(self) -> None:
        """Leaves the port to another process; TCP and TLS connections go on."""
        self.endpoint.transportClose(self._transport)

    def _listen(self, settings: SipSettings, transport: str, port: int) -> int:
        config = pj.TransportConfig()
        config.boundAddress, config.port = settings.host, port
        if transport == "tls":
            config.tlsConfig.certFile = settings.tls_certificate
            config.tlsConfig.privKeyFile = settings.tls_key
            config.tlsConfig.CaListFile = settings.tls_ca
            config.tlsConfig.verifyServer = bool(settings.tls_ca)
            config.tlsConfig.method = pj.PJSIP_TLSV1_2_METHOD
        return int(self.endpoint.transportCreate(_KINDS[transport], config))

    def _clients(self, settings: SipSettings) -> None:
        """Transports that only the trunks need."""
        for transport in ("udp", "tcp", "tls"):
            needed = any(_transport_of(uri) == transport for uri in settings.trunks.values())
            if needed and transport != settings.transport:
                self._listen(settings, transport, 0)


def _transport_of(uri: str) -> str:
    if uri.startswith("sips:"):
        return "tls"
    found = uri.lower().partition(";transport=")[2].partition(";")[0]
    return found or "udp"


def _endpoint_config(settings: SipSettings) -> pj.EpConfig:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = False
    config.uaConfig.maxCalls = SLOTS
    config.uaConfig.userAgent = "voicebot"
    config.medConfig.clockRate = BRIDGE_RATE
    config.medConfig.audioFramePtime = 20
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    config.logConfig.consoleLevel = 0
    config.logConfig.level = 4 if settings.log_file else 0
    config.logConfig.msgLogging = bool(settings.log_file)
    config.logConfig.filename = settings.log_file
    return config


def _account_config(settings: SipSettings, port: int) -> pj.AccountConfig:
    config = pj.AccountConfig()
    scheme = "sips" if settings.transport == "tls" else "sip"
    config.idUri = f"{scheme}:voicebot@{settings.host}:{port}"
    config.mediaConfig.transportConfig.boundAddress = settings.host
    # Not the first free port: a telephone that died may have left somebody sending to it.
    config.mediaConfig.transportConfig.port = RTP_PORT
    config.mediaConfig.transportConfig.portRange = RTP_PORTS
    config.mediaConfig.transportConfig.randomizePort = True
    config.mediaConfig.srtpUse = _SRTP[settings.srtp]
    config.mediaConfig.srtpSecureSignaling = 0
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    return config
