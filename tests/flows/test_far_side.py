"""Who is on the far side, by what was heard of one utterance."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import phonetics
from flows.far_side import (
    AnnouncementError,
    FarSideHeard,
    Who,
    judge,
    load_announcements,
)

QUEUE = "您好这里是海口110报警服务台您的来电已进入排队请稍候"


def heard(
    text: str, *, voice_s: float | None = None, pause_s: float = 0.0, early: bool = False
) -> FarSideHeard:
    """A sentence at four syllables a second."""
    syllables = phonetics.to_syllables(text)
    seconds = len(syllables) / 4 if voice_s is None else voice_s
    return FarSideHeard(syllables, seconds, pause_s, early)


@pytest.mark.parametrize(
    ("text", "pause_s", "who"),
    [
        ("你好海口110请讲", 0.0, Who.UNDECIDED),
        ("你好海口110请讲", 0.25, Who.PERSON),
        ("喂", 0.5, Who.UNDECIDED),
        ("喂", 0.7, Who.PERSON),
        ("您好这里是海口110", 0.7, Who.UNDECIDED),
        ("您好这里是海口110", 1.3, Who.PERSON),
        (QUEUE, 3.0, Who.QUEUE),
        (QUEUE + "你好请讲", 0.3, Who.PERSON),
        ("您拨打的用户正忙", 0.0, Who.REFUSED),
        ("本次通话将被录音", 2.0, Who.QUEUE),
    ],
)
def test_words_and_pauses_tell(text: str, pause_s: float, who: Who) -> None:
    assert judge(heard(text, pause_s=pause_s)).who is who


def test_no_part_of_a_queue_announcement_is_a_person() -> None:
    """As it is heard, syllable by syllable, with half a second between its sentences."""
    syllables = phonetics.to_syllables(QUEUE)
    for length in range(len(syllables) + 1):
        for pause_s in (0.0, 0.5):
            said = FarSideHeard(syllables[:length], length / 4, pause_s)
            assert judge(said).who is not Who.PERSON, length


def test_speech_without_a_pause_that_is_no_announcement_is_a_person() -> None:
    text = "我们这边已经收到了您的定位现在派人过去"
    assert judge(heard(text[:8])).who is Who.UNDECIDED
    assert judge(heard(text)).who is Who.PERSON


def test_voice_in_which_no_words_are_understood_is_a_person_only_after_a_while() -> None:
    assert judge(FarSideHeard((), 3.0, 0.0)).who is Who.UNDECIDED
    assert judge(FarSideHeard((), 5.0, 0.0)).who is Who.PERSON
    assert judge(FarSideHeard((), 0.5, 0.7)).who is Who.UNDECIDED
    assert judge(FarSideHeard((), 0.5, 1.5)).who is Who.PERSON
    assert judge(FarSideHeard((), 0.5, 1.5, queued=True)).who is Who.UNDECIDED
    assert judge(FarSideHeard((), 5.0, 0.0, queued=True)).who is Who.UNDECIDED


def test_without_an_ear_voice_is_enough() -> None:
    assert judge(FarSideHeard(None, 0.3, 0.0)).who is Who.UNDECIDED
    assert judge(FarSideHeard(None, 0.4, 0.0)).who is Who.PERSON
    assert judge(FarSideHeard(None, 9.0, 0.0, early=True)).who is Who.UNDECIDED


@given(
    st.sampled_from([QUEUE, "你好请讲", "您拨打的用户正忙", "", "喂"]),
    st.floats(0, 20),
    st.floats(0, 20),
)
def test_before_it_is_answered_nobody_is_there(text: str, voice_s: float, pause_s: float) -> None:
    said = heard(text, voice_s=voice_s, pause_s=pause_s, early=True)
    assert judge(said).who in (Who.UNDECIDED, Who.REFUSED)


@pytest.mark.parametrize(
    ("text", "message"), [("[busy", "cannot be read"), ('[busy]\nphrases = ["忙"]', "too short")]
)
def test_a_file_that_cannot_stand_says_why(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "announcements.toml"
    path.write_text(text)
    with pytest.raises(AnnouncementError, match=message):
        load_announcements(path)


def test_no_phrase_of_a_person_is_one_of_an_announcement() -> None:
    known = load_announcements()
    for text in (
        text for text, kind in zip(known.texts, known.kinds, strict=True) if kind == "person"
    ):
        verdict = judge(heard(text, pause_s=1.0))
        assert verdict.who is Who.PERSON, text
