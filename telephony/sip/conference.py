"""Who hears whom in one caller's conference; pure.

The bot's own line towards the caller is heard by every leg too, as in a PBX's bridge. A
caller who waits hears the music alone: no leg, and nothing of the application, through which
an agent's browser speaks. Legs go on hearing each other and the bot.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from itertools import permutations

from telephony.sip.wire import CALLER


class Place(StrEnum):
    LINE = "line"
    """A party's telephone line."""
    PORT = "port"
    """The application's end for that party."""
    MUSIC = "music"


Node = tuple[Place, int]
Link = tuple[Node, Node]
"""From whom, to whom."""

MUSIC: Node = (Place.MUSIC, CALLER)


def links(lines: Collection[int], ports: Collection[int], *, waits: bool, music: bool) -> set[Link]:
    """The links there must be.

    Parameters:
        lines: parties whose audio is up, by leg index; `CALLER` is the caller.
        ports: of those, the ones that the application hears and speaks to.
        waits: the caller is on hold.
        music: there is music, or a tone, for the caller.
    """
    wanted: set[Link] = set()
    for leg in lines:
        line, port = (Place.LINE, leg), (Place.PORT, leg)
        if leg in ports:
            wanted.add((line, port))
            if not (waits and leg == CALLER):
                wanted.add((port, line))
        if leg != CALLER and CALLER in ports:
            wanted.add(((Place.PORT, CALLER), line))
    for one, other in permutations(lines, 2):
        if not (waits and CALLER in (one, other)):
            wanted.add(((Place.LINE, one), (Place.LINE, other)))
    if music and CALLER in lines:
        wanted.add((MUSIC, (Place.LINE, CALLER)))
    return wanted
