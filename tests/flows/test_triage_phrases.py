"""Phrases are found by characters and by sound, and guards discount them without removing them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.phonetics import to_syllables
from flows.triage import Turn
from flows.triage.errors import PhraseError
from flows.triage.phrasebook import load_phrasebook, parse_phrasebook
from flows.triage.reading import PhraseReader


@pytest.fixture(scope="module")
def reader() -> PhraseReader:
    return PhraseReader(load_phrasebook())


def said(text: str, *alternatives: str) -> Turn:
    return Turn("caller", text, alternatives)


def heard(text: str) -> Turn:
    return Turn("caller", "", (), to_syllables(text))


def topics(reader: PhraseReader, turn: Turn) -> set[str]:
    return {strength.phrase.topic for strength in reader.read(turn).strengths}


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("我家着火了", "fire"),
        ("他拿着一把菜刀站在门口", "weapon"),
        ("我孩子早上出去到现在都不见了", "missing"),
        ("there is a man with a knife", "english_danger"),
        ("高压线断了掉在路上", "wire"),
    ],
)
def test_a_danger_is_found_by_its_characters(reader: PhraseReader, text: str, topic: str):
    assert topic in topics(reader, said(text))


def test_a_homophone_that_the_transcriber_wrote_is_found_by_sound(reader: PhraseReader):
    assert "fire" in topics(reader, said("我家找火了"))


def test_the_listeners_syllables_alone_are_enough(reader: PhraseReader):
    assert "fire" in topics(reader, heard("厨房着火了"))
    assert reader.read(heard("我要报警")).request == "police"


def test_characters_count_for_more_than_sound_alone(reader: PhraseReader):
    written = reader.read(said("我家着火了")).danger
    by_sound = reader.read(heard("我家着火了")).danger

    assert written > by_sound > 0.3


def test_an_alternative_reading_is_evidence_too(reader: PhraseReader):
    assert "fire" in topics(reader, said("我家照了", "我家着火了"))


@pytest.mark.parametrize(
    ("guarded", "plain"),
    [
        ("没有着火", "着火了"),
        ("上个月我家着火了", "我家着火了"),
        ("如果着火了怎么办", "着火了"),
        ("我们在演练，三楼着火了", "三楼着火了"),
        ("他要自杀是电影里的", "他要自杀"),
    ],
)
def test_a_guard_discounts_and_never_removes(reader: PhraseReader, guarded: str, plain: str):
    less, full = reader.read(said(guarded)).danger, reader.read(said(plain)).danger

    assert 0 < less < full


def test_a_figure_of_speech_is_hardly_evidence(reader: PhraseReader):
    assert reader.read(said("气死我了这个窗口")).danger < 0.1
    assert reader.read(said("手机炸了，全是短信")).danger < 0.2


@pytest.mark.parametrize(
    ("card", "stuck"),
    [
        ("手里的银行卡不能用", "手被机器卡住了"),
        ("医保卡在哪里领", "人卡在电梯里"),
    ],
)
def test_a_card_is_nobody_who_is_stuck(reader: PhraseReader, card: str, stuck: str):
    assert reader.read(said(card)).danger < 0.2 < reader.read(said(stuck)).danger


def test_an_explicit_denial_of_a_drill_is_no_guard(reader: PhraseReader):
    plain = reader.read(said("三楼着火了")).danger

    assert reader.read(said("不是演习，三楼着火了")).danger == pytest.approx(plain)


@pytest.mark.parametrize(
    "text", ["给我接110", "我要报警", "快叫警察来", "帮我转110", "please call the police"]
)
def test_a_request_for_the_police_is_a_request(reader: PhraseReader, text: str):
    assert reader.read(said(text)).request == "police"


@pytest.mark.parametrize(
    "text",
    [
        "我不是要报警",
        "110和12345有什么区别",
        "坐110路公交到哪里下",
        "这种事要不要报警",
        "报警回执丢了怎么补",
        "我要报警回执，在哪里开",
        "你不要再给我转110了",
        "我没有要报警",
        "别给我接110",
        "我没有让你们给我转110",
        "谁要你们帮我报警",
    ],
)
def test_the_bare_word_in_a_question_a_denial_or_a_name_is_no_request(
    reader: PhraseReader, text: str
):
    assert reader.read(said(text)).request is None


@pytest.mark.parametrize(
    "text",
    [
        "没有钱，帮我报警",
        "没有钱帮我报警",
        "不要挂，帮我转110",
        "能不能帮我转110",
        "别走给我报警",
        "不是我，是他，帮我报警",
    ],
)
def test_a_no_to_something_else_is_no_refusal_of_the_police(reader: PhraseReader, text: str):
    assert reader.read(said(text)).request == "police"


@pytest.mark.parametrize("text", ["别打我", "不要打我了", "别再打了"])
def test_begging_not_to_be_hit_is_no_negation(reader: PhraseReader, text: str):
    assert reader.read(said(text)).named("danger", least=0.75)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("我想反映一个情况", 0),
        ("能不能快点", 0),
        ("你好我要投诉", 0),
        ("我要投诉物业", 2),
        ("着火了", 2),
    ],
)
def test_the_words_any_matter_begins_with_are_no_content(
    reader: PhraseReader, text: str, content: int
):
    assert reader.read(said(text)).content == content


@pytest.mark.parametrize("text", ["转人工", "我要找真人", "人工服务"])
def test_a_request_for_a_human_is_a_request(reader: PhraseReader, text: str):
    assert reader.read(said(text)).request == "human"


@pytest.mark.parametrize("text", ["人工智能补贴怎么申请", "人工湖的水臭了"])
def test_the_word_in_a_name_is_no_request_for_a_human(reader: PhraseReader, text: str):
    assert reader.read(said(text)).request is None


_DANGERS = ["着火了", "有人落水了", "他拿着菜刀", "煤气泄漏", "孩子不见了"]


@given(st.lists(st.sampled_from(_DANGERS), max_size=3), st.sampled_from(_DANGERS))
def test_evidence_of_danger_grows_with_every_danger_named(
    reader: PhraseReader, first: list[str], added: str
):
    before = reader.read(said("，".join(first))).danger
    after = reader.read(said("，".join([*first, added]))).danger

    assert after >= before - 1e-9


@given(st.text(max_size=120))
def test_no_text_makes_reading_fail(reader: PhraseReader, text: str):
    reading = reader.read(Turn("caller", text, (text[::-1],), tuple(text.split())))

    assert 0 <= reading.danger <= 1


GOOD = """
[classes]
blade = ["刀"]

