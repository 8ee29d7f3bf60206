import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kb.homophones import CERTAINTY, same_wording


def test_a_homophone_of_an_approved_wording_is_that_wording() -> None:
    scores = same_wording(np.array([0.2, 0.1]), np.array([1.0, 0.6], np.float32), 9)
    assert scores[0] == CERTAINTY
    assert scores.sum() <= 1


def test_two_wordings_that_sound_alike_are_left_to_the_ranker() -> None:
    given_ = np.array([0.4, 0.4])
    assert (same_wording(given_, np.array([0.97, 0.95], np.float32), 9) == given_).all()


def test_the_same_wording_of_two_cities_is_one_or_the_other() -> None:
    scores = same_wording(np.array([0.1, 0.1, 0.0]), np.array([1.0, 1.0, 0.3], np.float32), 9)
    assert scores.tolist() == [CERTAINTY / 2, CERTAINTY / 2, 0.0]


def test_a_short_question_is_left_to_the_ranker() -> None:
    given_ = np.array([0.2, 0.1])
    assert (same_wording(given_, np.array([1.0, 0.2], np.float32), 3) == given_).all()


@given(
    arrays.arrays(np.float64, 5, elements=st.floats(0, 0.2)),
    arrays.arrays(np.float32, 5, elements=st.floats(0, 1, width=32)),
    st.integers(0, 40),
)
def test_probabilities_stay_probabilities(scores: np.ndarray, near: np.ndarray, n: int) -> None:
    changed = same_wording(scores, near, n)
    assert (changed >= 0).all()
    assert changed.sum() <= 1 + 1e-9
