"""A caller's ear whose place may be lost at any moment, with places in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.distress import DistressDetector, Kind, Mark
from telephony.codecs import Int16
from tests.asr.distress_sounds import wailing
from tests.voicebot.ear_doubles import RATE, WINDOW, Loudness, Tones, silence, tone
from voicebot.call.caller_ear import Listened, ListenerFault, Senses
from voicebot.ear_process.ear import AGAIN, CONTEXT, LONGEST, ApartEar
from voicebot.ear_process.place import OnSensed, OnSettled, WorkFailed


class Desk:
    """A place that does its work when it is told to, and can be lost before."""

    def __init__(self, senses: Senses | None = None) -> None:
        self._senses = senses or Senses(Loudness(), Tones())
        self.work: deque[Callable[[], None]] = deque()
        self.heard: list[tuple[int, bool]] = []
        """Samples, and whether the listener heard them."""

    def hear(self, pcm: Int16, listen: bool, answer: OnSensed) -> None:
        self.heard.append((len(pcm), listen))
        self.work.append(lambda: answer(self._senses.hear(pcm, listen)))

    def settle(self, cut: bool, answer: OnSettled) -> None:
        def work() -> None:
            try:
                answer(self._senses.settle(cut))
            except ListenerFault as fault:
                answer(fault)

        self.work.append(work)

    def close(self) -> None:
        self.work.clear()

    def do(self, most: int = 10**6) -> None:
        for _ in range(min(most, len(self.work))):
            self.work.popleft()()


class Caller:
    """An ear, where it is placed, and what it told."""

    def __init__(self) -> None:
        self.ear = ApartEar(lambda ear: None, lambda ear: False)
        self.desk = Desk()
        self.ear.place_in(self.desk)
        self._asked: list[object] = []
        self.probabilities: list[float] = []
        self.marks: list[Mark] = []
        self.partials: list[Listened] = []
        self.finals: list[Listened] = []

    def gives(self, pcm: Int16) -> None:
        self._asked.append(self.ear.hear(pcm))

    def ends_turn(self, *, cut: bool = False) -> None:
        self._asked.append(self.ear.settle(cut))

    def moves(self, desk: Desk | None = None) -> None:
        """What was asked and not done there is lost with its place."""
        self.ear.place = None
        self.desk = desk or Desk()
        self.ear.place_in(self.desk)

    def take(self) -> None:
        self.desk.do()
        for asked in self._asked:
            answer = asked.result()  # type: ignore[attr-defined]
            if isinstance(answer, Listened):
                self.finals.append(answer)
                continue
            self.probabilities += [probability for probability, _ in answer.frames]
            self.marks += answer.marks
            if isinstance(answer.listened, Listened):
                self.partials.append(answer.listened)
        self._asked.clear()


SAID = [
    np.concatenate([silence(quiet), tone(spoken, height), silence(0.3)])
    for height, (quiet, spoken) in enumerate([(0.7, 1.05), (0.2, 0.6), (5.0, 0.4), (0.1, 6.0)], 101)
]
"""Utterances, each with words of its own."""


def cut_up(pcm: Int16, sizes: list[int]) -> list[Int16]:
    pieces, at = [], 0
    for size in sizes * (len(pcm) // sum(sizes) + 1):
        pieces.append(pcm[at : at + size])
        at += size
    return [piece for piece in pieces if len(piece)]


async def heard(sizes: list[int], lost: set[int], done: int) -> Caller:
    """The utterances, in pieces of these sizes; before some pieces the place is lost, with all work
    but the first `done`."""
    caller, count = Caller(), 0
    for pcm in SAID:
        for piece in cut_up(pcm, sizes):
            count += 1
            if count in lost:
                caller.desk.do(done)
                caller.moves()
            caller.gives(piece)
            if count % 3 == 0:
                caller.take()
        caller.ends_turn()
    caller.take()
    return caller


@given(
    st.lists(st.integers(100, 4000), min_size=1, max_size=5),
    st.lists(st.integers(1, 150), max_size=6).map(set),
    st.integers(0, 3),
)
@settings(max_examples=25)
async def test_wherever_places_are_lost_the_same_is_heard(
    sizes: list[int], lost: set[int], done: int
) -> None:
    whole = np.concatenate(SAID)
    undisturbed, moved = await heard([320], set(), 0), await heard(sizes, lost, done)
    assert [final.syllables for final in moved.finals] == [
        final.syllables for final in undisturbed.finals
    ]
    starts = [final.start for final in moved.finals]
    assert starts == pytest.approx([final.start for final in undisturbed.finals], abs=0.0011)
    assert [len(final.syllables) for final in moved.finals] == [5, 3, 2, 30]
    expected = [probability for probability, _ in Loudness().probabilities(whole)]
    assert moved.probabilities == undisturbed.probabilities == expected
    begun = {round(partial.start, 2) for partial in moved.partials if partial.syllables}
    assert begun == {round(start, 2) for start in starts}


async def test_a_call_begins_without_a_place_and_loses_nothing() -> None:
    caller = Caller()
    caller.ear.place = None
    caller.gives(tone(1.0, 100))
    caller.ends_turn()
    caller.moves()
    caller.take()
    assert [final.syllables for final in caller.finals] == [("t100",) * 5]


async def test_words_of_an_utterance_that_is_over_are_not_heard_again() -> None:
    caller = Caller()
    caller.gives(tone(1.0, 100))
    caller.ends_turn()
    caller.take()
    caller.moves()
    caller.gives(tone(0.4, 200))
    caller.take()
    assert caller.partials[-1].syllables == ("t200",) * 2
    assert caller.partials[-1].start == pytest.approx(1.0)


async def test_the_voice_detector_hears_a_second_of_what_was_before() -> None:
    caller = Caller()
    for _ in range(50):
        caller.gives(silence(0.1))
        caller.take()
    caller.ends_turn()
    caller.take()
    caller.moves()
    assert not any(listened for _, listened in caller.desk.heard)
    assert RATE <= sum(samples for samples, _ in caller.desk.heard) <= 1.1 * RATE + WINDOW


async def test_of_a_long_silence_little_is_heard_again() -> None:
    caller = Caller()
    for _ in range(200):
        caller.gives(silence(0.1))
        caller.take()
    caller.moves()
    assert sum(samples for samples, _ in caller.desk.heard) <= 2.2 * RATE


async def test_words_of_long_ago_stand_and_are_not_heard_again() -> None:
    caller = Caller()
    for _ in range(45):
        caller.gives(tone(1.0, 100))
        caller.take()
    for _ in range(2):
        caller.moves()
        assert sum(samples for samples, _ in caller.desk.heard) <= AGAIN + CONTEXT + RATE
        caller.gives(tone(1.0, 200))
        caller.take()
    assert caller.partials[-1].syllables == ("t100",) * 225 + ("t200",) * 10
    assert len(np.concatenate(caller.ear._audio)) <= LONGEST + 2 * RATE


async def test_where_a_turn_is_cut_what_the_encoder_held_is_heard_again() -> None:
    caller = Caller()
    caller.gives(tone(2.0, 100))
    caller.ends_turn(cut=True)
    caller.take()
    caller.moves()
    assert sum(samples for samples, listened in caller.desk.heard if listened) == RATE // 2


async def test_distress_is_told_once_and_at_its_time_though_its_place_is_lost() -> None:
    crying = (wailing(np.random.default_rng(0)) * 32767).astype(np.int16)
    pcm = np.concatenate([silence(7.0), crying, silence(1.0)])
    (expected,) = DistressDetector().push(pcm)
    caller = Caller()
    for number, piece in enumerate(cut_up(pcm, [RATE // 10])):
        if number == int(expected.end / 0.1) - 1:  # just before it is known
            caller.moves()
        caller.gives(piece)
        caller.take()
    (mark,) = caller.marks
    assert mark.kind is Kind.CRYING
    assert mark.end == pytest.approx(expected.end, abs=0.3)
    assert mark.start == pytest.approx(expected.start, abs=3.0)


async def test_what_the_listener_raised_is_told_once_and_it_is_never_asked_again() -> None:
    class Broken(Tones):
        def feed(self, pcm: object) -> None:
            raise RuntimeError("13800138000")

    caller = Caller()
    caller.moves(Desk(Senses(Loudness(), Broken())))
    first = caller.ear.hear(tone(0.1, 100))
    caller.desk.do()
    fault = first.result().listened
    assert isinstance(fault, ListenerFault)
    assert str(fault) == "RuntimeError"
    assert not caller.ear.listens
    caller.moves()
    caller.gives(tone(0.1, 100))
    caller.take()
    assert not any(listened for _, listened in caller.desk.heard)
    assert not caller.partials
    with pytest.raises(ListenerFault):
        await caller.ear.settle(False)


async def test_an_ear_that_is_deafened_says_so_and_goes_on_hearing_voices() -> None:
    caller = Caller()
    open_turn = caller.ear.settle(False)
    heard = caller.ear.hear(tone(0.1, 4000))
    caller.ear.place = None
    caller.ear.deafen()
    caller.desk = Desk(Senses(Loudness(), None))
    caller.ear.place_in(caller.desk)
    caller.desk.do()
    with pytest.raises(ListenerFault, match="EngineLost"):
        await open_turn
    assert isinstance((await heard).listened, ListenerFault)
    later = caller.ear.hear(tone(0.1, 4000))
    caller.desk.do()
    assert (await later).listened is None
    assert all(probability == 1.0 for probability, _ in (await heard).frames)


async def test_what_raises_where_there_is_no_other_place_belongs_to_who_asked() -> None:
    caller = Caller()
    heard = caller.ear.hear(tone(0.1, 100))
    caller.ear._sensed(WorkFailed("RuntimeError"))
    with pytest.raises(WorkFailed, match="RuntimeError"):
        await heard


async def test_whoever_does_not_wait_for_an_answer_any_more_disturbs_nobody() -> None:
    caller = Caller()
    caller.ear.hear(tone(0.5, 100)).cancel()
    caller.ear.settle(False).cancel()
    caller.gives(tone(0.4, 200))
    caller.take()
    assert caller.partials[-1].syllables == ("t200",) * 2
    caller.ear.close()
    caller.desk.do()
