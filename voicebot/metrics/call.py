"""What one call adds to the metrics: read off its events and actions, as the core takes them."""

from __future__ import annotations

from collections.abc import Sequence

from flows import actions as act
from flows import events as ev
from flows.routes import POLICE
from flows.state import State
from voicebot.metrics.instruments import Metrics

OTHER = "other"
"""A leg whose route was not seen to be dialled."""


class CallMeter:
    """Of one call; every time is of the call's clock, in seconds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._kinds: dict[str, str] = {}
        """Destination → kind of the route."""
        self._handoffs: dict[str, float] = {}
        """Those that no person has yet: when each began."""
        self._searching: dict[tuple[int, str, bool], float] = {}
        self._answers: set[str] = set()
        """Utterances that read out an entry."""
        self._unanswered: tuple[int, float] | None = None
        """The newest turn that is over and was not answered, and its end."""
        self._replied = False
        """Something was said to it, a prompt or a filler."""
        self._unwritten: tuple[int, float] | None = None
        """The same of the transcriber's final words."""

    def note(
        self, event: ev.Event, actions: Sequence[act.Action], state: State, now: float
    ) -> None:
        """An event was taken, these actions were decided, `state` is what came of it."""
        self._take(event, state)
        for action in actions:
            match action:
                case act.Say() if action.entry is not None:
                    self._answers.add(action.utterance)
                case act.Search():
                    self._searching[(action.turn, action.text, action.final)] = now
                case act.Handoff():
                    self._hand_off(action, event, now)
                case act.DialRoute() | act.DialLine():
                    self._kinds[action.route.destination] = action.route.kind
                case _:
                    pass

    def decided(self, seconds: float) -> None:
        """How long the core took over a hypothesis."""
        self._metrics.took("triage", seconds)

    def ended(self, state: State) -> None:
        """The call is over, and its record complete."""
        route = state.assessment.route if state.assessment is not None else "unknown"
        self._metrics.ended(state.outcome, route)

    def _take(self, event: ev.Event, state: State) -> None:
        match event:
            case ev.CallStarted():
                self._metrics.answered(event.trunk)
            case ev.CallerSpeaking():
                self._unanswered = None
            case ev.TurnEnded():
                self._unanswered = self._unwritten = (event.turn, event.at)
                self._replied = False
            case ev.Heard(ear=ev.Ear.TRANSCRIBER, final=True):
                if self._unwritten is not None and self._unwritten[0] == event.turn:
                    self._metrics.took("final", event.at - self._unwritten[1])
                    self._unwritten = None
            case ev.PlaybackStarted():
                # A turn of noise gets no reply: what is said after it is none.
                if self._unanswered is not None and state.handled >= self._unanswered[0]:
                    self._reply(event, event.at - self._unanswered[1])
            case ev.SearchResult():
                began = self._searching.pop((event.turn, event.query, event.final), None)
                if began is not None:
                    self._metrics.took("search", event.at - began)
                if event.final:
                    self._metrics.searched(event.decision)
            case ev.TransferProgress():
                self._progress(event)
            case ev.EngineFailed():
                self._metrics.failed(event.engine)
            case _:
                pass

    def _reply(self, event: ev.PlaybackStarted, after: float) -> None:
        if not self._replied:
            self._metrics.took("reply", after)
            self._replied = True
        if event.utterance in self._answers:
            self._metrics.took("answer", after)
            self._unanswered = None

    def _hand_off(self, action: act.Handoff, event: ev.Event, now: float) -> None:
        for route in action.routes:
            self._kinds[route.destination] = route.kind
        to = action.routes[0].kind
        self._metrics.handed_off(to, action.reason)
        self._handoffs[action.handoff] = now
        self._unanswered = None  # a person is the reply
        if to == POLICE and isinstance(event, ev.Heard):
            self._metrics.took("handoff", now - event.end)

    def _progress(self, event: ev.TransferProgress) -> None:
        to = event.line or self._kinds.get(event.destination, OTHER)
        self._metrics.leg(to, event.state.value)
        if event.state is ev.LegState.CONFIRMED and not event.line:
            began = self._handoffs.pop(event.handoff, None)
            if began is not None:
                self._metrics.person_heard(to, event.at - began)
