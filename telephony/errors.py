"""Everything that telephony can complain of, each with a stable code.

TelephonyError
├── MediaStreamError    the other side's media messages are not what they should be
├── LegError            an outgoing leg to a desk could not be set up
├── CallError           a call could not be placed or answered
├── DeskError           the stand-in desk could not start or take a dossier
├── RecordingError      a two-channel recording could not be written
└── NotInDutyDirectory  a number outside the duty directory: it is never dialled

A message says what is wrong and what to do, and never holds a telephone number
or a token, so it may be logged as it is.
"""

from __future__ import annotations


class TelephonyError(Exception):
    """`code` is for machines and stays the same; `message` is a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MediaStreamError(TelephonyError):
    """The remote side broke the media-stream protocol."""


class LegError(TelephonyError):
    """A leg to a desk could not be set up; the next route should be tried."""


class CallError(TelephonyError):
    """A call cannot be placed, answered or gone on with."""


class DeskError(TelephonyError):
    """The stand-in desk cannot do what was asked."""


class RecordingError(TelephonyError):
    """The recording cannot be written; the call goes on without it."""


class NotInDutyDirectory(TelephonyError):
    """The number is not in the duty directory (值班号码表), so it is not dialled."""

    def __init__(self) -> None:
        super().__init__(
            "not_in_duty_directory",
            "This number is not in the duty directory, so it is not dialled; "
            "only an administrator can add a number there.",
        )
