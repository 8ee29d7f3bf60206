"""The listener's sounds choose among the transcriber's readings."""

from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Hypothesis
from asr.phonetics import to_syllables
from asr.rerank import agreement, invented, rerank

HEARD = to_syllables("我家楼上着火了")


def test_the_reading_that_sounds_as_heard_comes_first() -> None:
    hypothesis = Hypothesis(
        "whisper", text="我家楼上招工了", alternatives=("我家楼上找火了", "我家楼下着火"),
        final=True, scores=(-0.30, -0.34, -0.36),
    )  # fmt: skip
    chosen = rerank(hypothesis, HEARD)
    assert chosen.text == "我家楼上找火了"
    assert chosen.scores[0] == -0.34
    assert chosen.stable == len(chosen.text)


def test_readings_that_sound_alike_keep_their_order() -> None:
    hypothesis = Hypothesis("whisper", text="着火了", alternatives=("找火了", "招火了"))
    assert rerank(hypothesis, to_syllables("着火了")) == hypothesis


def test_a_listener_that_heard_almost_nothing_decides_nothing() -> None:
    hypothesis = Hypothesis("whisper", text="甲", alternatives=("着火了",))
    assert rerank(hypothesis, ()) == hypothesis
    assert rerank(hypothesis, ("huo3",)) == hypothesis


@given(
    st.lists(st.text(alphabet="着火了救命啊abc1，", min_size=1, max_size=8), unique=True),
    st.lists(st.sampled_from(HEARD), max_size=8),
)
def test_no_reading_is_lost_or_made_up(readings: list[str], heard: list[str]) -> None:
    hypothesis = Hypothesis(
        "w", text=readings[0] if readings else "", alternatives=tuple(readings[1:])
    )
    assert sorted(rerank(hypothesis, heard).n_best) == sorted(readings)


def test_words_that_nobody_spoke_are_noticed() -> None:
    assert agreement("我家楼上着火了", HEARD) == 1.0
    assert invented(Hypothesis("whisper", text="请不吝点赞订阅转发打赏"), ())
    assert invented(Hypothesis("whisper", text="谢谢大家"), to_syllables("不"))
    assert not invented(Hypothesis("whisper", text="我家楼上找火轮"), HEARD)
    assert not invented(Hypothesis("whisper"), HEARD)
