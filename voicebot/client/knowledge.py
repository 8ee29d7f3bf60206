"""Operations about the knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voicebot.client.answers import EntryVersions, Found, Recommended
from voicebot.client.operation import Operation, Pages, given, named, post, read


def search(query: str, *, region: str | None = None, line: str | None = None) -> Operation[Found]:
    """What the bot would do with a question, and why.

    Parameters:
        region: the caller's place.
        line: the number that was dialled.
    """
    return post("/v1/knowledge/search", given(query=query, region=region, line=line))


def recommend(
    transcript: Sequence[tuple[str, str]],
    *,
    region: str | None = None,
    line: str | None = None,
    limit: int | None = None,
) -> Operation[Recommended]:
    """Answers for what the caller wants by now, and danger before all; nothing of it is kept.

    Parameters:
        transcript: who spoke (``caller``, ``agent``) and what was said, from the beginning.
    """
    turns = [{"speaker": speaker, "text": text} for speaker, text in transcript]
    return post("/v1/recommend", given(transcript=turns, region=region, line=line, limit=limit))


def entries(
    *,
    status: str = "",
    department: str = "",
    region: str = "",
    text: str = "",
    ending_days: int | None = None,
    ended: bool | None = None,
    order: str = "",
    limit: int | None = None,
) -> Pages[dict[str, Any]]:
    """Entries in short.

    Parameters:
        ending_days: only those whose validity ends within so many days.
        ended: only those whose validity is over.
        order: ``recent`` or ``id``.
    """
    query = {
        "status": status,
        "department": department,
        "region": region,
        "text": text,
        "ending_days": ending_days,
        "ended": ended,
        "order": order,
        "limit": limit,
    }
    return Pages(read("/v1/knowledge/entries", query), "entries")


def entry(entry_id: str) -> Operation[EntryVersions]:
    """All versions of an entry, the newest first, with the steps that each has taken."""
    return read(f"/v1/knowledge/entries/{named(entry_id)}")
