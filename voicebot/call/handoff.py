"""Drives the legs of a hand-off and joins their audio to the caller's.

It dials what it is told and reports what happened; which route comes next, and
what the caller hears, is decided in `flows.dialogue`. A leg has succeeded when a
person spoke on it or the desk acknowledged, never because it was answered: a busy
tone or a notice ends it at once, a queue is waited for, within bounds (`person`).
Whatever goes wrong on a leg is reported, once, so that the chain goes on, and its
line is hung up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from flows.actions import Route
from flows.events import FarSideKey, LegState, TransferProgress
from flows.far_side import Verdict, Who
from telephony.call_control import Leg
from telephony.call_progress import CallProgress, Tone
from telephony.codecs import Int16
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import LegError, TelephonyError
from telephony.leg_events import LegAudio, LegEnded, LegKey, LegProgress
from telephony.leg_state import LegEndReason
from telephony.leg_state import LegState as WireState
from telephony.trunk_address import CONSOLE
from voicebot.call.agent_desks import desk_number
from voicebot.call.conference import Conference
from voicebot.call.far_ear import MakeEar
from voicebot.call.far_words import FarWords
from voicebot.call.leg_speech import say_to
from voicebot.call.person import PersonWatch, Probabilities

__all__ = ["HandoffDriver", "HandoffLimits", "Probabilities"]

log = structlog.get_logger()

CLOSE_S = 3.0
"""How long the end of a call may wait for its legs to hang up."""

TELLING_S = 10.0
"""How long a leg whose caller is gone is spoken to, at most."""

_FAILURES = {
    LegEndReason.BUSY: LegState.BUSY,
    LegEndReason.NO_ANSWER: LegState.NO_ANSWER,
}

_REFUSALS = {"in_band_busy": LegState.BUSY, "busy": LegState.BUSY, "no_answer": LegState.NO_ANSWER}

OVERDUE_S = 5.0
"""A leg that has not told its end so long after its time to answer is dead: its endpoint is."""

HUNG_UP_PERIODS = 4
"""Periods of busy tone in a conversation that mean that the far side has hung up: many exchanges
say it in the voice channel alone."""

SPEAKING_S = 3.0
"""How long who begins to speak has to say what tells a person from an announcement."""

SPEAKING_MOST_S = 7.0
"""The same for all such beginnings together, after the time to confirm."""


@dataclass(frozen=True, slots=True)
class HandoffLimits:
    """Seconds; settings of section [handoff]."""

    confirm_timeout_s: float = 8.0
    """After answering, until a person is heard."""
    queue_patience_s: float = 15.0
    """After an announcement that somebody will come."""
    queue_timeout_s: float = 45.0
    """After answering, however often a queue announces itself."""
    answer_timeout_s: float = 12.0
    """How long a desk may ring; the leg itself sees to it."""


@dataclass(slots=True)
class _Leg:
    handoff: str
    number: str
    leg: Leg
    takes_line: bool
    line: str = ""
    """The line beside 110 whose leg it is; "" for the chain of 110 or of the seat."""
    task: asyncio.Task[None] | None = None
    off_hook: bool = False
    confirmed: bool = False
    answered_at: float = 0.0
    """By the event loop's clock."""
    deadline: asyncio.Timeout | None = None
    refusal: tuple[LegState, str] | None = None
    """What the far side itself gave to understand."""
    tones: CallProgress | None = None
    failing: bool = False
    """What it was sent could not be taken; said once."""
    busy: int = 0
    """Periods of a busy tone after the conversation."""
    words: FarWords | None = None


def _no_ear() -> None:
    """No recogniser: a voice must do."""


def _no_words(_: str) -> None:
    """Nobody writes down what the far side says."""


