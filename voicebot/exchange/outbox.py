"""Delivers dossiers and notices to the duty desks: at least once, newest first to count.

Dossiers go before notices and every address has its own few places, so that an address
that takes nothing delays nobody else's dossier.

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
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from voicebot.exchange.address import unsafe
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.readdressing import number_of
from voicebot.records.store import Records

log = structlog.get_logger()

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 30.0
DELIVERED = float("inf")
TIMEOUT_S = 5.0
POLL_S = 0.5
ALARM_S = 60.0
"""A message older than this is an alarm for people, once a minute."""
PER_ADDRESS = 4
"""Messages of a kind under way to one address."""
NOTICES_AT_ONCE = 16
"""Notices under way to all addresses; dossiers are bounded by the directory's addresses."""


def retry_after(attempts: int, spread: float) -> float:
    """Seconds until the next attempt after `attempts` failures; `spread` in 0..1 is chance.

    Doubles from half a second to half a minute, and is spread by half, so that messages
    that failed together do not come back together.
    """
    pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** max(0, min(attempts, 32) - 1))
    return pause * (0.5 + spread / 2)


@dataclass(frozen=True, slots=True)
class _Attempt:
    task: asyncio.Task[None]
    message: Mapping[str, Any]


class OutboxWorker:
    """Delivers what is due until it is cancelled: ``asyncio.create_task(worker.run())``.

    Parameters:
        records: an opened `Records`.
        token: bearer token to show to the desks.
        link: the 110 view of a hand-off, told to desks of 110 beside its dossier (RFC 8288);
            None: none.
        transport: instead of the network, for tests.
    """

    def __init__(
        self,
        records: Records,
        token: str | None,
        *,
        link: Callable[[str], str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._token, self._link = records, token, link
        self._transport, self._clock = transport, clock
        self._in_flight: dict[int, _Attempt] = {}
        self._alarmed: dict[str, float] = {}
        self._police: frozenset[str] = frozenset()
        """Numbers of 110, as the directory last had them."""
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
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=PER_ADDRESS),
        ) as client:
            try:
                while True:
                    await self._deliver_due(client)
                    await self._pause()
            finally:
                tasks = [attempt.task for attempt in self._in_flight.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

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
        now = self._clock()
        # Once the table takes writes again it says itself what was delivered.
        settled = self._records.available
        self._not_before = {
            number: at
            for number, at in self._not_before.items()
            # A time further off was told by a clock that has been set back since.
            if now < at <= now + LAST_RETRY_S
            or (at == DELIVERED and (number in self._in_flight or not settled))
        }
        try:
            due = await self._records.outbox(
                now,
                skip=[*self._in_flight, *self._not_before],
                # An older state of each that is under way may be followed by its newest.
                per_address=2 * PER_ADDRESS,
            )
        except RecordsUnavailable:
            return  # the records say so in the log themselves
        if due and self._link is not None:
            with suppress(RecordsUnavailable):
                rows = await self._records.duty_numbers()
                self._police = frozenset(row["number"] for row in rows if row["kind"] == "110")
        for message in due:
            if self._may_go(message):
                task = asyncio.create_task(self._attempt(client, message))
                self._in_flight[message["id"]] = _Attempt(task, message)

    def _may_go(self, message: Mapping[str, Any]) -> bool:
        under_way = [
            each.message
            for each in self._in_flight.values()
            if each.message["kind"] == message["kind"]
        ]
        if message["kind"] != "dossier" and len(under_way) >= NOTICES_AT_ONCE:
            return False
        there = [each for each in under_way if each["url"] == message["url"]]
        # One state of a dossier after the other, so that the newest arrives last.
        return len(there) < PER_ADDRESS and all(_name(each) != _name(message) for each in there)

    async def _attempt(self, client: httpx.AsyncClient, message: Mapping[str, Any]) -> None:
        try:
            await self._deliver(client, message)
        finally:
            self._in_flight.pop(message["id"], None)

    async def _deliver(self, client: httpx.AsyncClient, message: Mapping[str, Any]) -> None:
        error = await self._post(client, message)
        if error is None:
            self._alarmed.pop(_name(message), None)
            self._not_before[message["id"]] = DELIVERED
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
        # Looked at again: the row may be older than the check of the directory.
        if reason := unsafe(message["url"]):
            return reason
        payload = message["payload"]
        headers = {"Idempotency-Key": f"{payload['handoff']}:{payload['revision']}"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._link is not None and self._for_police(message):
            address = self._link(payload["handoff"])
            headers["Link"] = f'<{address}>; rel="alternate"; type="text/html"'
        try:
            answer = await client.post(message["url"], json=payload, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return None if answer.is_success else f"HTTP {answer.status_code}"

    def _for_police(self, message: Mapping[str, Any]) -> bool:
        """The link is a key: it is for 110, not for the seats, nor for who gets a notice."""
        number = number_of(message["handoff"], message["key"])
        return message["kind"] == "dossier" and number in self._police

    def _alarm(self, message: Mapping[str, Any], error: str, now: float) -> None:
        waited = max(0.0, now - message["created_at"])
        last = min(now, self._alarmed.get(_name(message), message["created_at"]))
        self._alarmed[_name(message)] = last
        if now - last >= ALARM_S:
            self._alarmed[_name(message)] = now
            log.error(
                "dossier_not_delivered",
                handoff=message["handoff"],
                kind=message["kind"],
                waited_s=round(waited),
                reason=error,
            )
        elif message["attempts"] == 0:
            log.warning("outbox_retry", handoff=message["handoff"], reason=error)


def _name(message: Mapping[str, Any]) -> str:
    """What stays the same while a dossier grows: ``H1``, or ``H1/power`` for a notice."""
    return str(message["payload"]["handoff"])
