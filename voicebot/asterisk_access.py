"""Access to the configured Asterisk, for the endpoint and the watchdog."""

from __future__ import annotations

from telephony.asterisk.access import AsteriskAccess
from voicebot.config_telephony import Asterisk
from voicebot.errors import VoicebotError


class EndpointError(VoicebotError):
    """An endpoint's settings cannot be used."""

    code = "voicebot.endpoint"


def asterisk_access(settings: Asterisk) -> AsteriskAccess:
    """What the endpoint and the watchdog need to know of an Asterisk.

    Raises:
        EndpointError: the password file or the certificates cannot be read.
    """
    try:
        password = settings.read_password()
    except (OSError, IndexError):
        raise EndpointError(
            f"asterisk.password_file {settings.password_file} cannot be read; its first line "
            "must be the ARI password."
        ) from None
    access = AsteriskAccess(
        settings.url,
        settings.user,
        password,
        settings.app,
        settings.watchdog_app,
        settings.fallback_context,
        settings.trunks,
        settings.refer_context,
        settings.tls_ca,
    )
    try:
        access.tls()
    except OSError:
        raise EndpointError(
            f"asterisk.tls_ca {settings.tls_ca} cannot be read; it must hold certificates (PEM)."
        ) from None
    return access
