"""The hotline's own words: what the recogniser may correct to, and what it leaves alone."""

from datetime import date

import pytest

from asr.domain import DomainWords
from asr.fusion import fused
from asr.hypothesis import Hypothesis
from asr.phonetics import to_syllables
from kb.entry import Entry, Status
from voicebot.domain_words import domain_words

DAY = date(2026, 1, 1)
ENTRY = Entry(
    "e-1", 1, "社会保障", "公安厅（户政）", "", "居住证怎么办", (), "请到派出所办。",
    ("居住证", "小区", "12345"), "", "", DAY, DAY, Status.APPROVED,
)  # fmt: skip


@pytest.fixture(scope="module")
def words() -> DomainWords:
    return domain_words([ENTRY])


def test_places_departments_and_subjects_are_known(words: DomainWords) -> None:
    assert {"儋州市", "儋州", "那大", "白沙黎族自治县", "白沙", "金盘路"} <= words.known
    assert {"公安厅", "户政", "居住证"} <= words.known


def test_short_keywords_and_figures_are_not_corrected_to(words: DomainWords) -> None:
    assert words.known.isdisjoint({"小区", "12345"})


def test_danger_is_protected(words: DomainWords) -> None:
    assert {"着火了", "救命"} <= set(words.protected)


def test_everyday_words_are_known_as_such(words: DomainWords) -> None:
    assert {"时间", "亚洲", "的", "去"} <= set(words.ordinary)
    assert set(words.ordinary).isdisjoint({"修英区", "单周镇", "琼", "儋"})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("我在单周纳大阵", "我在儋州那大镇"),
        ("修英区路灯不亮", "秀英区路灯不亮"),
        ("局住证怎么办", "居住证怎么办"),
    ],
)
def test_places_and_subjects_are_written_right(words: DomainWords, written: str, said: str) -> None:
    assert fused(Hypothesis("w", text=written, final=True), to_syllables(said), words).text == said


@pytest.mark.parametrize(
    "said",
    [
        "我去三亚玩几天", "这篇文章写得好", "他临时有事", "我想咨询一下换货的时间",
        "我家着火了快来人", "有人要跳楼", "我的号码是一三八零零一三八零零零", "亚洲和长江",
        "东边的方向有人打架", "我们一起安定下来",
    ],
)  # fmt: skip
def test_everyday_sentences_that_were_heard_right_stay(words: DomainWords, said: str) -> None:
    assert fused(Hypothesis("w", text=said, final=True), to_syllables(said), words).text == said
