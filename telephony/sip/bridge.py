"""The sound between the parties of one room: their links in PJSIP's conference bridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pjsua2 as pj

from telephony.sip.conference import Link, Node, Place, links
from telephony.sip.music import Sound
from telephony.sip.wiring import Wiring


class Bridge:
    """Parameters:
    index: of the room's call.
    rate: Hz of the application's audio.
    lines: gives the parties whose audio is up, by leg index.
    """

    def __init__(
        self,
        wiring: Wiring,
        index: int,
        rate: int,
        lines: Callable[[], Mapping[int, pj.AudioMedia]],
    ) -> None:
        self._wiring, self._index, self._rate, self._lines = wiring, index, rate, lines
        self._music: pj.AudioMedia | None = None
        self._ports: dict[int, pj.AudioMedia] = {}
        self._links: set[Link] = set()
        self._waits = False
        self.is_left = False
        """The application has left; there are no ports to it."""

    def left(self) -> None:
        """The application is gone: nothing of its audio is heard any more, and no music."""
        self._waits, self.is_left = False, True
        for leg in list(self._ports):
            self.close_port(leg)
        self.play(None)

    def hold(self, on: bool) -> None:
        """The caller waits with music."""
        self._waits = on
        self.play(Sound.MUSIC if on else None)

    def play(self, sound: Sound | None) -> None:
        """A sound for the caller, until the next; None for none."""
        if self._music is not None:
            self._rewire(music=False)
        self._music = self._wiring.sound(sound) if sound is not None else None
        self._rewire()

    def line_changed(self, leg: int) -> None:
        """The audio of a line is up, down or another: PJSIP has forgotten its links."""
        line: Node = (Place.LINE, leg)
        self._links = {link for link in self._links if line not in link}
        if leg in self._lines() and not self.is_left and leg not in self._ports:
            self._ports[leg] = self._wiring.open_port(self._index, leg, self._rate)
        self._rewire()

    def close_port(self, leg: int) -> None:
        """The application neither hears that party nor speaks to it any more."""
        if leg in self._ports:
            self._rewire(without=leg)
            del self._ports[leg]
            self._wiring.close_port(self._index, leg)

    def _node(self, node: Node) -> Any:
        place, leg = node
        if place is Place.MUSIC:
            return self._music
        return (self._ports if place is Place.PORT else self._lines()).get(leg)

    def _rewire(self, *, music: bool = True, without: int | None = None) -> None:
        """Makes the links those that there must be.

        Parameters:
            music: the caller hears the music, if there is any.
            without: a party whose port is going.
        """
        up = self._lines().keys()
        ports = set() if self.is_left else set(up) & set(self._ports) - {without}
        wanted = links(up, ports, waits=self._waits, music=music and self._music is not None)
        for gone in self._links - wanted:
            source, sink = self._node(gone[0]), self._node(gone[1])
            if source is not None and sink is not None:
                source.stopTransmit(sink)
        for new in wanted - self._links:
            self._node(new[0]).startTransmit(self._node(new[1]))
        self._links = wanted
