"""One call's trace: spans read off its events and actions, as the core takes them.

    call ─┬─ turn ─┬─ recognition   the end of the turn → its final words
          │        ├─ triage        a hypothesis that was final or had consequences
          │        ├─ search        asked for → its result
          │        └─ speech        decided → heard (an event) → over
          ├─ handoff ── attempt     each leg: dialled → a person, or in vain
          └─ write                  a record that somebody waited for, or that was slow

Every attribute is one of `ATTRIBUTES`; its values are closed words of the program, names of
prompts and entries, numbers that count.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, set_span_in_context

from flows import actions as act
from flows import events as ev
from flows.state import State

_PREFIX = "voicebot."
CALL = _PREFIX + "call_id"
ATTRIBUTES = frozenset(
    _PREFIX + name
    for name in (
        "call_id", "trunk", "outcome", "route", "turn", "hypotheses", "triage_s", "replied",
        "ear", "final", "decision", "prompt", "entry", "purpose", "interrupted", "seconds", "to",
        "reason", "state", "operation", "kept", "engine",
    )
)  # fmt: skip

ROUTINE = frozenset({"append", "add_turn", "update_dossier"})
"""Writes that come several times a second, and for which nobody waits …"""
SLOW_S = 0.1
"""… are traced when they take longer, or fail."""

_NS = 1_000_000_000
_OVER = frozenset(
    {
        ev.LegState.CONFIRMED,
        ev.LegState.BUSY,
        ev.LegState.NO_ANSWER,
        ev.LegState.FAILED,
        ev.LegState.ENDED,
    }
)
"""States after which an attempt is over."""


@dataclass(slots=True)
class _Turn:
    span: Span
    context: Context
    number: int
    over: bool = False
    """The caller has finished; the reply is still to come."""
    hypotheses: int = 0
    triage_s: float = 0.0


class CallTrace:
    """Of one call; every `at` and `now` is of the call's clock, in seconds.

    Parameters:
        tracer: of the service.
        call_id: goes with every span.
    """

    def __init__(self, tracer: Tracer, call_id: str) -> None:
        self._tracer, self._call_id = tracer, call_id
        self._zero = time.time_ns()
        self._call, self._context = self._open("call", 0.0, Context())
        self._turn: _Turn | None = None
        self._recognition: tuple[int, Span] | None = None
        self._searches: dict[tuple[int, str, bool], Span] = {}
        self._speech: dict[str, Span] = {}
        self._handoffs: dict[str, tuple[Span, Context]] = {}
        self._attempts: dict[tuple[str, str, str], Span] = {}
        """By hand-off, line beside 110, destination."""
        self._decided_s = 0.0

    def begin(self) -> None:
        """The call's clock begins now."""
        self._zero = time.time_ns()

    def decided(self, seconds: float) -> None:
        """How long the core took over the hypothesis that is noted next."""
        self._decided_s = seconds

    def note(
        self, event: ev.Event, actions: Sequence[act.Action], state: State, now: float
    ) -> None:
        """An event was taken, these actions were decided, `state` is what came of it."""
        if isinstance(event, ev.Heard):
            self._triage(event, state, now, consequences=bool(actions))
        else:
            self._take(event, state)
        for action in actions:
            self._do(action, now)

    def ended(self, state: State, now: float) -> None:
        """The call is over: what is open ends with it."""
        self._end_turn(now)
        handoffs = [span for span, _ in self._handoffs.values()]
        waiting = [self._recognition[1]] if self._recognition is not None else []
        for span in (
            *waiting, *self._searches.values(), *self._speech.values(), *self._attempts.values(),
            *handoffs,
        ):  # fmt: skip
            self._end(span, now)
        route = state.assessment.route if state.assessment is not None else "unknown"
        self._end(self._call, now, outcome=state.outcome, route=route)

    async def writing(self, operation: str, confirmed: Coroutine[Any, Any, bool]) -> bool:
        """A write of this call, with a span unless it is routine."""
        began = time.time_ns()
        kept = await confirmed
        ended = time.time_ns()
        if operation not in ROUTINE or not kept or ended - began > SLOW_S * _NS:
            span = self._tracer.start_span(
                "write",
                self._context,
                start_time=began,
                attributes={
                    CALL: self._call_id,
                    _PREFIX + "operation": operation,
                    _PREFIX + "kept": kept,
                },
            )
            span.end(ended)
        return kept

    # ── events and actions ────────────────────────────────────────────────────────

    def _take(self, event: ev.Event, state: State) -> None:
        match event:
            case ev.CallStarted():
                self._call.set_attribute(_PREFIX + "trunk", event.trunk)
            case ev.CallerSpeaking():
                self._end_turn(event.at)
                self._turn = _Turn(*self._open("turn", event.at, turn=event.turn), event.turn)
            case ev.TurnEnded():
                if self._turn is not None:
                    self._turn.over = True
                if self._recognition is not None:
                    self._end(self._recognition[1], event.at)
                self._recognition = event.turn, self._begin("recognition", event.at)
            case ev.SearchResult():
                span = self._searches.pop((event.turn, event.query, event.final), None)
                if span is not None:
                    self._end(span, event.at, decision=event.decision)
            case ev.PlaybackStarted():
                self._heard(event, state)
            case ev.PlaybackFinished():
                span = self._speech.pop(event.utterance, None)
                if span is not None:
                    self._end(span, event.at, interrupted=event.interrupted, seconds=event.seconds)
            case ev.TransferProgress():
                self._progress(event)
            case ev.EngineFailed():
                self._event(self._call, "engine_failed", event.at, engine=event.engine)
            case _:
                pass

    def _do(self, action: act.Action, now: float) -> None:
        match action:
            case act.Say():
                of = {"entry": action.entry} if action.entry else {"prompt": action.prompt or ""}
                self._speech[action.utterance] = self._begin(
                    "speech", now, purpose=action.purpose.value, **of
                )
            case act.Search():
                key = (action.turn, action.text, action.final)
                self._searches[key] = self._begin("search", now, final=action.final)
            case act.Handoff():
                to = action.routes[0]
                self._handoffs[action.handoff] = self._open(
                    "handoff", now, to=to.kind, reason=action.reason
                )
                self._attempt(action.handoff, "", to, now)
            case act.DialRoute():
                self._attempt(action.handoff, "", action.route, now)
            case act.DialLine():
                self._attempt(action.handoff, action.line, action.route, now)
            case _:
                pass

    def _triage(self, event: ev.Heard, state: State, now: float, *, consequences: bool) -> None:
        turn = self._turn
        if turn is not None and turn.number == event.turn:
            turn.hypotheses += 1
            turn.triage_s += self._decided_s
        if event.final or consequences:
            route = state.assessment.route if state.assessment is not None else "unknown"
            span = self._begin(
                "triage", now - self._decided_s, ear=event.ear.value, final=event.final, route=route
            )
            self._end(span, now)
        written = event.final and event.ear is ev.Ear.TRANSCRIBER
        if written and self._recognition is not None and self._recognition[0] == event.turn:
            self._end(self._recognition[1], event.at)
            self._recognition = None

    def _heard(self, event: ev.PlaybackStarted, state: State) -> None:
        span = self._speech.get(event.utterance)
        if span is not None:
            self._event(span, "heard", event.at)
        turn = self._turn
        if turn is not None and turn.over and state.handled >= turn.number:
            self._end_turn(event.at, replied=True)

    def _end_turn(self, at: float, *, replied: bool = False) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._end(
                turn.span, at, replied=replied, hypotheses=turn.hypotheses, triage_s=turn.triage_s
            )

    def _attempt(self, handoff: str, line: str, route: act.Route, now: float) -> None:
        key = handoff, line, route.destination
        before = self._attempts.pop(key, None)
        if before is not None:
            self._end(before, now)
        _, context = self._handoffs.get(handoff, (None, None))
        self._attempts[key], _ = self._open("attempt", now, context, to=line or route.kind)

    def _progress(self, event: ev.TransferProgress) -> None:
        key = event.handoff, event.line, event.destination
        span = self._attempts.get(key)
        if span is None:
            return
        if event.state not in _OVER:
            self._event(span, event.state.value, event.at)
            return
        self._end(self._attempts.pop(key), event.at, state=event.state.value)
        if event.state is ev.LegState.CONFIRMED and not event.line:
            found = self._handoffs.pop(event.handoff, None)
            if found is not None:
                self._end(found[0], event.at, state=event.state.value)

    # ── spans ─────────────────────────────────────────────────────────────────────

    def _ns(self, at: float) -> int:
        return self._zero + round(at * _NS)

    def _begin(self, name: str, at: float, **named: str | float | bool) -> Span:
        """Within the caller's turn, if there is one."""
        turn = self._turn
        return self._start(name, at, turn.context if turn is not None else self._context, named)

    def _open(
        self, name: str, at: float, parent: Context | None = None, **named: str | float | bool
    ) -> tuple[Span, Context]:
        """Of the call, or of `parent`; with the context that spans within it need."""
        span = self._start(name, at, parent if parent is not None else self._context, named)
        return span, set_span_in_context(span, Context())

    def _start(
        self, name: str, at: float, parent: Context, named: dict[str, str | float | bool]
    ) -> Span:
        attributes = {_PREFIX + key: value for key, value in named.items()}
        attributes[CALL] = self._call_id
        return self._tracer.start_span(name, parent, start_time=self._ns(at), attributes=attributes)

    def _end(self, span: Span, at: float, **named: str | float | bool) -> None:
        for key, value in named.items():
            span.set_attribute(_PREFIX + key, value)
        span.end(self._ns(at))

    def _event(self, span: Span, name: str, at: float, **named: str) -> None:
        span.add_event(name, {_PREFIX + key: value for key, value in named.items()}, self._ns(at))
