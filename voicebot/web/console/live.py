"""What happens, as it happens, to every screen that looks: one subscription for all of them.

    GET /console/live?topics=calls,queue,handoffs,surge,call:<id>&after=<seq>

text/event-stream: each event has its number (``id``), its topic (``event``) and JSON (``data``).

| topic | data |
|---|---|
| ``calls`` | ``{"rows", "gone", "calls"}``: rows of `board.Row` that changed |
| ``call:<id>`` | the call's messages (`voicebot.call.live.LiveFeed`), as the role may see them |
| ``handoffs`` | hand-offs opened and their progress, with ``call_id`` |
| ``queue`` | ``{"waiting"}``: callers in danger without a line to 110; each second |
| ``surge`` | ``{"lines"}`` as GET /v1/surge has them, where the mode or a figure changed |
| ``begin`` | first of a stream: its number is where it begins |
| ``reset`` | something was missed, for the ring no longer has it: load the page anew |

A reader that comes back with Last-Event-ID, or `after`, goes on where it was. A slow one holds
nothing but its number: it is told ``reset`` when it has fallen out of the ring.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import structlog

from voicebot import caller_privacy
from voicebot.cluster.live_events import MISSED
from voicebot.rate_limiting import Buckets, Rate
from voicebot.web.console.board import Board
from voicebot.web.console.event_ring import BEGIN, RESET, EventRing, written
from voicebot.web.service import Service

log = structlog.get_logger()

RING = 20_000
"""Events: minutes of a full house."""
BOARD_EVERY_S = 0.15
"""A call's newest words are on the boards after this, its page shows them after …"""
CALL_EVERY_S = 0.03
"""… this."""
LOOK_EVERY_S = 1.0
"""How often queue and surge are looked at."""
KEEP_ALIVE_S = 15.0
"""A comment, where nothing happens: proxies close what is silent."""
RETRY_MS = 1_000
NOTED, NOTED_KINDS = Rate(per_minute=6, burst=1), 32
"""How often a kind of event that cannot be taken is in the log at most."""
NOT_UNDERSTOOD = (AttributeError, LookupError, TypeError, ValueError)
"""What comes of an event of another form."""

TOPICS = ("calls", "queue", "handoffs", "surge")
CALL = "call:"
MOST_TOPICS = 16


class Reader:
    """Who follows: some topics, as a role may see them."""

    def __init__(self, topics: Collection[str], role: str) -> None:
        self.topics, self.role = frozenset(topics), role
        self.news = asyncio.Event()
        self.ended = False

    def end(self) -> None:
        """The stream ends with what it has."""
        self.ended = True
        self.news.set()


