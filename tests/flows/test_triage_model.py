"""What triage makes of a conversation, with the weights that come with the package."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.phonetics import to_syllables
from flows.judging import is_danger
from flows.triage import LINES, ROUTES, Assessment, TriageModel, Turn
from flows.triage.errors import WeightsError


@pytest.fixture(scope="module")
def model() -> TriageModel:
    return TriageModel.load()


def caller(text: str, *alternatives: str, syllables: tuple[str, ...] = ()) -> Turn:
    return Turn("caller", text, alternatives, syllables)


def assess(model: TriageModel, *texts: str) -> Assessment:
    """Without embeddings, as when the embedder is out of order."""
    return model.assess([caller(text) for text in texts], {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("我家着火了，快来人", "119"),
        ("有个小孩掉进水库里了，快来救人", "119"),
        ("出车祸了，有人受伤，流了好多血", "120"),
        ("我们的船翻了，有人落水", "12395"),
    ],
)
def test_a_plain_danger_is_urgent_and_brings_its_line_in_even_without_embeddings(
    model: TriageModel, text: str, line: str
):
    assessment = assess(model, text)

    assert assessment.route == "110_now"
    assert assessment.action in ("handoff", "ask")
    assert line in assessment.lines
    assert assessment.category in range(1, 8)
    assert any(evidence.kind == "danger" for evidence in assessment.evidence)


@pytest.mark.parametrize(
    "text", ["我想问一下社保怎么转移", "居住证到期了去哪里续", "小区垃圾没人收，我要投诉物业"]
)
def test_an_ordinary_enquiry_goes_on(model: TriageModel, text: str):
    assessment = assess(model, text)

    assert (assessment.route, assessment.action) == ("12345", "continue")
    assert assessment.category is None


def test_a_danger_that_only_the_listener_heard_is_urgent(model: TriageModel):
    turn = caller("", syllables=to_syllables("着火了着火了快来人啊房子烧起来了"))

    assert model.assess([turn], {}).route == "110_now"


def test_danger_in_a_later_turn_counts_whatever_came_before(model: TriageModel):
    assessment = assess(model, "我想问一下居住证怎么办", "好的", "等一下，有人拿刀砍人，快来人")

    assert assessment.route == "110_now"
    assert assessment.evidence[0].turn == 2


def test_a_plain_danger_stays_when_the_caller_turns_to_something_else(model: TriageModel):
    urgent = assess(model, "我家着火了，屋里全是烟，孩子还在里面，快来人")
    assert urgent.action == "handoff"

    after = assess(model, "我家着火了，屋里全是烟，孩子还在里面，快来人", "社保怎么转移", "谢谢")

    assert after.route == "110_now"
    assert after.action == "handoff"


def test_the_bots_own_words_are_no_evidence(model: TriageModel):
    asked = Turn("bot", "您那边现在有人有危险吗？着火了吗？有人拿刀吗？")

    assert model.assess([asked], {}).action == "continue"


def test_silence_is_neither(model: TriageModel):
    assert model.assess([], {}).route == "neither"
    assert model.assess([caller("")], {}).action == "continue"


def test_a_request_for_a_human_is_reported_while_it_is_the_last_thing_said(model: TriageModel):
    assert assess(model, "转人工").request == "human"
    assert assess(model, "转人工", "社保怎么转移").request is None


@pytest.mark.parametrize("cry", ["救命", "救命啊救命啊快来人", "救命，他拿着刀追我", "喂，救命"])
def test_a_cry_for_help_always_goes(model: TriageModel, cry: str):
    assessment = assess(model, cry)

    assert (assessment.action, assessment.request) == ("handoff", "police")


@pytest.mark.parametrize(
    "complaint",
    [
        "救命钱都被他们扣了，我要投诉医保局",
        "这是老人的救命钱，你们什么时候发",
        "这个药是用来救命的，医院说不能报销，我要投诉",
        "救命恩人的事迹想申报见义勇为",
    ],
)
def test_help_within_a_complaint_is_a_figure_of_speech(model: TriageModel, complaint: str):
    assessment = assess(model, complaint)

    assert assessment.request is None
    assert assessment.action == "continue"


_PLACES = [
    "在文昌",
    "在海边",
    "在桥上",
    "就我家门口",
    "在楼上",
    "在地下车库",
    "派出所旁边",
    "海甸岛五西路",
]
_COMPLAINT = "小区门口的路灯坏了没人修"


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("by_sound", [False, True])
def test_a_place_that_was_asked_for_is_no_danger(model: TriageModel, place: str, by_sound: bool):
    heard = to_syllables(place) if by_sound else ()
    reply = Turn("caller", "" if by_sound else place, (), heard, asked="place")
    assessment = model.assess([caller(_COMPLAINT), reply], {})

    assert (assessment.route, assessment.action) == ("12345", "continue")


@pytest.mark.parametrize("reply", ["着火了", "他拿刀砍人", "我家着火了，孩子还在里面，快来人啊"])
def test_danger_told_instead_of_the_place_counts(model: TriageModel, reply: str):
    assessment = model.assess([caller(_COMPLAINT), Turn("caller", reply, asked="place")], {})

    assert assessment.route == "110_now"
    assert assessment.action in ("handoff", "ask")


@pytest.mark.parametrize(
    "said",
    [
        "我想反映一个情况",
        "我要投诉",
        "我要举报",
        "我有个事情想问一下",
        "快一点",
        "能不能快点",
        "我是他妈妈",
    ],
)
def test_words_that_tell_nothing_of_the_matter_decide_nothing(model: TriageModel, said: str):
    assessment = assess(model, said)

    assert assessment.action == "continue"
    assert assessment.route in ("12345", "neither")


@pytest.mark.parametrize(
    "sentence",
    [
        "在文昌买的房公积金怎么提取",
        "救护车收费标准是多少",
        "他在门口摆摊卖水果影响通行",
        "你们快派人来修一下这个水管",
        "在桥上安装监控归哪个部门管",
        "有人在楼顶搭违建",
    ],
)
def test_no_beginning_of_a_harmless_sentence_is_handed_off(model: TriageModel, sentence: str):
    """An ordinary matter of 110's is offered when the turn has ended; danger alone goes before."""
    for end in range(1, len(sentence) + 1):
        by_sound = caller("", syllables=to_syllables(sentence[:end]))
        for turn in (caller(sentence[:end]), by_sound):
            assert not is_danger(model.assess([turn], {})), sentence[:end]


