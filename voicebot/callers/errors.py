"""What may be refused about callers."""

from __future__ import annotations

from voicebot.errors import VoicebotError


class CallersError(VoicebotError):
    """It cannot be done as asked; the message says what to do."""

    code = "voicebot.callers"


class NotKnown(CallersError):
    """There is no limit or missed call of this name."""

    code = "voicebot.callers.not_known"
