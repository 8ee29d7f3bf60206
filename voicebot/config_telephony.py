"""Settings of the telephone side: endpoints, trunks, admission."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from telephony.access import is_loopback
from voicebot.config_base import Section


class Asterisk(Section):
    """[asterisk] The PBX that owns the calls (deploy/asterisk)."""

    url: str = ""
    """ARI's address, such as http://127.0.0.1:8088/ari; empty: no Asterisk."""
    user: str = "voicebot"
    password: SecretStr = SecretStr("")
    """ARI password; better in `password_file`."""
    password_file: str = ""
    """File whose first line is the ARI password, readable by the service alone."""
    tls_ca: str = ""
    """Certificates (PEM) that Asterisk's own is checked with over https, such as a self-signed
    one; empty: those of the system."""
    app: str = "voicebot"
    """Stasis application that calls are sent to."""
    watchdog_app: str = "voicebot-watchdog"
    """Stasis application of `voicebot watchdog`."""
    fallback_context: str = "voicebot-fallback"
    """Dialplan context (extension s) that keeps callers connected to humans without us."""
    refer_context: str = ""
    """Dialplan context that sends REFER (deploy/asterisk: voicebot-refer); empty: no blind
    transfers."""
    trunks: tuple[str, ...] = ("police", "seats")
    """PJSIP endpoints that `trunk:NAME/NUMBER` of the duty directory may name."""

    @model_validator(mode="after")
    def _reachable_safely(self) -> Asterisk:
        if not self.url:
            return self
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("asterisk.url must be like http://127.0.0.1:8088/ari")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                "asterisk.url: beyond this machine ARI is spoken only over TLS; use https://"
            )
        if not (self.password_file or self.password.get_secret_value()):
            raise ValueError("asterisk: set password_file (or password) of the ARI user")
        return self

    def read_password(self) -> str:
        """The ARI password. Raises OSError when the file cannot be read."""
        if self.password_file:
            return Path(self.password_file).expanduser().read_text("utf-8").splitlines()[0].strip()
        return self.password.get_secret_value()


class Sip(Section):
    """[sip] Direct SIP without a PBX (PJSUA2)."""

    enabled: bool = True
    """Answer SIP calls; needs the package pjsua2-python."""
    host: str = "127.0.0.1"
    port: int = Field(5062, ge=1, le=65535)
    transport: str = Field("udp", pattern="^(udp|tcp|tls)$")
    tls_certificate: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    """PEM file of the authorities that trunks are checked against; empty: not checked."""
    music: str = ""
    """WAV file (8 or 16 kHz mono) for callers on hold; empty: soft tones."""
    srtp: str = Field("off", pattern="^(off|optional|required)$")
    processes: int = Field(2, ge=1, le=64)
    """Media processes; each holds four calls, legs included."""
    callers_per_process: int = Field(2, ge=1, le=4)
    """Callers that one process takes; the rest of its four calls is for their legs."""
    trunks: dict[str, str] = Field(default_factory=dict)
    """SIP address by trunk name, such as police = "sip:127.0.0.1:5110"; what
    `trunk:NAME/NUMBER` of the duty directory may name."""
    peers: tuple[str, ...] = ("127.0.0.1",)
    """Addresses that calls are taken from."""
    police_peers: tuple[str, ...] = ()
    """Those of `peers` that are the 110 trunk, as host or host:port."""
    media_timeout_s: float = Field(2.0, ge=0.5)
    """A desk off-hook that sends nothing for so long is lost, seconds; more for trunks that
    suppress silence."""
    caller_timeout_s: float = Field(20.0, ge=3.5)
    """A caller who sends nothing for so long, and does not answer when asked, is gone."""
    fallback: str = ""
    """`NAME/NUMBER` that a process dials for its callers when the service is dead."""

    @model_validator(mode="after")
    def _encrypted_off_loopback(self) -> Sip:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("sip.tls_certificate and sip.tls_key belong together")
        if not is_loopback(self.host) and not (self.transport == "tls" and self.tls_certificate):
            raise ValueError(
                f"sip.host {self.host} is not a loopback address: set transport to tls with "
                "tls_certificate and tls_key, or host to 127.0.0.1"
            )
        return self


class AudioSocket(Section):
    """[audio_socket] Asterisk's AudioSocket, announced over POST /api/audiosocket."""

    port: int = Field(0, ge=0, le=65535)
    """TCP port; 0: none."""
    host: str = "127.0.0.1"
    """A loopback address: the protocol knows neither TLS nor tokens."""

    @model_validator(mode="after")
    def _on_loopback(self) -> AudioSocket:
        if not is_loopback(self.host):
            raise ValueError("audio_socket.host must be a loopback address")
        return self


class Admission(Section):
    """[admission] How many calls are answered at a time."""

    calls: int = Field(8, ge=1, le=1_000_000)
    """Calls that recogniser and speech keep up with on this machine, at most."""
    calls_at_least: int = Field(4, ge=1)
    """Calls that are taken however slow the recogniser was measured to be."""
    final_within_s: float = Field(1.5, gt=0)
    """Beyond them no more than leave 95 of 100 turns their final text so soon after their end, by
    what recognising was measured to take."""
    handoff_reserve: int = Field(2, ge=0)
    """Outgoing lines kept for hand-offs; a call is answered only while that many are left."""
    handoff_lines: int = Field(16, ge=1, le=1_000_000)
    """Outgoing lines there are."""
    per_number: int = Field(3, ge=1)
    """Calls of one number at a time; withheld numbers are not counted."""
    retry_after_s: int = Field(5, ge=1)
    """What a caller's switch is told when there is no room."""
    drain_s: float = Field(30.0, gt=0)
    """How long running calls may go on after SIGTERM before they are handed over."""
