import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.call.endpointing import Edge, Endpointer, EndpointingLimits, asks

FRAME = 0.032
LIMITS = EndpointingLimits(start_s=0.1, floor_s=0.25, ceiling_s=1.2, max_turn_s=28.0)


def run(endpointer: Endpointer, *stretches: tuple[float, float]) -> list[Edge]:
    """Feed (probability, seconds) stretches; the edges that came, without NONE."""
    edges = []
    for probability, seconds in stretches:
        for _ in range(round(seconds / FRAME)):
            edges.append(endpointer.push(probability, FRAME))
    return [edge for edge in edges if edge is not Edge.NONE]


def test_a_turn_begins_after_a_tenth_of_a_second_of_voice() -> None:
    assert run(Endpointer(LIMITS), (0.9, 0.2)) == [Edge.BEGAN]


def test_a_click_begins_no_turn() -> None:
    assert run(Endpointer(LIMITS), (0.9, 0.06), (0.0, 1.0)) == []


def test_a_pause_is_told_at_once_and_smart_turn_asked_before_the_floor() -> None:
    assert run(Endpointer(LIMITS), (0.9, 0.5), (0.0, 0.2)) == [
        Edge.BEGAN,
        Edge.PAUSED,
        Edge.ASK,
    ]


def test_a_finished_sentence_ends_its_turn_at_the_floor() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5), (0.0, 0.18))
    assert endpointer.answer(endpointer.pauses, finished=True) is Edge.NONE
    assert run(endpointer, (0.0, 0.1)) == [Edge.ENDED]


def test_an_answer_after_the_floor_ends_the_turn_at_once() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5), (0.0, 0.4))
    assert endpointer.answer(endpointer.pauses, finished=True) is Edge.ENDED


def test_an_unfinished_sentence_is_asked_about_again() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5), (0.0, 0.4))
    assert endpointer.answer(endpointer.pauses, finished=False) is Edge.NONE
    assert run(endpointer, (0.0, 0.6)) == [Edge.ASK, Edge.ASK]


def test_words_that_ask_end_their_turn_before_the_ceiling_though_they_sound_unfinished() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5), (0.0, 0.4))
    endpointer.question = True
    assert endpointer.answer(endpointer.pauses, finished=False) is Edge.NONE
    assert run(endpointer, (0.0, 0.15)) == [Edge.ENDED], "nobody waits for another answer"


def test_only_the_turn_whose_words_ask_is_over_sooner() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5))
    endpointer.question = True
    assert Edge.ENDED in run(endpointer, (0.0, 0.6))
    assert Edge.ENDED not in run(endpointer, (0.9, 0.5), (0.0, 1.0))


@pytest.mark.parametrize(
    ("syllables", "question"),
    [("neng2 ban4 ma5", True), ("wo3 ma1", False), ("shen2 me5", False), ("", False)],
)
def test_words_ask_where_they_end_in_the_particle(syllables: str, question: bool) -> None:
    assert asks(syllables.split()) is question


def test_an_answer_about_an_earlier_pause_ends_nothing() -> None:
    endpointer = Endpointer(LIMITS)
    run(endpointer, (0.9, 0.5), (0.0, 0.3))
    earlier = endpointer.pauses
    assert endpointer.push(0.9, FRAME) is Edge.RESUMED
    assert endpointer.answer(earlier, finished=True) is Edge.NONE
    run(endpointer, (0.9, 0.3), (0.0, 0.3))
    assert endpointer.answer(earlier, finished=True) is Edge.NONE
    assert endpointer.in_turn


def test_the_ceiling_ends_a_turn_whatever_the_model_says() -> None:
    assert run(Endpointer(LIMITS), (0.9, 0.5), (0.0, 1.4))[-1] is Edge.ENDED


def test_speech_after_a_pause_belongs_to_the_same_turn() -> None:
    endpointer = Endpointer(LIMITS)
    edges = run(endpointer, (0.9, 0.5), (0.0, 0.3), (0.9, 0.3))
    assert edges == [Edge.BEGAN, Edge.PAUSED, Edge.ASK, Edge.RESUMED]
    assert endpointer.in_turn


def test_fading_word_ends_do_not_split_a_turn() -> None:
    assert run(Endpointer(LIMITS), (0.9, 0.5), (0.45, 0.5)) == [Edge.BEGAN]


def test_an_endless_turn_is_cut() -> None:
    limits = EndpointingLimits(max_turn_s=2.0)
    assert Edge.ENDED in run(Endpointer(limits), (0.9, 2.2))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 2.0)), max_size=60))
def test_turns_begin_and_end_in_alternation(stretches: list[tuple[float, float]]) -> None:
    endpointer = Endpointer(LIMITS)
    open_turn = False
    for probability, seconds in stretches:
        edge = endpointer.push(probability, seconds)
        if edge is Edge.BEGAN:
            assert not open_turn
            open_turn = True
        elif edge is Edge.ENDED:
            assert open_turn
            open_turn = False
        elif edge is not Edge.NONE:
            assert open_turn
        assert endpointer.in_turn == open_turn


@given(st.lists(st.floats(0, 1), max_size=200))
def test_silence_of_a_ceiling_always_ends_a_turn(probabilities: list[float]) -> None:
    endpointer = Endpointer(LIMITS)
    for probability in probabilities:
        endpointer.push(probability, FRAME)
    for _ in range(round(1.3 / FRAME)):
        endpointer.push(0.0, FRAME)
    assert not endpointer.in_turn
