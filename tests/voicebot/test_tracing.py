"""Traces of calls: what a real receiver of OTLP gets, what it never gets, and what it costs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status, StatusCode

from flows import actions as act
from flows import events as ev
from flows.state import State
from tests.voicebot.otlp_receiver import Receiver, attributes, receiving, seconds
from voicebot.app import _open_tracing
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.config_tracing import Tracing as TracingSettings
from voicebot.tracing.call import ATTRIBUTES, SLOW_S, CallTrace
from voicebot.tracing.masking import HIDDEN, masked
from voicebot.tracing.service import Tracing

ROUTES = (act.Route("110-460100", "110"), act.Route("seat", "seat"))
DANGER = act.Handoff("c-1-h1", ROUTES, "danger")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


class Traced:
    """A call whose events are taken one after the other, each decided on 10 ms after it came."""

    def __init__(self, receiver: Receiver, **settings: Any) -> None:
        self.receiver = receiver
        given = {"url": receiver.url, **settings}
        self.tracing = Tracing(TracingSettings.model_validate(given))
        self.call: CallTrace = self.tracing.call("c-1")
        self.call.begin()

    def takes(self, event: ev.Event, *actions: act.Action, handled: int = -1) -> None:
        self.call.note(event, actions, State(handled=handled), event.at + 0.01)

    def over(self, at: float, state: State | None = None) -> Receiver:
        """The call is over, and all of it sent."""
        self.call.ended(state or State(answered=True), at)
        self.tracing.close()
        return self.receiver


@pytest.fixture
def traced(receiver: Receiver) -> Traced:
    return Traced(receiver)


def final(at: float, turn: int = 1) -> ev.Heard:
    return ev.Heard(at, turn, ev.Ear.TRANSCRIBER, "公积金怎么提取", final=True, end=at - 0.3)


def says(utterance: str, entry: str | None = None) -> act.Say:
    prompt = None if entry else "greeting"
    return act.Say(utterance, act.Purpose.PROMPT, prompt=prompt, entry=entry)


# ── what is in a trace ───────────────────────────────────────────────────────────────


def test_a_question_is_one_trace_from_the_callers_voice_to_the_answer(traced: Traced) -> None:
    search = act.Search(1, "公积金怎么提取", final=True)
    traced.takes(ev.CallStarted(0.0, "c-1", "13876543210", "12345"), says("u1"))
    traced.takes(ev.PlaybackStarted(0.2, "u1"))
    traced.takes(ev.PlaybackFinished(3.0, "u1", seconds=2.8))
    traced.takes(ev.CallerSpeaking(4.0, 1))
    traced.call.decided(0.004)
    traced.takes(ev.Heard(5.0, 1, ev.Ear.LISTENER, syllables=("gong1", "ji1", "jin1")))
    traced.takes(ev.TurnEnded(6.0, 1))
    traced.call.decided(0.004)
    traced.takes(final(6.4), search)
    traced.takes(
        ev.SearchResult(6.5, 1, search.text, "answer", final=True), says("u2", "E1"), handled=1
    )
    traced.takes(ev.PlaybackStarted(6.9, "u2"), handled=1)
    traced.takes(ev.PlaybackFinished(12.0, "u2", seconds=5.1))
    got = traced.over(13.0)

    assert len({span.trace_id for span in got.spans}) == 1
    assert {attributes(span)["call_id"] for span in got.spans} == {"c-1"}
    call, turn = got.one("call"), got.one("turn")
    assert not call.parent_span_id
    assert turn.parent_span_id == call.span_id
    assert attributes(call) == {
        "call_id": "c-1", "trunk": "public", "outcome": "answered", "route": "unknown"
    }  # fmt: skip
    assert attributes(turn) == {
        "call_id": "c-1", "turn": 1, "replied": True, "hypotheses": 2, "triage_s": 0.008
    }  # fmt: skip
    within = {name: got.one(name) for name in ("recognition", "triage", "search")}
    assert {span.parent_span_id for span in within.values()} == {turn.span_id}
    assert seconds(turn) == pytest.approx(2.9)
    assert seconds(within["recognition"]) == pytest.approx(0.4)
    assert seconds(within["triage"]) == pytest.approx(0.004)
    assert seconds(within["search"]) == pytest.approx(0.09)
    greeting, answer = got.named("speech")
    assert greeting.parent_span_id == call.span_id
    assert answer.parent_span_id == turn.span_id
    assert attributes(answer)["entry"] == "E1"
    assert attributes(greeting)["prompt"] == "greeting"
    assert [event.name for event in answer.events] == ["heard"]


def test_each_attempt_of_a_hand_off_is_a_span_until_a_person_is_heard(traced: Traced) -> None:
    def progress(at: float, to: str, state: ev.LegState, line: str = "") -> None:
        traced.takes(ev.TransferProgress(at, "c-1-h1", to, state, reason="Herr Wang", line=line))

    traced.takes(ev.KeyPressed(1.0, "1"), DANGER)
    progress(1.5, "110-460100", ev.LegState.RINGING)
    progress(3.0, "110-460100", ev.LegState.BUSY)
    traced.takes(ev.TimePassed(3.0), act.DialRoute("c-1-h1", ROUTES[1]))
    traced.takes(ev.TimePassed(3.0), act.DialLine("c-1-h1", "119", act.Route("119-1", "119")))
    progress(4.0, "119-1", ev.LegState.NO_ANSWER, line="119")
    progress(5.0, "seat", ev.LegState.CONFIRMED)
    got = traced.over(60.0)
    handoff = got.one("handoff")
    assert attributes(handoff) == {
        "call_id": "c-1", "to": "110", "reason": "danger", "state": "confirmed"
    }  # fmt: skip
    assert seconds(handoff) == pytest.approx(3.99)
    attempts = {attributes(span)["to"]: span for span in got.named("attempt")}
    assert {to: attributes(span)["state"] for to, span in attempts.items()} == {
        "110": "busy",
        "seat": "confirmed",
        "119": "no_answer",
    }
    assert {span.parent_span_id for span in attempts.values()} == {handoff.span_id}
    assert [event.name for event in attempts["110"].events] == ["ringing"]


def test_what_is_open_when_the_call_ends_ends_with_it(traced: Traced) -> None:
    traced.takes(ev.CallerSpeaking(1.0, 1), says("u1"), DANGER, act.Search(1, "x"))
    traced.takes(ev.TurnEnded(1.5, 1))
    traced.takes(ev.EngineFailed(1.6, "speech", "ValueError"))
    got = traced.over(2.0)
    assert {span.name for span in got.spans} == {
        "call", "turn", "recognition", "search", "speech", "handoff", "attempt"
    }  # fmt: skip
    ends = {span.end_time_unix_nano for span in got.spans}
    assert len(ends) == 1
    assert [event.name for event in got.one("call").events] == ["engine_failed"]


async def test_a_write_that_is_waited_for_is_a_span_and_a_routine_one_only_when_slow(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def done(kept: bool) -> bool:
        return kept

    assert await traced.call.writing("save_ticket", done(True))
    assert await traced.call.writing("append", done(True))
    assert not await traced.call.writing("append", done(False))
    clock = iter([0, round(2e9 * SLOW_S)])
    monkeypatch.setattr("voicebot.tracing.call.time.time_ns", lambda: next(clock))
    assert await traced.call.writing("add_turn", done(True))
    monkeypatch.undo()
    got = traced.over(1.0)
    assert [
        (attributes(span)["operation"], attributes(span)["kept"]) for span in got.named("write")
    ] == [("save_ticket", True), ("append", False), ("add_turn", True)]


def test_the_collector_is_told_who_sends_and_shown_the_token(receiver: Receiver) -> None:
    Traced(receiver, token="t-0123456789", name="voicebot-haikou").over(1.0)
    assert receiver.headers[0]["Authorization"] == "Bearer t-0123456789"
    resource = receiver.requests[0].resource_spans[0].resource
    named = {each.key: each.value.string_value for each in resource.attributes}
    assert named["service.name"] == "voicebot-haikou"
    assert set(named) == {"service.name", "service.version"}


# ── what is in none ──────────────────────────────────────────────────────────────────


def ended(**attributes_: Any) -> ReadableSpan:
    named = {f"voicebot.{key}": value for key, value in attributes_.items()}
    return ReadableSpan(
        "turn",
        attributes=named,
        events=[Event("heard", {**named, "exception.message": "符琼花"})],
        status=Status(StatusCode.ERROR, "符琼花，13976543210"),
    )


@pytest.mark.parametrize("words", ["符琼花", "金贸西路 8", "said something", "a" * 129])
def test_no_words_leave_the_process_in_whatever_attribute(words: str) -> None:
    span = masked(ended(prompt=words, reason=words))
    for attributes_ in (span.attributes, span.events[0].attributes):
        assert dict(attributes_ or {}) == {"voicebot.prompt": HIDDEN, "voicebot.reason": HIDDEN}
    assert span.status.description is None
    assert span.status.status_code is StatusCode.ERROR


def test_numbers_of_people_are_masked_as_in_logs_and_others_stay() -> None:
    span = masked(ended(call_id="1795735831.42", to="13976543210", seconds=1.5, turn=3, kept=True))
    assert dict(span.attributes or {}) == {
        "voicebot.call_id": "1795735831.42",
        "voicebot.to": "***3210",
        "voicebot.seconds": 1.5,
        "voicebot.turn": 3,
        "voicebot.kept": True,
    }


def test_an_attribute_that_is_not_known_does_not_leave_the_process() -> None:
    assert "voicebot.caller" not in ATTRIBUTES
    span = masked(ended(caller="c", text="t", turn=[1, 2], trunk="public"))
    assert dict(span.attributes or {}) == {"voicebot.trunk": "public"}


def test_spans_are_masked_on_their_way_whoever_made_them(traced: Traced) -> None:
    traced.call._call.set_attribute("voicebot.outcome", "符琼花 13976543210")
    traced.call._call.set_attribute("note", "符琼花 13976543210")
    traced.call._call.end()
    traced.tracing.close()
    assert attributes(traced.receiver.one("call")) == {"call_id": "c-1", "outcome": HIDDEN}


# ── a collector that is slow or away ─────────────────────────────────────────────────


def test_while_the_collector_hangs_no_call_waits_and_what_has_no_place_is_counted(
    receiver: Receiver,
) -> None:
    receiver.open.clear()
    traced = Traced(receiver, queue=10)
    traced.takes(ev.CallStarted(0.0, "c-1", "", "12345"), says("u0"))
    traced.takes(ev.PlaybackFinished(1.0, "u0"))
    assert receiver.asked.wait(30)  # the sender hangs with that one
    for number in range(1, 31):
        traced.takes(ev.TimePassed(1.0), says(f"u{number}"))
        traced.takes(ev.PlaybackFinished(2.0, f"u{number}"))
    assert traced.tracing.counts == {"sent": 0, "failed": 0, "dropped": 20}
    receiver.open.set()
    traced.over(3.0)
    assert traced.tracing.counts == {"sent": 11, "failed": 0, "dropped": 21}
    assert len(receiver.spans) == 11


def test_a_collector_that_is_away_costs_its_spans_alone() -> None:
    with socket.socket() as closed:  # bound and not listening: refused at once
        closed.bind(("127.0.0.1", 0))
        receiver = Receiver()
        receiver.url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1/traces"
        traced = Traced(receiver)
        traced.takes(ev.CallStarted(0.0, "c-1", "", "12345"))
        traced.over(1.0)
    counts = traced.tracing.counts
    assert counts["sent"] == 0
    assert counts["dropped"] == 0


# ── settings ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url", ["http://otel.example:4318/v1/traces", "otel.example:4318", "ftp://127.0.0.1/"]
)
def test_traces_leave_this_machine_over_tls_alone(tmp_path: Path, url: str) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(f'[tracing]\nurl = "{url}"\n')
    with pytest.raises(ConfigError, match="https"):
        load_settings(file)


def test_without_a_collector_there_is_no_tracing(settings: Settings) -> None:
    assert settings.tracing.url == ""
    before = set(threading.enumerate())  # a slow end of another test's may be among them
    assert _open_tracing(settings) is None
    assert not [each.name for each in set(threading.enumerate()) - before if each.name == "traces"]
