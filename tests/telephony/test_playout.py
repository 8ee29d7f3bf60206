"""What is heard when: the playout buffer, the speaking plan, marks and levels, without a clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.heard import UtteranceTrack, answer_sounds, read_mark, unmarked_spans
from telephony.pacing import FrameClock
from telephony.playout import Playout
from telephony.speaking_plan import EndReason, HangUp, Press, Say, SpeakingPlan
from telephony.speech_level import first_sound, sound_segments, speech_span

RATE = 8000

operations = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 500)),
        st.tuples(st.just("mark"), st.integers(0, 99)),
        st.tuples(st.just("advance"), st.integers(1, 400)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


@given(operations)
def test_every_sample_is_heard_in_order_or_cleared(script):
    playout = Playout()
    counter = 1
    waiting: list[int] = []
    waiting_marks: list[tuple[int, str]] = []  # (samples still before it, name)
    position = 0
    for kind, number in script:
        if kind == "push":
            playout.push((np.arange(number) + counter).astype(np.int16))
            waiting += range(counter, counter + number)
            counter += number
        elif kind == "mark":
            playout.mark(str(number))
            waiting_marks.append((len(waiting), str(number)))
        elif kind == "clear":
            assert playout.clear() == tuple(name for _, name in waiting_marks)
            waiting, waiting_marks = [], []
        else:
            heard, marks = playout.advance(number)
            taken = waiting[:number]
            assert heard.tolist() == taken + [0] * (number - len(taken))
            reached = [(before, name) for before, name in waiting_marks if before <= len(taken)]
            assert [(m.at - position, m.name) for m in marks] == reached
            waiting = waiting[number:]
            waiting_marks = [(b - len(taken), n) for b, n in waiting_marks if b > len(taken)]
            position += number
        assert playout.buffered == len(waiting)
        assert playout.position == position
        assert playout.idle == (not waiting and not waiting_marks)


def run_plan(plan, until=60.0, far_side=lambda at: (False, False, False)):
    """Steps with their times; `far_side` gives (loud, in utterance, greeted) at a time."""
    steps = []
    for index in range(round(until / 0.02)):
        at = index * 0.02
        loud, inside, greeted = far_side(at)
        step = plan.step(at, loud=loud, in_utterance=inside, greeted=greeted)
        if step is not None:
            steps.append((round(at, 2), step))
        if isinstance(step, HangUp):
            break
    return steps


def test_the_caller_waits_for_the_greeting_and_for_each_reply():
    def far_side(at):
        greeting, reply = at < 2.0, 5.0 <= at < 7.0
        return greeting or reply, greeting or reply, at >= 2.0

    steps = run_plan(SpeakingPlan([1.0, 1.0], quiet_s=3.0), far_side=far_side)
    (first, say), (second, say_more), (third, bye) = steps
    assert (say, say_more, bye) == (Say(0), Say(1), HangUp(EndReason.CALLER))
    assert first == pytest.approx(2.0, abs=0.03)
    assert second == pytest.approx(7.8, abs=0.05)
    assert third == pytest.approx(8.8 + 3.0, abs=0.05)


def test_a_silent_service_is_given_six_seconds_and_then_eight():
    steps = run_plan(SpeakingPlan([1.0, 1.0], quiet_s=2.0))
    assert [step for _, step in steps] == [Say(0), Say(1), HangUp(EndReason.CALLER)]
    assert [at for at, _ in steps] == pytest.approx([6.0, 15.0, 18.0], abs=0.05)


def test_a_long_greeting_is_heard_to_its_end():
    steps = run_plan(SpeakingPlan([1.0]), far_side=lambda at: (at < 9, at < 9, at >= 9))
    assert steps[0] == (pytest.approx(9.0, abs=0.03), Say(0))


def test_without_manners_the_caller_speaks_at_once():
    assert run_plan(SpeakingPlan([1.0], speak="now"))[0] == (0.0, Say(0))


def test_keys_come_after_the_greeting_and_before_speech():
    steps = run_plan(SpeakingPlan([1.0], keys="w12"), far_side=lambda at: (False, False, at >= 1))
    assert [step for _, step in steps[:3]] == [Press("1"), Press("2"), Say(0)]
    assert [at for at, _ in steps[:2]] == pytest.approx([1.5, 1.7], abs=0.05)


def test_a_lost_end_mark_does_not_silence_the_caller():
    steps = run_plan(
        SpeakingPlan([1.0, 1.0]), far_side=lambda at: (2.5 < at < 4, at > 2.5, at >= 1)
    )
    assert [step for _, step in steps[:2]] == [Say(0), Say(1)]
    assert steps[1][0] == pytest.approx(7.0, abs=0.1)


@given(
    st.lists(st.floats(0.0, 5.0), max_size=3),
    st.text("w123", max_size=3),
    st.sampled_from(["now", "after-greeting"]),
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
)
def test_every_call_ends_and_clips_come_in_order(clips, keys, speak, pattern):
    def far_side(at):
        loud, inside = pattern[int(at * 2) % len(pattern)]
        return loud, inside, at > 3

    steps = [
        s
        for _, s in run_plan(
            SpeakingPlan(clips, keys=keys, speak=speak, max_s=40), far_side=far_side
        )
    ]
    assert isinstance(steps[-1], HangUp)
    said = [step.index for step in steps if isinstance(step, Say)]
    assert said == list(range(len(said)))
    if steps[-1].reason is EndReason.CALLER:
        assert said == list(range(len(clips)))
        assert "".join(s.key for s in steps if isinstance(s, Press)) == keys.replace("w", "")


@given(st.text(max_size=30))
def test_foreign_marks_mean_nothing(name):
    mark = read_mark(name)
    assert mark is None or name.startswith(("begin:", "end:"))


def test_marks_become_spans_and_what_is_cut_is_incomplete():
    track = UtteranceTrack()
    track.reached("begin:prompt:u1", 0)
    track.reached("end:prompt:u1", 100)
    track.reached("begin:answer:u2:K:7", 200)
    assert track.in_utterance
    track.cut(250)
    first, second = track.spans
    assert (first.purpose, first.utterance, first.start, first.end, first.complete) == (
        "prompt", "u1", 0, 100, True,
    )  # fmt: skip
    assert (second.entry, second.end, second.complete) == ("K:7", 250, False)
    assert not track.in_utterance


def tone(seconds, amplitude=5000):
    return (amplitude * np.sin(np.arange(round(seconds * RATE)) * 0.5)).astype(np.int16)


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.int16)


def test_only_answers_count_for_latency_and_only_their_sound():
    heard = np.concatenate([tone(1), quiet(1), quiet(0.5), tone(1), quiet(1)])
    track = UtteranceTrack()
    for name, at in (
        ("begin:prompt:p", 0), ("end:prompt:p", 8000),
        ("begin:answer:a:K1", 16000), ("end:answer:a", 28000),
    ):  # fmt: skip
        track.reached(name, at)
    ((span, onset),) = answer_sounds(track.spans, heard, RATE)
    assert span.entry == "K1"
    assert onset == pytest.approx(20000, abs=160)
    track.reached("begin:answer:b", 29000)
    track.reached("end:answer:b", 35000)
    assert len(answer_sounds(track.spans, heard, RATE)) == 1, "a silent answer is none"


def test_sound_outside_marks_is_a_person():
    heard = np.concatenate([tone(1), quiet(1), tone(0.5), quiet(0.3), tone(0.5), quiet(1)])
    track = UtteranceTrack()
    track.reached("begin:prompt:p", 0)
    track.reached("end:prompt:p", 8000)
    (person,) = unmarked_spans(track.spans, heard, RATE)
    assert (person.start, person.end) == pytest.approx((16000, 26400), abs=160)


def test_levels_find_where_speech_begins_and_ends():
    pcm = np.concatenate([quiet(0.5), tone(1), quiet(0.5)])
    start, end = speech_span(pcm, RATE)
    assert start == pytest.approx(4000, abs=160)
    assert end == pytest.approx(12000, abs=8)
    assert speech_span(quiet(1), RATE) is None
    assert speech_span(quiet(0), RATE) is None
    assert first_sound(quiet(1), RATE) is None
    assert len(sound_segments(np.concatenate([pcm, pcm]), RATE)) == 2


def test_a_quiet_hum_is_no_sound():
    assert speech_span(tone(1, amplitude=120), RATE) is None


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
async def test_the_frame_clock_never_drifts(delays):
    now = 100.0

    async def sleep(seconds):
        nonlocal now
        now += seconds

    clock = FrameClock(0.02, now=lambda: now, sleep=sleep)
    for index, delay in enumerate(delays):
        assert await clock.tick() == index
        assert now >= 100.0 + index * 0.02 - 1e-9
        now += delay
    now += 1000
    await clock.tick()
    assert clock.worst_lateness >= 999
