"""The listener's sounds choose among the transcriber's readings."""

from hypothesis import given
from hypothesis import strategies as st

from asr.domain import DomainWords
from asr.hypothesis import Hypothesis
from asr.phonetics import to_syllables
from asr.rerank import agreement, rerank

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


def test_a_text_agrees_with_its_own_sounds_alone() -> None:
    assert agreement("我家楼上着火了", HEARD) == 1.0
    assert agreement("请不吝点赞订阅转发打赏", HEARD) < 0.5
    assert agreement("请不吝点赞订阅转发打赏", ()) == 0.0


def test_of_readings_that_sound_alike_the_one_with_domain_words_comes_first() -> None:
    hypothesis = Hypothesis(
        "whisper", text="我在单周", alternatives=("我在儋州",), final=True, scores=(-0.30, -0.34)
    )
    heard = to_syllables("我在儋州")
    assert rerank(hypothesis, heard).text == "我在单周"
    assert rerank(hypothesis, heard, DomainWords(("儋州",))).text == "我在儋州"
