"""Lines to 110 that have come free, as nodes tell each other over NATS."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, TypeAdapter

from voicebot.cluster import subjects
from voicebot.cluster.messages import as_told
from voicebot.cluster.nodes import NodeName

if TYPE_CHECKING:
    from voicebot.cluster.member import Member


@dataclass(frozen=True, slots=True)
class Free:
    """What a node tells of lines that have come free there; as JSON it is its own fields."""

    node: NodeName
    numbers: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=500)]


_FREE: Final = TypeAdapter(Free)


class FreeLines:
    """Parameters:
    elsewhere: told of numbers of which another node has given up a line.
    """

    def __init__(self, member: Member, elsewhere: Callable[[Collection[str]], None]) -> None:
        self._member, self._elsewhere = member, elsewhere
        member.bus.subscribe(subjects.POLICE_LINES, self._heard)

    def tell(self, numbers: Collection[str]) -> None:
        """A line of each has come free here."""
        told = Free(self._member.nodes.own, tuple(sorted(numbers)))
        self._member.bus.publish(subjects.POLICE_LINES, asdict(told))

    def _heard(self, message: dict[str, Any]) -> None:
        told = as_told(_FREE, message)
        if told.node != self._member.nodes.own:
            self._elsewhere(told.numbers)
