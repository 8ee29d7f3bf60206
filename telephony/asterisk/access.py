"""Where Asterisk is, who we are there, and how our things there are named."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

OURS = "vb-"
"""Ids of all channels and bridges that we make begin so; callers' channels never do."""

HEARTBEAT = "voicebot-alive"
"""ARI user event by which the watchdog knows that we live and are connected."""

ACTIVE = "VOICEBOT_ACTIVE"
"""Global variable that the instance with the application changes every second; an instance
that stands by sees in it that the other one is gone."""

CALLED = "called-"
"""Ids of channels to people whom we call begin so; they are callers once they answer."""

BRIDGE, LEG = f"{OURS}call-", f"{OURS}leg-"
VOICE, EAR, SNOOP = f"{OURS}voice-", f"{OURS}ear-", f"{OURS}snoop-"


@dataclass(frozen=True, slots=True)
class AsteriskAccess:
    """Access to one Asterisk.

    Parameters:
        url: ARI's address, such as http://127.0.0.1:8088/ari.
        user, password: of ari.conf.
        app: our Stasis application.
        watchdog_app: the watchdog's, to which we say that we live.
        fallback_context: dialplan context whose extension s keeps a caller connected to
            humans without us.
        trunks: PJSIP endpoints that may be dialled.
        refer_context: dialplan context that sends a REFER (`transfer`); "": there is none,
            and no blind transfer.
        tls_ca: certificates (PEM) that Asterisk's own is checked with, such as a self-signed
            one; "": those of the system.
        acknowledge_key: the key by which a desk says that it has the call (按键确认).
    """

    url: str
    user: str
    password: str = field(repr=False)
    app: str = "voicebot"
    watchdog_app: str = "voicebot-watchdog"
    fallback_context: str = "voicebot-fallback"
    trunks: tuple[str, ...] = ("police", "seats")
    refer_context: str = ""
    tls_ca: str = ""
    acknowledge_key: str = "1"

    @property
    def events_url(self) -> str:
        """WebSocket of ARI's events."""
        return f"{_websocket(self.url)}/events"

    def tls(self) -> ssl.SSLContext | None:
        """How Asterisk is known by https; None for http.

        Errors: OSError when `tls_ca` cannot be read (ssl.SSLError is one).
        """
        if urlsplit(self.url).scheme != "https":
            return None
        return ssl.create_default_context(cafile=self.tls_ca or None)

    def media_url(self, connection: str) -> str:
        """WebSocket of the audio of one chan_websocket connection."""
        return f"{_websocket(self.url).removesuffix('/ari')}/media/{connection}"


def _websocket(url: str) -> str:
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))
