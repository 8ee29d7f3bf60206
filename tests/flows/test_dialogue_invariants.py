"""Any order of events, with any values: what must hold all the same (DESIGN.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flows import events as ev
from flows.actions import (
    Action,
    CallBack,
    Decide,
    DialLine,
    DialRoute,
    Evaluate,
    FindTickets,
    Handoff,
    HangUp,
    Hold,
    Leave,
    NotifyLine,
    OpenTicket,
    Purpose,
    ReleaseLeg,
    Say,
    Search,
    Tell,
    UpdateDossier,
)
from flows.agent import refusal, seat_of
from flows.dialogue import step, texts_to_embed
from flows.events import Ear, LegState
from flows.prompts import load_prompts
from flows.state import Phase, State
from flows.ticket_number import keying
from tests.flows.scripted_call import POLICY, every, sounds

PROMPTS = load_prompts()
POLICE_REASONS = {"danger", "requested_police"}
NEEDS_SAFE_HANDOFF = {
    name for name in PROMPTS if name.startswith("connecting_") and name != "connecting_human"
} | {"transferring_110", "joining_110", "call_back_110"}
NEEDS_SAFE_TICKET = {"ticket_done", "ticket_no_number"}

WORDS = st.sampled_from(
    [
        "", " ", "嗯", "好的", "喂", "没有", "没有没有就是问一下", "有", "是", "对的", "不对",
        "不知道", "公积金怎么提取", "社保", "路灯坏了", "谢谢再见", "第一个", "第二个", "都不是",
        "我姓王", "海口龙华区", "幺三八零零幺三八零零零", "幺三八", "²٣", "我家着火了", "他拿刀",
        "那个人在门口", "有点怕", "转人工", "给我接110", "手机被偷了", "陪我聊天", "弄错了",
        "查一下工单", "四七一一", "不要透露我的姓名", "昨天晚上开始的",
        "楼上天天半夜砸东西", "不用转了", "满意", "不太满意", "我要申诉",
        "我在三亚孩子晕倒", "i lost my passport at the station",
    ]
) | st.text(max_size=12)  # fmt: skip
NUMBERS = st.integers(-2, 6)
SAFETY = {"scratch": "ask", "gas": "handoff"}
"""Entries that bear on danger."""
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", *SAFETY]), st.floats(0, 1)), max_size=3
).map(tuple)
DECISIONS = st.sampled_from(["answer", "clarify", "none", "?"])
LANGUAGES = st.sampled_from(["zh", "en", "other", "unknown"])
CLARITY = st.sampled_from([0.0, 0.2, 0.6, 1.0, 1.0])
LEGS = st.sampled_from(list(LegState))
TIMES = st.floats(-1, 5)


class Watched:
    """A call whose every step is checked."""

    def __init__(self) -> None:
        self.state = State()
        self.now = 0.0
        self.events: list[ev.Event] = []
        self.steps: list[tuple[Action, ...]] = []
        self.utterances: set[str] = set()
        self.danger = False
        self.denied = False
        """The caller has clearly said that there is none, or 110 has."""
        self.safe: set[str] = set()
        self.unconfirmed: Counter[str] = Counter()
        self.hung_up = 0
        self.held = False
        """The caller was last put to the music."""
        self.by_an_agent = False
        """The newest event is what an agent has asked for."""

    def take(self, event: ev.Event) -> tuple[Action, ...]:
        before = self.state
        self.by_an_agent = isinstance(event, ev.AgentAsked)
        texts_to_embed(before, event, POLICY)
        if isinstance(event, ev.Written):
            if event.ok:
                self.safe.add(event.ref)
            else:
                self.safe.discard(event.ref)
            self.unconfirmed[event.ref] = max(0, self.unconfirmed[event.ref] - 1)
        self.state, actions = step(before, event, POLICY)
        self.events.append(event)
        self.steps.append(actions)
        for action in actions:
            self.check(before, event, action)
        self.check_danger_open(before, event, actions)
        self.check_disputed(before, actions)
        self.check_nobody_comes_late(before, actions)
        if before.phase is Phase.ENDED:
            assert actions == ()
        return actions

    def check(self, before: State, event: ev.Event, action: Action) -> None:
        match action:
            case Say():
                self.check_say(action)
            case Handoff():
                assert action.routes
                self.danger = self.danger or action.reason in POLICE_REASONS
                if action.reason == "police_matter":
                    asked = (Phase.CONFIRMING_POLICE, Phase.CONFIRMING_DANGER)
                    assert before.phase in asked, "nobody is transferred unasked without danger"
                    assert not before.police_declined
                self.safe.discard(action.handoff)
            case OpenTicket():
                assert action.matter
                self.unconfirmed[action.ticket] += 1
            case Evaluate():
                assert not self.danger, "an evaluation before danger"
                assert not self.state.limited
                assert self.state.handoff is None
                asked_by_us = isinstance(event, ev.CallStarted)
                hurt = before.asked_danger or before.distress or before.handoffs
                assert action.score is not None or asked_by_us or not hurt
            case FindTickets():
                assert not self.danger
                assert action.caller or (action.tail and action.phone_tail)
            case Search():
                handoff = self.state.handoff
                on_the_way = handoff is not None and handoff.to_police
                assert not self.danger or (on_the_way and action.final), "but for safety wording"
            case HangUp() | Leave():
                self.hung_up += 1
                assert self.hung_up == 1
                assert self.state.phase is Phase.ENDED
                gone = isinstance(event, ev.TransferProgress) and event.state is LegState.ENDED
                left = isinstance(event, ev.AgentAsked) and event.act is ev.AgentAct.LEAVE
                released = (gone or left) and before.handoff is not None and before.handoff.talking
                had_it = before.handoff is not None and (
                    before.handoff.connected or before.handoff.released
                )
                over = isinstance(action, Leave) or had_it
                gone = isinstance(event, ev.HungUp)
                if isinstance(event, ev.Released):
                    assert isinstance(action, Leave), "the caller is not ours to hang up"
                    gone = True
                assert gone or (released and over) or not self.danger
                if isinstance(action, HangUp) and released:
                    assert self.state.handoff is not None
                    assert not self.state.handoff.talking, "others are still on the line"
            case DialLine():
                handoff = self.state.handoff
                assert handoff is not None
                assert handoff.to_police
                side = handoff.side(action.line)
                assert side is not None
                assert side.route == action.route
                assert not side.connected
                assert not side.given_up
            case Hold():
                self.held = action.on
            case Decide():
                assert action.what
                if action.what == "connected":
                    assert before.handoff is not None
                    assert not before.handoff.connected
                if action.what in ("no_danger", "handed_back"):
                    self.denied = True
                if action.what == "handed_back":
                    self.danger = False  # 110, and nobody else, has stood down
                    assert isinstance(event, ev.FarSideKey)
                    assert before.handoff is not None
                    assert before.handoff.connected
                    assert before.handoff.route.kind == "110"
            case _:
                pass

    def check_danger_open(
        self, before: State, event: ev.Event, actions: tuple[Action, ...]
    ) -> None:
        """Danger that a seat was told of, or that was never denied, outlives seat and caller."""
        police = any(
            route.kind == "110" for handoff in every(Handoff, actions) for route in handoff.routes
        )
        seat = before.handoff
        if seat is not None and seat.alarmed and not seat.to_police:
            assert police or (self.state.handoff is not None and self.state.handoff.alarmed)
        if isinstance(event, ev.HungUp) and before.phase is not Phase.ENDED:
            doubted = seat is None and (before.doubt > 0 or before.phase is Phase.CONFIRMING_DANGER)
            assert police or not doubted
            open_police = (
                seat is not None
                and seat.to_police
                and not (seat.connected or seat.released)
                and not (seat.reason == "undecided" and seat.talking)  # a seat has the matter
            )
            if police or open_police:
                update = every(UpdateDossier, actions)[-1]
                assert update.note == "中断"
                assert "interrupted" in update.flags
                calls = every(CallBack, actions)
                ordinary = seat is not None and seat.reason in ("police_matter", "undecided")
                danger = police or not ordinary or before.doubt > 0
                able = before.calls_back and before.called_back is None
                assert bool(calls) == (danger and able)
                off_hook = seat is not None and seat.to_police and seat.off_hook
                assert ("" in [told.line for told in every(Tell, actions)]) == off_hook

    def check_disputed(self, before: State, actions: tuple[Action, ...]) -> None:
        """What 110 and a seat were called in over is theirs, or a dispute that is written down."""
        handoff = before.handoff
        if handoff is None or handoff.reason != "undecided" or self.state.handoff is not None:
            return
        assert "dispute" in [action.what for action in every(Decide, actions)]
        assert self.state.ticket is not None

    def check_nobody_comes_late(self, before: State, actions: tuple[Action, ...]) -> None:
        """A hand-off that is over leaves no line behind that would come into the call later."""
        handoff, now = before.handoff, self.state.handoff
        if handoff is None or (now is not None and now.id == handoff.id):
            return
        given_up = {action.line for action in every(ReleaseLeg, actions)}
        last = {side.line for side in handoff.sides if side.connected}
        for side in handoff.sides:
            assert side.over or side.line in given_up | last

    def check_say(self, say: Say) -> None:
        assert say.utterance not in self.utterances
        self.utterances.add(say.utterance)
        assert (say.prompt is None) != (say.entry is None)
        if say.prompt is None:
            self.check_entry(say)
            return
        prompt = PROMPTS[say.prompt]
        assert prompt.purpose == say.purpose
        assert all(say.values[blank] for blank in prompt.blanks)
        prompt.fill(say.values)
        handoff, ticket = self.state.handoff, self.state.ticket
        if self.danger:
            assert say.purpose is Purpose.SAFETY, "after danger only safety wording"
        if say.prompt in NEEDS_SAFE_HANDOFF:
            assert handoff is not None
            assert handoff.id in self.safe
        if say.prompt in NEEDS_SAFE_TICKET:
            assert ticket is not None
            assert ticket.id in self.safe
            assert not self.unconfirmed[ticket.id]

    def check_entry(self, say: Say) -> None:
        """After danger only safety wording on the bridge; before, none that danger bears on."""
        handoff, mark = self.state.handoff, SAFETY.get(say.entry or "")
        if say.purpose is Purpose.SAFETY:
            assert mark == "handoff"
            assert not say.interruptible
            assert handoff is not None
            assert handoff.to_police
            assert handoff.announced
            assert handoff.waiting, "110 hears it, and nobody talks into it"
            return
        assert not self.danger, "an answer after danger"
        if self.by_an_agent:
            assert handoff is None or not handoff.to_police
            return
        assert handoff is None
        assert mark != "handoff"
        assert mark is None or self.denied, "not before a clear no"

    # ── what could happen next ────────────────────────────────────────────────────

    def check_state(self) -> None:
        state = self.state
        handoff = state.handoff
        if handoff is not None and handoff.reason == "danger" and not handoff.handed_back:
            self.danger = True
        waiting = state.phase in (Phase.HANDING_OFF, Phase.CONNECTED)
        assert waiting or not self.danger or state.phase is Phase.ENDED, "only the hand-off"
        assert not waiting or state.handoff is not None
        if state.phase is Phase.ENDED:
            return
        assert (state.phase is Phase.CONNECTED) == (
            state.handoff is not None and state.handoff.talking
        )
        self.check_somebody_comes()
        self.check_hold()
        self.check_110_is_an_agents_to_call()
        self.check_way_to("1", "我要报警", police=True)
        self.check_way_to("0", "我要人工", police=False)
        if state.phase is not Phase.CONNECTED:
            self.check_company()
        if state.phase is Phase.HANDING_OFF:
            self.check_company_of_who_talks_on()

    def check_somebody_comes(self) -> None:
        """While no human has the call, 110 or another line is being called, or soon will be."""
        handoff = self.state.handoff
        if handoff is None or handoff.talking:
            return
        trying = not handoff.released or any(not side.over for side in handoff.sides)
        assert trying, "nobody comes any more"

    def check_hold(self) -> None:
        """Who waits with music has an agent, and neither danger nor 110 waits for him."""
        state = self.state
        assert self.held == state.held
        if state.held:
            assert seat_of(state) is not None, "the agent is gone"
            assert state.handoff is not None
            assert not state.handoff.to_police, "110 cannot hear the caller"
            assert not state.handoff.alarmed

    def check_110_is_an_agents_to_call(self) -> None:
        """By either key, unless it is being called already or has the call."""
        state = self.state
        if not state.started:
            return
        handoff, seat = state.handoff, seat_of(state)
        for key in (ev.AgentAct.POLICE, ev.AgentAct.JOIN_POLICE):
            after, actions = step(state, ev.AgentAsked(state.at, key, "王芳"), POLICY)
            if refusal(state, key):
                assert handoff is not None
                assert handoff.to_police
                assert not handoff.released, "nobody calls 110, and he cannot"
                assert not handoff.connected or handoff.route.kind == "110"
                continue
            dialled = [each.routes[0] for each in every(Handoff, actions)]
            dialled += [each.route for each in every(DialRoute, actions)]
            assert [route.kind for route in dialled] == ["110"]
            stays = seat is not None and key is ev.AgentAct.JOIN_POLICE
            assert (seat_of(after) is not None) == stays
            assert after.handoff is not None
            assert not after.handoff.released

    def check_notices(self) -> None:
        """A line that was called and not reached has got its message when the call is over."""
        handoff = self.state.handoff
        if self.state.phase is not Phase.ENDED or handoff is None:
            return
        told = {
            action.line
            for actions in self.steps
            for action in every(NotifyLine, actions)
            if action.handoff == handoff.id
        }
        for side in handoff.sides:
            assert side.reached or side.line in told | {"seat"}

    def check_way_to(self, key: str, words: str, *, police: bool) -> None:
        state = self.state
        if state.handoff is not None and (not police or state.handoff.to_police):
            return
        if (state.limited or state.closed) and not police:
            return
        pressed, actions = step(state, ev.KeyPressed(state.at, key), POLICY)
        if state.phase is Phase.EVALUATING and police:
            assert pressed.phase is Phase.CLOSING, "the first press is 满意"
            pressed, actions = step(pressed, ev.KeyPressed(state.at, key), POLICY)
        if keying(state) and not every(Handoff, actions) and pressed.ticket is not None:
            if pressed.ticket.digits not in ("1", "0") or pressed.ticket.keys != 1:
                return  # a digit in the middle of a number
            for _ in range(3):  # a long pause makes it the menu
                pressed, actions = silent(pressed)
                if every(Handoff, actions):
                    break
        assert every(Handoff, actions), f"no way out of {state.phase} by key {key}"
        if state.phase is Phase.CONNECTED:
            return  # the agent hears it
        number = max([turn.number for turn in state.turns] + [state.handled]) + 1
        said: list[Action] = []
        at = state.at
        for event in (
            ev.CallerSpeaking(at, number),
            ev.Heard(at, number, Ear.TRANSCRIBER, words, final=True),
            ev.TurnEnded(at, number),
            ev.Silence(at + 2.41, 2.4),
            ev.Silence(at + 3.61, 3.6),
        ):
            state, actions = step(state, event, POLICY)
            said += actions
        if any(say.prompt == "ask_danger" for say in every(Say, said)):
            said += silent(state)[1]  # doubt about danger goes first
        assert every(Handoff, said), f"no way out of {self.state.phase} by {words}"

    def check_company(self) -> None:
        """The caller hears something within 4 s, however quick or slow the disk is."""
        for quick in (True, False):
            state, heard = self.state, False
            quiet_since = max(state.at, state.said_at)
            for seconds in (2.4, 3.6):
                at = quiet_since + seconds + 0.01
                state, actions = step(state, ev.Silence(at, seconds), POLICY)
                heard = heard or bool(every(Say, actions) or every(HangUp, actions))
                for ref in refs(actions) if quick else ():
                    for _ in range(self.unconfirmed[ref] + 1):  # those asked for before, too
                        state, more = step(state, ev.Written(at + 0.05, ref), POLICY)
                        heard = heard or bool(every(Say, more))
            state, actions = step(state, ev.Silence(quiet_since + 4.8, 4.8), POLICY)
            late = bool(every(Say, actions) or every(HangUp, actions))
            assert heard or (late and not quick), f"silence in {self.state.phase}"

    def check_company_of_who_talks_on(self) -> None:
        """Who talks on to a 110 that is not there hears that we are."""
        state = self.state
        quiet_since = max(state.at, state.said_at)
        heard = False
        for seconds in (2.4, 3.6):
            event = ev.Silence(quiet_since + seconds + 0.01, seconds, talking=True)
            state, actions = step(state, event, POLICY)
            heard = heard or bool(every(Say, actions))
        assert heard

    def check_replay(self) -> None:
        state = State()
        for event, actions in zip(self.events, self.steps, strict=True):
            state, again = step(state, event, POLICY)
            assert again == actions
        assert state == self.state
        self.check_notices()


def refs(actions: Sequence[Action]) -> list[str]:
    """What is being written."""
    return [
        action.handoff if isinstance(action, Handoff) else action.ticket
        for action in actions
        if isinstance(action, Handoff | OpenTicket)
    ]


def silent(state: State) -> tuple[State, tuple[Action, ...]]:
    """More than four seconds without a sound from either side."""
    at = max(state.at, state.said_at) + 4.0
    return step(state, ev.Silence(at, 4.0), POLICY)


# ── events out of nowhere ─────────────────────────────────────────────────────────

REFS = st.sampled_from(["c-h1", "c-h2", "c-h3", "c-t1", "c-t2", "x", "-h1", "-t1"])
DESTINATIONS = st.sampled_from(
    ["110-460000", "110-460200", "seat", "seat@a", "119", "120", "x", ""]
)
LINES = st.sampled_from(["", "", "119", "120", "seat", "x"])
REASONS = st.sampled_from(["", "lost", "transferred", "lines_full"])
EVENTS = st.one_of(
    st.builds(
        ev.CallStarted,
        TIMES,
        st.just("c"),
        WORDS,
        WORDS,
        st.sampled_from([None, "460100"]),
        trunk=st.sampled_from(["public", "110"]),
        calls_back=st.booleans(),
        called_back=st.none() | st.builds(ev.Interrupted, st.just("c0-h1")),
        limited=st.booleans(),
        limited_until=st.sampled_from(["", "十二月一号"]),
        closed=st.booleans(),
        evaluates=st.booleans(),
        calling=st.sampled_from(["", "", "missed", "danger", "evaluation"]),
    ),
    st.builds(
        ev.DutyLinesChanged,
        TIMES,
        st.lists(st.sampled_from([ev.DutyLine("120", "x"), ev.DutyLine("119", "119")])).map(tuple),
    ),
    st.builds(ev.CallerSpeaking, TIMES, NUMBERS),
    st.builds(
        ev.Heard,
        TIMES,
        NUMBERS,
        st.sampled_from(list(Ear)),
        WORDS,
        st.lists(WORDS, max_size=2).map(tuple),
        WORDS.map(sounds),
        st.booleans(),
        language=LANGUAGES,
        intelligible=CLARITY,
    ),
    st.builds(ev.Distress, TIMES, st.sampled_from(["scream", "crying", "loud"]), st.just(0.7)),
    st.builds(ev.TurnEnded, TIMES, NUMBERS),
    st.builds(ev.KeyPressed, TIMES, st.sampled_from([*"0123456789*#", "", "A"])),
    st.builds(ev.Silence, TIMES, st.floats(0, 20), st.booleans()),
    st.builds(
        ev.SearchResult,
        TIMES,
        NUMBERS,
        WORDS,
        DECISIONS,
        ENTRIES,
        st.booleans(),
        safety=st.just(SAFETY),
    ),
    st.builds(ev.PlaybackStarted, TIMES, NUMBERS.map("u{}".format)),
    st.builds(ev.PlaybackFinished, TIMES, NUMBERS.map("u{}".format), st.booleans()),
    st.builds(ev.Written, TIMES, REFS, st.booleans()),
    st.builds(ev.TransferProgress, TIMES, REFS, DESTINATIONS, LEGS, REASONS, LINES),
    st.builds(ev.LineFree, TIMES, REFS, DESTINATIONS, st.booleans()),
    st.builds(ev.FarSideKey, TIMES, REFS, DESTINATIONS, st.sampled_from("*1#"), LINES),
    st.builds(
        ev.AgentAsked,
        TIMES,
        st.sampled_from(list(ev.AgentAct)),
        st.just("王芳"),
        st.sampled_from(["seat@a", "seat@b"]),
        st.sampled_from(["a", "b"]),
    ),
    st.builds(ev.TimePassed, TIMES),
    st.builds(
        ev.EngineFailed,
        TIMES,
        st.sampled_from(["listener", "transcriber", "knowledge_base", "speech", "?"]),
    ),
    st.builds(ev.HungUp, TIMES),
    st.builds(ev.Released, TIMES),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=30))
def test_events_out_of_nowhere_break_nothing(events: list[ev.Event]) -> None:
    call = Watched()
    for event in events:
        call.now += max(0.0, event.at)
        call.take(replace(event, at=call.now + min(0.0, event.at)))
        call.check_state()
    call.check_replay()


# ── a call in which most events fit, in any order ─────────────────────────────────


class AnyCall(RuleBasedStateMachine):
    """Mostly plausible: turns follow each other, references exist, but nothing is in order."""

    def __init__(self) -> None:
        super().__init__()
        self.call = Watched()
        self.call.take(ev.CallStarted(0.0, "c", "13800138000", "12345", evaluates=True))
        self.turn = 0

    def at(self, later: float = 0.3) -> float:
        self.call.now += later
        return self.call.now

    @rule()
    def begins_to_speak(self) -> None:
        self.turn += 1
        self.call.take(ev.CallerSpeaking(self.at(), self.turn))

    @rule(words=WORDS, final=st.booleans(), back=st.integers(0, 1))
    def transcriber(self, words: str, final: bool, back: int) -> None:
        number = max(1, self.turn - back)
        self.call.take(ev.Heard(self.at(), number, Ear.TRANSCRIBER, words, final=final))

    @rule(words=WORDS, final=st.booleans())
    def listener(self, words: str, final: bool) -> None:
        heard = ev.Heard(
            self.at(), max(1, self.turn), Ear.LISTENER, syllables=sounds(words), final=final
        )
        self.call.take(heard)

    @rule(kind=st.sampled_from(["scream", "crying", "loud"]))
    def distress(self, kind: str) -> None:
        self.call.take(ev.Distress(self.at(), kind, 0.7))

    @rule()
    def turn_ends(self) -> None:
        self.call.take(ev.TurnEnded(self.at(), max(1, self.turn)))

    @rule(words=WORDS, language=LANGUAGES, intelligible=CLARITY)
    def whole_turn(self, words: str, language: str = "unknown", intelligible: float = 1.0) -> None:
        self.turn += 1
        self.call.take(ev.CallerSpeaking(self.at(), self.turn))
        self.call.take(ev.TurnEnded(self.at(), self.turn))
        heard = ev.Heard(self.at(), self.turn, Ear.TRANSCRIBER, words, final=True)
        self.call.take(replace(heard, language=language, intelligible=intelligible))

    @rule(decision=DECISIONS, found=ENTRIES, final=st.booleans())
    def searched(self, decision: str, found: tuple[tuple[str, float], ...], final: bool) -> None:
        known = self.call.state.searched
        number, words = (known[0], known[1]) if known else (self.turn, "")
        self.call.take(
            ev.SearchResult(self.at(), number, words, decision, found, final, safety=SAFETY)
        )

    @rule(found=st.booleans(), failed=st.booleans(), late=st.booleans())
    def tickets_found(self, found: bool, failed: bool, late: bool) -> None:
        query = "old" if late else f"{self.call.state.call_id}-q{self.call.state.queries}"
        tickets = (ev.TicketProgress("4711", "working"),) if found else ()
        self.call.take(ev.TicketsFound(self.at(), query, tickets, failed))

    @rule()
    def playback_starts(self) -> None:
        if self.call.state.queued:
            self.call.take(ev.PlaybackStarted(self.at(), self.call.state.queued[0]))

    @rule(interrupted=st.booleans())
    def playback_ends(self, interrupted: bool) -> None:
        playing = self.call.state.speaking or next(iter(self.call.state.queued), "u0")
        self.call.take(ev.PlaybackFinished(self.at(1.0), playing, interrupted))

    @rule(ok=st.sampled_from([True, True, True, False]))
    def handoff_written(self, ok: bool) -> None:
        if self.call.state.handoff is not None:
            self.call.take(ev.Written(self.at(), self.call.state.handoff.id, ok))

    @rule(ok=st.sampled_from([True, True, True, False]))
    def ticket_written(self, ok: bool) -> None:
        if self.call.state.ticket is not None:
            self.call.take(ev.Written(self.at(), self.call.state.ticket.id, ok))

    @rule(leg=LEGS, reason=st.sampled_from(["", "", "lost", "transferred"]))
    def leg(self, leg: LegState, reason: str) -> None:
        handoff = self.call.state.handoff
        if handoff is not None:
            progress = ev.TransferProgress(
                self.at(), handoff.id, handoff.route.destination, leg, reason
            )
            self.call.take(progress)

    @rule(
        leg=LEGS,
        reason=st.sampled_from(["", "", "", "lost", "transferred"]),
        which=st.integers(0, 1),
    )
    def side(self, leg: LegState, reason: str, which: int) -> None:
        handoff = self.call.state.handoff
        if handoff is not None and handoff.sides:
            side = handoff.sides[which % len(handoff.sides)]
            destination = side.route.destination
            self.call.take(
                ev.TransferProgress(self.at(), handoff.id, destination, leg, reason, side.line)
            )

    @rule(rounds=st.integers(1, 6))
    def all_lines_are_full(self, rounds: int) -> None:
        """What takes random rules long to bring about."""
        self.whole_turn("我在三亚他拿刀")
        self.handoff_written(ok=True)
        for _ in range(rounds):
            self.leg(LegState.BUSY, "lines_full")

    @rule(which=st.integers(0, 5), sure=st.booleans())
    def line_is_free(self, which: int, sure: bool) -> None:
        handoff = self.call.state.handoff
        if handoff is not None:
            route = handoff.routes[which % len(handoff.routes)]
            self.call.take(ev.LineFree(self.at(), handoff.id, route.destination, sure))

    @rule(key=st.sampled_from("**1"), line=st.sampled_from(["", "", "120"]))
    def far_side_key(self, key: str, line: str) -> None:
        handoff = self.call.state.handoff
        if handoff is not None:
            destination = handoff.route.destination
            self.call.take(ev.FarSideKey(self.at(), handoff.id, destination, key, line))

    @rule(act=st.sampled_from(list(ev.AgentAct)))
    def agent_asks(self, act: ev.AgentAct) -> None:
        self.call.take(ev.AgentAsked(self.at(), act, "王芳", "seat@a", "a"))

    @rule(act=st.sampled_from(list(ev.AgentAct)))
    def agent_has_the_call(self, act: ev.AgentAct) -> None:
        """What takes random rules long to bring about."""
        self.agent_asks(ev.AgentAct.TAKE)
        self.handoff_written(ok=True)
        self.leg(LegState.CONFIRMED, "")
        self.agent_asks(act)

    @rule(act=st.sampled_from(list(ev.AgentAct)), early=st.booleans())
    def caller_waits_with_music(self, act: ev.AgentAct, early: bool) -> None:
        """What takes random rules long to bring about."""
        self.agent_has_the_call(ev.AgentAct.HOLD)
        if not early:
            self.whole_turn("他拿刀")
        self.agent_asks(act)

    @rule(act=st.sampled_from(list(ev.AgentAct)))
    def a_seat_answers_in_110s_place(self, act: ev.AgentAct) -> None:
        """What takes random rules long to bring about."""
        self.whole_turn("我在三亚他拿刀")
        self.handoff_written(ok=True)
        for _ in range(5):
            handoff = self.call.state.handoff
            if handoff is not None and handoff.route.kind == "110":
                self.leg(LegState.BUSY, "")
        self.agent_asks(ev.AgentAct.HUSH)
        self.leg(LegState.CONFIRMED, "")
        self.agent_asks(act)

    @rule(act=st.sampled_from(list(ev.AgentAct)))
    def an_agent_is_left_alone_by_110(self, act: ev.AgentAct) -> None:
        """What takes random rules long to bring about."""
        self.agent_has_the_call(ev.AgentAct.JOIN_POLICE)
        self.leg(LegState.CONFIRMED, "")
        self.at(20.0)
        self.leg(LegState.ENDED, "")
        self.agent_asks(act)

    @rule(seconds=st.sampled_from([1.0, 3.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.call.take(ev.TimePassed(self.at(seconds)))

    @rule(seconds=st.sampled_from([1.2, 2.4, 3.6, 4.8, 9.6]))
    def silence(self, seconds: float) -> None:
        self.call.take(ev.Silence(self.at(seconds), seconds))

    @rule(seconds=st.sampled_from([2.4, 3.6, 4.8]))
    def talks_on(self, seconds: float) -> None:
        self.call.take(ev.Silence(self.at(seconds), seconds, talking=True))

    @rule(back=st.booleans(), gone=st.booleans())
    def two_lines_beside_110(self, back: bool, gone: bool) -> None:
        """What takes random rules long to bring about."""
        self.whole_turn("我家着火了")
        self.whole_turn("我在三亚孩子晕倒")
        handoff = self.call.state.handoff
        if handoff is not None:
            self.side(LegState.CONFIRMED, "", 0)
            self.leg(LegState.CONFIRMED, "")
        if back:
            self.far_side_key("*", "")
        if gone:
            self.side(LegState.ENDED, "", 0)

    @rule(certain=st.floats(0.7, 1), entry=st.sampled_from(["a", *SAFETY]))
    def safety_wording_for_who_waits(self, certain: float, entry: str) -> None:
        """What takes random rules long to bring about."""
        self.whole_turn("我家着火了")
        self.handoff_written(ok=True)
        for _ in range(2):  # where the caller is, and the wording
            self.searched("answer", ((entry, certain),), final=True)
            self.playback_starts()
            self.playback_ends(interrupted=False)
            self.silence(2.4)

    @rule()
    def answered_and_content(self) -> None:
        """What takes random rules long to bring about: the question how content the caller is."""
        self.whole_turn("公积金怎么提取")
        self.searched("answer", (("a", 0.95),), final=True)
        self.whole_turn("没有了谢谢")

    @rule(keys=st.text("0123456789*#", min_size=1, max_size=11))
    def keys(self, keys: str) -> None:
        for key in keys:
            self.call.take(ev.KeyPressed(self.at(0.1), key))

    @rule(engine=st.sampled_from(["listener", "transcriber", "knowledge_base", "speech"]))
    def fails(self, engine: str) -> None:
        self.call.take(ev.EngineFailed(self.at(), engine))

    @rule(sure=st.sampled_from([False, False, False, False, True]))
    def hangs_up(self, sure: bool) -> None:
        if sure:
            self.call.take(ev.HungUp(self.at()))

    @rule(sure=st.sampled_from([False, False, False, False, True]))
    def is_left(self, sure: bool) -> None:
        if sure:
            self.call.take(ev.Released(self.at()))

    @invariant()
    def the_call_can_go_on_from_here(self) -> None:
        self.call.check_state()

    def teardown(self) -> None:
        self.call.check_replay()


TestAnyCall = AnyCall.TestCase
TestAnyCall.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
