"""What the web application needs of the service it stands in front of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import WebSocket

from asr.pool import PoolFigures
from telephony.call_control import IncomingCall
from voicebot.config import Settings
from voicebot.loop_lag import LoopLag
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing
from voicebot.readiness import Readiness
from voicebot.records.store import Records
from voicebot.surge.control import SurgeControl

if TYPE_CHECKING:
    from telephony.dialing import DutyDirectory
    from voicebot.call.agent_desks import AgentDesks
    from voicebot.call.engines import Engines
    from voicebot.call.session import CallSession
    from voicebot.call.waiting_lines import WaitingLines
    from voicebot.cluster.member import Member


class Live(Protocol):
    def publish(self, message: dict[str, Any]) -> None:
        """To everybody who has subscribed."""
        ...

    def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Every message from now on, until the iteration is closed."""
        ...


class Service(Protocol):
    """Made by `voicebot.app`; a test puts a small one in its place."""

    @property
    def settings(self) -> Settings: ...
    @property
    def engines(self) -> Engines:
        """The models, and the knowledge base as it is published now."""
        ...

    @property
    def records(self) -> Records: ...
    @property
    def live(self) -> Live: ...
    @property
    def started_at(self) -> float:
        """time.time() of the start."""
        ...

    @property
    def loop_lag(self) -> LoopLag: ...
    @property
    def surge(self) -> SurgeControl: ...
    @property
    def waiting(self) -> WaitingLines:
        """Who waits for a line to 110."""
        ...

    @property
    def desks(self) -> AgentDesks:
        """Agents' desks that are open in browsers."""
        ...

    @property
    def directory(self) -> DutyDirectory: ...
    @property
    def sessions(self) -> Mapping[str, CallSession]:
        """The calls that are running here, by id."""
        ...

    @property
    def metrics(self) -> Metrics: ...
    @property
    def standing(self) -> Standing:
        """What can be read off the service now, for the metrics."""
        ...

    @property
    def installation(self) -> Standing:
        """The same with the calls and lines of all nodes, for screens."""
        ...

    @property
    def member(self) -> Member | None:
        """What it is among the other processes of the installation; None: it is the only one."""
        ...

    def surge_status(self) -> dict[str, Any]:
        """As GET /v1/surge has it, of all nodes."""
        ...

    @property
    def readiness(self) -> Readiness:
        """Whether new calls should be sent here."""
        ...

    def take_settings(self, settings: Settings) -> None:
        """What new calls go by from now on."""
        ...

    @property
    def recognition(self) -> PoolFigures: ...
    @property
    def transcriber_counts(self) -> dict[str, int]: ...
    @property
    def listener_counts(self) -> dict[str, int]: ...
    @property
    def calls_in_progress(self) -> int: ...

    async def handle_media(self, websocket: WebSocket, *, authorised: bool) -> None:
        """One call on an accepted socket; not `authorised`: its start message must be."""
        ...

    async def take(self, call: IncomingCall) -> None:
        """One offered call of any endpoint, to its last record."""
        ...
