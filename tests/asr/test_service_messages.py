"""What clients may ask for, and how a reply looks to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.hypothesis import Hypothesis, Word
from asr.service import kaldi_json, messages
from asr.service.errors import StreamError
from asr.service.hearing import Reading
from asr.service.messages import Start, read_control, read_start
from asr.service.vosk_messages import VoskConfig, read_text
from asr.service.wire import Encoding

T = TypeVar("T")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
KEYS = st.sampled_from(["type", "sides", "encoding", "rate", "partials", "alternatives", "x"])
STARTS = st.builds(
    Start,
    sides=st.sampled_from([("caller",), ("agent",), ("caller", "agent"), ("agent", "caller")]),
    encoding=st.just(Encoding.PCM),
    rate=st.sampled_from([8000, 16000]),
    partials=st.booleans(),
    alternatives=st.integers(0, 10),
) | st.builds(
    Start,
    encoding=st.sampled_from([Encoding.ALAW, Encoding.MULAW]),
    alternatives=st.integers(0, 10),
)


def start(**keys: Any) -> str:
    return json.dumps({"type": "start", **keys})


def outcome(read: Callable[[], T]) -> T | StreamError:
    try:
        return read()
    except StreamError as problem:
        return problem


@given(STARTS)
def test_a_start_message_is_read_as_it_was_meant(wanted: Start) -> None:
    text = start(
        sides=list(wanted.sides), encoding=wanted.encoding, rate=wanted.rate,
        partials=wanted.partials, alternatives=wanted.alternatives,
    )  # fmt: skip
    assert read_start(text) == wanted


def test_a_start_without_keys_is_one_caller_on_the_telephone() -> None:
    assert read_start('{"type": "start"}') == Start(("caller",), Encoding.PCM, 8000, True, 0)


@given(st.text() | JSON.map(json.dumps) | st.dictionaries(KEYS, JSON).map(json.dumps))
def test_any_text_is_a_start_or_refused_with_a_sentence(text: str) -> None:
    found = outcome(lambda: read_start(text))
    if isinstance(found, StreamError):
        assert found.code in ("bad_json", "bad_start")
        assert 10 < len(str(found)) < 300
    else:
        assert set(found.sides) <= {"caller", "agent"}
        assert found.rate in (8000, 16000)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"encoding": "opus"}, 'encoding is one of "pcm_s16le", "alaw", "mulaw", not "opus"'),
        ({"rate": 44100}, "rate is one of 8000, 16000, not 44100"),
        ({"encoding": "alaw", "rate": 16000}, "alaw has 8000 samples a second"),
        ({"sides": ["caller", "caller"]}, "sides is"),
        ({"sides": []}, "sides is"),
        ({"sides": ["caller", "agent", "bot"]}, "sides is"),
        ({"sides": [["caller"]]}, "sides is"),
        ({"partials": 1}, "partials is one of true, false, not 1"),
        ({"alternatives": True}, "alternatives is a number from 0 to 10"),
        ({"alternatives": 11}, "alternatives is a number from 0 to 10"),
        ({"channels": 2}, 'there is no key "channels"; there are sides, encoding'),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StreamError, match="start message cannot be used") as refused:
        read_start(start(**keys))
    assert sentence in str(refused.value)


def test_after_the_start_only_the_end_is_a_text() -> None:
    assert read_control('{"type": "end"}') == "end"
    for text in ('{"type": "start"}', '{"type": ["end"]}', "{}"):
        with pytest.raises(StreamError) as refused:
            read_control(text)
        assert refused.value.code == "unknown_message"


def test_what_is_refused_can_be_sent_back_also_with_half_a_character() -> None:
    with pytest.raises(StreamError, match=r'"\?"') as refused:
        read_control('{"type": "\\ud800"}')
    messages.error(refused.value).encode()


def reading(text: str = "您好", *, final: bool = True, **fields: Any) -> Reading:
    heard = Hypothesis("test", text, final=final, start=0.1, end=1.0, **fields)
    return Reading(3, 10.0, 10.1, 11.0, heard, ("nin2", "hao3"))


def test_a_final_has_times_in_the_stream_and_as_many_alternatives_as_were_asked_for() -> None:
    found = reading(
        alternatives=("你好", "拟好"), words=(Word("您好", 0.1, 0.9),), stable=2,
        language="zh", intelligible=0.8712, unheard=((0, 1),), unwritten=((1, 2),),
    )  # fmt: skip
    assert json.loads(messages.reading(found, "agent", alternatives=1)) == {
        "type": "final",
        "side": "agent",
        "utterance": 3,
        "start": 10.1,
        "end": 11.0,
        "text": "您好",
        "stable": 2,
        "alternatives": ["你好"],
        "language": "zh",
        "intelligible": 0.87,
        "unheard": [[0, 1]],
        "unwritten": [[1, 2]],
        "words": [{"word": "您好", "start": 10.1, "end": 10.9}],
        "syllables": ["nin2", "hao3"],
    }


# ── vosk-server's texts ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "config"),
    [
        # What the clients of alphacep/vosk-server send, websocket/test*.py.
        ('{ "config" : { "sample_rate" : 16000 } }', VoskConfig(16000.0)),
        (
            '{"config" : { "max_alternatives" : 20, "sample_rate" : 8000 } }',
            VoskConfig(8000.0, max_alternatives=20),
        ),
        (
            """{"config" :
                    { "phrase_list" : ["zero one two three four five six seven eight nine oh"],
                      "sample_rate" : 16000.0,
                      "words" : 0}}""",
            VoskConfig(
                16000.0, False, 0, ("zero one two three four five six seven eight nine oh",)
            ),
        ),
        ('{"config": {"model": "small", "unheard_of": 1}}', VoskConfig()),
        ('{"config": {"sample_rate": "48000"}}', VoskConfig(48000.0)),
    ],
)
def test_configurations_of_vosk_clients(text: str, config: VoskConfig) -> None:
    given_config = read_text(text)
    assert given_config is not None
    assert VoskConfig().updated(given_config) == config


@pytest.mark.parametrize("text", ['{"eof" : 1}', '{"eof":1}', '{ "eof": true }'])
def test_ends_of_vosk_clients(text: str) -> None:
    assert read_text(text) is None


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda j: json.dumps({"config": j})))
def test_any_text_of_a_vosk_client_is_understood_or_refused(text: str) -> None:
    found = outcome(lambda: VoskConfig().updated(read_text(text) or {}))
    if isinstance(found, StreamError):
        assert found.code in ("bad_json", "bad_config", "unknown_message")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample_rate": 0},
        {"sample_rate": float("nan")},
        {"sample_rate": 10**400},
        {"max_alternatives": -1},
        {"phrase_list": "zero"},
        {"phrase_list": [1]},
        {"phrase_list": ["长" * 30_000]},
    ],
)
def test_values_that_would_end_kaldi_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(StreamError, match=next(iter(wrong))):
        VoskConfig().updated(wrong)


# ── vosk's layout ─────────────────────────────────────────────────────────────────


def test_a_partial_to_the_byte() -> None:
    assert kaldi_json.partial_reply("") == '{\n  "partial" : ""\n}'
    assert kaldi_json.partial_reply('说"好"') == '{\n  "partial" : "说\\"好\\""\n}'


def test_a_final_to_the_byte() -> None:
    words = (Word("您", 0.1, 0.5), Word("好", 0.5, 0.91))
    reply = kaldi_json.final_reply([reading("您好", words=words)], words=True, alternatives=0)
    assert reply == (
        '{\n  "result" : [{\n      "conf" : 1.000000,\n      "end" : 10.500000,\n'
        '      "start" : 10.100000,\n      "word" : "您"\n    }, {\n      "conf" : 1.000000,\n'
        '      "end" : 10.910000,\n      "start" : 10.500000,\n      "word" : "好"\n    }],\n'
        '  "text" : "您好"\n}'
    )


def test_alternatives_to_the_byte() -> None:
    found = reading(alternatives=("你好",), scores=(-0.25, -0.5))
    assert kaldi_json.final_reply([found], words=False, alternatives=5) == (
        '{\n  "alternatives" : [{\n      "confidence" : -0.250000,\n      "text" : "您好"\n'
        '    }, {\n      "confidence" : -0.500000,\n      "text" : "你好"\n    }]\n}'
    )


def test_finals_without_words_to_the_byte() -> None:
    assert kaldi_json.final_reply([], words=True, alternatives=0) == '{\n  "text" : ""\n}'
    assert kaldi_json.empty_reply(0) == '{"text": ""}'
    assert kaldi_json.empty_reply(3) == ('{"alternatives" : [{"text": "", "confidence" : 1.0}] }')


def test_utterances_that_end_in_one_message_are_one_final() -> None:
    found = [reading("您好"), reading("再见", alternatives=("再建",))]
    reply = json.loads(kaldi_json.final_reply(found, words=True, alternatives=0))
    assert reply["text"] == "您好 再见"
    assert [word["word"] for word in reply["result"]] == ["您好", "再见"]
    reply = json.loads(kaldi_json.final_reply(found, words=False, alternatives=2))
    assert [each["text"] for each in reply["alternatives"]] == ["您好 再见", "您好 再建"]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(-1e6, 1e6))
def test_the_layout_is_json(text: str, number: float) -> None:
    plain = "".join(each for each in text if each >= " ")
    assert json.loads(kaldi_json.dumps({"text": plain, "n": [{"x": number}]})) == {
        "text": plain,
        "n": [{"x": pytest.approx(number, abs=1e-6)}],
    }
