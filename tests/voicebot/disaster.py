"""Many callers of one event on a virtual clock: the real dialogue core and the real list of lines.

Only the models and the far side are played: 110s and seats answer after a while, talk and hang up,
and have as many lines as they have. Nothing waits; a run of ten minutes takes seconds.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from flows import actions as act
from flows import events as ev
from flows.dialogue import step
from flows.incidents import Incident, Report, take
from flows.legs import due_at
from flows.prompts import load_prompts
from flows.state import Phase, State
from flows.waiting_list import Grant
from tests.flows.scripted_call import POLICY
from voicebot.call.silence import SilenceWatch
from voicebot.call.waiting_lines import WaitingLines, why

TEXTS = {name: prompt.text for name, prompt in load_prompts().items()}
RINGS_S, TICK_S, CHARACTERS_PER_S = 2.0, 0.3, 5.0


@dataclass(frozen=True, slots=True)
class Story:
    """What one caller says, and when: seconds after he was greeted."""

    begins_at: float
    said: tuple[tuple[float, str], ...]


@dataclass
class Disaster:
    """The run.

    Parameters:
        lines: how many lines each number really has; a number that is not named has none.
        talks_s: mean length of a conversation with 110 or a seat.
    """

    stories: Sequence[Story]
    lines: Mapping[str, int]
    region: str
    talks_s: float
    seed: int = 1
    counted: bool = True
    """The service knows how many lines there are."""
    now: float = 0.0
    busy: Counter[str] = field(default_factory=Counter)
    most_busy: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """How often a number that was dialled was busy."""
    grants: list[tuple[float, Grant, list[tuple[str, float]]]] = field(default_factory=list)
    """Lines given out, each with the urgency of all who wanted that number then."""
    incidents: dict[str, Incident] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {**dict.fromkeys(ALL_110, 0), "seat": 0, **self.lines} if self.counted else {}
        self.waiting = WaitingLines(known)
        self.chance = Random(self.seed)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.callers = [Caller(self, number, each) for number, each in enumerate(self.stories)]

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), what))

    def run(self, seconds: float) -> None:
        while self._queue and self._queue[0][0] <= seconds:
            self.now, _, what = heapq.heappop(self._queue)
            what()

    def report(self, caller: Caller) -> None:
        """The desk hears of a hand-off, or of its newer state."""
        handoff = caller.state.handoff
        if handoff is None:
            return
        words = "，".join(turn.transcript for turn in caller.state.turns)
        at = 1_790_000_000.0 + self.now
        reported = Report(
            handoff.id, caller.name, at, handoff.region, handoff.category, handoff.lines, words
        )
        if self.placed.get(handoff.id) != words:
            self.placed[handoff.id] = words
            self.incidents, _ = take(reported, self.incidents, f"i-{caller.name}")

    def granted(self, grant: Grant) -> None:
        wanted = [
            (each["call_id"], each["score"] + each["waited_s"] / 180)
            for each in self.waiting.waiting(self.now)
            if grant.destination in each["wants"]
        ]
        self.grants.append((self.now, grant, wanted))


ALL_110 = [f"110-{code}" for code in ("460000", *(f"4690{n:02}" for n in range(1, 31)))]


class Caller:
    """One call: what the session, the player and the far side do for it."""

    def __init__(self, world: Disaster, number: int, story: Story) -> None:
        self.world, self.story, self.name = world, story, f"c{number}"
        self.state, self.turn = State(), 0
        self.handed_at: float | None = None
        self.person_at: float | None = None
        self.person = ""
        self.offered: list[str] = []
        """Numbers that were really dialled for him."""
        self.told_at: list[float] = []
        self.quiet_s = 0.0
        """The longest time without a sound until a person was there."""
        self._sound_at = 0.0
        self._playing: list[act.Say] = []
        self._silence = SilenceWatch()
        self._leg = 0
        self._line = ""
        self._reminded = -1.0
        self._lines = world.waiting.of_call(self.name, self._line_free)
        world.later(story.begins_at, self._begin)

    def at(self) -> float:
        return self.world.now - self.story.begins_at

    def take(self, event: ev.Event) -> None:
        if isinstance(event, ev.TransferProgress):
            self._lines.heard_of(event, self.world.now)
        self.state, actions = step(self.state, event, POLICY)
        for action in actions:
            self._do(action)
        self._lines.renew(self.state, self.story.begins_at, self.world.now)

    def _begin(self) -> None:
        self._sound_at = self.world.now
        self.take(
            ev.CallStarted(0.0, self.name, "13800138000", "12345", known_region=self.world.region)
        )
        for after, words in self.story.said:
            self.world.later(after, lambda words=words: self._speak(words))
        self._tick()

    def _speak(self, words: str) -> None:
        if self.state.phase is Phase.ENDED:
            return
        self.turn += 1
        turn = self.turn
        self._sound_at = self.world.now
        self.take(ev.CallerSpeaking(self.at(), turn))
        self.take(ev.Heard(self.at(), turn, ev.Ear.TRANSCRIBER, words))
        self.world.later(len(words) / CHARACTERS_PER_S, lambda: self._falls_silent(turn, words))

    def _falls_silent(self, turn: int, words: str) -> None:
        self._sound_at = self.world.now
        self.take(ev.TurnEnded(self.at(), turn))
        self.take(ev.Heard(self.at(), turn, ev.Ear.TRANSCRIBER, words, final=True))
        self.world.report(self)

    def _tick(self) -> None:
        if self.state.phase is Phase.ENDED or self.person_at is not None:
            return
        if self._playing or self.state.caller_speaking:
            self._sound_at = self.world.now
        self.quiet_s = max(self.quiet_s, self.world.now - self._sound_at)
        due = due_at(self.state)
        if due is not None and self._reminded < due <= self.at():
            self._reminded = self.at()
            self.take(ev.TimePassed(self.at()))
        event = self._silence.look(
            self.at(),
            speaking=bool(self._playing),
            voiced_at=self._sound_at - self.story.begins_at,
            far_side_at=float("-inf"),
        )
        if event is not None:
            self.take(event)
        self._lines.tick(self.world.now)
        self.world.later(TICK_S, self._tick)

    def _do(self, action: act.Action) -> None:
        match action:
            case act.Say():
                self._playing.append(action)
                if len(self._playing) == 1:
                    self._play(action)
            case act.StopSpeaking():
                stopped, self._playing = self._playing, []
                for say in stopped:
                    self._soon(ev.PlaybackFinished(self.at(), say.utterance, interrupted=True))
            case act.Handoff():
                self.handed_at = self.world.now
                self._soon(ev.Written(self.at(), action.handoff), 0.02)
                self._dial(action.handoff, action.routes[0].destination)
                self.world.report(self)
            case act.DialRoute():
                self._dial(action.handoff, action.route.destination)
            case _:
                pass

    def _play(self, say: act.Say) -> None:
        if (say.prompt or "").startswith("lines_full"):
            self.told_at.append(self.world.now)
        self._soon(ev.PlaybackStarted(self.at(), say.utterance))
        text = TEXTS.get(say.prompt or "", "")
        self.world.later(len(text) / CHARACTERS_PER_S, lambda: self._played(say))

    def _played(self, say: act.Say) -> None:
        if say not in self._playing:
            return
        self._playing.remove(say)
        self._sound_at = self.world.now
        self.take(ev.PlaybackFinished(self.at(), say.utterance))
        if self._playing:
            self._play(self._playing[0])

    def _line_free(self, grant: Grant) -> None:
        self.world.granted(grant)
        event = ev.LineFree(self.at(), grant.handoff, grant.destination, grant.sure, why(grant))
        self._soon(event)

    def _soon(self, event: ev.Event, seconds: float = 0.0) -> None:
        self.world.later(seconds, lambda: self.take(replace(event, at=self.at())))

    # ── the far side ──────────────────────────────────────────────────────────────

    def _dial(self, handoff: str, number: str) -> None:
        self._hang_up_leg()
        self._leg += 1
        leg = self._leg

        def tell(state: ev.LegState, reason: str = "") -> None:
            if leg == self._leg:
                self.take(ev.TransferProgress(self.at(), handoff, number, state, reason))

        if not self._lines.may_dial(number, lambda: self.world.now):
            self.world.later(0.0, lambda: tell(ev.LegState.BUSY, "lines_full"))
            return
        self.offered.append(number)
        if self.world.busy[number] >= self.world.lines.get(number, 0):
            self.world.refused[number] += 1
            self.world.later(0.2, lambda: tell(ev.LegState.BUSY))
            return
        self._line = number
        self.world.busy[number] += 1
        self.world.most_busy[number] = max(self.world.most_busy[number], self.world.busy[number])
        self.world.later(0.2, lambda: tell(ev.LegState.RINGING))
        self.world.later(RINGS_S, lambda: self._answered(leg, number, tell))

    def _answered(self, leg: int, number: str, tell: Callable[[ev.LegState], None]) -> None:
        if leg != self._leg:
            return
        tell(ev.LegState.ANSWERED)
        tell(ev.LegState.CONFIRMED)
        if self.person_at is None:
            self.person_at, self.person = self.world.now, number
        talks = 20.0 + self.world.chance.expovariate(1 / (self.world.talks_s - 20.0))

        def ends() -> None:
            self._hang_up_leg()
            tell(ev.LegState.ENDED)

        self.world.later(talks, ends)

    def _hang_up_leg(self) -> None:
        if self._line:
            self.world.busy[self._line] -= 1
            self._line = ""