_DOUBTS = ["前面两个车撞了", "隔壁吵得很厉害，好像在打架", "我割手了"]
_HARMLESS = ["没有，我就是想问一下怎么处理", "没有没有", "好的谢谢", "居住证在哪里办", "我姓王"]


@pytest.mark.parametrize("doubt", _DOUBTS)
@pytest.mark.parametrize("continuation", _HARMLESS)
def test_a_harmless_continuation_never_raises_the_danger(
    model: TriageModel, doubt: str, continuation: str
):
    first = caller(doubt, syllables=to_syllables(doubt))
    before = model.assess([first], {}).probabilities["110_now"]
    syllables = to_syllables(continuation)
    for end in range(2, len(syllables) + 1):
        for text in ("", continuation[:end]):
            reply = caller(text, syllables=syllables[:end])
            after = model.assess([first, reply], {})
            assert after.probabilities["110_now"] <= before + 1e-4, (text, end)


@pytest.mark.parametrize(
    ("danger", "taken_back", "words"),
    [
        ("我家着火了，快来人", "不好意思弄错了", "弄错了"),
        ("我家着火了，快来人", "没有着火", "着火"),
        ("有人拿刀砍人", "不用来了，是误会", "不用来了"),
        ("给我接110", "我不是要报警", "要报警"),
    ],
)
def test_a_danger_taken_back_is_noted_and_cancels_nothing(
    model: TriageModel, danger: str, taken_back: str, words: str
):
    assessment = assess(model, danger, taken_back)

    (noted,) = [found for found in assessment.evidence if found.kind == "retraction"]
    assert noted.detail.startswith(words)
    assert noted.weight < 0
    assert noted.turn == 1
    assert assessment.action == assess(model, danger).action


@pytest.mark.parametrize(
    "said",
    [
        ("社保卡丢了怎么补", "弄错了，是居住证"),
        ("我家着火了，快来人", "不是误会，真的着火了"),
        ("我家着火了，快来人", "没有人来，火越来越大"),
        ("没有着火",),
    ],
)
def test_nothing_is_taken_back_where_no_danger_was_told_or_it_goes_on(
    model: TriageModel, said: tuple[str, ...]
):
    assert all(found.kind != "retraction" for found in assess(model, *said).evidence)


