"""The messages of ``/v1/stream``, as docs/asr-service.md describes them: JSON texts to values and
back. Pure; what is wrong in a client's message is said in a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from asr.cleaning import whole
from asr.service.errors import BAD_DATA, StreamError
from asr.service.hearing import Reading
from asr.service.wire import Encoding

SIDES = ("caller", "agent")
RATES = (8000, 16000)
MOST_ALTERNATIVES = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Start:
    """What a client asks for; ``sides`` names its interleaved channels in their order."""

    sides: tuple[str, ...] = ("caller",)
    encoding: Encoding = Encoding.PCM
    rate: int = 8000
    partials: bool = True
    alternatives: int = 0
    """Other readings of a final, at most."""


def read_start(text: str) -> Start:
    """The first message.

    Raises:
        StreamError: `bad_json`, `bad_start`; the sentence names the key.
    """
    given = _object(text)
    if given.pop("type", None) != "start":
        raise StreamError(
            "bad_start",
            'The first message must be {"type": "start", …}; audio and all else come after it.',
        )
    unknown = sorted(given.keys() - set(Start.__dataclass_fields__))
    if unknown:
        known = ", ".join(Start.__dataclass_fields__)
        raise _bad(f"there is no key {_shown(unknown[0])}; there are {known}")
    start = Start(
        sides=_sides(given.get("sides", ["caller"])),
        encoding=Encoding(_one_of("encoding", given.get("encoding", "pcm_s16le"), list(Encoding))),
        rate=_one_of("rate", given.get("rate", 8000), list(RATES)),
        partials=_one_of("partials", given.get("partials", True), [True, False]),
        alternatives=_count(given.get("alternatives", 0)),
    )
    if start.encoding is not Encoding.PCM and start.rate != 8000:
        raise _bad(f"{start.encoding} has 8000 samples a second; leave rate out")
    return start


def read_control(text: str) -> Literal["end"]:
    """A text message after the first.

    Raises:
        StreamError: `bad_json`, `unknown_message`.
    """
    kind = _object(text).get("type")
    if kind != "end":
        raise StreamError(
            "unknown_message",
            f'There is no message of type {_shown(kind)} here; send audio, or {{"type": "end"}}.',
        )
    return "end"


def started(engine: str, start: Start) -> str:
    """The answer to `start`: audio may come."""
    return _text({"type": "started", "engine": engine, "sides": list(start.sides)})


def reading(found: Reading, side: str, *, alternatives: int) -> str:
    """A partial or a final."""
    heard = found.hypothesis
    message: dict[str, Any] = {
        "type": "final" if heard.final else "partial",
        "side": side,
        "utterance": found.utterance,
        "start": round(found.start, 2),
        "end": round(found.end, 2),
        "text": heard.text,
        "stable": heard.stable,
    }
    if heard.final:
        message["alternatives"] = list(heard.alternatives[:alternatives])
        message["language"] = heard.language
        message["intelligible"] = round(heard.intelligible, 2)
        for name, spans in (("unheard", heard.unheard), ("unwritten", heard.unwritten)):
            if spans:
                message[name] = [list(span) for span in spans]
    if heard.text:
        offset = found.offset
        message["words"] = [
            {
                "word": word.text,
                "start": round(word.start + offset, 2),
                "end": round(word.end + offset, 2),
            }
            for word in heard.words
        ]
    if found.by_sound:
        message["by_sound"] = True
    if found.syllables:
        message["syllables"] = list(found.syllables)
    return _text(message)


def lost(found: Reading, side: str) -> str:
    """An utterance that could not be recognised; the connection goes on."""
    return _text(
        {
            "type": "error",
            "code": "engine_failed",
            "message": "The recogniser failed on one utterance; those after it are not affected.",
            "side": side,
            "utterance": found.utterance,
            "start": round(found.start, 2),
            "end": round(found.end, 2),
        }
    )


def ended() -> str:
    """The last message: every final was sent."""
    return _text({"type": "end"})


def error(problem: StreamError) -> str:
    """Why the connection is closed."""
    return _text({"type": "error", "code": problem.code, "message": str(problem)})


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise StreamError(
            "bad_json", "A text message must be one JSON object.", close_code=BAD_DATA
        )
    return value


def _sides(value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= len(SIDES)
        or any(side not in SIDES for side in value)
        or len(set(value)) != len(value)
    ):
        raise _bad('sides is ["caller"], ["agent"], ["caller", "agent"] or ["agent", "caller"]')
    return tuple(value)


def _one_of(key: str, value: object, known: list[T]) -> T:
    for each in known:
        # JSON's true is no 1.
        if value == each and isinstance(value, bool) == isinstance(each, bool):
            return each
    names = ", ".join(json.dumps(each) for each in known)
    raise _bad(f"{key} is one of {names}, not {_shown(value)}")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ALTERNATIVES:
        raise _bad(f"alternatives is a number from 0 to {MOST_ALTERNATIVES}, not {_shown(value)}")
    return value


def _bad(reason: str) -> StreamError:
    return StreamError("bad_start", f"The start message cannot be used: {reason}.")


def _shown(value: object) -> str:
    text = whole(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 40 else f"{text[:40]}…"


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)
