"""Transcripts as SubRip, WebVTT and plain text."""

import re
from itertools import pairwise
from unicodedata import east_asian_width

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.subtitles import cues, srt, text, vtt
from asr.transcribe import SegmentResult


def segment(start: float, end: float, words: str, side: str = "") -> SegmentResult:
    result = SegmentResult(start=start, end=end, text=words, alternatives=[])
    if side:
        result["channel"], result["side"] = 0, side
    return result


CALL = [
    segment(0.5, 2.25, "你好 这里是12345", "agent"),
    segment(3661.0, 3662.5, "我要<投诉> A&B", "caller"),
]


def test_subrip_is_numbered_and_says_who_speaks() -> None:
    assert srt(CALL) == (
        "1\n00:00:00,500 --> 00:00:02,250\nagent: 你好 这里是12345\n\n"
        "2\n01:01:01,000 --> 01:01:02,500\ncaller: 我要<投诉> A&B\n\n"
    )


def test_webvtt_has_a_header_voices_and_escapes() -> None:
    assert vtt(CALL) == (
        "WEBVTT\n\n"
        "00:00:00.500 --> 00:00:02.250\n<v agent>你好 这里是12345\n\n"
        "01:01:01.000 --> 01:01:02.500\n<v caller>我要&lt;投诉&gt; A&amp;B\n\n"
    )


def test_plain_text_has_a_line_for_each_segment() -> None:
    assert text(CALL) == "agent: 你好 这里是12345\ncaller: 我要<投诉> A&B\n"
    assert text([segment(0, 1, "喂")]) == "喂\n"


def test_one_speaker_needs_no_name() -> None:
    one = [segment(0, 1, "喂")]
    assert srt(one) == "1\n00:00:00,000 --> 00:00:01,000\n喂\n\n"
    assert vtt(one) == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n喂\n\n"


def test_no_speech_makes_no_cue() -> None:
    assert (srt([]), vtt([]), text([])) == ("", "WEBVTT\n\n", "")


def test_a_long_segment_is_cut_at_its_punctuation() -> None:
    clauses = [
        "我住在海口市龙华区一个老小区里面，",
        "楼下的饭店每天晚上都在放音乐，",
        "孩子睡不着觉也没有人来管一管",
    ]
    parts = list(cues([segment(10, 20, "".join(clauses))]))
    assert [cue.text for cue in parts] == [clauses[0], clauses[1] + clauses[2]]
    assert (parts[0].start, parts[-1].end) == (10, 20)


def test_a_cue_begins_with_its_first_word_where_words_have_times() -> None:
    spoken = (
        "我住在海口市龙华区一个老小区里面楼下的饭店每天晚上都在放音乐孩子睡不着觉也没有人来管一管"
    )
    long = segment(10, 40, spoken)
    long["readable"] = (
        "我住在海口市龙华区一个老小区里面，楼下的饭店每天晚上都在放音乐，孩子睡不着觉，也没有人来管一管。"
    )
    # He speaks quickly up to 楼下, and slowly then.
    cut = spoken.index("楼下")
    times = [10 + i * 0.1 for i in range(cut)] + [12 + i for i in range(len(spoken) - cut)]
    long["words"] = [
        {"word": c, "start": at, "end": at + 0.1} for c, at in zip(spoken, times, strict=True)
    ]
    first, second, *_ = cues([long])
    assert second.text.startswith("楼下")
    assert (first.start, first.end, second.start) == (10, 12, 12)


def test_words_and_syllables_are_not_cut_through() -> None:
    spoken = " ".join(["zhuang4", "shuang1", "chuang2"] * 20)
    assert " ".join(cue.text for cue in cues([segment(0, 9, spoken)])) == spoken


TIME = re.compile(r"(\d\d+):(\d\d):(\d\d),(\d\d\d) --> (\d\d+):(\d\d):(\d\d),(\d\d\d)")


@settings(deadline=None)
@given(
    words=st.text(st.characters(codec="utf-8"), max_size=300),
    start=st.floats(0, 90_000),
    length=st.floats(0.1, 30),
    timed=st.lists(st.floats(-5, 40), max_size=8),
)
def test_nothing_of_a_text_is_lost_or_comes_at_another_time(words, start, length, timed) -> None:
    spoken = segment(start, start + length, words)
    spoken["words"] = [
        {"word": words[i * 30 : i * 30 + 30], "start": start + at, "end": start + at + 1}
        for i, at in enumerate(timed)
    ]
    parts = list(cues([spoken]))
    assert "".join("".join(cue.text for cue in parts).split()) == "".join(words.split())
    for cue in parts:
        assert cue.text.strip() == cue.text != ""
        assert sum(2 if east_asian_width(c) in "WF" else 1 for c in cue.text) <= 72
        assert start <= cue.start <= cue.end <= start + length + 1e-6
    for before, after in pairwise(parts):
        assert before.end == pytest.approx(after.start)


@settings(deadline=None)
@given(words=st.lists(st.text(max_size=80), max_size=5))
def test_a_subrip_file_reads_back_cue_by_cue(words) -> None:
    segments = [segment(i, i + 0.5, each) for i, each in enumerate(words)]
    blocks = [block for block in srt(segments).split("\n\n") if block]
    assert len(blocks) == len(list(cues(segments)))
    for number, block in enumerate(blocks, 1):
        lines = block.split("\n")
        assert lines[0] == str(number)
        assert TIME.fullmatch(lines[1])
        assert len(lines) == 3


@settings(deadline=None)
@given(words=st.text(max_size=80), side=st.sampled_from(["", "来电人", "a>b&c"]))
def test_a_webvtt_file_holds_no_markup_of_the_text(words, side) -> None:
    cue_lines = [
        line for line in vtt([segment(0, 1, words, side)]).split("\n")[2:] if "-->" not in line
    ]
    for line in cue_lines:
        assert "<" not in re.sub(r"^<v [^>]*>", "", line)
        assert ">" not in re.sub(r"^<v [^>]*>", "", line)
