"""Delivers dossiers and notices to the duty desks: at least once, newest first to count.

What is to be delivered stands in the outbox table, so a restart loses nothing; what was
delivered twice has the same Idempotency-Key, so the desk keeps it once. A live transfer
never waits for any of this.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import structlog

from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records

log = structlog.get_logger()

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
TIMEOUT_S = 5.0
POLL_S = 0.5
ALARM_S = 60.0
"""A message older than this is an alarm for people, once a minute."""
MAX_AT_ONCE = 16


def retry_after(attempts: int, spread: float) -> float:
    """Seconds until the next attempt after `attempts` failures; `spread` in 0..1 is chance.

    Doubles from half a second to half a minute, and is spread by half, so that messages
    that failed together do not come back together.
    """
    pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** max(0, min(attempts, 32) - 1))
    return pause * (0.5 + spread / 2)


class OutboxWorker:
    """Delivers what is due until it is cancelled: ``asyncio.create_task(worker.run())``.

    Parameters:
        records: an opened `Records`.
        token: bearer token to show to the desks.
        transport: instead of the network, for tests.
    """

    def __init__(
        self,
        records: Records,
        token: str | None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._token = records, token
        self._transport, self._clock = transport, clock
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._alarmed: dict[int, float] = {}
        # What the table would say if it could be written just now.
        self._not_before: dict[int, float] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._wake.set)

        self._records.on_written(wake)
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S,
            transport=self._transport,
            # A proxy of the environment must not see dossiers.
            trust_env=False,
            verify=ssl.create_default_context(),
            headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
        ) as client:
            try:
                while True:
                    await self._deliver_due(client)
                    await self._pause()
            finally:
                for task in self._in_flight.values():
                    task.cancel()
                await asyncio.gather(*self._in_flight.values(), return_exceptions=True)

    async def _pause(self) -> None:
        self._wake.clear()
        try:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0.02)  # a burst of writes is one look at the table

    async def _deliver_due(self, client: httpx.AsyncClient) -> None:
        room = MAX_AT_ONCE - len(self._in_flight)
        if room <= 0:
            return
        try:
            due = await self._records.outbox(self._clock(), MAX_AT_ONCE)
        except RecordsUnavailable:
            return  # the records say so in the log themselves
        ids = {message["id"] for message in due}
        self._not_before = {id: at for id, at in self._not_before.items() if id in ids}
        for message in due:
            number = message["id"]
            if self._not_before.get(number, 0.0) > self._clock():
                continue
            if number not in self._in_flight and room > 0:
                room -= 1
                self._in_flight[number] = asyncio.create_task(self._attempt(client, message))

    async def _attempt(self, client: httpx.AsyncClient, message: Mapping[str, Any]) -> None:
        try:
            await self._deliver(client, message)
        finally:
            self._in_flight.pop(message["id"], None)

    async def _deliver(self, client: httpx.AsyncClient, message: Mapping[str, Any]) -> None:
        error = await self._post(client, message)
        if error is None:
            self._alarmed.pop(message["id"], None)
            self._not_before[message["id"]] = float("inf")
            await self._records.delivered(message["id"])
            log.info("outbox_delivered", handoff=message["handoff"], kind=message["kind"])
            return
        now, attempts = self._clock(), message["attempts"] + 1
        self._alarm(message, error, now)
        again = now + retry_after(attempts, random.random())  # noqa: S311 - spreads load only
        self._not_before[message["id"]] = again
        await self._records.delivery_failed(message["id"], attempts, again, error)

    async def _post(self, client: httpx.AsyncClient, message: Mapping[str, Any]) -> str | None:
        """None when the desk has it, else what was wrong, without personal data."""
        if not message["url"]:
            return "no address in the duty directory"
        payload = message["payload"]
        key = f"{payload['handoff']}:{payload['revision']}"
        try:
            answer = await client.post(
                message["url"], json=payload, headers={"Idempotency-Key": key}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return None if answer.is_success else f"HTTP {answer.status_code}"

    def _alarm(self, message: Mapping[str, Any], error: str, now: float) -> None:
        waited = now - message["created_at"]
        last = self._alarmed.get(message["id"], message["created_at"])
        if now - last >= ALARM_S:
            self._alarmed[message["id"]] = now
            log.error(
                "dossier_not_delivered",
                handoff=message["handoff"],
                kind=message["kind"],
                waited_s=round(waited),
                reason=error,
            )
        elif message["attempts"] == 0:
            log.warning("outbox_retry", handoff=message["handoff"], reason=error)
