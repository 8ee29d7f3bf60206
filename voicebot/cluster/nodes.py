"""Which processes are there, and which of them has which call; each says it once a second. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, FiniteFloat, TypeAdapter
from typing_extensions import TypedDict  # which pydantic asks for before Python 3.12

from flows.waiting_risk import precedence
from telephony.access import is_loopback
from voicebot.cluster.messages import as_told
from voicebot.exchange.address import unsafe

BEAT_S: Final = 1.0
GONE_S: Final = 5.0
"""Who has said nothing for so long is gone."""
LOST_S: Final = 3600.0
"""So long people are told that he is."""

NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Number = Annotated[float, Field(gt=-1e15, lt=1e15)]


class WaitingCaller(TypedDict):
    """A caller who waits for a line to 110."""

    call_id: str
    handoff: str
    wants: list[str]
    """Numbers of 110."""
    waited_s: _Number
    score: _Number
    """As `flows.waiting_risk.Risk` has it."""
    reasons: list[str]


class SurgeLine(TypedDict):
    """How surge control stands at a line, as GET /v1/surge has it."""

    line: str
    mode: str
    since: _Number
    """Seconds since the epoch."""
    newest: dict[str, Any] | None
    """The newest decision."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a process says of itself; as JSON it is its own fields.

    Parameters:
        name: among the processes of the installation.
        run: of this start of it.
        roles: as [server] has them.
        address: where the others reach it, such as ``https://media1.example:8445``.
        seq: number of the newest live event that it has told (`live_events`).
        ready: new calls may be sent to it.
        calls: ids of the calls that run there.
        room, lines, lines_room: as `voicebot.metrics.standing.Standing` has them.
        callers: numbers of the calls that run or wait for people there, one for each call, as
            `callers_elsewhere.digest` has them.
        calling_back: (number, since when) it calls back over danger; seconds since the epoch.
        tells_arrivals: each call that it is offered, as it comes (`subjects.SURGE_ARRIVALS`).
        leaves: it is ending, and this is its last word.
    """

    name: NodeName
    run: Annotated[str, Field(max_length=64)]
    roles: tuple[str, ...]
    address: Annotated[str, Field(max_length=256)]
    seq: Annotated[int, Field(ge=0, le=2**53)] = 0
    ready: bool = False
    stopping: bool = False
    calls: tuple[str, ...] = ()
    room: _Count = 0
    lines: _Count = 0
    lines_room: _Count = 0
    waiting: tuple[WaitingCaller, ...] = ()
    surge: tuple[SurgeLine, ...] = ()
    callers: tuple[str, ...] = ()
    calling_back: tuple[tuple[str, FiniteFloat], ...] = ()
    tells_arrivals: bool = False
    leaves: bool = False

    def message(self) -> dict[str, Any]:
        """As it is told to the others."""
        return asdict(self)


_AS_TOLD = TypeAdapter(Node)
MOST: Final = 500
"""Nodes that are listed, and as many that are lost; one more is not."""


def node_of(message: Mapping[str, Any], *, tokens_go_there: bool = False, ca: str = "") -> Node:
    """What another process has told; keys of newer versions are passed over.

    Parameters:
        tokens_go_there: this process sends it requests with the tokens of those who made them.
        ca: `server.nodes_ca`. Without one of the installation's own whoever has any certificate
            could be a node.

    Raises:
        ValueError: it is no such message, or nobody's token may be sent to its address.
    """
    node = as_told(_AS_TOLD, message)
    if reason := unsafe(node.address):
        raise ValueError(f"The address of a node is refused: {reason}.")
    if tokens_go_there and not ca and not is_loopback(urlsplit(node.address).hostname or ""):
        raise ValueError(
            "The address of a node is refused: its certificate would be checked with the system's "
            "authorities alone. Set server.nodes_ca to your own."
        )
    return node


@dataclass
class Nodes:
    """Those that are there; every `at` is of one monotonic clock, in seconds.

    Parameters:
        own: name of this process, which is not listed.
    """

    own: str
    _known: dict[str, Node] = field(default_factory=dict)
    _heard_at: dict[str, float] = field(default_factory=dict)
    _lost: dict[str, tuple[Node, float]] = field(default_factory=dict)

    def heard(self, node: Node, at: float) -> None:
        """What a process says of itself."""
        if node.name == self.own:
            return
        self._lost.pop(node.name, None)
        if node.leaves:
            self._forget(node.name)
            return
        if node.name not in self._known and len(self._known) >= MOST:
            return
        self._known[node.name], self._heard_at[node.name] = node, at

    def silent(self, at: float) -> list[Node]:
        """Forgets who has been silent for too long, and tells them."""
        gone = [name for name, heard in self._heard_at.items() if at - heard >= GONE_S]
        found = [self._known[name] for name in gone]
        for node in found:
            self._forget(node.name)
            if "media" in node.roles and len(self.lost(at)) < MOST:
                self._lost[node.name] = node, at
        return found

    def lost(self, at: float) -> dict[str, float]:
        """Nodes with calls that fell silent lately and are not back: since when, by name."""
        self._lost = {name: lost for name, lost in self._lost.items() if at - lost[1] < LOST_S}
        return {name: since for name, (_, since) in self._lost.items()}

    def _forget(self, name: str) -> None:
        self._known.pop(name, None)
        self._heard_at.pop(name, None)

    @property
    def all(self) -> tuple[Node, ...]:
        """By name."""
        return tuple(self._known[name] for name in sorted(self._known))

    @property
    def media(self) -> tuple[Node, ...]:
        """Those that have calls, by name."""
        return tuple(node for node in self.all if "media" in node.roles)

    def named(self, name: str) -> Node | None:
        return self._known.get(name)

    def of_call(self, call_id: str) -> Node | None:
        """Who has this call; None: nobody else."""
        return next((node for node in self.media if call_id in node.calls), None)

    def lost_with(self, call_id: str) -> Node | None:
        """Who had this call before he fell silent: it may be NATS that is away, and not he."""
        lost = (node for node, _ in self._lost.values())
        return next((node for node in lost if call_id in node.calls), None)

    def least_busy(self) -> Node | None:
        """Of those that take new calls, the one with the most room; None: none takes any."""
        ready = [node for node in self.media if node.ready]
        return max(ready, key=lambda node: node.room - len(node.calls), default=None)


def waiting_first(waiting: Iterable[WaitingCaller]) -> list[WaitingCaller]:
    """Callers of several nodes who wait for a line, the most urgent first."""
    return sorted(
        waiting, key=lambda each: precedence(each["score"], each["waited_s"], each["call_id"])
    )