class ConsoleLive:
    """Parameters:
    service: whose live feed is read, for as long as `running`.
    ring: how many events are kept for who comes back.
    """

    def __init__(self, service: Service, ring: int = RING) -> None:
        self._service = service
        self._ring = EventRing(time.time_ns() // 1_000_000, ring)
        self._readers: dict[str, set[Reader]] = defaultdict(set)
        self._told: dict[str, Any] = {}
        self._due: set[str] = set()
        self._board_due = False
        self._ended = False
        self._not_taken: Buckets[str] = Buckets(NOTED, NOTED_KINDS)
        self.board = Board()

    @property
    def seq(self) -> int:
        """Number of the newest event; what a page shows is to be followed `after` it."""
        return self._ring.newest

    def seq_ago(self, seconds: float) -> int:
        """Number of the newest event of that time ago: for pages made of what is on record, which
        comes a little after what is live. They show nothing twice that they have already.
        """
        return self._ring.before(time.monotonic() - seconds)

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Follows the service until the block ends; the readers' streams end with it."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._look())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.end()

    async def stream(self, reader: Reader, after: int | None) -> AsyncIterator[bytes]:
        """A text/event-stream of what comes after this event; None: from now on."""
        at = self._ring.newest if after is None else after
        for topic in reader.topics:
            self._readers[topic].add(reader)
        try:
            yield f"retry: {RETRY_MS}\n".encode() + written(at, BEGIN, {})
            while not (self._ended or reader.ended):
                reader.news.clear()
                if not self._ring.reaches(at):
                    at = self._ring.newest
                    yield written(at, RESET, {})
                newer = self._ring.after(at, reader.topics)
                at = self._ring.newest
                ready = b"".join(event.bytes_for(reader.role) for event in newer)
                if ready:
                    yield ready
                elif not await _told(reader.news):
                    yield b": \n\n"
        finally:
            for topic in reader.topics:
                self._readers[topic].discard(reader)
                if not self._readers[topic]:
                    del self._readers[topic]

    # ── what comes in ─────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        async with aclosing(self._service.live.subscribe()) as messages:  # type: ignore[type-var]
            if self._service.member is not None:  # once it is subscribed
                asyncio.get_running_loop().call_soon(self._service.member.follow)
            async for message in messages:
                try:
                    self._take(message)
                except Exception as error:  # one that is not understood is not the end of all
                    self._note_not_taken(str(message.get("kind")), error)
        self.end()

    def _note_not_taken(self, kind: str, error: Exception) -> None:
        """Who tells events otherwise than we know them cannot fill the log."""
        if not self._not_taken.take(kind, time.monotonic()).wait_s:
            ours = None if isinstance(error, NOT_UNDERSTOOD) else error
            log.warning("live_message_not_taken", kind=kind, reason=repr(error), exc_info=ours)

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["kind"] == MISSED:
            self._make_anew(message)
            return
        if message.get("confidential") and not self.board.is_confidential(message["call_id"]):
            self._ring.amend(partial(_kept, message["call_id"]))
        self.board.take(message, time.time())
        self._add(CALL + message["call_id"], message, caller_privacy.live)
        if message["kind"] in ("handoff", "transfer"):
            self._add("handoffs", message, caller_privacy.live)
        if not self._board_due:
            self._board_due = True
            asyncio.get_running_loop().call_later(BOARD_EVERY_S, self._show_board)

    def _make_anew(self, missed: Mapping[str, Any]) -> None:
        """Some of what happened elsewhere did not come: every page is told to load anew."""
        self.board.put_right(missed["gone"], missed["rows"])
        self._ring.skip()
        for readers in self._readers.values():
            for reader in readers:
                reader.news.set()

    def _show_board(self) -> None:
        self._board_due = False
        changes = self.board.changes()
        if changes is not None:
            self._add("calls", changes, _to_all)

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # the screens' figures are worth no call
                waiting = self._service.waiting.waiting(time.monotonic())
                self._add_changed("queue", {"waiting": waiting}, _waiting)
                self._add_changed("surge", self._surge(), _to_all)
            await asyncio.sleep(LOOK_EVERY_S)

    def _surge(self) -> dict[str, Any]:
        lines = self._service.surge_status()["lines"]
        for line in lines:
            line["figures"].pop("seats_age_s", None)  # grows with each second
        return {"lines": lines}

    def _add_changed(self, topic: str, data: dict[str, Any], shown: Any) -> None:
        if self._told.get(topic) != data:
            self._told[topic] = data
            self._add(topic, data, shown)

    # ── what goes out ─────────────────────────────────────────────────────────────

    def _add(self, topic: str, data: Mapping[str, Any], shown: Any) -> None:
        self._ring.add(topic, data, shown)
        if topic not in self._readers:
            return
        if not self._due:
            asyncio.get_running_loop().call_later(CALL_EVERY_S, self._tell)
        self._due.add(topic)

    def _tell(self) -> None:
        due, self._due = self._due, set()
        for topic in due:
            for reader in self._readers.get(topic, ()):
                reader.news.set()

    def end(self) -> None:
        """All streams end with what they have."""
        self._ended = True
        for readers in self._readers.values():
            for reader in readers:
                reader.news.set()


async def _told(news: asyncio.Event) -> bool:
    """False where nothing happened for `KEEP_ALIVE_S`."""
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            await news.wait()
    except TimeoutError:
        return False
    return True


def _kept(call_id: str, topic: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was told of a call before its caller wanted to be confidential, as it may be told now:
    who comes back, or comes late, did not see it then.
    """
    if topic == "calls" and any(row["call_id"] == call_id for row in data["rows"]):
        return {**data, "rows": [_blank(call_id, row) for row in data["rows"]]}
    if topic == CALL + call_id or (topic == "handoffs" and data["call_id"] == call_id):
        return {**data, "confidential": True}
    return data


def _blank(call_id: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    if row["call_id"] != call_id:
        return row
    return {**row, "caller": caller_privacy.HIDDEN, "text": "", "confidential": True}


def _to_all(data: Mapping[str, Any], _: str) -> Mapping[str, Any]:
    return data


def _waiting(data: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """Why somebody is urgent is in his own words: not for agents."""
    if role in caller_privacy.KNOW_ALL:
        return data
    return {"waiting": [{**each, "reasons": []} for each in data["waiting"]]}