class HandoffDriver:
    """One call's outgoing legs: one to 110 or a seat, and one to each line beside it.

    Parameters:
        directory: the numbers that may be dialled; nothing else ever is.
        new_leg: makes a leg to a number of the directory, not yet dialled.
        report: takes the progress events, and keys pressed on a leg.
        play: takes a far side's audio (PCM16, rate, bridged, line); the caller hears it
            through us unless the endpoint has `bridged` the leg.
        voice: makes a voice detector for 16 kHz audio.
        ear: makes an ear for the words of one leg, where there is a recogniser.
        words: makes what writes down what is said on a leg to a number of that kind.
    """

    def __init__(
        self,
        directory: DutyDirectory,
        new_leg: Callable[[DutyNumber], Leg],
        report: Callable[[TransferProgress | FarSideKey], None],
        play: Callable[[Int16, int, bool, str], None],
        voice: Callable[[], Awaitable[Probabilities]],
        now: Callable[[], float],
        limits: HandoffLimits,
        ear: MakeEar = _no_ear,
        words: Callable[[str], FarWords | None] = _no_words,
    ) -> None:
        self._directory, self._new_leg = directory, new_leg
        self._report, self._play, self._voice, self._ear = report, play, voice, ear
        self._words = words
        self._now, self._limits = now, limits
        self._legs: dict[str, _Leg] = {}
        self._conference = Conference(now)
        self._rate = 8000
        """Of the caller's audio."""
        self._dossier: Mapping[str, Any] | None = None
        self._closed = False
        self._endings: set[asyncio.Task[None]] = set()
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def lines_in_use(self) -> int:
        """Legs that are up or being dialled; one to an agent's browser takes no line."""
        return sum(leg.takes_line for leg in self._legs.values())

    @property
    def bridged(self) -> bool:
        """A far side is off-hook: caller and desk hear each other."""
        return any(leg.off_hook for leg in self._legs.values())

    def take_directory(self, directory: DutyDirectory) -> None:
        """What may be dialled from now on; legs that are up stay."""
        self._directory = directory

    def dial(self, handoff: str, route: Route, start: Mapping[str, Any], line: str = "") -> None:
        """Originate a route; a leg that is still up for the same line is given up."""
        if self._closed:
            return
        self.release(line)
        try:
            number = desk_number(route.destination) or self._directory.resolve(route.destination)
            outgoing = self._new_leg(number)
        except Exception as error:
            # Whatever it is, the chain must go on.
            if not isinstance(error, TelephonyError):
                log.exception("leg_not_made", destination=route.destination)
            code = error.code if isinstance(error, TelephonyError) else "internal"
            self._report(
                TransferProgress(
                    self._now(), handoff, route.destination, LegState.FAILED, code, line
                )
            )
            return
        takes_line = not number.url.startswith(CONSOLE)
        leg = self._legs[line] = _Leg(handoff, number.number, outgoing, takes_line, line)
        leg.words = self._make_words(number.kind)
        leg.task = asyncio.create_task(self._run(leg, number, start))

    def _make_words(self, kind: str) -> FarWords | None:
        try:
            return self._words(kind)
        except Exception:
            log.exception("far_side_not_written_down")
            return None

    def release(self, line: str = "") -> None:
        """Hang up the leg to a line, without another word about it; harmless without one."""
        leg = self._legs.pop(line, None)
        if leg is not None:
            self._conference.leave(line)
            self._spawn(self._end(leg))

    def keep_beside(self, handoff: str, line: str, destination: str) -> None:
        """The chain's leg, to `destination`, stays: as the leg to `line`, of another hand-off too.

        One that has ended meanwhile is reported as lost, on its new line.
        """
        self.release(line)
        leg = self._legs.pop("", None)
        if leg is None:
            lost = LegEndReason.LOST.value
            self._report(
                TransferProgress(self._now(), handoff, destination, LegState.ENDED, lost, line)
            )
            return
        leg.handoff, leg.line = handoff, line
        self._legs[line] = leg
        self._conference.move("", line)

    def send_caller_audio(self, pcm: Int16, rate: int) -> None:
        """The caller's audio, heard by the desks from the moment they are off-hook.

        With it each hears the others.
        """
        self._rate = rate
        for line, leg in self._legs.items():
            if leg.off_hook and not leg.leg.bridged:
                try:
                    leg.leg.send_audio(self._conference.mixed(line, pcm, rate), rate)
                except Exception:
                    if not leg.failing:  # once, not fifty times a second
                        log.exception("leg_not_sent", destination=leg.number)
                    leg.failing = True

    def send_dossier(self, dossier: Mapping[str, Any]) -> None:
        """The dossier's newest state; also given to every leg dialled later."""
        self._dossier = dossier
        for leg in self._legs.values():
            try:
                sent = leg.leg.send_dossier(dossier)
            except Exception:
                log.exception("dossier_not_sent", destination=leg.number)
                continue
            if not sent:
                log.error("dossier_not_on_line", destination=leg.number)

    def tell(self, line: str, words: Callable[[], Awaitable[Int16]], rate: int) -> None:
        """Say something to a leg that is off-hook, and hang it up; harmless without one."""
        leg = self._legs.pop(line, None)
        if leg is not None:
            leg.confirmed = True  # whoever is there is spoken to: no longer a matter of being heard
            if leg.deadline is not None and not leg.deadline.expired():
                leg.deadline.reschedule(None)
            self._conference.leave(line)
            telling = asyncio.create_task(self._told(leg, words, rate))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _told(self, leg: _Leg, words: Callable[[], Awaitable[Int16]], rate: int) -> None:
        try:
            async with asyncio.timeout(TELLING_S):
                await say_to(leg.leg, await words(), rate)
        except Exception:
            log.exception("leg_not_told", destination=leg.number)
        await self._end(leg)

    async def close(self) -> None:
        """Hang up whatever is up once it is told; never raises, and never waits for a dead desk."""
        self._closed = True
        if self._telling:
            await asyncio.wait(self._telling, timeout=TELLING_S + CLOSE_S)
        for line in list(self._legs):
            self.release(line)
        if self._endings:
            await asyncio.wait(self._endings, timeout=CLOSE_S)

    def _spawn(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _tell(self, leg: _Leg, state: LegState, reason: str = "") -> None:
        self._report(
            TransferProgress(self._now(), leg.handoff, leg.number, state, reason, leg.line)
        )

    async def _end(self, leg: _Leg) -> None:
        """Give a leg up without another word about it."""
        if leg.task is not None:
            leg.task.cancel()
            await asyncio.wait({leg.task})
        await self._hang_up(leg)  # a task that had not begun leaves it to us
        await self._last_words(leg)

    async def _last_words(self, leg: _Leg) -> None:
        if leg.words is not None:
            await leg.words.close()

    async def _hang_up(self, leg: _Leg) -> None:
        try:
            await leg.leg.hangup()
        except Exception:
            log.exception("leg_not_hung_up", destination=leg.number)

    async def _run(self, leg: _Leg, number: DutyNumber, start: Mapping[str, Any]) -> None:
        """One leg from dialling to its end, which is reported once."""
        state, reason = LegState.FAILED, "internal"
        try:
            self._tell(leg, LegState.REQUESTED)
            async with asyncio.timeout(self._limits.answer_timeout_s + OVERDUE_S):
                await leg.leg.connect({**start, "number": number.number}, self._dossier)
            state, reason = await self._carry(leg)
        except LegError as error:
            reason = error.code
        except Exception:
            log.exception("leg_failed", destination=leg.number)
            if leg.confirmed:  # lost in mid-conversation: the next route, not the end
                state, reason = LegState.ENDED, LegEndReason.LOST.value
        except asyncio.CancelledError:
            await self._hang_up(leg)
            raise
        if self._legs.get(leg.line) is leg:
            del self._legs[leg.line]
            self._conference.leave(leg.line)
        try:
            self._tell(leg, state, reason)
        finally:
            self._spawn(self._last_words(leg))
            await self._hang_up(leg)

    async def _carry(self, leg: _Leg) -> tuple[LegState, str]:
        """Audio and progress of a connected leg; gives its end."""
        person = PersonWatch(self._voice, self._ear, lambda news: self._learn(leg, news))
        try:
            try:
                overdue = self._limits.answer_timeout_s + OVERDUE_S
                async with asyncio.timeout(overdue) as deadline:
                    leg.deadline = deadline
                    return await self._follow(leg, person)
            except TimeoutError:
                if not deadline.expired():
                    raise
                if not leg.off_hook and leg.refusal is None:
                    log.error("leg_overdue", destination=leg.number)
                    return LegState.NO_ANSWER, "overdue"
                if leg.refusal is not None or not person.somebody:
                    return leg.refusal or (LegState.NO_ANSWER, "nobody_spoke")
            # Nobody is hung up on who is speaking, however slow we are to understand.
            self._confirmed(leg, "person_spoke")
            return await self._follow(leg, person)
        finally:
            person.close()

    async def _follow(self, leg: _Leg, person: PersonWatch) -> tuple[LegState, str]:
        async for event in leg.leg:
            match event:
                case LegProgress(state=WireState.RINGING):
                    self._tell(leg, LegState.RINGING)
                case LegProgress(state=WireState.ANSWERED):
                    # An answered leg on which nobody speaks is a failed leg.
                    self._off_hook(leg)
                    leg.answered_at = asyncio.get_running_loop().time()
                    self._wait(leg, self._limits.confirm_timeout_s)
                    self._tell(leg, LegState.ANSWERED)
                case LegProgress(state=WireState.ACKNOWLEDGED):
                    self._off_hook(leg)
                    self._confirm(leg, "acknowledged")
                case LegAudio():
                    pcm = np.frombuffer(event.pcm, np.int16)
                    if not leg.confirmed:
                        person.push(pcm, event.rate, early=event.early)
                    elif _rings_off(leg, pcm, event.rate):
                        return LegState.ENDED, LegEndReason.ENDED.value
                    if not event.early:
                        if leg.words is not None:
                            leg.words.push(pcm, event.rate)
                        self._conference.say(leg.line, pcm, event.rate, self._rate)
                        self._play(pcm, event.rate, leg.leg.bridged, leg.line)
                case LegKey(key=key):
                    if leg.confirmed:
                        self._report(
                            FarSideKey(self._now(), leg.handoff, leg.number, key, leg.line)
                        )
                    elif leg.off_hook:  # the desk of a telephone: it acknowledges by hand
                        self._confirm(leg, "acknowledged")
                case LegEnded(reason=reason):
                    if reason is LegEndReason.TRANSFERRED:
                        self._confirm(leg, reason.value)
                    if leg.confirmed:
                        return LegState.ENDED, reason.value
                    return _FAILURES.get(reason, LegState.FAILED), reason.value
                case _:
                    pass
        return LegState.FAILED, LegEndReason.LOST.value

    def _learn(self, leg: _Leg, news: Verdict) -> None:
        """What was heard on the far side of a leg that is not confirmed."""
        limits = self._limits
        match news.who:
            case Who.PERSON:
                self._confirm(leg, "person_spoke")
            case Who.REFUSED:
                leg.refusal = (_REFUSALS.get(news.reason, LegState.FAILED), news.reason)
                log.info("leg_refused", destination=leg.number, reason=news.reason)
                self._wait(leg, 0.0)
            case Who.QUEUE:
                if leg.off_hook:
                    log.info("leg_announcement", destination=leg.number, heard=news.reason)
                    self._extend(leg, limits.queue_patience_s, limits.queue_timeout_s)
            case Who.UNDECIDED:
                if leg.off_hook:
                    self._extend(leg, SPEAKING_S, limits.confirm_timeout_s + SPEAKING_MOST_S)

    def _wait(self, leg: _Leg, seconds: float) -> None:
        """Give the leg up unless it is confirmed within so long."""
        if leg.deadline is not None and not (leg.confirmed or leg.deadline.expired()):
            leg.deadline.reschedule(asyncio.get_running_loop().time() + seconds)

    def _extend(self, leg: _Leg, seconds: float, most: float) -> None:
        """Wait for so long, at least, but not longer than `most` after answering."""
        if leg.deadline is None:
            return
        now = asyncio.get_running_loop().time()
        due = min(now + seconds, leg.answered_at + most)
        if due > (leg.deadline.when() or now):
            self._wait(leg, due - now)

    def _confirm(self, leg: _Leg, reason: str) -> None:
        deadline = leg.deadline
        current = self._legs.get(leg.line) is leg
        if deadline is None or leg.confirmed or deadline.expired() or not current:
            return
        deadline.reschedule(None)
        self._confirmed(leg, reason)

    def _confirmed(self, leg: _Leg, reason: str) -> None:
        leg.confirmed = True
        if leg.words is not None:
            leg.words.start()
        self._tell(leg, LegState.CONFIRMED, reason)

    def _off_hook(self, leg: _Leg) -> None:
        leg.off_hook = True
        if not leg.leg.bridged and self._legs.get(leg.line) is leg:
            self._conference.join(leg.line)


def _rings_off(leg: _Leg, pcm: Int16, rate: int) -> bool:
    """Whether a busy tone tells that the far side of a conversation is gone."""
    if leg.tones is None:
        leg.tones = CallProgress(rate)
    tone = leg.tones.push(pcm)
    if tone in (Tone.BUSY, Tone.CONGESTION):
        leg.busy += 1
    elif not leg.tones.in_tone:
        leg.busy = 0
    return leg.busy >= HUNG_UP_PERIODS
