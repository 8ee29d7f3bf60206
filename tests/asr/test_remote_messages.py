"""The two protocols without a socket: what each message means, and that no message can do harm."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import RemoteProtocolBroken
from asr.remote.dialect import Answer, Transcript
from asr.remote.funasr import FunAsr
from asr.remote.reading import read_final, read_partial
from asr.remote.vosk_server import VoskServer

FRAME = 1_600


def take(transcript: Transcript, answer: object) -> Answer:
    return transcript.take(json.dumps(answer, ensure_ascii=False))


def test_vosk_is_told_rate_words_and_alternatives_first() -> None:
    assert json.loads(VoskServer(alternatives=3).opening()) == {
        "config": {"sample_rate": 16_000, "words": True, "max_alternatives": 3}
    }


def test_the_end_for_vosk_is_the_very_text_that_the_server_compares_with() -> None:
    assert VoskServer().ending() == '{"eof" : 1}'


def test_vosk_answers_each_message_and_an_empty_partial_counts_too() -> None:
    transcript = VoskServer().transcript()
    transcript.sent(FRAME)
    transcript.sent(FRAME)
    assert take(transcript, {"partial": ""}) is Answer.MORE
    assert not transcript.answered(2 * FRAME)
    assert take(transcript, {"partial": "海口"}) is Answer.MORE
    assert transcript.answered(2 * FRAME)
    assert transcript.partial == "海口"


def test_vosk_closes_a_segment_in_the_middle_and_says_where() -> None:
    transcript = VoskServer().transcript()
    transcript.sent(FRAME)
    transcript.sent(FRAME)
    take(transcript, {"text": "海口", "result": [{"word": "海口", "start": 0.1, "end": 0.4}]})
    (segment,) = transcript.segments
    assert (segment.readings, segment.until, segment.exact) == (("海口",), FRAME, True)
    assert segment.words[0].end == 0.4
    assert transcript.partial == ""


@pytest.mark.parametrize("moment", ["NaN", "Infinity", "1e999", '"nan"'])
def test_words_at_no_moment_have_none(moment: str) -> None:
    """It would be the moment of a turn, which no database could keep."""
    vosk = VoskServer().transcript()
    vosk.sent(FRAME)
    result = f'[{{"word": "海口", "start": {moment}, "end": {moment}}}]'
    vosk.take(f'{{"text": "海口", "result": {result}}}')
    assert vosk.segments[0].words == ()
    funasr = FunAsr().transcript()
    said = {"mode": "2pass-offline", "text": "海", "timestamp": f"[[{moment}, {moment}]]"}
    take(funasr, said)
    assert funasr.segments[0].words == ()


@pytest.mark.parametrize(
    "result",
    [
        *(f'[{{"word": {w}, "start": 0.1, "end": 0.4}}]' for w in ("null", "7", '["海口"]')),
        '[{"start": 0, "end": 1}]', '["海口"]', "[[]]", "7", "null",
    ],
)  # fmt: skip
def test_words_that_cannot_be_read_cost_the_text_their_times_alone(result: str) -> None:
    vosk = VoskServer().transcript()
    vosk.sent(FRAME)
    vosk.take(f'{{"text": "海口", "result": {result}}}')
    (segment,) = vosk.segments
    assert (segment.readings, segment.words) == (("海口",), ())


def test_half_a_character_is_told_as_a_question_mark() -> None:
    vosk = VoskServer().transcript()
    vosk.sent(FRAME)
    vosk.take('{"text": "海口\\ud83d"}')
    assert vosk.segments[0].readings == ("海口?",)


def test_only_the_answer_to_the_end_is_voskʼs_last() -> None:
    transcript = VoskServer().transcript()
    transcript.sent(FRAME)
    transcript.ended()
    assert take(transcript, {"text": "海口"}) is Answer.MORE
    assert take(transcript, {"text": "人"}) is Answer.LAST
    assert [s.exact for s in transcript.segments] == [True, False]


def test_vosk_alternatives_are_readings_without_repeats() -> None:
    transcript = VoskServer().transcript()
    transcript.ended()
    texts = [" 我 要 报警", " 我 要 报警", " 我 要 报 井", ""]
    take(transcript, {"alternatives": [{"confidence": 1.0, "text": t} for t in texts]})
    final = read_final("vosk-server", transcript.segments, "", begin=0, end=16_000)
    assert final.n_best == ("我要报警", "我要报井")
    assert final.final
    assert final.stable == 4


@pytest.mark.parametrize(
    "message",
    ["", "[]", "3", "{}", '{"error": "busy"}', '{"partial": 3}', '{"text": []}', b"\xff\xfe"],
)
def test_what_is_no_answer_of_vosk_is_a_fault_that_shows_none_of_it(message: str | bytes) -> None:
    with pytest.raises(RemoteProtocolBroken) as fault:
        VoskServer().transcript().take(message)
    assert "busy" not in str(fault.value)


def test_funasr_is_told_mode_chunks_and_hot_words_first() -> None:
    opening = json.loads(FunAsr("2pass", hot_words={"三亚": 20}).opening())
    assert opening["mode"] == "2pass"
    assert opening["chunk_size"] == [5, 10, 5]
    assert opening["chunk_interval"] == 10
    assert opening["audio_fs"] == 16_000
    assert opening["is_speaking"] is True
    assert json.loads(opening["hotwords"]) == {"三亚": 20}
    assert json.loads(FunAsr().ending())["is_speaking"] is False


def said(mode: str, text: str, final: bool, **more: Any) -> dict[str, Any]:
    return {"mode": mode, "text": text, "wav_name": "call", "is_final": final, **more}


def test_funasr_adds_up_what_is_new_and_replaces_it_by_the_second_pass() -> None:
    transcript = FunAsr().transcript()
    take(transcript, said("2pass-online", "海口", False))
    take(transcript, said("2pass-online", "市没", False))
    assert transcript.partial == "海口市没"
    take(transcript, said("2pass-offline", "海口市美兰。", False))
    take(transcript, said("2pass-online", "有", False))
    partial = read_partial(
        "funasr", transcript.segments, transcript.partial, begin=0, end=1, before="海口市没"
    )
    assert partial.text == "海口市美兰。有"
    assert partial.stable == 3


def test_the_cpp_runtimeʼs_last_message_is_the_final_one() -> None:
    transcript = FunAsr().transcript()
    take(transcript, said("2pass-online", "海口", False))
    transcript.ended()
    assert take(transcript, said("2pass-offline", "海口。", False)) is Answer.MORE
    assert take(transcript, said("2pass-offline", "有人。", True)) is Answer.LAST


def test_the_cpp_runtime_ends_without_a_mode_where_no_text_is_left() -> None:
    transcript = FunAsr().transcript()
    transcript.ended()
    assert take(transcript, {"text": "", "wav_name": "call", "is_final": True}) is Answer.LAST


def test_the_python_serverʼs_last_message_is_the_one_that_is_not_final() -> None:
    transcript = FunAsr().transcript()
    take(transcript, said("2pass-online", "海口", True))
    transcript.ended()
    assert take(transcript, said("2pass-online", "市", True)) is Answer.MORE
    assert take(transcript, said("2pass-offline", "海口市。", False)) is Answer.LAST


def test_the_server_for_files_has_one_answer() -> None:
    transcript = FunAsr("offline").transcript()
    transcript.ended()
    assert take(transcript, said("offline", "海口市。", False)) is Answer.LAST


def test_what_final_means_is_learnt_once_for_all_connections() -> None:
    dialect = FunAsr()
    take(dialect.transcript(), said("2pass-online", "海", True))
    later = dialect.transcript()
    later.ended()
    assert take(later, said("2pass-offline", "海口。", False)) is Answer.LAST
    unknown = FunAsr().transcript()
    unknown.ended()
    assert take(unknown, said("2pass-offline", "海口。", False)) is Answer.PERHAPS_LAST


def test_an_acknowledged_end_is_the_end() -> None:
    transcript = FunAsr().transcript()
    transcript.ended()
    assert take(transcript, {"is_end": True, "is_final": True}) is Answer.LAST


def test_sense_voiceʼs_tags_and_pictures_are_no_text() -> None:
    transcript = FunAsr().transcript()
    take(
        transcript, said("2pass-offline", "<|zh|><|NEUTRAL|><|Speech|><|woitn|>海口，有人😡", True)
    )
    assert transcript.segments[0].readings == ("海口，有人",)


def test_punctuation_stays_inside_and_goes_at_the_end() -> None:
    transcript = FunAsr().transcript()
    transcript.ended()
    take(transcript, said("2pass-offline", "你好，我在海口。", False))
    take(transcript, said("2pass-offline", "请快来！", True))
    final = read_final("funasr", transcript.segments, "", begin=0, end=16_000)
    assert final.text == "你好，我在海口。请快来"


def test_funasrʼs_times_are_given_to_characters_when_they_fit() -> None:
    transcript = FunAsr().transcript()
    stamps = "[[100,200],[200,500],[700,900]]"
    take(transcript, said("2pass-offline", "海口，OK", True, timestamp=stamps))
    words = transcript.segments[0].words
    assert [(w.text, w.start, w.end) for w in words] == [
        ("海", 0.1, 0.2), ("口", 0.2, 0.5), ("OK", 0.7, 0.9),
    ]  # fmt: skip
    take(transcript, said("2pass-offline", "海口市区", True, timestamp=stamps))
    assert transcript.segments[1].words == ()


@pytest.mark.parametrize("mode", ["2pass", "online", "offline"])
def test_funasr_declares_what_its_mode_can(mode: Any) -> None:
    able = FunAsr(mode).capabilities
    assert able.streaming == (mode != "offline")
    assert able.word_times == able.hot_words == (mode != "online")
    assert not able.n_best


KEYS = st.sampled_from(
    ["partial", "text", "alternatives", "result", "mode", "is_final", "is_end", "timestamp", "word"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["2pass-online", "2pass-offline", "offline", "[[1,2]]", "<|zh|>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
MESSAGES = st.text(max_size=40) | st.binary(max_size=40) | VALUES.map(json.dumps)


@settings(deadline=None)  # the first example loads the simplifier
@given(st.sampled_from([VoskServer(), FunAsr()]), st.lists(MESSAGES, max_size=8))
def test_no_message_does_more_than_be_refused(dialect: Any, messages: list[str | bytes]) -> None:
    transcript = dialect.transcript()
    transcript.sent(FRAME)
    for number, message in enumerate(messages):
        if number == 3:
            transcript.ended()
        try:
            answer = transcript.take(message)
        except RemoteProtocolBroken:
            continue
        assert isinstance(answer, Answer)
        final = read_final("x", transcript.segments, transcript.partial, begin=0, end=FRAME)
        assert len(set(final.n_best)) == len(final.n_best)
        partial = read_partial(
            "x", transcript.segments, transcript.partial, begin=0, end=FRAME, before=final.text
        )
        assert 0 <= partial.stable <= len(partial.text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["海口", "", "请快来"]), max_size=6), st.integers(0, 6))
def test_vosk_keeps_every_text_in_order_wherever_it_closes(texts: list[str], before: int) -> None:
    transcript = VoskServer().transcript()
    for _ in texts:
        transcript.sent(FRAME)
    for number, text in enumerate(texts):
        if number == before:
            transcript.ended()
        assert take(transcript, {"text": text}) is Answer.MORE
    transcript.ended()
    assert take(transcript, {"text": "救命"}) is Answer.LAST
    final = read_final("x", transcript.segments, "", begin=0, end=FRAME)
    assert final.text == "".join(texts) + "救命"
    assert [s.until for s in transcript.segments[:-1]] == [
        FRAME * (i + 1) for i in range(len(texts))
    ]
