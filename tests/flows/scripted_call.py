"""A call played by hand: a triage driven by keywords, and events written as a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from asr import phonetics
from flows import events as ev
from flows import jurisdiction
from flows.actions import Action, Handoff, HangUp, OpenTicket, Say, Search
from flows.dialogue import Limits, Policy, step, texts_to_embed
from flows.state import Phase, State
from flows.triage import Assessment, Evidence, TriageModel, Turn

A = TypeVar("A", bound=Action)

DANGER = {"着火": "119", "杀人": "", "救命": "", "晕倒": "120", "他拿刀": ""}
DOUBT = ("有点怕", "那个人", "吵得厉害")
BETWEEN = ("砸东西",)
"""As likely a matter of 110's as of 12345's."""
POLICE_MATTER = ("手机被偷", "被骗了钱")
OUTSIDE = ("陪我聊天",)
RETRACTION = ("弄错了",)
MUMBLED = "四是个水里的什么东西"
"""What a recogniser makes of a mumble."""
HARMLESS = "有点怕麻烦"
"""Doubtful in its first half, and not as a whole."""


class ScriptedTriage:
    """Has the interface of `TriageModel`; the words decide, over the whole conversation."""

    def texts(self, turns: Sequence[Turn]) -> tuple[str, ...]:
        return tuple(turn.text for turn in turns if turn.text)

    def assess(self, turns: Sequence[Turn], embeddings: Mapping[str, ev.Embedding]) -> Assessment:
        def found(words: Sequence[str]) -> list[tuple[int, str]]:
            return [
                (index, word)
                for index, turn in enumerate(turns)
                for word in words
                if word in turn.text.replace(HARMLESS, "")
            ]

        danger, doubt = found(tuple(DANGER)), found(DOUBT)
        doubt += [
            (index, word)
            for index, turn in enumerate(turns)
            for word in DOUBT
            if not turn.text and " ".join(sounds(word)) in " ".join(turn.syllables)
        ]
        police, outside = found(POLICE_MATTER), found(OUTSIDE)
        to_police = found(("接110", "我要报警"))
        to_human = found(("人工",))
        evidence = [Evidence("danger", word, 1.0, index) for index, word in danger]
        evidence += [Evidence("human_request", word, 1.0, index) for index, word in to_human]
        evidence += [Evidence("retraction", word, -1.0, i) for i, word in found(RETRACTION)]
        request = "police" if to_police else "human" if to_human else None
        route, action, sure = "12345", "continue", 0.9
        if danger:
            route, action = "110_now", "handoff"
        elif doubt:
            sure = 0.4 + 0.25 * len({index for index, _ in doubt})
            route, action = "110_now", "handoff" if sure > 0.8 else "ask"
        elif police:
            route, action, sure = "110", "handoff", 0.8
        elif outside:
            route, sure = "neither", 0.9
        if found(BETWEEN) and route == "12345":
            spread = {"110_now": 0.02, "110": 0.45, "12345": 0.45, "neither": 0.08}
            return Assessment(route, spread, action, evidence=tuple(evidence), request=request)
        others = [name for name in ("110_now", "110", "12345", "neither") if name != route]
        probabilities = {route: sure, **dict.fromkeys(others, (1 - sure) / 3)}
        lines = tuple(dict.fromkeys(line for _, word in danger if (line := DANGER[word])))
        return Assessment(
            route,
            probabilities,
            action,
            category=1 if danger else 3 if police else None,
            lines=lines,
            flags=("child",) if found(("孩子",)) else (),
            evidence=tuple(evidence),
            request=request,
        )


PLACES = {"吉阳": "460203", "三亚": "460200", "琼海": "469002", "文昌": "469005"}


def resolve_place(text: str, syllables: Sequence[str] = ()) -> jurisdiction.Place | None:
    """In place of `jurisdiction.resolve`, so that these tests hang on no gazetteer."""
    for name, code in PLACES.items():
        if name in text:
            return jurisdiction.Place(code, name, name)
    return None


SCRIPTED_TRIAGE = cast(TriageModel, ScriptedTriage())
POLICY = Policy(SCRIPTED_TRIAGE, Limits(), {"12333": "greeting_12333"})


def sounds(text: str) -> tuple[str, ...]:
    return phonetics.to_syllables(text)


@dataclass
class Call:
    """One call. Every method is something that happens, and returns what the bot does then."""

    caller: str = "13800138000"
    did: str = "12345"
    policy: Policy = POLICY
    known_region: str | None = None
    trunk: str = "public"
    order: str = ""
    duty_lines: tuple[ev.DutyLine, ...] = ()
    calls_back: bool = True
    called_back: ev.Interrupted | None = None
    limited: bool = False
    limited_until: str = ""
    closed: bool = False
    serves_as: str = ""
    evaluates: bool = False
    calling: str = ""
    about: str = ""
    today: str = "2026-11-26"
    announcement: str = ""
    state: State = field(default_factory=State)
    at: float = 0.0
    turn: int = 0
    log: list[ev.Event] = field(default_factory=list)
    done: list[Action] = field(default_factory=list)
    steps: list[tuple[Action, ...]] = field(default_factory=list)

    # ── the world ─────────────────────────────────────────────────────────────────

    def take(self, event: ev.Event) -> tuple[Action, ...]:
        if isinstance(event, ev.Heard):
            texts = texts_to_embed(self.state, event, self.policy)
            vectors = {text: np.zeros(2, np.float32) for text in texts}
            event = ev.Heard(**{**_fields(event), "embeddings": vectors})
        self.state, actions = step(self.state, event, self.policy)
        self.log.append(event)
        self.done += actions
        self.steps.append(actions)
        return actions

    def after(self, seconds: float) -> float:
        self.at = round(self.at + seconds, 3)
        return self.at

    def start(self, *, greeted: bool = True) -> tuple[Action, ...]:
        actions = self.take(
            ev.CallStarted(
                0.0,
                "c1",
                self.caller,
                self.did,
                None,
                self.known_region,
                self.trunk,
                self.order,
                self.duty_lines,
                self.calls_back,
                self.called_back,
                self.limited,
                self.limited_until,
                self.closed,
                self.serves_as,
                self.evaluates,
                self.calling,
                self.about,
                self.today,
                self.announcement,
            )
        )
        if greeted:
            self.hear_out()
        return actions

    def hear_out(self) -> tuple[Action, ...]:
        """Everything queued is played to its end, and what follows from that too."""
        actions: list[Action] = []
        while not self.state.quiet and self.state.phase is not Phase.ENDED:
            utterance = self.state.speaking or self.state.queued[0]
            if utterance != self.state.speaking:
                actions += self.take(ev.PlaybackStarted(self.after(0.05), utterance))
            actions += self.take(ev.PlaybackFinished(self.after(1.5), utterance, seconds=1.5))
        return tuple(actions)

    def being_heard(self) -> None:
        """The next utterance has begun and goes on."""
        self.take(ev.PlaybackStarted(self.after(0.1), self.state.queued[0]))

    # ── the caller ────────────────────────────────────────────────────────────────

    def begins(self) -> tuple[Action, ...]:
        self.turn += 1
        return self.take(ev.CallerSpeaking(self.after(0.2), self.turn))

    def partial(self, text: str, turn: int | None = None) -> tuple[Action, ...]:
        number = turn or self.turn
        return self.take(ev.Heard(self.after(0.2), number, ev.Ear.TRANSCRIBER, text=text))

    def listener(
        self, text: str, *, final: bool = False, written: bool = False
    ) -> tuple[Action, ...]:
        """`written`: in hanzi too, as by an ear that is alone."""
        return self.take(
            ev.Heard(
                self.after(0.1),
                self.turn,
                ev.Ear.LISTENER,
                text=text if written else "",
                syllables=sounds(text),
                final=final,
            )
        )

    def says_by_sound(self, text: str) -> tuple[Action, ...]:
        """A whole turn, as the listener reports it who is alone."""
        self.begins()
        actions = self.listener(text)
        actions += self.listener(text, final=True, written=True)
        return actions + self.ends()

    def final(
        self,
        text: str,
        turn: int | None = None,
        *,
        language: str = "unknown",
        intelligible: float = 1.0,
        start: float = 0.0,
    ) -> tuple[Action, ...]:
        number = turn or self.turn
        return self.take(
            ev.Heard(
                self.after(0.2),
                number,
                ev.Ear.TRANSCRIBER,
                text=text,
                final=True,
                start=start,
                language=language,
                intelligible=intelligible,
            )
        )

    def sounds_like(self, kind: str) -> tuple[Action, ...]:
        """A mark of distress in the caller's voice."""
        return self.take(ev.Distress(self.after(0.2), kind, 0.7))

    def ends(self, turn: int | None = None) -> tuple[Action, ...]:
        return self.take(ev.TurnEnded(self.after(0.2), turn or self.turn))

    def says(
        self, text: str, *, language: str = "unknown", intelligible: float = 1.0
    ) -> tuple[Action, ...]:
        """A whole turn, as the ears report it: partial, end, final."""
        self.begins()
        actions: tuple[Action, ...] = ()
        if text:
            actions += self.partial(text)
        actions += self.ends()
        return (*actions, *self.final(text, language=language, intelligible=intelligible))

    def mumbles(self, text: str = MUMBLED) -> tuple[Action, ...]:
        """A whole turn of which the ears heard different words."""
        return self.says(text, intelligible=0.0)

    def asks(
        self,
        text: str,
        *found: tuple[str, float],
        decision: str = "answer",
        safety: Mapping[str, str] | None = None,
    ) -> tuple[Action, ...]:
        """A whole turn, and the knowledge base's reply to it."""
        said = self.says(text)
        return (*said, *self.knows(text, *found, decision=decision, safety=safety))

    def presses(self, keys: str) -> tuple[Action, ...]:
        return tuple(a for key in keys for a in self.take(ev.KeyPressed(self.after(0.2), key)))

    def is_silent(self, seconds: float = 3.6) -> tuple[Action, ...]:
        """Silence as the session reports it: 2.4 s, then every 0.6 s."""
        actions: list[Action] = []
        began, told = self.at, 2.4
        while told <= seconds + 1e-9:
            self.at = round(began + told, 3)
            actions += self.take(ev.Silence(self.at, told))
            if actions:
                break
            told = round(told + 0.6, 2)
        return tuple(actions)

    def hangs_up(self) -> tuple[Action, ...]:
        return self.take(ev.HungUp(self.after(0.2)))

    # ── the engines, the records, the far side ────────────────────────────────────

    def knows(
        self,
        query: str,
        *found: tuple[str, float],
        decision: str = "answer",
        final: bool = True,
        turn: int | None = None,
        safety: Mapping[str, str] | None = None,
    ) -> tuple[Action, ...]:
        number = turn or self.turn
        event = ev.SearchResult(
            self.after(0.05), number, query, decision, tuple(found), final, safety=safety or {}
        )
        return self.take(event)

    def written(self, ref: str | None = None, *, ok: bool = True) -> tuple[Action, ...]:
        """The newest record, or the named one, is safe (or lost)."""
        if ref is None:
            newest = [a for a in self.done if isinstance(a, Handoff | OpenTicket)][-1]
            ref = newest.handoff if isinstance(newest, Handoff) else newest.ticket
        return self.take(ev.Written(self.after(0.02), ref, ok))

    def leg(
        self,
        state: ev.LegState,
        destination: str | None = None,
        reason: str = "",
        line: str = "",
        talked_s: float = 30.0,
    ) -> tuple[Action, ...]:
        """Progress of the route that is being tried, or of the named one.

        A conversation that ends has lasted for `talked_s` seconds.
        """
        handoff = self.state.handoff
        assert handoff is not None
        if state is ev.LegState.ENDED:
            self.after(talked_s)
        side = handoff.side(line)
        route = side.route if side is not None else handoff.route
        return self.take(
            ev.TransferProgress(
                self.after(0.3),
                handoff.id,
                destination or route.destination,
                state,
                reason,
                line,
            )
        )

    def side(self, state: ev.LegState, line: str, reason: str = "") -> tuple[Action, ...]:
        """Progress of the leg to a line beside 110."""
        return self.leg(state, reason=reason, line=line)

    def far_side_presses(self, key: str, line: str = "") -> tuple[Action, ...]:
        handoff = self.state.handoff
        assert handoff is not None
        destination = handoff.route.destination
        return self.take(ev.FarSideKey(self.after(0.5), handoff.id, destination, key, line))

    def waits(self, seconds: float) -> tuple[Action, ...]:
        """Time passes, and what had been put off is due."""
        return self.take(ev.TimePassed(self.after(seconds)))

    def fails(self, engine: str) -> tuple[Action, ...]:
        return self.take(ev.EngineFailed(self.after(0.1), engine, "test"))


def _fields(event: ev.Heard) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


# ── reading what the bot did ──────────────────────────────────────────────────────


def only(kind: type[A], actions: Sequence[Action]) -> A:
    """The one action of a kind."""
    found = every(kind, actions)
    assert len(found) == 1, f"{len(found)} of {kind.__name__} in {actions}"
    return found[0]


def every(kind: type[A], actions: Sequence[Action]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def prompts(actions: Sequence[Action]) -> list[str]:
    """What is said, in order: prompt ids, answers as ``entry:…``."""
    return [say.prompt or f"entry:{say.entry}" for say in every(Say, actions)]


def where(actions: Sequence[Action], test: Callable[[Action], bool]) -> int:
    """Position of the first action that passes the test."""
    return next(index for index, action in enumerate(actions) if test(action))


def final_search(actions: Sequence[Action]) -> Search:
    """The one search for settled words."""
    return only(Search, [search for search in every(Search, actions) if search.final])


def outcome(actions: Sequence[Action]) -> str:
    return only(HangUp, actions).outcome
