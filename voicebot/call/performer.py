"""Does what the dialogue core has decided: one action after the other, in the outside world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from flows import actions as act
from flows import events as ev
from flows.state import State
from flows.waiting import LINES_FULL
from telephony.call_control import CallControl, Capability
from telephony.codecs import Int16
from voicebot.call.engines import Engines
from voicebot.call.handoff import HandoffDriver
from voicebot.call.journal import Journal
from voicebot.call.player import Player

log = structlog.get_logger()

HANG_UP_S = 2.0
"""How long a line may take to hang up, or to hold the caller."""

HOLD_TRIES = 3
"""A caller who could not be put on hold, or taken off it, is taken off it so often in all."""

LAST_WRITES_S = 5.0
"""How long the end of a call waits for writes and searches that are under way."""


class Performer:
    """The hands of one call.

    Parameters:
        transcribe: asks the transcriber for the words of a turn at once.
        post: takes the events that come of it.
        now: seconds since the call was answered.
        over: told that the call is over; True: the far side keeps the caller's line.
        call_back: calls a number once the caller is gone.
        may_dial: whether there is a line to a number of 110's chain; it is the call's own then.
            Where other nodes are asked the answer comes soon; it is cancelled if it is not
            wanted any more.
    """

    def __init__(
        self,
        line: CallControl,
        player: Player,
        driver: HandoffDriver,
        journal: Journal,
        engines: Engines,
        transcribe: Callable[[int], None],
        post: Callable[[ev.Event], None],
        now: Callable[[], float],
        over: Callable[[bool], None],
        call_back: Callable[[act.CallBack], None],
        may_dial: Callable[[str], bool | asyncio.Task[bool]],
    ) -> None:
        self._line, self._player, self._driver = line, player, driver
        self._journal, self._engines = journal, engines
        self._transcribe, self._post, self._now, self._over = transcribe, post, now, over
        self._call_back, self._may_dial = call_back, may_dial
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asked: asyncio.Task[bool] | None = None
        """Whether there is a line to the number of 110's chain that is to be dialled."""
        self._holds = asyncio.Lock()

    async def perform(self, action: act.Action, state: State) -> None:
        """`state` is what the dialogue was in after it had decided on the action."""
        match action:
            case act.Say():
                self._player.say(action)
            case act.StopSpeaking():
                await self._player.stop()
            case act.Search():
                self._spawn(self._search(action, state.did))
            case act.Transcribe():
                self._transcribe(action.turn)
            case act.Handoff():
                self._hand_off(action, state)
            case act.DialRoute():
                self._dial_in_turn(action.handoff, action.route, state)
            case act.DialLine():
                self._dial(action.handoff, action.route, action.line)
            case act.ReleaseLeg():
                if not action.line:
                    self._ask_no_more()
                self._driver.release(action.line)
                self._journal.released(self._now(), action)
            case act.KeepBeside():
                self._driver.keep_beside(action.handoff, action.line, action.destination)
            case act.Hold():
                self._spawn(self._hold(action.on))
            case act.Tell():
                self._driver.tell(action.line, partial(self._speech, action), self._line.rate)
            case act.CallBack():
                self._call_back(action)
            case act.UpdateDossier():
                self._journal.update_handoff(action)
            case act.OpenTicket():
                self._spawn(self._write(action.ticket, self._journal.save_ticket(action)))
                self._spawn(self._journal.propose_department(action, self._engines))
            case act.FindTickets():
                self._spawn(self._find_tickets(action))
            case act.Evaluate():
                self._journal.evaluated(action)
            case act.AppealLimit():
                self._journal.appealed(action)
            case act.NotifyLine():
                self._spawn(self._journal.notify_line(action))
            case act.HangUp():
                self._ask_no_more()
                try:
                    async with asyncio.timeout(HANG_UP_S):
                        await self._line.hang_up()
                finally:
                    self._over(False)
            case act.Leave():
                self._ask_no_more()
                self._over(True)
            case act.Decide() | act.SendLink():
                pass  # on the record and on the screens already

    def renew_dossier(self, state: State) -> None:
        """The desk that has the call sees the dossier grow."""
        dossier = self._journal.grown_dossier(state)
        if dossier is not None:
            self._driver.send_dossier(dossier)

    async def writes_done(self) -> None:
        """What is being written is given some time, then up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_WRITES_S)
            for task in late:
                log.error("work_given_up", work=task.get_name())
                task.cancel()

    def _hand_off(self, action: act.Handoff, state: State) -> None:
        # Dialled and written at the same moment: danger waits for nothing.
        try:
            self._driver.send_dossier(self._journal.dossier(action, state))
        except Exception:
            log.exception("dossier_not_made")
        self._dial_in_turn(action.handoff, action.routes[0], state)
        self._spawn(self._write(action.handoff, self._journal.open_handoff(action)))

    def _dial_in_turn(self, handoff: str, route: act.Route, state: State) -> None:
        """The chain's next; for 110, where all lines of a number are in use, it fails at once."""
        self._ask_no_more()
        to_police = state.handoff is not None and state.handoff.to_police
        may = self._may_dial(route.destination) if to_police else True
        if isinstance(may, bool):
            self._dial_or_pass(handoff, route, may=may)
        else:
            self._asked = may
            self._spawn(self._dial_when_told(may, handoff, route))

    async def _dial_when_told(
        self, may: asyncio.Task[bool], handoff: str, route: act.Route
    ) -> None:
        told = await may
        if self._asked is not may:
            return
        self._asked = None
        try:
            self._dial_or_pass(handoff, route, may=told)
        except Exception:
            # Whatever it is, the chain must go on.
            log.exception("route_not_dialled")
            self._post(
                ev.TransferProgress(
                    self._now(), handoff, route.destination, ev.LegState.FAILED, "internal"
                )
            )

    def _ask_no_more(self) -> None:
        """The chain is elsewhere by now: an answer that is still to come dials nothing."""
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None

    def _dial_or_pass(self, handoff: str, route: act.Route, *, may: bool) -> None:
        if may:
            self._dial(handoff, route)
            return
        self._driver.release()
        self._post(
            ev.TransferProgress(
                self._now(), handoff, route.destination, ev.LegState.BUSY, LINES_FULL
            )
        )

    def _dial(self, handoff: str, route: act.Route, line: str = "") -> None:
        self._driver.dial(handoff, route, self._journal.line_parameters(handoff), line)

    async def _write(self, ref: str, writing: Coroutine[Any, Any, bool]) -> None:
        try:
            written = await writing
        except Exception:
            log.exception("write_failed")
            written = False
        self._post(ev.Written(self._now(), ref, written))

    async def _hold(self, on: bool) -> None:
        """In the order asked for, beside all else; what fails leaves the caller with the others.

        Desks offer it only where the line can; one that cannot leaves the caller as he is.
        """
        if Capability.HOLD not in self._line.capabilities:
            return
        async with self._holds:
            for _ in range(HOLD_TRIES):
                try:
                    async with asyncio.timeout(HANG_UP_S):
                        await self._line.hold(on)
                    return
                except Exception:
                    log.exception("hold_failed", on=on)
                on = False

    async def _speech(self, told: act.Tell) -> Int16:
        say = act.Say(told.line, act.Purpose.PROMPT, prompt=told.prompt)
        return await asyncio.to_thread(self._engines.speak, say, self._line.rate)

    async def _find_tickets(self, asked: act.FindTickets) -> None:
        found = await self._journal.find_tickets(asked)
        self._post(ev.TicketsFound(self._now(), asked.query, found or (), found is None))

    async def _search(self, search: act.Search, line: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            decision, candidates = await loop.run_in_executor(
                self._engines.work_executor, self._engines.search, search, line
            )
        except Exception as error:
            log.exception("search_failed")
            self._post(ev.EngineFailed(self._now(), "knowledge_base", type(error).__name__))
            return
        knowledge, names = self._engines.knowledge, [name for name, _ in candidates]
        self._post(
            ev.SearchResult(
                self._now(),
                search.turn,
                search.text,
                decision,
                candidates,
                search.final,
                knowledge.inviting(names),
                knowledge.safety(names),
            )
        )

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
