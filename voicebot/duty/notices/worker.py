"""Tells people on duty until one of them acknowledges; runs in the service."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable

import httpx
import structlog

from voicebot.config_notices import Notices
from voicebot.duty.notices import content, queue
from voicebot.duty.notices.channels import TIMEOUT_S, NotDelivered, Outgoing, Way, ways
from voicebot.duty.notices.receipts import acknowledge, receipt_of
from voicebot.duty.notices.secret import receipt_token
from voicebot.duty.notices.telling import Alarm, Channel, Tell
from voicebot.exchange.outbox import retry_after
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

POLL_S = 0.5
WHOLE_S = 30.0
"""All that a message may take: shorter than `queue.LEASE_S`, or it would be sent twice."""
AT_ONCE = 8
"""Messages under way: a gateway that takes nothing leaves places for the others."""


class NoticeWorker:
    """``asyncio.create_task(NoticeWorker(records, settings, secret).run())``.

    Several may work on one database: what one has claimed the others leave.

    Parameters:
        secret: `voicebot.duty.notices.secret.notice_secret`.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        records: Records,
        settings: Notices,
        secret: bytes,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._settings, self._secret = records, settings, secret
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S,
            # A proxy of the environment must not see who called.
            trust_env=False,
            verify=ssl.create_default_context(),
        ) as client:
            channels = ways(client, self._settings, self._secret)
            try:
                while True:
                    try:
                        await self.advance(channels)
                        await self.send(channels)
                    except RecordsUnavailable:
                        pass  # the records say so in the log themselves
                    except Exception:
                        log.exception("notices_failed")
                    await asyncio.sleep(POLL_S)
            finally:
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def advance(self, channels: dict[Channel, Way]) -> None:
        """Of each notice that is due, the next person is told, or the alarm is raised."""
        for notice in await self._records.read(queue.due_notices, self._clock()):
            step = await self._records.in_background(
                queue.advance, notice, self._clock(), self._settings, channels
            )
            match step.what if step is not None else None:
                case Tell() as told:
                    assert step is not None
                    log.info(
                        "duty_told", notice=notice, line=step.line, channels=sorted(told.channels)
                    )
                case Alarm():
                    assert step is not None
                    log.error(
                        "duty_notice_unanswered",
                        notice=notice,
                        line=step.line,
                        region=step.region,
                        subject=step.subject,
                        waited_s=round(step.waited_s),
                    )

    async def send(self, channels: dict[Channel, Way]) -> None:
        """Starts to send what is due; does not wait for it."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            return
        due = await self._records.read(
            queue.due_messages, self._clock(), list(self._under_way), free
        )
        for message in due:
            self._under_way[message] = asyncio.create_task(self._attempt(message, channels))

    async def _attempt(self, message: str, channels: dict[Channel, Way]) -> None:
        try:
            await self._deliver(message, channels)
        except RecordsUnavailable:
            pass  # it comes up again when its lease is over
        except Exception:
            log.exception("notice_not_sent", message=message)
        finally:
            del self._under_way[message]

    async def _deliver(self, message: str, channels: dict[Channel, Way]) -> None:
        row = await self._records.in_background(queue.claim, message, self._clock())
        if row is None:
            return
        receipt = row["facts"]["receipt"]
        token = receipt_token(self._secret, receipt)
        outgoing = Outgoing(
            row["id"], row["address"], content.message(self._settings, row["facts"], token)
        )
        try:
            way = channels.get(row["channel"])
            if way is None:
                raise NotDelivered("the settings have no such channel any more")
            acknowledged = await _within(WHOLE_S, way, outgoing)
        except NotDelivered as error:
            attempts = row["attempts"] + 1
            again = self._clock() + retry_after(attempts, random.random())  # noqa: S311 - spreads
            log.warning("notice_retry", message=message, attempts=attempts, reason=str(error))
            await self._records.in_background(queue.failed, message, attempts, again, str(error))
            return
        await self._records.in_background(queue.delivered, message, self._clock())
        told = receipt_of(receipt)
        if acknowledged and told is not None:
            await self._records.in_background(acknowledge, *told, None, self._clock())


async def _within(seconds: float, way: Way, message: Outgoing) -> bool:
    """A server that keeps on answering a little holds up the others no longer than this."""
    try:
        async with asyncio.timeout(seconds):
            return await way.send(message)
    except TimeoutError:
        raise NotDelivered("it took too long") from None
