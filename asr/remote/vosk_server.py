"""The WebSocket protocol of vosk-server (alphacep/vosk-server, websocket/asr_server.py).

Each message with audio has exactly one answer, in order: a partial (often empty), or, when the
decoder found a pause, the text of what lay before it. After the end comes one last text, and the
server closes the connection.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from asr.cleaning import simplify
from asr.errors import RemoteProtocolBroken
from asr.hypothesis import Capabilities, Word
from asr.remote.dialect import SAMPLE_RATE, Answer, Segment, read_object, seconds, text_of

_FRAME = SAMPLE_RATE // 10
# The server compares the whole message with this text, blanks included.
_EOF = '{"eof" : 1}'


class VoskServer:
    """vosk-server's protocol.

    The C++ server takes no configuration: start it with VOSK_SAMPLE_RATE=16000.

    Args:
        alternatives: readings of a segment at most, 1 or more.
        languages: what the server's model understands, for the capability record.
    """

    name = "vosk-server"
    frame = _FRAME
    silence = 3 * _FRAME  # without it Kaldi may lose the last syllable
    silent_if_nothing = False

    def __init__(self, *, alternatives: int = 5, languages: tuple[str, ...] = ("zh",)) -> None:
        self._alternatives = max(1, alternatives)
        self.capabilities = Capabilities(
            streaming=True, n_best=self._alternatives > 1, word_times=True, hot_words=False,
            phonetic=False, languages=languages,
        )  # fmt: skip

    def opening(self) -> str:
        """Rate, word times and n-best."""
        config = {
            "sample_rate": SAMPLE_RATE,
            "words": True,
            "max_alternatives": self._alternatives,
        }
        return json.dumps({"config": config})

    def ending(self) -> str:
        """The end of the utterance and of the connection."""
        return _EOF

    def transcript(self) -> VoskTranscript:
        """For a new connection."""
        return VoskTranscript()


class VoskTranscript:
    """The answers on one connection."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.partial = ""
        self._unanswered: deque[int] = deque()
        self._sent = self._answered = 0
        self._ended = False

    def sent(self, samples: int) -> None:
        """A message with audio went out; it will be answered."""
        self._sent += samples
        self._unanswered.append(self._sent)

    def ended(self) -> None:
        """The end went out; it will be answered."""
        self._ended = True

    def answered(self, samples: int) -> bool:
        """Whether the messages that hold the first ``samples`` have their answers."""
        return self._answered > samples - _FRAME

    def take(self, message: str | bytes) -> Answer:
        """An answer: the partial, or the text, of the oldest message without one."""
        answer = read_object(message)
        last = self._ended and not self._unanswered
        if self._unanswered:
            self._answered = self._unanswered.popleft()
        if "partial" in answer:
            self.partial = text_of(answer, "partial")
            return Answer.MORE
        if "text" not in answer and "alternatives" not in answer:
            raise RemoteProtocolBroken("The speech server sent neither a text nor a partial.")
        self._close(answer, exact=not last)
        return Answer.LAST if last else Answer.MORE

    def _close(self, answer: dict[str, Any], *, exact: bool) -> None:
        self.partial = ""
        readings = answer.get("alternatives") or [answer]
        if not isinstance(readings, list) or not all(isinstance(r, dict) for r in readings):
            raise RemoteProtocolBroken("The speech server sent alternatives that are no list.")
        texts = tuple(dict.fromkeys(text_of(reading, "text").strip() for reading in readings))
        texts = tuple(text for text in texts if text)
        # A segment without words still says where the next one begins.
        if texts or exact:
            words = _words(readings[0].get("result"))
            self.segments.append(Segment(texts or ("",), words, self._answered, exact))


def _words(result: Any) -> tuple[Word, ...]:
    """Words with times; none where any is unusable, for half of them would mislead."""
    try:
        words = tuple(
            Word(simplify(text_of(w, "word")), seconds(w["start"]), seconds(w["end"]))
            for w in result
        )
    except (RemoteProtocolBroken, AttributeError, TypeError, KeyError, ValueError, OverflowError):
        return ()
    return words if all(word.text for word in words) else ()
