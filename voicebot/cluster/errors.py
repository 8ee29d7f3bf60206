"""What can be wrong between the processes of an installation.

BusError                NATS, or the process beyond it, has not done what was asked
├── BusSettingsError    its settings cannot be used
├── BusAway             there is no connection to NATS now
├── BusMessageTooLarge  the server takes no message of that size
├── NobodyAnswers       nobody takes such a request, or not within its time
└── Refused             whoever took it says no; ``code`` is his
"""

from __future__ import annotations

from voicebot.errors import VoicebotError


class BusError(VoicebotError):
    """NATS, or the process beyond it, has not done what was asked."""

    code = "voicebot.bus"


class BusSettingsError(BusError):
    """The token or the certificates of [nats] cannot be read."""

    code = "voicebot.bus.settings"


class BusAway(BusError):
    """There is no connection to NATS now."""

    code = "voicebot.bus.away"


class BusMessageTooLarge(BusError):
    """The server takes no message of that size."""

    code = "voicebot.bus.message_too_large"


class NobodyAnswers(BusError):
    """Nobody takes such a request, or he has not answered in time."""

    code = "voicebot.bus.nobody_answers"


class Refused(BusError):
    """Whoever took the request could not do it.

    Parameters:
        code: of his error.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"The other process refused: {code}.")
        self.code = code
