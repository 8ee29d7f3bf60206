"""The WebSocket protocol of FunASR (modelscope/FunASR, runtime/docs/websocket_protocol.md).

Audio goes out without being answered one by one. "2pass-online" messages bring what is new of the
running segment; a "2pass-offline" or "offline" message replaces all of it and closes the segment.
Which message is the last is not the same in the two servers: in the C++ runtime ``is_final`` is
true of the last one alone (runtime/websocket/bin/websocket-server-2pass.cpp; the server for files,
websocket-server.cpp, has one answer and calls it not final), in the Python server it is true of all
but the last one (runtime/python/websocket/funasr_wss_server.py: ``is_final`` is ``is_speaking``).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from asr.hypothesis import Capabilities, Word
from asr.remote.dialect import SAMPLE_RATE, Answer, Segment, read_object, seconds, text_of

Mode = Literal["2pass", "online", "offline"]

_CHUNK = (5, 10, 5)  # of 60 ms: 600 ms of audio decoded at a time, 300 ms of it looked ahead
_INTERVAL = 10  # messages of a chunk
_SAMPLES = SAMPLE_RATE * 60 * _CHUNK[1] // 1000  # of a chunk
_FRAME = _SAMPLES // _INTERVAL
_TAG = re.compile(r"<\|[^<>|]*\|>")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[0-9a-zA-Z']+")


class FunAsr:
    """FunASR's protocol.

    Args:
        mode: "2pass" (partials, and each sentence once more by the better model), "online"
            (partials alone) or "offline" (finals alone).
        hot_words: weight by word, such as {"三亚": 20}; the C++ runtime alone uses them.
    """

    name = "funasr"
    frame = _FRAME
    silent_if_nothing = True

    def __init__(self, mode: Mode = "2pass", *, hot_words: Mapping[str, int] | None = None) -> None:
        self._mode = mode
        self._hot_words = dict(hot_words or {})
        self._flavour = _Flavour()
        # The streaming model decodes whole chunks: the last one is filled up.
        self.silence = _SAMPLES if mode == "online" else 0
        self.capabilities = capabilities(mode)

    def opening(self) -> str:
        """Mode, chunks and hot words. Numbers stay as they are spoken (no ITN)."""
        return json.dumps(
            {
                "mode": self._mode,
                "chunk_size": _CHUNK,
                "chunk_interval": _INTERVAL,
                "wav_name": "call",
                "wav_format": "pcm",
                "audio_fs": SAMPLE_RATE,
                "is_speaking": True,
                "hotwords": json.dumps(self._hot_words, ensure_ascii=False),
                "itn": False,
            },
            ensure_ascii=False,
        )

    def ending(self) -> str:
        """The end of the utterance; newer servers acknowledge ``is_end``, others pass over it."""
        return json.dumps({"is_speaking": False, "is_end": True})

    def transcript(self) -> FunAsrTranscript:
        """For a new connection."""
        return FunAsrTranscript(self._mode, self._flavour)


def capabilities(mode: Mode) -> Capabilities:
    """What FunASR can do in a mode. Word times come from the C++ runtime with a model that has
    them."""
    return Capabilities(
        streaming=mode != "offline", n_best=False, word_times=mode != "online",
        hot_words=mode != "online", phonetic=False, languages=("zh", "en"),
    )  # fmt: skip


@dataclass(slots=True)
class _Flavour:
    """What ``is_final`` means there, learnt from messages that came before an end was sent."""

    final_is_last: bool | None = None


class FunAsrTranscript:
    """The messages on one connection."""

    def __init__(self, mode: Mode, flavour: _Flavour) -> None:
        self.segments: list[Segment] = []
        self.partial = ""
        self._mode, self._flavour = mode, flavour
        self._sent = self._heard = 0
        self._ended = False

    def sent(self, samples: int) -> None:
        """A message with audio went out."""
        self._sent += samples

    def ended(self) -> None:
        """The end went out."""
        self._ended = True

    def answered(self, samples: int) -> bool:
        """Whether anything came since the last whole chunk had gone out: no more can be told."""
        return self._heard >= samples // _SAMPLES * _SAMPLES

    def take(self, message: str | bytes) -> Answer:
        """New text of the running segment, or all of a closed one."""
        answer = read_object(message)
        text, mode = _plain(text_of(answer, "text")), text_of(answer, "mode")
        final = answer.get("is_final") is True
        self._heard = self._sent
        closes = mode.endswith("offline")
        if closes:
            self.partial = ""
            if text:
                words = _words(text, answer.get("timestamp"))
                self.segments.append(Segment((text,), words, self._sent, exact=False))
        else:
            self.partial += text
        if not self._ended:
            if mode and mode != "offline":
                self._flavour.final_is_last = not final
            return Answer.MORE
        if answer.get("is_end") is True:
            return Answer.LAST
        return self._last(mode, final=final, closes=closes)

    def _last(self, mode: str, *, final: bool, closes: bool) -> Answer:
        """Whether a message after the end is the last one."""
        if mode == "offline":  # the server for files, or the Python server
            return Answer.MORE if final else Answer.LAST
        if not mode:  # the C++ runtime, with no text left
            return Answer.LAST if final else Answer.MORE
        if self._flavour.final_is_last is None:
            if closes:
                return Answer.PERHAPS_LAST
            return Answer.LAST if final and self._mode == "online" else Answer.MORE
        if self._flavour.final_is_last:
            return Answer.LAST if final else Answer.MORE
        return Answer.LAST if closes and not final else Answer.MORE


def _plain(text: str) -> str:
    """Without SenseVoice's tags (<|zh|>, <|NEUTRAL|>) and the pictures it makes of them."""
    return "".join(c for c in _TAG.sub("", text) if unicodedata.category(c) != "So")


def _words(text: str, timestamp: Any) -> tuple[Word, ...]:
    """Times: a JSON text of [start, end] in ms, for each hanzi or word; none unless they fit."""
    tokens = _TOKEN.findall(text)
    try:
        spans = json.loads(timestamp)
        times = [(seconds(start) / 1000, seconds(end) / 1000) for start, end in spans]
    except (TypeError, ValueError, OverflowError, RecursionError):
        return ()
    if len(times) != len(tokens) or any(a > b for (a, _), (b, _) in pairwise(times)):
        return ()
    return tuple(Word(t, start, end) for t, (start, end) in zip(tokens, times, strict=True))
