"""Live events between processes: who has calls numbers what happens, who shows them misses nothing.

A media node tells each event with its number, and its newest number with each heartbeat. Who
follows and finds that a number is missing, or meets the node for the first time, holds the node's
further events back, asks it for its running calls as they stand (`Standing`), and tells its own
screens ``{"kind": "missed", "gone", "rows"}`` between the events before and after that moment:
what they show is made anew, and nothing is shown that has been overtaken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import structlog
from pydantic import TypeAdapter

from voicebot.call.live import LiveFeed
from voicebot.cluster.errors import BusError
from voicebot.cluster.messages import as_told
from voicebot.web.running_row import Row

log = structlog.get_logger()

Event = dict[str, Any]

MISSED: Final = "missed"
HELD: Final = 5_000
"""Events of a node that are held back at most; then the screens see what there is."""
AGAIN_S: Final = 0.5
TRIES: Final = 10
COMES_S: Final = 0.9
"""How long an event may come later than an answer or a heartbeat that was given after it."""


class ToldFeed(LiveFeed):
    """A feed whose own events are told to the other processes as well.

    Parameters:
        tell: given each event of this process.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        super().__init__()
        self._tell = tell

    def publish(self, message: Event) -> None:
        """What happens in this process."""
        super().publish(message)
        self._tell(message)

    def take(self, message: Event) -> None:
        """What happens in another one."""
        super().publish(message)


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's running calls at one moment.

    Parameters:
        seq: number of the newest event that is in them.
        rows: `voicebot.web.running_row.Row` as JSON.
    """

    seq: int
    rows: list[dict[str, Any]]


class Rows(Protocol):
    """`voicebot.web.console.board.Board`."""

    @property
    def rows(self) -> list[Any]: ...
    def take(self, message: Mapping[str, Any], now: float) -> None: ...
    def changes(self) -> dict[str, Any] | None: ...


class RunningCalls:
    """The calls of this process as they stand, for those that follow it from now on.

    Parameters:
        board: an empty one.
    """

    def __init__(self, board: Rows) -> None:
        self._board = board
        self._seq = 0

    def take(self, seq: int, message: Event, at: float) -> None:
        """`at`: seconds since the epoch."""
        self._board.take(message, at)
        self._board.changes()
        self._seq = seq

    def message(self) -> dict[str, Any]:
        return {"seq": self._seq, "rows": [asdict(row) for row in reversed(self._board.rows)]}


@dataclass
class _Stream:
    run: str
    last: int
    calls: set[str] = field(default_factory=set)
    held: list[tuple[int, Event]] | None = None
    standing: Standing | None = None
    told: int = 0
    """By a heartbeat, at `told_at`."""
    told_at: float = float("-inf")
    missing: int = 0
    """The newest number that did not come."""
    asking: asyncio.Task[None] | None = None


class Follower:
    """Parameters:
    show: given the events, in order.
    ask: the running calls of a node, by its name. Raises BusError.
    """

    def __init__(
        self, show: Callable[[Event], None], ask: Callable[[str], Awaitable[Standing]]
    ) -> None:
        self._show, self._ask = show, ask
        self._streams: dict[str, _Stream] = {}

    def event(self, node: str, run: str, seq: int, message: Event) -> None:
        """One event of a node."""
        stream = self._stream(node, run, seq - 1)
        if seq <= stream.last:
            return
        if seq != stream.last + 1:
            self._begin_anew(node, stream, seq - 1)
        stream.last = seq
        if stream.held is None:
            self._pass_on(stream, message)
            return
        stream.held.append((seq, message))
        if len(stream.held) >= HELD or (stream.standing and seq >= stream.standing.seq):
            self._release(node, stream)

    def beat(self, node: str, run: str, seq: int, at: float) -> None:
        """A node is there, and this is the number of its newest event; `at`: seconds, monotonic.

        Heartbeats overtake events: what a heartbeat has told is missing where it has not come
        `COMES_S` later.
        """
        stream = self._stream(node, run, seq)
        if at - stream.told_at < COMES_S:
            return
        if stream.told > stream.last:
            self._begin_anew(node, stream, stream.told)
            stream.last = stream.told
        stream.told, stream.told_at = seq, at

    def gone(self, node: str) -> None:
        """A node is silent: what becomes of its calls is not known here."""
        stream = self._streams.pop(node, None)
        if stream is None:
            return
        if stream.asking is not None:
            stream.asking.cancel()
        for _, message in stream.held or ():
            self._pass_on(stream, message)
        if stream.calls:
            log.error("node_gone", node=node, calls=len(stream.calls))
            self._show(_missed(stream.calls, []))

    def end(self) -> None:
        for stream in self._streams.values():
            if stream.asking is not None:
                stream.asking.cancel()

    def _stream(self, node: str, run: str, last: int) -> _Stream:
        stream = self._streams.get(node)
        if stream is not None and stream.run == run:
            return stream
        before = stream
        if before is not None:
            if before.asking is not None:
                before.asking.cancel()
            self._show(_missed(before.calls, []))
        stream = self._streams[node] = _Stream(run, last)
        self._begin_anew(node, stream, last)
        return stream

    def _begin_anew(self, node: str, stream: _Stream, missing: int) -> None:
        """`missing`: the newest number that did not come."""
        stream.missing = missing
        if stream.held is not None:
            return  # the answer that is awaited may hold it, or it is asked for again
        stream.held, stream.standing = [], None
        stream.asking = asyncio.create_task(self._find_out(node, stream), name="live-standing")

    async def _find_out(self, node: str, stream: _Stream) -> None:
        for _ in range(TRIES):
            try:
                stream.standing = await self._ask(node)
            except BusError as error:
                log.warning("live_standing_unknown", node=node, reason=error.code)
                await asyncio.sleep(AGAIN_S)
                continue
            if stream.standing.seq > stream.last:
                await asyncio.sleep(COMES_S)
            break
        if stream.asking is asyncio.current_task() and stream.held is not None:
            self._release(node, stream)

    def _release(self, node: str, stream: _Stream) -> None:
        held, stream.held = stream.held or [], None
        standing, stream.standing = stream.standing, None
        until = standing.seq if standing is not None else stream.last
        for seq, message in held:
            if seq <= until:
                self._pass_on(stream, message)
        if standing is None:
            self._show(_missed((), []))
        else:
            now = {row["call_id"] for row in standing.rows}
            self._show(_missed(stream.calls - now, standing.rows))
            stream.calls = now
            stream.last = max(stream.last, standing.seq)
        for seq, message in held:
            if seq > until:
                self._pass_on(stream, message)
        if stream.missing > until:
            self._begin_anew(node, stream, stream.missing)

    def _pass_on(self, stream: _Stream, message: Event) -> None:
        call_id = message["call_id"]
        if message["kind"] == "call" and message.get("state") == "ended":
            stream.calls.discard(call_id)
        elif call_id:
            stream.calls.add(call_id)
        self._show(message)


_ROWS: Final = TypeAdapter(list[Row])


def standing_of(answer: Mapping[str, Any]) -> Standing:
    """As `RunningCalls.message` has told it; what rows of a newer version have besides is left out.

    Raises:
        KeyError, TypeError, ValueError: it is no such answer.
    """
    rows = as_told(_ROWS, answer["rows"])
    return Standing(int(answer["seq"]), [asdict(row) for row in rows])


_OF_ALL: Final = {"kind": str, "call_id": str, "at": int | float}
_OF_SOME: Final = {"caller": str, "did": str, "text": str, "state": str, "confidential": bool}
"""What screens and the rule of who sees what go by, whichever kinds have it."""


def event_of(told: object) -> Event:
    """An event as another process has told it.

    Raises:
        ValueError: it lacks what every event has, or has it otherwise.
    """
    if not isinstance(told, dict) or not all(
        isinstance(told.get(name), kind) for name, kind in _OF_ALL.items()
    ):
        raise ValueError("An event has its kind, call_id and at.")
    wrong = [
        name for name, kind in _OF_SOME.items() if not isinstance(told.get(name, kind()), kind)
    ]
    if wrong:
        raise ValueError(f"What an event tells is wrong: {', '.join(wrong)}.")
    return told


def _missed(gone: Any, rows: list[dict[str, Any]]) -> Event:
    """Screens make anew what they show: these calls are over or unknown, these stand so."""
    return {"kind": MISSED, "call_id": "", "at": 0.0, "gone": sorted(gone), "rows": rows}