def test_an_ordinary_police_matter_asked_for_by_name_is_handed_over_as_such(model: TriageModel):
    assessment = assess(model, "我要报警，上个月我的电动车被偷了")

    assert (assessment.action, assessment.request) == ("handoff", "police")


def test_the_place_named_last_is_the_region(model: TriageModel):
    assert assess(model, "我在三亚", "不对，我在海口龙华区").region == "460106"


def test_the_texts_to_embed_are_the_turns_and_the_whole(model: TriageModel):
    turns = [caller("你好"), Turn("bot", "请讲"), caller("着火了")]

    assert model.texts(turns) == ("你好", "着火了", "你好。着火了")
    assert model.texts([Turn("bot", "请讲"), caller("", syllables=("zhao2",))]) == ()


def test_a_mere_answer_is_not_read_together_with_the_matter(model: TriageModel):
    turns = [caller("路灯坏了"), Turn("caller", "在桥上", asked="place"), caller("快一点")]

    assert model.texts(turns) == ("路灯坏了", "在桥上", "快一点", "路灯坏了。快一点")


def test_an_embedding_of_another_size_is_left_aside(model: TriageModel):
    turns = [caller("我家着火了")]
    other = {"我家着火了": np.ones(7, np.float32)}

    assert model.assess(turns, other) == model.assess(turns, {})


_REQUESTS = ["给我接110", "我要报警", "帮我报警", "快叫警察来", "转110"]
_WORDS = st.text(alphabet="的我你在社保火刀没不是吗怎么办演习电影110，。 ab", max_size=40)


@settings(deadline=None)
@given(st.lists(_WORDS, max_size=3), st.sampled_from(_REQUESTS))
def test_adding_a_request_for_the_police_always_hands_off(
    model: TriageModel, said: list[str], request_: str
):
    assessment = assess(model, *said, request_)

    assert assessment.action == "handoff"
    assert assessment.request == "police"
    assert assessment.route in ("110_now", "110")


_TURNS = st.builds(
    Turn,
    st.sampled_from(["caller", "bot", "agent", ""]),
    st.text(max_size=60),
    st.lists(st.text(max_size=20), max_size=3).map(tuple),
    st.lists(st.text(max_size=6), max_size=12).map(tuple),
)


@settings(deadline=None)
@given(st.lists(_TURNS, max_size=4))
def test_nothing_that_is_heard_makes_it_fail(model: TriageModel, turns: list[Turn]):
    embeddings = {text: np.zeros(896, np.float32) for text in model.texts(turns)}
    assessment = model.assess(turns, embeddings)

    assert assessment.route in ROUTES
    assert assessment.action in ("handoff", "ask", "continue")
    assert set(assessment.lines) <= set(LINES)
    assert sum(assessment.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert set(assessment.probabilities) == set(ROUTES)


def test_a_partial_hypothesis_is_assessed_in_five_milliseconds(model: TriageModel):
    earlier = caller("我想问一下居住证到期以后怎么续", syllables=to_syllables("我想问一下居住证"))
    growing = "我现在人在海口美兰区这边上班去年换了一个单位想知道还要不要开证明"
    milliseconds = []
    for end in range(6, len(growing)):
        text = growing[:end]
        partial = caller(text, text[1:], syllables=to_syllables(text))
        model.texts([earlier, partial])
        begun = time.thread_time()
        model.assess([earlier, partial], {})
        milliseconds.append(1000 * (time.thread_time() - begun))

    assert float(np.median(milliseconds)) <= 5


def test_missing_weights_are_said_to_be_missing(tmp_path: Path):
    with pytest.raises(WeightsError, match="voicebot triage train"):
        TriageModel.load(tmp_path)


def test_damaged_weights_are_said_to_be_damaged(tmp_path: Path):
    (tmp_path / "classifier.npz").write_bytes(b"no weights")

    with pytest.raises(WeightsError, match="damaged"):
        TriageModel.load(tmp_path)


def test_weights_are_small_enough_to_be_committed_and_the_thresholds_are_in_order():
    folder = Path(__file__).resolve().parents[2] / "flows" / "triage" / "data"
    thresholds = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))

    assert (folder / "classifier.npz").stat().st_size < 4_000_000
    assert 0 < thresholds["ask"] <= thresholds["handoff"] < 1