[[phrases]]
topic = "weapon"
kind = "danger"
weight = 0.9
words = ["拿*{blade}"]

[[guards]]
name = "past"
scope = "turn"
keep = 0.5
words = ["去年"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight = 0.9", "weight = 3", r"line 8: weight 3 is not between 0 and 1"),
        ('kind = "danger"', 'kind = "peril"', r"line 7: kind 'peril'"),
        ("{blade}", "{blades}", r"line 9: .* names no class: 'blades'"),
        ('["拿*{blade}"]', '["拿*"]', r"line 9: '拿\*' has an empty part"),
        ('["拿*{blade}"]', "[]", r"line 9: words is empty"),
        ("weight = 0.9", "wieght = 0.9", r"line 8: unknown key 'wieght'"),
        ("keep = 0.5", "keep = 0", r"line 14: keep is 0"),
        ('scope = "turn"', 'scope = "day"', r"line 13: scope 'day'"),
        ('topic = "weapon"\n', "", r"line 5: topic is missing"),
        ("[[phrases]]", "[[phrases", r"not valid TOML"),
        ("[classes]", "frames = 3\n[classes]", r"line 2: frames must be a list"),
    ],
)
def test_a_mistake_in_the_table_is_named_with_its_line(old: str, new: str, message: str):
    assert parse_phrasebook(GOOD).phrases

    with pytest.raises(PhraseError, match=message):
        parse_phrasebook(GOOD.replace(old, new))
