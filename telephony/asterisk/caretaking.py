"""Which callers nobody looks after, and what becomes of them: pure decisions.

A caller who is with somebody off-hook stays with them; every other caller whom nobody
looks after goes to the fallback. What we made for them, and is of no use any more, ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from telephony.asterisk.access import LEG, OURS
from telephony.asterisk.ari import Ari, AriError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, as far as it matters here.

    Parameters:
        owner: id of the caller's channel that it was made for; its own id for a caller.
        caller: it is a caller in our application.
        leg: it is a leg that we dialled.
        up: it is off-hook.
    """

    id: str
    owner: str
    caller: bool
    leg: bool
    up: bool


@dataclass(frozen=True, slots=True)
class Bridge:
    id: str
    owner: str
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in this order.

    Parameters:
        hang_up: channels to end.
        fall_back: callers for the fallback.
        destroy: bridges to end.
        paired: callers who stay with somebody, and are to be looked at again.
    """

    hang_up: tuple[str, ...] = ()
    fall_back: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    paired: tuple[str, ...] = ()


def channels(listed: Iterable[dict[str, Any]], app: str) -> list[Channel]:
    """Of ARI's list, those that concern us."""
    ours = []
    for each in listed:
        name = str(each["id"])
        dialplan = each.get("dialplan", {})
        caller = dialplan.get("app_name") == "Stasis" and (
            str(dialplan.get("app_data", "")).partition(",")[0] == app
        )
        if name.startswith(OURS) or caller:
            made = name.startswith(OURS)
            ours.append(
                Channel(
                    id=name,
                    owner=_owner(name) if made else name,
                    caller=not made,
                    leg=name.startswith(LEG),
                    up=each.get("state") == "Up",
                )
            )
    return ours


def bridges(listed: Iterable[dict[str, Any]]) -> list[Bridge]:
    """Of ARI's list, those that we made."""
    return [
        Bridge(str(each["id"]), _owner(str(each["id"])), frozenset(each.get("channels", ())))
        for each in listed
        if str(each["id"]).startswith(OURS)
    ]


def plan(
    channels: Sequence[Channel], bridges: Sequence[Bridge], owned: Callable[[str], bool]
) -> Plan:
    """What to do about everything whose caller is not `owned`."""
    talking = {each.id for each in channels if each.leg and each.up}
    together = [
        bridge.channels & (talking | {each.id for each in channels if each.caller})
        for bridge in bridges
    ]
    connected = {each for group in together if len(group) > 1 for each in group}
    strays = [each for each in channels if not owned(each.owner)]
    alone = [each.id for each in strays if each.caller and each.id not in connected]
    return Plan(
        hang_up=tuple(each.id for each in strays if not each.caller and each.id not in connected),
        fall_back=tuple(alone),
        destroy=tuple(
            bridge.id
            for bridge in bridges
            if not owned(bridge.owner) and not bridge.channels & connected
        ),
        paired=tuple(each.id for each in strays if each.caller and each.id in connected),
    )


class Caretaker:
    """Looks after callers whom nobody owns.

    Parameters:
        owned: whether somebody does look after the caller with this channel; asked just
            before acting.
    """

    def __init__(self, ari: Ari, owned: Callable[[str], bool]) -> None:
        self._ari, self._owned = ari, owned

    async def sweep(self, *, settle_s: float = 0.0) -> Plan:
        """One look and what follows from it.

        Parameters:
            settle_s: pause between looking and acting, for callers who have only just
                come and whose event is still on its way.

        Errors: AriError.
        """
        listed = await asyncio.gather(self._ari.get("channels"), self._ari.get("bridges"))
        await asyncio.sleep(settle_s)
        todo = plan(channels(listed[0], self._ari.access.app), bridges(listed[1]), self._owned)
        await asyncio.gather(*(self._quietly(f"channels/{each}") for each in todo.hang_up))
        await asyncio.gather(*(self._fall_back(each) for each in todo.fall_back))
        await asyncio.gather(*(self._quietly(f"bridges/{each}") for each in todo.destroy))
        if todo.hang_up or todo.fall_back:
            log.warning(
                "strays_looked_after",
                ended=len(todo.hang_up),
                to_fallback=len(todo.fall_back),
                with_somebody=len(todo.paired),
            )
        return todo

    async def _quietly(self, path: str) -> None:
        with contextlib.suppress(AriError):
            await self._ari.delete(path)

    async def _fall_back(self, caller: str) -> None:
        try:
            await self._ari.proceed(caller, self._ari.access.fallback_context)
        except AriError as error:
            if not error.gone:
                log.error("caller_not_in_fallback", reason=error.code)


def _owner(name: str) -> str:
    """Of `vb-KIND-SUFFIX-OWNER`, or `vb-call-OWNER`."""
    parts = name.split("-", 3)
    return name.split("-", 2)[2] if parts[1] == "call" else parts[-1]
