"""Recognition as a service, on either side of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st

from asr.errors import RemoteProtocolBroken
from asr.hypothesis import Hypothesis
from asr.remote.dialect import Transcript
from asr.remote.funasr import FunAsr
from asr.remote.reading import read_final, read_partial
from asr.remote.vosk_server import VoskServer
from asr.service.errors import StreamError
from asr.service.messages import read_control, read_start
from asr.service.vosk_messages import VoskConfig, read_text
from tests.fuzz.mutation import json_text
from tests.fuzz.target import Target, tells

_FUNASR: list[Any] = [
    {"mode": "2pass-online", "text": "我要", "wav_name": "x", "is_final": False},
    {"mode": "2pass-offline", "text": "我要<|zh|>报警", "is_final": True, "stamp_sents": [],
     "timestamp": "[[0,200],[200,400],[400,600],[600,900]]"},
    {"mode": "offline", "text": "", "is_end": True},
]  # fmt: skip
_VOSK: list[Any] = [
    {"partial": "我 要"},
    {"text": "我 要 报警", "result": [{"word": "我", "start": 0.1, "end": 0.2, "conf": 1.0}]},
    {"alternatives": [{"text": "报警", "confidence": 200.1, "result": []}, {"text": "报井"}]},
    {"text": ""},
]
_STARTS: list[Any] = [
    {"type": "start", "sides": ["caller", "agent"], "encoding": "pcm_s16le", "rate": 16000,
     "partials": False, "alternatives": 3},
    {"type": "end"},
]  # fmt: skip
_CONFIGS: list[Any] = [
    {"config": {"sample_rate": 16000, "words": 1, "max_alternatives": 3, "phrase_list": ["报警"]}},
    {"eof": 1},
]


def _conversation(transcript: Transcript, messages: list[bytes]) -> None:
    before = ""
    for number, message in enumerate(messages):
        transcript.sent(960)
        if number == len(messages) - 1:
            transcript.ended()
        try:
            transcript.take(message)
        except RemoteProtocolBroken as error:
            tells(error)
            return
        transcript.answered(960 * number)
        partial = read_partial(
            "x", transcript.segments, transcript.partial, begin=0, end=960, before=before
        )
        before = partial.text
    _can_be_told(
        read_final("x", transcript.segments, transcript.partial, begin=0, end=960 * len(messages))
    )


def _can_be_told(heard: Hypothesis) -> None:
    """To a screen, a database, another process: as JSON."""
    json.dumps(asdict(heard), allow_nan=False, ensure_ascii=False).encode()


def _funasr(messages: list[bytes]) -> None:
    _conversation(FunAsr().transcript(), messages)


def _vosk(messages: list[bytes]) -> None:
    _conversation(VoskServer().transcript(), messages)


def _client(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (read_start, read_control):
        try:
            read(text)
        except StreamError as error:
            tells(error)
    try:
        config = read_text(text)
        if config is not None:
            assert 4000 <= VoskConfig().updated(config).sample_rate <= 192_000
    except StreamError as error:
        tells(error)


TARGETS = (
    Target("funasr_answers", st.lists(json_text(_FUNASR), max_size=6), _funasr),
    Target("vosk_answers", st.lists(json_text(_VOSK), max_size=6), _vosk),
    Target("asr_clients", json_text([*_STARTS, *_CONFIGS]), _client),
)
