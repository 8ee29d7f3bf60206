"""Which offered calls are answered: a place is reserved before anything else is done.

A call that is answered must be served: recogniser, voice and an outgoing line for a
hand-off have room for it, or the caller's switch is told so and tries elsewhere
(livekit/agents#4884: load that is sampled lets calls slip in; a reservation does not).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from telephony.call_control import CallInfo, Rejection, Trunk
from voicebot.config_telephony import Admission as AdmissionSettings


def offer_key(info: CallInfo) -> str:
    """A call's own, 24 hex digits: the same at each node that the caller's switch tries, so that
    who is refused at one and served by the next is one caller. A digest of what was signalled.
    """
    signalled = (info.signalled or info.call_id).encode(errors="surrogatepass")
    return hashlib.blake2b(signalled, digest_size=12, person=b"vb-offer").hexdigest()


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What is in use, for the screens."""

    calls: int
    lines: int
    stopping: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What there is for ordinary calls, as `flows.surge.Figures` has it."""

    calls: int
    room: int
    lines: int
    lines_in_use: int


class Recogniser(Protocol):
    """What all calls share and keep busy: `asr.pool.DecodePool`."""

    def serving(self, calls: int) -> None:
        """From now on there are so many calls."""
        ...

    def takes_another(self, within_s: float) -> bool:
        """It was measured to have room for one more, or not measured enough to say."""
        ...


class Admission:
    """The reservations of one service.

    Parameters:
        settings: section [admission].
        lines_in_use: outgoing lines in use at this moment.
        recogniser: is told of each call; calls that it has no room for are refused.
        elsewhere: calls of a number that other nodes have.
    """

    def __init__(
        self,
        settings: AdmissionSettings,
        lines_in_use: Callable[[], int],
        recogniser: Recogniser,
        elsewhere: Callable[[str], int] = lambda number: 0,
    ) -> None:
        self._settings, self._legs = settings, lines_in_use
        self._recogniser, self._elsewhere = recogniser, elsewhere
        self._calls: dict[str, CallInfo] = {}
        self._diverted: dict[str, CallInfo] = {}
        self._outside: set[str] = set()
        self._numbers: Counter[str] = Counter()
        self._stopping = False

    @property
    def occupancy(self) -> Occupancy:
        return Occupancy(len(self._calls), self._lines_in_use(), self._stopping)

    @property
    def room(self) -> Room:
        """Calls there are, and calls there can be."""
        limits, calls = self._settings, len(self._calls)
        most = limits.calls if self._has_recogniser(calls) else calls
        return Room(calls, most, limits.handoff_lines, self._lines_in_use())

    def _lines_in_use(self) -> int:
        return self._legs() + len(self._outside)

    def take_settings(self, settings: AdmissionSettings) -> None:
        """The limits from now on; whoever has a place keeps it."""
        self._settings = settings

    def stop(self) -> None:
        """No call is taken any more."""
        self._stopping = True

    def reserve(self, info: CallInfo, *, in_danger: bool = False) -> Rejection | None:
        """Takes a place for the call, or says why there is none.

        Calls that the police transfer, those that we called back over danger, and callers in
        danger who ring again meanwhile take the places kept for hand-offs too, and are not
        counted by number: nothing may delay them (R1).

        Parameters:
            in_danger: a call of this number broke off in danger, and it is being called back.
        """
        refusal = self._refusal(info, in_danger)
        if refusal is None:
            self._calls[info.call_id] = info
            self._numbers[info.caller] += 1
            self._recogniser.serving(len(self._calls))
        return refusal

    def divert(self, info: CallInfo, *, outside: bool = False) -> Rejection | None:
        """The call takes no place: people have it. It counts by number, until its release.

        Parameters:
            outside: it takes an outgoing line to them.
        """
        refusal = self._refused_outright(info)
        if refusal is None and self._too_many(info):
            refusal = Rejection.TOO_MANY
        if refusal is None:
            self._diverted[info.call_id] = info
            self._numbers[info.caller] += 1
            if outside:
                self._outside.add(info.call_id)
        return refusal

    @property
    def callers(self) -> list[str]:
        """Numbers of the calls that run or wait for people, one for each; "" for withheld ones."""
        return [info.caller for info in (*self._calls.values(), *self._diverted.values())]

    def calling(self, number: str, but: Collection[str]) -> bool:
        """A call of this number is running or waits for people, beside those with these ids."""
        calls = {**self._calls, **self._diverted}
        return any(info.caller == number for id_, info in calls.items() if id_ not in but)

    def release(self, call_id: str) -> None:
        """Gives the call's place back; harmless for a call without one."""
        self._outside.discard(call_id)
        info = self._calls.pop(call_id, None) or self._diverted.pop(call_id, None)
        if info is not None:
            self._numbers[info.caller] -= 1
            self._numbers += Counter()  # numbers without calls are forgotten
            self._recogniser.serving(len(self._calls))

    def _refusal(self, info: CallInfo, in_danger: bool) -> Rejection | None:
        limits, calls = self._settings, len(self._calls)
        outright = self._refused_outright(info)
        if outright is not None:
            return outright
        if info.trunk is Trunk.POLICE or info.called or in_danger:
            return Rejection.FULL if calls >= limits.calls + limits.handoff_reserve else None
        if self._too_many(info):
            return Rejection.TOO_MANY
        spare = limits.handoff_lines - self._lines_in_use()
        if calls >= limits.calls or spare <= limits.handoff_reserve:
            return Rejection.FULL
        return None if self._has_recogniser(calls) else Rejection.FULL

    def _refused_outright(self, info: CallInfo) -> Rejection | None:
        if self._stopping:
            return Rejection.STOPPING
        known = info.call_id in self._calls or info.call_id in self._diverted
        return Rejection.DUPLICATE if known else None

    def _too_many(self, info: CallInfo) -> bool:
        if not info.caller:
            return False
        calls = self._numbers[info.caller] + self._elsewhere(info.caller)
        return calls >= self._settings.per_number

    def _has_recogniser(self, calls: int) -> bool:
        limits = self._settings
        return calls < limits.calls_at_least or self._recogniser.takes_another(
            limits.final_within_s
        )
