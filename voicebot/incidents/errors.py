"""What can be wrong with an act on an incident.

VoicebotError
└── IncidentError
    ├── UnknownIncident       there is no open incident of this number
    └── AnnouncementRefused   the text, or who approves it, will not do
"""

from __future__ import annotations

from voicebot.errors import VoicebotError


class IncidentError(VoicebotError):
    """An act on an incident cannot be done."""

    code = "incident.refused"


class UnknownIncident(IncidentError):
    """There is no open incident of this number."""

    code = "incident.unknown"

    def __init__(self, incident: str) -> None:
        super().__init__(
            f"There is no open incident {incident}; `voicebot incidents list` shows them."
        )


class AnnouncementRefused(IncidentError):
    """The text, or who approves it, will not do."""

    code = "incident.announcement"
