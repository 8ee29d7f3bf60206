"""Whose trace the running task belongs to; loads nothing of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Protocol


class WriteTrace(Protocol):
    """What the records need of a call's trace."""

    def writing(
        self, operation: str, confirmed: Coroutine[Any, Any, bool]
    ) -> Coroutine[Any, Any, bool]:
        """The same write, with a span of it."""
        ...


TRACE: ContextVar[WriteTrace | None] = ContextVar("voicebot_trace", default=None)
"""Of the call whose task this is; None: not traced."""
