"""110's ledger and messages, read from its platform page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date
from types import TracebackType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicebot.exchange.platform import PAGE, Platform, PlatformUnavailable
from voicebot.exchange.reconciliation.days import Days
from voicebot.exchange.reconciliation.entries import Entry, Sender
from voicebot.exchange.schema import Envelope

Name = Annotated[str, Field(min_length=1, max_length=128)]


class Line(BaseModel):
    """A line of their ledger, as `voicebot.exchange.reading.LINE` has it; the rest is theirs."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: Name
    sender: Sender
    kind: Name
    subject: Name
    sequence: int
    content_hash: str
    state: str
    sent_at: float
    at: float


class PlatformLedger:
    """`voicebot.exchange.reconciliation.running.OtherSide` over HTTP; use with ``with``.

    For a thread without an event loop: the platform is reached in one of its own.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._runner = asyncio.Runner()

    def __enter__(self) -> PlatformLedger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._runner.run(self._platform.__aexit__(kind, error, trace))
        finally:
            self._runner.close()

    def entries(self, days: Days) -> Iterator[Entry]:
        """Their lines of these days.

        Raises:
            PlatformUnavailable: it does not answer, or with lines that cannot be read.
        """
        for day in days:
            lines = self._platform.ledger(day)
            while page := self._runner.run(_next(lines)):
                for line in page:
                    yield _entry(line, day)

    def envelope(self, message_id: str) -> Envelope | None:
        """A message of theirs; None where it cannot be had now: the next run asks again."""
        try:
            return self._runner.run(self._platform.message(message_id))
        except PlatformUnavailable:
            return None


async def _next(lines: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    page = []
    async for line in lines:
        page.append(line)
        if len(page) == PAGE:
            break
    return page


def _entry(line: Any, day: date) -> Entry:
    try:
        return Entry(**Line.model_validate(line).model_dump())
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise PlatformUnavailable(
            f"110's ledger of {day} has a line without a sound {where or 'form'}; "
            "nothing was reconciled"
        ) from None
