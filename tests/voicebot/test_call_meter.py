"""What one call adds to the metrics, event by event."""

from __future__ import annotations

import pytest

from flows import actions as act
from flows import events as ev
from flows.state import State
from voicebot.metrics.call import CallMeter
from voicebot.metrics.instruments import Metrics

DANGER = act.Handoff("h1", (act.Route("110-460100", "110"), act.Route("seat", "seat")), "danger")


class Metered:
    """A call whose events are taken one after the other, each decided on 10 ms after it came."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.meter = CallMeter(self.metrics)

    def takes(self, event: ev.Event, *actions: act.Action, handled: int = -1) -> None:
        self.meter.note(event, actions, State(handled=handled), event.at + 0.01)

    def of(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voicebot_{name}", labels) or 0.0

    def stage(self, name: str) -> tuple[int, float]:
        """How often it was measured, and the seconds in all."""
        return (
            int(self.of("stage_seconds_count", stage=name)),
            round(self.of("stage_seconds_sum", stage=name), 3),
        )


@pytest.fixture
def call() -> Metered:
    return Metered()


def final(at: float, turn: int = 1, end: float = 2.0) -> ev.Heard:
    return ev.Heard(at, turn, ev.Ear.TRANSCRIBER, "公积金怎么提取", final=True, end=end)


def says(utterance: str, entry: str | None = None) -> act.Say:
    prompt = None if entry else "one_moment"
    return act.Say(utterance, act.Purpose.PROMPT, prompt=prompt, entry=entry)


def test_an_answer_is_timed_from_the_end_of_its_turn(call: Metered) -> None:
    call.takes(ev.TurnEnded(2.0, 1))
    call.takes(final(2.4), says("u2", entry="E1"))
    call.takes(ev.PlaybackStarted(2.9, "u2"), handled=1)
    call.takes(ev.PlaybackStarted(9.0, "u3"), handled=1)
    assert call.stage("answer") == call.stage("reply") == (1, 0.9)
    assert call.stage("final") == (1, 0.4)


def test_a_filler_is_a_reply_and_no_answer(call: Metered) -> None:
    call.takes(ev.TurnEnded(2.0, 1))
    call.takes(final(2.4), says("u2"), says("u3", entry="E1"))
    call.takes(ev.PlaybackStarted(2.5, "u2"), handled=1)
    call.takes(ev.PlaybackStarted(3.5, "u3"), handled=1)
    assert call.stage("reply") == (1, 0.5)
    assert call.stage("answer") == (1, 1.5)


def test_what_is_said_after_a_noise_is_no_answer(call: Metered) -> None:
    call.takes(ev.TurnEnded(2.0, 1))
    call.takes(ev.PlaybackStarted(6.0, "u2"))
    assert call.stage("reply") == (0, 0.0)


def test_a_caller_who_goes_on_speaking_is_answered_after_his_last_word(call: Metered) -> None:
    call.takes(ev.TurnEnded(2.0, 1))
    call.takes(ev.CallerSpeaking(2.5, 2))
    call.takes(ev.PlaybackStarted(2.6, "u2"), handled=1)
    call.takes(ev.TurnEnded(4.0, 2))
    call.takes(ev.PlaybackStarted(4.5, "u3"), handled=2)
    assert call.stage("reply") == (1, 0.5)


def test_only_searches_for_whole_questions_count_as_outcomes(call: Metered) -> None:
    for at, whole, decision in ((1.0, False, "none"), (2.0, True, "answer")):
        call.takes(final(at), act.Search(1, "公积金怎么提取", final=whole))
        call.takes(ev.SearchResult(at + 0.11, 1, "公积金怎么提取", decision, final=whole))
    assert call.stage("search") == (2, 0.2)
    assert call.of("searches_total", outcome="answer") == 1
    assert call.of("searches_total", outcome="none") == 0


def test_a_hand_off_is_timed_from_the_decisive_words_and_until_a_person_speaks(
    call: Metered,
) -> None:
    call.takes(final(2.5, end=2.2), DANGER)
    assert call.stage("handoff") == (1, 0.31)
    assert call.of("handoffs_total", to="110", reason="danger") == 1
    failed = ev.TransferProgress(4.51, "h1", "110-460100", ev.LegState.BUSY)
    call.takes(failed, act.DialRoute("h1", act.Route("seat", "seat")))
    call.takes(ev.TransferProgress(7.51, "h1", "seat", ev.LegState.CONFIRMED))
    call.takes(ev.TransferProgress(9.0, "h1", "seat", ev.LegState.CONFIRMED))
    assert call.of("handoff_legs_total", to="110", state="busy") == 1
    assert call.of("handoff_person_seconds_sum", to="seat") == pytest.approx(5.0)
    assert call.of("handoff_person_seconds_count", to="seat") == 1


def test_a_key_is_no_decisive_word(call: Metered) -> None:
    call.takes(ev.KeyPressed(2.0, "1"), DANGER)
    assert call.stage("handoff") == (0, 0.0)


def test_the_turn_that_brings_a_person_waits_for_no_answer(call: Metered) -> None:
    call.takes(ev.TurnEnded(2.0, 1))
    call.takes(final(2.5), DANGER)
    call.takes(ev.PlaybackStarted(30.0, "u2"), handled=1)
    assert call.stage("reply") == (0, 0.0)


def test_a_leg_beside_110_counts_as_its_own_line(call: Metered) -> None:
    call.takes(final(2.5), DANGER)
    call.takes(ev.TransferProgress(3.0, "h1", "120-460100", ev.LegState.CONFIRMED, line="120"))
    assert call.of("handoff_legs_total", to="120", state="confirmed") == 1
    assert call.of("handoff_person_seconds_count", to="110") == 0


def test_a_call_without_a_word_has_no_route(call: Metered) -> None:
    call.meter.ended(State())
    assert call.of("triage_calls_total", route="unknown") == 1
    assert call.of("calls_ended_total", outcome="abandoned") == 1


def test_an_ear_that_is_lost_is_counted(call: Metered) -> None:
    call.takes(ev.EngineFailed(1.0, ev.Ear.LISTENER, "EngineLost"))
    assert call.of("engine_failures_total", engine="listener") == 1
