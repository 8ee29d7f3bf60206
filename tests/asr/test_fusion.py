"""Both ears' evidence in one hypothesis: corrections of domain words, and who heard what."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.domain import DomainWords
from asr.fusion import fused
from asr.hypothesis import Hypothesis
from asr.phonetics import to_syllables

WORDS = DomainWords(
    words=("儋州", "陵水", "秀英区", "琼山大道", "三亚", "三亚湾", "公积金贷款", "医保码", "电梯",
           "调楼镇", "海棠湾", "海口湾", "八所", "自然资源厅"),
    ordinary=frozenset({"玩", "吗", "的", "去", "掉落", "攻击", "医保", "单周期"}),
    protected=frozenset({"电梯", "着火", "救命"}),
)  # fmt: skip


def final(text: str, *others: str, language: str = "zh") -> Hypothesis:
    scores = tuple(-0.3 - 0.1 * rank for rank in range(1 + len(others)))
    return Hypothesis(
        "whisper", text=text, alternatives=others, scores=scores, final=True, language=language
    )


def corrected(written: str, said: str, words: DomainWords = WORDS) -> str:
    """The text that was written of what was said, when the listener heard every sound of it."""
    return fused(final(written), to_syllables(said), words).text


# ── corrections ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("我在单周", "我在儋州"),
        ("凌水那边", "陵水那边"),
        ("修英区的路灯", "秀英区的路灯"),
        ("请问穷山大道怎么走", "请问琼山大道怎么走"),
        ("修英区和单周", "秀英区和儋州"),
    ],
)
def test_homophones_of_a_domain_word_are_written_as_the_word(written: str, said: str) -> None:
    assert corrected(written, said) == said


def test_a_word_that_only_the_listener_heard_right_is_believed_where_the_text_is_near() -> None:
    assert corrected("大字然自延听管吗", "大自然资源厅管吗") == "大自然资源厅管吗"


def test_where_both_ears_heard_other_sounds_nothing_is_changed() -> None:
    assert corrected("海棠湾在哪里", "海棠湾在哪里") == "海棠湾在哪里"
    assert corrected("海糖弯在哪里", "海糖弯在哪里") == "海棠湾在哪里"
    assert corrected("海同湾在哪里", "海同湾在哪里") == "海同湾在哪里"


def test_a_fuzzy_pair_that_both_ears_heard_changes_no_short_word() -> None:
    words = DomainWords(("织金路", "织金大道"))
    assert corrected("资金路", "资金路", words) == "资金路"
    assert corrected("资金大道", "资金大道", words) == "织金大道"


@pytest.mark.parametrize(
    ("written", "said"),
    [("我在单周", "我在他家"), ("在穷山大道", "在琼山铁桥"), ("问穷山大道怎么走", "问琼山怎么走")],
)
def test_a_listener_that_heard_something_else_refuses_the_word(written: str, said: str) -> None:
    assert corrected(written, said) == written


def test_the_longer_of_two_words_in_one_place_counts() -> None:
    assert corrected("纳大阵", "那大镇", DomainWords(("大振", "那大镇"))) == "那大镇"


def test_the_text_as_it_was_stays_the_first_alternative_with_its_score() -> None:
    heard = fused(final("我在单周", "我在山周"), to_syllables("我在儋州"), WORDS)
    assert heard.n_best == ("我在儋州", "我在单周", "我在山周")
    assert heard.scores == (-0.3, -0.3, -0.4)
    assert heard.stable <= len(heard.text)


def test_a_reading_that_is_right_already_is_not_there_twice() -> None:
    unlikely = replace(final("我在单周", "我在儋州"), scores=(-0.3, -5.0))
    heard = fused(unlikely, to_syllables("我在儋州"), WORDS)
    assert heard.n_best == ("我在儋州", "我在单周")


def test_everyday_words_need_more_evidence() -> None:
    assert corrected("单周期是多少", "儋州期是多少") == "单周期是多少"
    assert corrected("攻击金带款", "公积金贷款") == "公积金贷款"
    assert corrected("亚洲", "崖州", DomainWords(("崖州",), frozenset({"亚洲"}))) == "亚洲"
    assert corrected("仲裁院", "仲裁员", DomainWords(("裁员",), frozenset({"仲裁"}))) == "仲裁院"


def test_an_everyday_word_beside_a_known_one_is_no_mistake() -> None:
    assert corrected("去三亚玩几天", "去三亚玩几天") == "去三亚玩几天"
    assert corrected("能用医保吗", "能用医保吗") == "能用医保吗"


def test_a_domain_word_is_not_made_into_another() -> None:
    assert corrected("海口湾", "海棠湾") == "海口湾"
    assert corrected("穷舟站", "琼州站", DomainWords(("琼州站", "穷舟站"))) == "穷舟站"


@pytest.mark.parametrize(
    ("written", "word"), [("5元河边", "五源河"), ("三亚弯", "伞亚湾"), ("零水", "陵水")]
)
def test_figures_stay(written: str, word: str) -> None:
    assert corrected(written, word, DomainWords((word,))) == written


def test_danger_stays_and_so_does_what_sounds_like_it() -> None:
    words = DomainWords(("招火", "桥火镇"), protected=frozenset({"着火"}))
    assert corrected("我家着火了", "我家招火了", words) == "我家着火了"
    assert corrected("我家找火了", "我家招火了", words) == "我家找火了"
    both = DomainWords(("招火",), protected=frozenset({"着火", "招火"}))
    assert corrected("我家着火了", "我家招火了", both) == "我家着火了"


def test_what_sounds_like_a_danger_word_may_become_that_word() -> None:
    assert corrected("电替坏了", "电梯坏了") == "电梯坏了"


def test_english_and_a_silent_listener_change_nothing() -> None:
    english = final("dan zhou", "down joe", language="en")
    assert fused(english, to_syllables("儋州"), WORDS) == english
    assert fused(final("单周", "山周"), (), WORDS) == final("单周", "山周")


# ── who heard what ────────────────────────────────────────────────────────────────────


def test_words_that_the_listener_did_not_hear_are_marked() -> None:
    heard = fused(final("我家楼上漏水谢谢观看"), to_syllables("我家楼上漏水"))
    assert [heard.text[a:b] for a, b in heard.unheard] == ["谢谢观看"]
    assert heard.unwritten == ()


def test_sounds_that_the_text_has_nothing_of_are_marked() -> None:
    syllables = to_syllables("你快来我家楼上漏水")
    heard = fused(final("我家楼上漏水"), syllables)
    assert [syllables[a:b] for a, b in heard.unwritten] == [to_syllables("你快来")]
    assert heard.unheard == ()


def test_where_the_ears_heard_different_words_both_are_marked() -> None:
    heard = fused(final("我家皮革漏水"), to_syllables("我家楼上漏水"))
    assert [heard.text[a:b] for a, b in heard.unheard] == ["皮革"]
    assert heard.unwritten == ((2, 4),)


def test_a_single_swallowed_syllable_means_nothing() -> None:
    heard = fused(final("我家的楼上漏水了"), to_syllables("我家楼上漏水"))
    assert heard.unheard == heard.unwritten == ()


def test_figures_are_marked_whole() -> None:
    heard = fused(final("电话是13876啊"), to_syllables("电话是啊"))
    assert [heard.text[a:b] for a, b in heard.unheard] == ["13876"]


TEXT = st.text(alphabet="单周凌水修英区三亚玩海棠湾我在的110着火ab，", max_size=12)


@given(TEXT, st.lists(TEXT, max_size=3), TEXT)
def test_whatever_was_heard_no_reading_is_lost_and_the_marks_lie_within(
    text: str, others: list[str], said: str
) -> None:
    readings = list(dict.fromkeys(reading for reading in [text, *others] if reading))
    before = final(*readings) if readings else Hypothesis("whisper", final=True)
    syllables = to_syllables(said)
    after = fused(before, syllables, WORDS)
    assert set(readings) <= set(after.n_best)
    assert len(after.n_best) == len(after.scores) <= len(readings) + 1
    assert len(set(after.n_best)) == len(after.n_best)
    for spans, length in ((after.unheard, len(after.text)), (after.unwritten, len(syllables))):
        assert all(0 <= a < b <= length for a, b in spans)
        assert list(spans) == sorted(spans)


@given(TEXT, TEXT)
def test_figures_and_danger_outlive_every_correction(text: str, said: str) -> None:
    words = DomainWords(WORDS.words, protected=frozenset({"着火", "三亚玩"}))
    after = corrected(text, said, words) if text else ""
    for kept in ("110", "着火", "三亚玩"):
        assert after.count(kept) >= text.count(kept)
