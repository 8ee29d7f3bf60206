"""What the records can complain of.

VoicebotError
└── RecordsError
    ├── RecordsUnavailable   the database cannot be opened, read or brought up to date
    └── CodecError           a logged event or action is not of this version
"""

from __future__ import annotations

from voicebot.errors import VoicebotError


class RecordsError(VoicebotError):
    """The records cannot do what was asked."""

    code = "records.error"


class RecordsUnavailable(RecordsError):
    """The database cannot be opened, read or brought up to date."""

    code = "records.unavailable"


class CodecError(RecordsError):
    """A logged event or action cannot be read by this version."""

    code = "records.codec"
