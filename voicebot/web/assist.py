"""Recommended answers for human agents, as HTTP.

    POST /v1/recommend      admin, supervisor, agent: `voicebot.assist.recommend`

What is sent is neither logged nor kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel, Field, StringConstraints, field_validator

from voicebot import assist
from voicebot.clock import now
from voicebot.errors import VoicebotError
from voicebot.knowledge_speech import CHECKED_RATE
from voicebot.request_body import RequestBody
from voicebot.security import Principal
from voicebot.web.access import Refusal, require
from voicebot.web.answer_audio import audio_url

if TYPE_CHECKING:
    from voicebot.call.engines import Engines
    from voicebot.web.service import Service

AGENTS = ("admin", "supervisor", "agent")

AT_ONCE = 8
"""Recommendations at work together; one more is told to come again."""
RETRY_AFTER_S = 1
MOST_TURNS, MOST_CHARACTERS = 400, 500
"""Of a transcript, and of one turn: an hour's conversation, the longest breath."""
MOST_IN_ALL = 40_000
"""Characters of a transcript: more than two hours of speech; triage reads it in about a second."""
MAX_BODY_BYTES = MOST_IN_ALL * len(r"\ud83d\ude00") + MOST_TURNS * 128 + 1024
"""Whatever keeps to these limits fits, each character escaped; more is answered with 413."""

BUSY = {"code": "busy", "message": "Too many recommendations at once; ask again in a second."}

Agent = Annotated[Principal, Depends(require(*AGENTS))]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MOST_CHARACTERS)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Did = Annotated[str, StringConstraints(pattern=r"^[0-9+*#]{1,20}$")]


class SaidModel(RequestBody):
    """One turn of the conversation."""

    speaker: Literal["caller", "agent"]
    text: Text


class Question(RequestBody):
    """The conversation so far, 40,000 characters at most; ask again whenever it has grown."""

    transcript: Annotated[list[SaidModel], Field(min_length=1, max_length=MOST_TURNS)]
    region: Code | None = None
    """The caller's place (GB/T 2260), if known; a place said in the conversation wins."""
    line: Did | None = None
    """The number that was dialled."""
    limit: Annotated[int, Field(ge=1, le=10)] = assist.LIMIT

    @field_validator("transcript")
    @classmethod
    def _in_bounds(cls, transcript: list[SaidModel]) -> list[SaidModel]:
        if sum(len(turn.text) for turn in transcript) > MOST_IN_ALL:
            raise ValueError(f"more than {MOST_IN_ALL} characters in all; leave out the oldest")
        return transcript


class AssessmentModel(BaseModel):
    """What triage makes of the caller's words."""

    route: str
    probability: float
    """Of danger that is present."""
    category: int | None
    lines: list[str]
    flags: list[str]
    evidence: list[str]


class DangerModel(BaseModel):
    """Shown before anything else."""

    level: Literal["certain", "possible"]
    message: str
    assessment: AssessmentModel


class SuggestionModel(BaseModel):
    """An approved answer, and why it is shown."""

    id: str
    version: int
    question: str
    answer: str
    score: float
    reason: str
    department: str
    channel: str
    source: str
    region: str
    safety: str
    """``none`` | ``ask``: ask about danger first | ``handoff``: 110 first."""
    audio: str | None
    """Where the answer can be listened to, if it is rendered."""


class Answer(BaseModel):
    """Danger first; with danger that is certain there are no suggestions."""

    danger: DangerModel | None
    suggestions: list[SuggestionModel]
    region: str | None
    revision: int
    """Of the knowledge base."""
    took_ms: float


def add_assist(app: FastAPI, service: Service) -> None:
    """Adds POST /v1/recommend."""
    at_work = 0

    @app.post(
        "/v1/recommend",
        max_body_size=MAX_BODY_BYTES,
        responses={
            413: {"description": f"More than {MAX_BODY_BYTES} bytes."},
            503: {"description": "Too many at once."},
        },
    )
    async def recommend(question: Question, _: Agent, response: Response) -> Answer:
        """Answers for what the caller wants by now, and danger before all."""
        nonlocal at_work
        if at_work >= AT_ONCE:
            raise Refusal(503, BUSY, {"Retry-After": str(RETRY_AFTER_S)})
        at_work += 1
        try:
            return await asyncio.to_thread(_answer, service.engines, question)
        except VoicebotError as error:  # no knowledge base, or no embedder
            raise Refusal(503, {"code": error.code, "message": str(error)}) from None
        finally:
            at_work -= 1


def _answer(engines: Engines, question: Question) -> Answer:
    began = time.perf_counter()
    knowledge = engines.knowledge
    found = assist.recommend(
        [assist.Said(turn.speaker, turn.text) for turn in question.transcript],
        knowledge=knowledge,
        triage=engines.triage,
        embedder=engines.embedder,
        at=now(),
        region=question.region,
        line=question.line,
        limit=question.limit,
    )
    return Answer(
        danger=_danger(found.danger) if found.danger is not None else None,
        suggestions=[_suggestion(each, engines) for each in found.suggestions],
        region=found.region,
        revision=knowledge.revision,
        took_ms=round(1000 * (time.perf_counter() - began), 1),
    )


def _danger(danger: assist.Danger) -> DangerModel:
    assessment = danger.assessment
    return DangerModel(
        level=danger.level,
        message=danger.message,
        assessment=AssessmentModel(
            route=assessment.route,
            probability=round(assessment.probabilities.get("110_now", 0.0), 4),
            category=assessment.category,
            lines=list(assessment.lines),
            flags=list(assessment.flags),
            evidence=[f"{each.kind}：{each.detail}" for each in assessment.evidence],
        ),
    )


def _suggestion(suggestion: assist.Suggestion, engines: Engines) -> SuggestionModel:
    entry = suggestion.entry
    audio = engines.library.rendered(entry.answer, CHECKED_RATE)
    return SuggestionModel(
        id=entry.id,
        version=entry.version,
        question=entry.question,
        answer=entry.answer,
        score=suggestion.score,
        reason=suggestion.reason,
        department=entry.department,
        channel=entry.channel,
        source=entry.source,
        region=entry.region,
        safety=entry.safety.value,
        audio=audio_url(audio) if audio is not None else None,
    )
