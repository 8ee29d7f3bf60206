"""Pinyin, fuzzy distances and phrase matching by sound."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.phonetics import (
    PatternSet,
    Syllable,
    SyllableError,
    distance,
    find,
    find_all_patterns,
    find_every,
    parse,
    parse_tokens,
    read_digits,
    similarity,
    to_syllables,
    without_tone,
)

VALID = sorted(
    set(
        to_syllables("着火了我在龙华区女儿绿略学院鱼翁二一为问语云用摔鸟熊嗯我们一起去海口报警中心")
    )
)
syllables = st.sampled_from(VALID)
streams = st.lists(syllables, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zhao2", Syllable("zh", "ao", 2)),
        ("zháo", Syllable("zh", "ao", 2)),
        ("yi1", Syllable("", "i", 1)),
        ("wu3", Syllable("", "u", 3)),
        ("yuan2", Syllable("", "van", 2)),
        ("xue2", Syllable("x", "ve", 2)),
        ("nü3", Syllable("n", "v", 3)),
        ("liu4", Syllable("l", "iou", 4)),
        ("shi4", Syllable("sh", "-i", 4)),
        ("er2", Syllable("", "er", 2)),
        ("an", Syllable("", "an", 0)),
    ],
)
def test_syllables_are_taken_apart_by_sound(text: str, expected: Syllable) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "2", "zh", "hello", "着", "xyz1", "zhao22"])
def test_what_is_no_syllable_is_refused_by_name(text: str) -> None:
    with pytest.raises(SyllableError, match="no pinyin syllable"):
        parse(text)


def test_listener_tokens_become_syllables() -> None:
    tokens = "zh áo h uǒ l e y ī èr zh A n ǚ w ǒ ○ q".split()  # noqa: SIM905
    assert parse_tokens(tokens) == (
        "zhao2", "huo3", "le5", "yi1", "er4", "nv3", "wo3", "ling2",
    )  # fmt: skip


@given(st.lists(st.text(max_size=6), max_size=30))
def test_any_tokens_give_only_syllables(tokens: list[str]) -> None:
    for syllable in parse_tokens(tokens):
        parse(syllable)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("打110", "打幺幺零"),
        ("12345热线", "一二三四五热线"),
        ("30块", "三十块"),
        ("2.5公斤", "二点五公斤"),
        ("1005", "一千零五"),
        ("2024年", "二零二四年"),
        ("13800", "幺三八零零"),
        ("0", "零"),
    ],
)
def test_figures_are_read_as_they_are_said(text: str, spoken: str) -> None:
    assert read_digits(text) == spoken


def test_heteronyms_are_read_by_phrase() -> None:
    assert to_syllables("着火了")[:2] == ("zhao2", "huo3")
    assert to_syllables("银行, abc!") == ("yin2", "hang2")


@given(st.text(max_size=40))
def test_any_text_gives_valid_syllables(text: str) -> None:
    for syllable in to_syllables(text):
        parse(syllable)


@given(syllables, syllables)
def test_distance_is_a_symmetric_share(a: str, b: str) -> None:
    assert distance(a, a) == 0.0
    assert 0.0 <= distance(a, b) <= 1.0
    assert distance(a, b) == distance(b, a)


@pytest.mark.parametrize(
    ("a", "fuzzy", "other"),
    [
        ("zhao2", "zao2", "bao2"),
        ("nan2", "lan2", "kan2"),
        ("fu4", "hu4", "ku4"),
        ("xing2", "xin2", "xiang2"),
        ("sheng1", "shen1", "shan1"),
        ("tang2", "tan2", "tou2"),
        ("nv3", "nu3", "na3"),
        ("ren2", "len2", "men2"),
        ("kan3", "kan4", "gan3"),
    ],
)
def test_fuzzy_pairs_are_nearer_than_other_sounds(a: str, fuzzy: str, other: str) -> None:
    assert distance(a, fuzzy) <= 0.2
    assert distance(a, fuzzy) < distance(a, other)


def test_a_pattern_without_tones_matches_every_tone() -> None:
    assert distance("zhao", "zhao2") == 0.0


def test_garbage_is_far_from_everything() -> None:
    assert distance("???", "zhao2") == pytest.approx(1.0)
    assert distance("", "") == pytest.approx(1.0)


def test_a_misheard_phrase_is_found_in_its_place() -> None:
    stream = to_syllables("那个楼上找火轮了你快来")
    match = find(to_syllables("着火了"), stream, max_cost=0.25)
    assert match is not None
    assert stream[match.start : match.end][:2] == ("zhao3", "huo3")
    assert find(to_syllables("医保卡"), stream, max_cost=0.25) is None


@given(streams, st.lists(syllables, min_size=1, max_size=6), streams)
def test_a_pattern_in_the_stream_is_found_at_no_cost(
    before: list[str], pattern: list[str], after: list[str]
) -> None:
    match = find(pattern, before + pattern + after, max_cost=0.0)
    assert match is not None
    assert match.cost == 0.0
    stream = before + pattern + after
    assert stream[match.start : match.end] == pattern
    assert match.end <= len(before) + len(pattern)


def _reference_cost(pattern: list[str], stream: list[str]) -> float:
    row = [0.0] * (len(stream) + 1)
    for syllable in pattern:
        new = [row[0] + 0.7]
        for j, heard in enumerate(stream):
            new.append(min(row[j] + distance(syllable, heard), row[j + 1] + 0.7, new[j] + 0.5))
        row = new
    return min(row) / len(pattern)


@given(st.lists(st.lists(syllables, min_size=1, max_size=6), min_size=1, max_size=8), streams)
def test_many_patterns_at_once_agree_with_the_textbook_recurrence(
    patterns: list[list[str]], stream: list[str]
) -> None:
    found = dict(find_all_patterns(patterns, stream, max_cost=10.0))
    for index, pattern in enumerate(patterns):
        expected = _reference_cost(pattern, stream)
        if index in found:
            assert found[index].cost == pytest.approx(expected, abs=0.002)
            assert 0 <= found[index].start < found[index].end <= len(stream)
        else:
            assert not stream or expected >= 0.69


def test_each_pattern_may_have_its_own_limit() -> None:
    stream = to_syllables("找火轮")
    patterns = [to_syllables("着火了")] * 2
    assert [i for i, _ in find_all_patterns(patterns, stream, max_cost=[0.0, 0.3])] == [1]


def test_all_places_of_a_phrase_are_found_in_order() -> None:
    stream = to_syllables("救命啊你们快来救命")
    assert [(m.start, m.end) for m in find_every(to_syllables("救命"), stream, max_cost=0.1)] == [
        (0, 2),
        (7, 9),
    ]


@given(streams, streams)
def test_similarity_is_a_symmetric_share_and_one_for_the_same(a: list[str], b: list[str]) -> None:
    assert similarity(a, a) == 1.0
    assert 0.0 <= similarity(a, b) <= 1.0
    assert similarity(a, b) == pytest.approx(similarity(b, a), abs=0.002)


@given(st.lists(streams, max_size=6), streams)
def test_set_similarities_agree_with_single_ones(patterns: list[list[str]], b: list[str]) -> None:
    scores = PatternSet(patterns).similarities(b)
    assert np.allclose(scores, [similarity(p, b) for p in patterns], atol=1e-6)


def test_tones_can_be_taken_off() -> None:
    assert without_tone("zhao2") == without_tone("zhao") == "zhao"


def test_matching_is_fast_enough_for_every_partial_hypothesis() -> None:
    stream = to_syllables("那个楼上好像着火了你快来" * 6)[:60]
    pattern = to_syllables("有人打架")
    patterns = PatternSet([stream[i : i + 4] for i in range(50)] * 8)

    def best(run: object, repeat: int) -> float:
        times = []
        for _ in range(repeat):
            begun = time.thread_time()
            run()  # type: ignore[operator]
            times.append(time.thread_time() - begun)
        return min(times)

    assert best(lambda: find(pattern, stream, max_cost=0.3), 50) < 0.0005
    assert best(lambda: patterns.find(stream, max_cost=0.3), 20) < 0.01
