"""One call written down as it happens: event log, transcript, dossier, live feed.

Lossless and off the audio path: rows are queued and written in batches; what must be
safe before it is announced (a hand-off, a ticket) is written at once and waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args

import structlog

from asr.hanzi import decode
from flows import actions as act
from flows import events as ev
from flows.release import HANDED_BACK
from flows.routes import SEAT
from flows.state import HandoffState, State
from voicebot.call import ticket_records
from voicebot.call.engines import Engines
from voicebot.call.far_words import Spoken
from voicebot.call.live import LiveFeed
from voicebot.callers import on_call
from voicebot.callers.missed_rules import Window
from voicebot.exchange.dossier import Dossier, Side, TranscriptTurn
from voicebot.records import codec
from voicebot.records.duty import region_names
from voicebot.records.store import Records

log = structlog.get_logger()

FLUSH_S = 0.25
WITHDRAWN = "（来电人已撤回）"
"""Before the matter of a ticket that the caller wants no more."""
DOSSIER_EVERY_S = 0.5
"""A growing dossier is delivered at most this often."""


class Journal:
    """The record of one call.

    Parameters:
        records: the database, or its spool when it is away.
        live: screens that are watching.
        text: the words of an utterance, for the transcript.
        offered_at: when the line rang, seconds since the epoch.
        window: when callers may be called back.
        offer_key: the call's, as `voicebot.admission.offer_key` has it.
    """

    def __init__(
        self,
        records: Records,
        live: LiveFeed,
        text: Callable[[act.Say], str],
        offered_at: float | None = None,
        window: Window = Window(),  # noqa: B008 - frozen
        offer_key: str | None = None,
    ) -> None:
        self._records, self._live, self._text = records, live, text
        self._offered_at, self._window, self._offer_key = offered_at, window, offer_key
        self._call_id = self._caller = self._did = self._order = ""
        self._trunk = "public"
        self._began, self._ticking = time.time(), time.monotonic()
        self._rows: list[dict[str, Any]] = []
        self._sequence = 0
        self._said: dict[str, act.Say] = {}
        self._turns: list[TranscriptTurn] = []
        self._turn_index: dict[str, int] = {}
        self._unsettled: dict[str, TranscriptTurn] = {}
        """What far sides are saying; on record once it is settled."""
        self._speaking: dict[str, None] = {}
        """Utterances that have begun and not ended."""
        self._tickets: dict[str, act.OpenTicket] = {}
        """The newest words of each ticket."""
        self._handoffs: dict[str, act.Handoff] = {}
        self._known: dict[str, HandoffState] = {}
        """What was known of each hand-off last; it stays true when the call has gone on."""
        self._incidents: dict[str, str] = {}
        """By hand-off: the incident that it belongs to."""
        self._line_states: dict[str, dict[str, str]] = {}
        """By hand-off and line: how far the legs beside 110 have come."""
        self._notes: list[str] = []
        self._revision = 0
        self._confidential = False
        """The caller has asked for it (保密), for whichever ticket."""
        self._state = State()
        self._to_deliver = self._to_show = False
        """The dossier has grown since it was last put on record, since the desk last saw it."""
        self._flusher: asyncio.Task[None] | None = None

    @property
    def transcript(self) -> tuple[tuple[str, TranscriptTurn], ...]:
        """What was said so far: (key of the turn, its newest state), in order."""
        return tuple((key, self._turns[index]) for key, index in self._turn_index.items())

    @property
    def unsettled(self) -> tuple[tuple[str, TranscriptTurn], ...]:
        """What far sides are saying, as far as it was heard: by the keys that `transcript` has
        once it is settled.
        """
        return tuple(self._unsettled.items())

    @property
    def _elapsed(self) -> float:
        """Seconds of the call, on a clock that does not jump."""
        return time.monotonic() - self._ticking

    @property
    def _now(self) -> float:
        """Seconds since the epoch, by the clock as it was when the call was answered: a call
        whose machine's clock is set back meanwhile does not end before it began.
        """
        return self._began + self._elapsed

    @property
    def began(self) -> float:
        """When the call was answered, seconds since the epoch."""
        return self._began

    @property
    def confidential(self) -> bool:
        """The caller has asked in this call that nobody learn who he is (保密)."""
        return self._confidential

    def keep_confidential(self) -> None:
        """Somebody has noted that wish: it holds from now on, and screens are told."""
        if not self._confidential:
            self._confidential = True
            self._publish(self._elapsed, "confidential")

    # ── the call ──────────────────────────────────────────────────────────────────

    async def start(self, start: ev.CallStarted, recording: str) -> None:
        self._call_id, self._caller, self._did = start.call_id, start.caller, start.did
        self._trunk, self._order = start.trunk, start.order
        self._began, self._ticking = time.time(), time.monotonic()
        await self._records.start_call(
            start.call_id,
            start.caller,
            start.did,
            self._began,
            recording,
            self._offered_at,
            self._offer_key,
        )
        self._publish(
            0.0,
            "call",
            state="started",
            caller=self._caller,
            did=self._did,
            trunk=self._trunk,
            order=self._order,
        )
        self._flusher = asyncio.create_task(self._flush_often())

    async def finish(self, state: State) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
        self._close_turns(self._elapsed)
        await self._flush()
        await self._deliver(state)
        await self._records.finish_call(self._call_id, state.outcome, self._now, state.region)
        on_call.ended(self._records, state, self._did, self._window, self._began)
        self._publish(self._elapsed, "call", state="ended", outcome=state.outcome)

    def note(self, event: ev.Event, actions: Sequence[act.Action], state: State) -> None:
        """An event was taken and these actions decided; called for each, in order."""
        self._state = state
        self._confidential |= state.ticket is not None and state.ticket.confidential
        if state.handoff is not None:
            self._known[state.handoff.id] = state.handoff
        self._row(event.at, "in", event)
        self._show_event(event)
        for action in actions:
            self._row(event.at, "out", action)
            self._show_action(event.at, action)
            if isinstance(event, ev.FarSideKey) and _hands_back(action):
                self._records.handoff_returned(event.handoff, self._began + event.at)

    def _row(self, at: float, direction: str, item: ev.Event | act.Action) -> None:
        self._sequence += 1
        kind, payload = codec.encode(item)
        self._rows.append(
            {
                "seq": self._sequence,
                "at": round(at, 3),
                "direction": direction,
                "kind": kind,
                "payload": payload,
            }
        )

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._flush()
            if self._handoffs and self._to_deliver:
                self._to_deliver = False
                await self._deliver(self._state)
                await asyncio.sleep(DOSSIER_EVERY_S)

    async def _deliver(self, state: State) -> None:
        for handoff in self._handoffs:
            try:
                await self._records.update_dossier(handoff, self._dossier(handoff, state))
            except Exception:
                log.exception("dossier_not_updated", handoff=handoff)

    def _grown(self) -> None:
        self._to_deliver = self._to_show = bool(self._handoffs)

    async def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            await self._records.append(self._call_id, rows)

    # ── transcript and screens ────────────────────────────────────────────────────

    def _show_event(self, event: ev.Event) -> None:
        match event:
            case ev.Heard():
                text = event.text or " ".join(event.syllables)
                self._publish(
                    event.at,
                    "hypothesis",
                    turn=event.turn,
                    ear=event.ear.value,
                    text=text,
                    final=event.final,
                )
                self._hear(event)
            case ev.PlaybackStarted():
                say = self._said.get(event.utterance)
                if say is not None:
                    self._speaking[event.utterance] = None
                    self._turn(
                        event.utterance,
                        TranscriptTurn(
                            side="bot",
                            text=self._spoken(say),
                            start=event.at,
                            end=event.at,
                            entry=say.entry,
                        ),
                    )
                    self._publish(
                        event.at,
                        "say",
                        text=self._spoken(say),
                        purpose=say.purpose.value,
                        entry=say.entry,
                    )
            case ev.PlaybackFinished():
                self._ended(event.utterance, event.at)
            case ev.TransferProgress():
                self._publish(
                    event.at,
                    "transfer",
                    destination=event.destination,
                    state=event.state.value,
                    reason=event.reason,
                    line=event.line,
                )
            case ev.FarSideKey():
                self._publish(event.at, "far_side_key", key=event.key, line=event.line)
            case ev.KeyPressed():
                self._publish(event.at, "key", key=event.key)
            case ev.HungUp():
                self._close_turns(event.at)
                self._publish(event.at, "hung_up", by=event.by)
            case ev.Released():
                self._close_turns(event.at)
                self._publish(event.at, "hung_up", by="service")
            case _:
                pass

    def _show_action(self, at: float, action: act.Action) -> None:
        match action:
            case act.Say():
                self._said[action.utterance] = action
            case act.Decide():
                self._publish(at, "decision", what=action.what, why=action.why)
            case act.Handoff():
                self._publish(
                    at,
                    "handoff",
                    routes=[route.destination for route in action.routes],
                    reason=action.reason,
                    category=action.category,
                    lines=list(action.lines),
                    region=action.region,
                )
            case act.OpenTicket():
                self._publish(at, "ticket", ticket=action.ticket, matter=_matter(action))
            case _:
                pass

    def _hear(self, event: ev.Heard) -> None:
        key = f"turn{event.turn}"
        text = event.text
        if not text:
            known = self._turn_index.get(key)
            if known is not None and self._turns[known].characters:
                return  # the transcriber's text is better than syllables
            text = next((each.text for each in decode(event.syllables, most=1)), "")
        if not text:
            return
        self._turn(
            key,
            TranscriptTurn(
                side="caller",
                text=text,
                start=event.start,
                end=event.end,
                characters=bool(event.text),
            ),
        )
        self._grown()

    def far_side(self, kind: str, spoken: Spoken) -> None:
        """What 110, a seat or another line has said or is saying; `kind` as in the duty
        directory.
        """
        side = cast(Side, kind if kind in get_args(Side) else SEAT)
        key = f"{side}@{spoken.utterance}"
        turn = TranscriptTurn(
            side=side,
            text=spoken.text,
            start=spoken.start,
            end=spoken.end,
            characters=spoken.characters,
        )
        if spoken.final:
            self._unsettled.pop(key, None)
        else:
            self._unsettled[key] = turn
        if not (spoken.final and spoken.text):
            self._publish(
                self._elapsed, "far_side_hypothesis", key=key, side=side, text=spoken.text
            )
            return
        self._turn(key, turn)
        self._grown()
        self._publish(
            spoken.end, "far_side", side=side, text=spoken.text, start=spoken.start, end=spoken.end
        )

    def _turn(self, key: str, turn: TranscriptTurn) -> None:
        index = self._turn_index.get(key)
        if index is None:
            self._turn_index[key] = len(self._turns)
            self._turns.append(turn)
        else:
            self._turns[index] = turn
        self._records.add_turn(self._call_id, self._turn_index[key], turn.model_dump())

    def _close_turns(self, at: float) -> None:
        """What the bot was saying when the call ended, ended with it."""
        for utterance in list(self._speaking):
            self._ended(utterance, at)

    def _ended(self, utterance: str, at: float) -> None:
        self._speaking.pop(utterance, None)
        index = self._turn_index.get(utterance)
        if index is not None:
            self._turn(utterance, self._turns[index].model_copy(update={"end": at}))

    def _spoken(self, say: act.Say) -> str:
        try:
            return self._text(say)
        except LookupError:
            return ""

    def _publish(self, at: float, kind: str, **rest: Any) -> None:
        kept = {"confidential": True} if self._confidential else {}
        message = {"call_id": self._call_id, "at": round(at, 2), "kind": kind, **rest, **kept}
        self._live.publish(message)

    # ── hand-off and tickets ──────────────────────────────────────────────────────

    async def open_handoff(self, action: act.Handoff) -> bool:
        """Write the hand-off and its outbox row in one transaction: True once it is safe."""
        return await self._records.open_handoff(
            {"destination": action.routes[0].destination, "requested_at": self._now},
            self._dossier(action.handoff, self._state),
        )

    def update_handoff(self, action: act.UpdateDossier) -> None:
        if action.note:
            self._notes.append(action.note)
        self._grown()

    def incident(self, handoff: str, incident: str) -> None:
        """Others have called about the same event as this hand-off."""
        if self._incidents.get(handoff) != incident:
            self._incidents[handoff] = incident
            self._grown()

    async def note_later(self, handoff: str, note: str) -> None:
        """What became known about a hand-off when its call was over already."""
        self._notes.append(note)
        await self._records.update_dossier(handoff, self._dossier(handoff, self._state))

    def transfer(self, event: ev.TransferProgress) -> None:
        if event.line:  # the hand-off's own state is that of its own chain
            self._line_state(event.handoff, event.line, event.state)
            return
        self._records.handoff_state(
            event.handoff, event.destination, event.state.value, self._began + event.at
        )

    def released(self, at: float, action: act.ReleaseLeg) -> None:
        """A leg was hung up by us; nothing more is heard of it."""
        known = self._known.get(action.handoff)
        if action.line:
            self._line_state(action.handoff, action.line, ev.LegState.ENDED)
        elif known is not None:
            self._records.handoff_state(
                action.handoff,
                known.route.destination,
                ev.LegState.ENDED.value,
                self._began + at,
            )

    def _line_state(self, handoff: str, line: str, state: ev.LegState) -> None:
        self._line_states.setdefault(handoff, {})[line] = state.value
        self._grown()

    async def save_ticket(self, action: act.OpenTicket) -> bool:
        self._tickets[action.ticket] = action
        return await self._save_ticket(action)

    async def propose_department(self, action: act.OpenTicket, engines: Engines) -> None:
        """The department proposed for a ticket, on record once the ticket is (R21)."""
        proposed = await ticket_records.proposed(self._records, engines, action)
        if proposed is not None and self._tickets.get(action.ticket) is action:
            await self._save_ticket(action, **proposed)

    async def find_tickets(self, action: act.FindTickets) -> tuple[ev.TicketProgress, ...] | None:
        """What the caller may hear of tickets; None: the records cannot be read now."""
        return await ticket_records.find(self._records, action, self._call_id)

    async def _save_ticket(self, action: act.OpenTicket, **proposed: Any) -> bool:
        return await self._records.save_ticket(
            {
                "id": action.ticket,
                "call_id": self._call_id,
                "matter": action.matter,
                "withdrawn": action.withdrawn,
                "place": action.place,
                "name": action.name,
                "number": action.number,
                "region": action.region,
                "department": action.department,
                "happened": action.happened,
                "confidential": action.confidential,
                **proposed,
            }
        )

    def evaluated(self, action: act.Evaluate) -> None:
        on_call.evaluated(self._records, self._call_id, self._caller, action)

    def appealed(self, action: act.AppealLimit) -> None:
        on_call.appealed(self._records, self._caller, action)

    async def notify_line(self, action: act.NotifyLine) -> None:
        await self._records.notify_line(
            action.line, action.handoff, self._dossier(action.handoff, self._state)
        )

    def line_parameters(self, handoff: str) -> dict[str, Any]:
        """What goes with the call itself: number, region, category, lines."""
        known = self._handoffs[handoff]
        state = self._state.handoff
        from_police = {"priority": self._trunk} if self._trunk != "public" else {}
        return {
            **from_police,
            **({"order": self._order} if self._order else {}),
            "caller": self._caller,
            "handoff": handoff,
            "region": (state.region if state else None) or known.region or "",
            "category": str((state.category if state else None) or known.category or ""),
            "lines": ",".join(state.lines if state else known.lines),
        }

    def dossier(self, action: act.Handoff, state: State) -> dict[str, Any]:
        """The dossier of a hand-off that is being opened."""
        self._handoffs[action.handoff] = action
        return self._dossier(action.handoff, state)

    def grown_dossier(self, state: State) -> dict[str, Any] | None:
        """The newest hand-off's dossier, if there is more in it than when this was last asked."""
        if not (self._to_show and self._handoffs):
            return None
        self._to_show = False
        return self._dossier(next(reversed(self._handoffs)), state)

    def _dossier(self, handoff: str, state: State) -> dict[str, Any]:
        opened = self._handoffs[handoff]
        current = self._known.get(handoff)
        if state.handoff is not None and state.handoff.id == handoff:
            current = state.handoff
        region = (current.region if current else None) or opened.region
        self._revision += 1
        return Dossier(
            handoff=handoff,
            call_id=self._call_id,
            caller=self._caller,
            did=self._did,
            order=self._order,
            incident=self._incidents.get(handoff, ""),
            priority=self._trunk if self._trunk != "public" else "",
            region=region,
            region_name=region_names().get(region) if region else None,
            category=(current.category if current else None) or opened.category,
            lines=current.lines if current else opened.lines,
            line_states=dict(self._line_states.get(handoff, {})),
            flags=current.flags if current else opened.flags,
            reason=current.reason if current else opened.reason,
            evidence=opened.evidence,
            transcript=tuple(self._turns),
            notes=tuple(self._notes),
            revision=self._revision,
        ).model_dump(mode="json")


def _hands_back(action: act.Action) -> bool:
    """110 gives the caller back to 12345."""
    return isinstance(action, act.Decide) and action.what == HANDED_BACK


def _matter(action: act.OpenTicket) -> str:
    """What the ticket is about, as people read it."""
    return WITHDRAWN + action.matter if action.withdrawn else action.matter
