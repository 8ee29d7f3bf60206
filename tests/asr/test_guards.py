"""What is no intelligible Mandarin is not taken for it, and what is said so is marked."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from asr.audio import read
from asr.dtmf import KeyMute
from asr.guards import intelligibility, judged, spoken_language
from asr.hypothesis import Hypothesis, Pcm
from asr.listener import Listener
from asr.syllables import to_syllables
from asr.whisper import WhisperTranscriber
from tests.asr.synthetic_sounds import EAR_RATE, LINE_RATE, SOUNDS, Samples, on_the_line, sound_of

SENTENCE = "mini_zh/BAC009S0764W0121.wav"

SAID = "我想补办身份证"
HEARD = to_syllables(SAID)


def final(text: str, *others: str, score: float = -0.3, language: str = "zh") -> Hypothesis:
    readings = (text, *others)
    scores = tuple(score - 0.1 * rank for rank in range(len(readings)))
    return Hypothesis(
        "whisper", text=text, alternatives=others, scores=scores, final=True, language=language
    )


# ── decisions ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("probabilities", "language"),
    [
        ({"zh": 0.98, "ja": 0.02}, "zh"),
        ({"zh": 0.3, "yue": 0.4, "en": 0.3}, "zh"),
        ({"en": 0.92, "cy": 0.05, "zh": 0.03}, "en"),
        ({"fr": 0.55, "la": 0.4, "en": 0.05}, "other"),
        ({"en": 0.55, "zh": 0.25, "ja": 0.2}, "unknown"),
        ({"ja": 0.52, "zh": 0.39, "en": 0.09}, "unknown"),
    ],
)
def test_a_language_is_named_only_where_it_is_sure(
    probabilities: dict[str, float], language: str
) -> None:
    assert spoken_language(probabilities) == language


@given(st.dictionaries(st.sampled_from(["zh", "yue", "en", "ja", "fr"]), st.floats(0, 1)))
def test_whatever_the_probabilities_the_language_is_one_of_four(
    weights: dict[str, float],
) -> None:
    whole = sum(weights.values()) or 1.0
    shares = {name: weight / whole for name, weight in weights.items()}
    assert spoken_language(shares) in {"zh", "en", "other", "unknown"}


def test_a_decoders_loop_of_which_the_listener_heard_nothing_is_noise() -> None:
    loop = "诶诶诒诒识诶" * 4
    assert judged(final(loop, language="other"), ()).text == ""
    assert judged(final("救命" * 8), ()).text == "救命" * 8
    assert judged(final("救命" * 8, language="unknown"), ()).text == "救命" * 8
    assert judged(final(loop, language="other"), ("yi2",)).text == loop


def test_doubtful_words_in_which_the_listener_heard_no_syllable_are_noise() -> None:
    assert not judged(final("谢谢大家", "谢谢", score=-0.9), ())
    assert judged(final("喂", score=-0.4), ()).text == "喂"
    assert judged(final(SAID, score=-0.9), HEARD).text == SAID


def test_the_listener_picks_among_the_readings_of_mandarin() -> None:
    assert judged(final("我想不办身份证", SAID), HEARD).text in {SAID, "我想不办身份证"}
    assert judged(final("外想补办身旁正", SAID), HEARD).text == SAID


def test_readings_of_english_stay_in_their_order() -> None:
    heard = final("help me", "hell me", language="en")
    assert judged(heard, to_syllables("海母米")).n_best == ("help me", "hell me")


def test_words_on_which_the_ears_agree_are_intelligible() -> None:
    assert judged(final(SAID), HEARD).intelligible > 0.9


def test_words_of_which_the_listener_heard_others_are_not() -> None:
    assert judged(final("同志同志同志", score=-1.0), HEARD).intelligible < 0.3


def test_syllables_without_a_text_are_not_intelligible() -> None:
    assert judged(Hypothesis("whisper", final=True), HEARD).intelligible == 0.0


@given(
    text=st.text("我想补办身份证救命ab3", max_size=12),
    syllables=st.lists(st.sampled_from(HEARD), max_size=12).map(tuple),
    score=st.floats(-5, 0),
    language=st.sampled_from(["zh", "en", "other", "unknown"]),
)
def test_intelligibility_is_a_share(
    text: str, syllables: tuple[str, ...], score: float, language: str
) -> None:
    heard = final(text, score=score, language=language)
    assert 0.0 <= intelligibility(heard, syllables) <= 1.0
    assert 0.0 <= judged(heard, syllables).intelligible <= 1.0


# ── on sound ──────────────────────────────────────────────────────────────────────────

Both = Callable[[Pcm], Hypothesis]


@pytest.fixture(scope="module")
def both_ears(listener: Listener, whisper: WhisperTranscriber) -> Both:
    """The final of both ears, as a call makes it, without a voice detector before them."""
    return lambda pcm: judged(whisper.transcribe(pcm), listener.transcribe(pcm).syllables)


def heard_by_the_ears(sound: Samples) -> Pcm:
    """8 kHz → what the recognisers get: the line, and the mute for keys before them."""
    pcm = KeyMute(EAR_RATE).push(on_the_line(sound))
    return np.asarray(pcm / 32768, np.float32)


def telephone(pcm: Pcm) -> Pcm:
    """16 kHz speech as it comes from a line."""
    narrow = soxr.resample(pcm, EAR_RATE, LINE_RATE).astype(np.float64)
    return heard_by_the_ears(narrow)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Pcm:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed.")
    path: Path = tmp_path_factory.mktemp("english") / "sentence.wav"
    words = "I would like to speak to a human agent"
    subprocess.run(["espeak-ng", "-v", "en-gb", "-s", "150", "-w", str(path), words], check=True)
    return telephone(read(path))


@pytest.mark.parametrize("name", sorted(SOUNDS))
def test_no_words_are_made_of_what_is_no_speech(both_ears: Both, name: str) -> None:
    assert both_ears(heard_by_the_ears(sound_of(name, 8, seed=11))).text == ""


def test_mandarin_is_known_and_intelligible(
    both_ears: Both, utterance: Callable[[str], Pcm]
) -> None:
    heard = both_ears(telephone(utterance(SENTENCE)))
    assert heard.language == "zh"
    assert heard.intelligible > 0.8


def test_speech_that_runs_backwards_is_not_intelligible(
    both_ears: Both, utterance: Callable[[str], Pcm]
) -> None:
    heard = both_ears(telephone(utterance(SENTENCE)[::-1].copy()))
    assert heard.intelligible < 0.5


def test_english_is_written_as_english(both_ears: Both, english: Pcm) -> None:
    heard = both_ears(english)
    assert heard.language == "en"
    assert "human agent" in heard.text.lower()


def test_a_model_of_one_language_has_none_to_tell(
    whisper: WhisperTranscriber, utterance: Callable[[str], Pcm], monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneLanguage:
        is_multilingual = False

        def __getattr__(self, name: str) -> object:
            return getattr(model, name)

    model = whisper._model.native
    monkeypatch.setattr(whisper._model, "native", OneLanguage())
    heard = whisper.transcribe(utterance(SENTENCE))
    assert heard.text
    assert heard.language == "unknown"
