"""How a conversation with a client ends before its time.

The codes of ``StreamError`` are part of the protocol: docs/asr-service.md lists them.
"""

from __future__ import annotations

from asr.errors import AsrError

GOING_AWAY, BAD_DATA, POLICY, FAULT = 1001, 1007, 1008, 1011
"""Close codes of RFC 6455, section 7.4.1."""


class StreamError(AsrError):
    """The client did what cannot be served; ``str()`` says what to do instead.

    Args:
        code: stable, for programs.
        message: one sentence, for people.
        close_code: of the WebSocket.
    """

    def __init__(self, code: str, message: str, *, close_code: int = POLICY) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code


class Stopping(Exception):
    """The service is being stopped: what was heard is answered, nothing more is taken."""
