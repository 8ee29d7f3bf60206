"""Replies in vosk-api's own layout, for engines that are not Kaldi.

Byte for byte what vosk-api writes (src/recognizer.cc, src/json.h at 0.3.45): keys in alphabetical
order, a blank before the colon, numbers with six decimals, only quotation marks, backslashes and
control characters escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from asr.service.hearing import Reading

Value = str | float | Sequence["Value"] | Mapping[str, "Value"]

_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def dumps(value: Value, depth: int = 1) -> str:
    """A value as vosk-api writes it."""
    match value:
        case str():
            return f'"{value.translate(_ESCAPES)}"'
        case float() | int():
            return f"{value:.6f}"
        case Mapping():
            pad = "  " * depth
            items = (f'{pad}"{key}" : {dumps(value[key], depth + 1)}' for key in sorted(value))
            return "{\n" + ",\n".join(items) + f"\n{pad[2:]}}}"
        case _:
            return "[" + ", ".join(dumps(each, depth + 1) for each in value) + "]"


def partial_reply(text: str) -> str:
    return dumps({"partial": text})


def empty_reply(alternatives: int) -> str:
    """The final of a stream in which there was no audio."""
    if alternatives:
        return '{"alternatives" : [{"text": "", "confidence" : 1.0}] }'
    return '{"text": ""}'


def final_reply(readings: Sequence[Reading], *, words: bool, alternatives: int) -> str:
    """The final of the utterances that ended with one message; usually there is one.

    Args:
        readings: in order; nothing heard gives an empty text.
        words: whether times of the words are wanted. An engine without them gives each utterance
            as one word.
        alternatives: 0 for one text with confidences, else readings at most.
    """
    heard = [found for found in readings if found.text]
    if alternatives:
        return dumps({"alternatives": _alternatives(heard, words, alternatives)})
    reply: dict[str, Value] = {"text": " ".join(found.text for found in heard)}
    if words and heard:
        reply["result"] = [
            {**word, "conf": _confidence(found)} for found in heard for word in _words(found)
        ]
    return dumps(reply)


def _alternatives(heard: Sequence[Reading], words: bool, most: int) -> list[Value]:
    """The readings of the last utterance after the best ones of those before it."""
    if not heard:
        return [{"confidence": 1.0, "text": ""}]
    before = [found.text for found in heard[:-1]]
    last = heard[-1].hypothesis
    entries: list[Value] = []
    for rank, text in enumerate([heard[-1].text, *last.alternatives][:most]):
        entry: dict[str, Value] = {
            "confidence": last.scores[rank] if rank < len(last.scores) else -float(rank),
            "text": " ".join([*before, text]),
        }
        if words and rank == 0:  # times are known of the best reading alone
            entry["result"] = [word for found in heard for word in _words(found)]
        entries.append(entry)
    return entries


def _words(found: Reading) -> list[dict[str, Value]]:
    heard = found.hypothesis
    if not heard.words:
        return [{"end": found.end, "start": found.start, "word": found.text}]
    return [
        {"end": word.end + found.offset, "start": word.start + found.offset, "word": word.text}
        for word in heard.words
    ]


def _confidence(found: Reading) -> float:
    """Geometric mean probability of a token, where the engine gives scores."""
    scores = found.hypothesis.scores
    return math.exp(min(0.0, scores[0])) if scores else 1.0
