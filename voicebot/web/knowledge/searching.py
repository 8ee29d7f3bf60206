"""Search as HTTP: as the bot does it, typed or spoken, with reasons; and answers to listen to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from kb import ledger
from kb.explanation import Explanation
from kb.regions import mentioned
from kb.slot_store import slots
from kb.slots import Slot
from voicebot import assist
from voicebot.clock import now
from voicebot.knowledge_desk import hearing, listening
from voicebot.knowledge_speech import CHECKED_RATE
from voicebot.web.answer_audio import audio_url
from voicebot.web.knowledge.desk import Desk, Reader, a_file, refused
from voicebot.web.knowledge.models import Asked, Code, Did, ToSay

MOST_AUDIO_BYTES = 4 * 2**20
"""20 s at 48 kHz in stereo, 16 bit, with a header."""


def add_searching(app: FastAPI, desk: Desk) -> None:
    """Adds search by text and by voice, and listening (`voicebot.web.knowledge`)."""

    @app.post("/v1/knowledge/search")
    async def search(asked: Asked, _: Reader) -> dict[str, Any]:
        """What the bot would do with this question, and why."""
        with refused():
            return await desk.at_once(found, desk, asked.query, asked.region, asked.line)

    @app.post(
        "/v1/knowledge/heard",
        max_body_size=MOST_AUDIO_BYTES,
        openapi_extra=a_file("audio/wav", "audio/flac", "audio/ogg"),
    )
    async def heard(
        request: Request,
        _: Reader,
        region: Annotated[Code, Query()] = "",
        line: Annotated[Did, Query()] = "",
    ) -> dict[str, Any]:
        """The same with a question that is spoken: the body is one WAV, FLAC or OGG file.

        What is sent is neither logged nor kept.
        """
        data = await request.body()
        with refused():
            pcm = await desk.at_leisure(hearing.read_audio, data)
            words = await hearing.hear(desk.service.engines, pcm)
            told = await desk.at_once(
                found, desk, words.text, region, line, words.alternatives, words.syllables
            )
        return told | {
            "heard": {
                "text": words.text,
                "alternatives": list(words.alternatives),
                "syllables": list(words.syllables),
                "intelligible": round(words.intelligible, 2),
            }
        }

    @app.post("/v1/knowledge/spoken")
    async def spoken(given: ToSay, _: Reader, request: Request) -> dict[str, Any]:
        """An answer's audio: of a version, or of an answer that is still being written."""
        with refused(request):
            answer, region, known = await desk.records.read(_to_say, given)
            text = listening.text_for(answer, given.region or region, known)
            made = await desk.at_leisure(listening.rendered, desk.service.engines.library, text)
        return {
            "audio": audio_url(made.audio),
            "text": made.text,
            "reading": made.reading,
            "seconds": made.seconds,
            "findings": [asdict(each) for each in made.findings],
        }


def found(
    desk: Desk,
    query: str,
    region: str = "",
    line: str = "",
    alternatives: Sequence[str] = (),
    syllables: Sequence[str] = (),
) -> dict[str, Any]:
    """What the bot would do, as JSON has it. Blocks for some tens of milliseconds."""
    began = time.perf_counter()
    engines = desk.service.engines
    knowledge, at = engines.knowledge, now()
    danger = assist.danger_in(
        [assist.Said("caller", query)], triage=engines.triage, embedder=engines.embedder
    )
    explained = knowledge.explain(
        query,
        alternatives=alternatives,
        syllables=syllables,
        region=region or None,
        line=line or None,
        at=at,
    )
    place = mentioned(query) or region or None
    told = []
    for candidate in explained.candidates:
        entry = knowledge.entry(candidate.id, region=place, line=line or None, at=at)
        if entry is None:
            continue
        audio = engines.library.rendered(entry.answer, CHECKED_RATE)
        told.append(
            {
                "id": entry.id,
                "version": entry.version,
                "score": candidate.score,
                "question": entry.question,
                "answer": entry.answer,
                "department": entry.department,
                "region": entry.region,
                "safety": entry.safety.value,
                "audio": audio_url(audio) if audio is not None else None,
                "nearest": {way: asdict(like) for way, like in candidate.nearest.items()},
                "weight": dict(candidate.weight),
            }
        )
    return {
        "query": query,
        "decision": explained.decision,
        "entry": explained.entry,
        "danger": {"level": danger.level, "message": danger.message} if danger else None,
        **_limits(explained),
        "candidates": told,
        "revision": knowledge.revision,
        "took_ms": round(1000 * (time.perf_counter() - began), 1),
    }


def _limits(explained: Explanation) -> dict[str, Any]:
    return {
        "answer_at": explained.answer_at,
        "clarify_at": explained.clarify_at,
        "nothing": explained.nothing,
        "place": explained.place,
        "encoders": list(explained.encoders),
        "gap": asdict(explained.gap) if explained.gap else None,
    }


def _to_say(session: Any, given: ToSay) -> tuple[str, str, list[Slot]]:
    """(answer, the entry's region, values of slots)."""
    known = slots(session)
    if not given.entry:
        return given.answer, "", known
    entry = ledger.chosen(ledger.versions_of(session, given.entry), given.version).entry
    return entry.answer, entry.region, known
