"""Who is there: agents whose pages are open, and what they have said of themselves.

At this node, and at the others by what they have told (`desk_shares`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from voicebot.call.desk_shares import NOTHING_SAID, Elsewhere, Presence, Said, ToldDesk

ALIVE_S = 25.0
"""A page answers a beat every 10 s; where none has for so long, nobody is ready."""
REMEMBERED_AGENTS = 1000
"""Agents without a page of whom it is still known how they are called and what they have said."""


@dataclass(slots=True)
class _Desk:
    pages: int = 0
    beat_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Agent:
    name: str = ""
    said: Said = NOTHING_SAID


_UNKNOWN = _Agent()


class Attendance:
    """Agents are named by `Principal.token_id`.

    Parameters:
        clock: seconds, monotonic.
        wall: seconds since the epoch.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._wall = clock, wall
        self.elsewhere = Elsewhere()
        self._watchers: list[Callable[[], None]] = []
        self._tellers: list[Callable[[], None]] = []
        self._desks: dict[str, _Desk] = {}
        self._known: dict[str, _Agent] = {}
        """Who was heard of last comes last."""

    @contextmanager
    def open(self, agent: str, name: str, changed: Callable[[], None]) -> Iterator[None]:
        """A page of the agent's desk is there; `changed` is called when what rings does."""
        self._hear_of(agent, name=name)
        desk = self._desks.setdefault(agent, _Desk())
        desk.pages += 1
        desk.beat_at = self._clock()
        self._tell()
        with self.watched(changed):
            try:
                yield
            finally:
                desk.pages -= 1
                if not desk.pages:
                    self._desks.pop(agent, None)
                    self._tell()

    @contextmanager
    def watched(self, changed: Callable[[], None], *, here: bool = False) -> Iterator[None]:
        """`changed` is called when anything at the desks does; `here`: when this node's part does,
        which the others have to be told.
        """
        watchers = self._tellers if here else self._watchers
        watchers.append(changed)
        try:
            yield
        finally:
            watchers.remove(changed)

    def is_open(self, agent: str) -> bool:
        """A page of the agent's is there."""
        desk = self._desks.get(agent)
        return (desk is not None and desk.pages > 0) or self.elsewhere.is_open(agent)

    def presence(self, agent: str) -> Presence:
        """What he has said of himself, if a page of his is open."""
        if not self.is_open(agent):
            return Presence.AWAY
        own = self._about(agent).said if agent in self._desks else NOTHING_SAID
        return max(own, self.elsewhere.said(agent)).presence

    def set_presence(self, agent: str, presence: Presence) -> None:
        if self.is_open(agent):
            last = self._about(agent).said.at
            # A node whose clock is behind is not overruled by what was said before.
            self._hear_of(agent, said=Said(max(self._wall(), last + 0.001), presence))
            self.beat(agent)
            self._tell()

    def beat(self, agent: str) -> None:
        """A page of the agent's is there, at whichever node, and he is logged in."""
        if self.is_open(agent):
            self._desks.setdefault(agent, _Desk()).beat_at = self._clock()

    def name_of(self, agent: str) -> str:
        """As the agent is called; "" for nobody known here."""
        return self._about(agent).name

    def _about(self, agent: str) -> _Agent:
        return self._known.get(agent, _UNKNOWN)

    def _hear_of(self, agent: str, **news: Any) -> None:
        self._known[agent] = replace(self._known.pop(agent, _UNKNOWN), **news)

    def _agents(self) -> Iterable[str]:
        return dict.fromkeys((*self._desks, *self.elsewhere.agents))

    def _is_alive(self, agent: str) -> bool:
        desk = self._desks.get(agent)
        return desk is not None and self._clock() - desk.beat_at < ALIVE_S

    def _tell(self) -> None:
        """Something has changed at this node."""
        for changed in tuple(self._tellers):
            changed()
        self._show()

    def _show(self) -> None:
        """Something has changed, here or elsewhere."""
        for changed in tuple(self._watchers):
            changed()

    # ── other nodes ───────────────────────────────────────────────────────────────

    def _told_desks(self) -> tuple[ToldDesk, ...]:
        return tuple(
            ToldDesk(
                agent=agent,
                name=self.name_of(agent),
                pages=desk.pages,
                alive=self._is_alive(agent),
                said=self._about(agent).said,
            )
            for agent, desk in self._desks.items()
        )

    def _learn(self, desks: Iterable[ToldDesk]) -> None:
        for desk in desks:
            said = max(self._about(desk.agent).said, desk.said)
            self._hear_of(desk.agent, name=desk.name, said=said)

    def _forget_gone(self) -> None:
        """Whose pages are closed, here and elsewhere, and whom others have come after."""
        self._desks = {name: desk for name, desk in self._desks.items() if self.is_open(name)}
        there = frozenset(self._agents())
        gone = [agent for agent in self._known if agent not in there]
        for agent in gone[:-REMEMBERED_AGENTS]:
            del self._known[agent]
