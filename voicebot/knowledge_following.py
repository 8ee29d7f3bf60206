"""A running service takes up what is published, as it is published."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from voicebot.embedder import SentenceEmbedder
from voicebot.knowledge import Knowledge, KnowledgeBase, unreadable

if TYPE_CHECKING:
    from voicebot.call.engines import Engines

log = structlog.get_logger()

KNOWLEDGE_CHECK_S = 1.0
"""How often a running service looks for a change of what is published (R18)."""
KNOWLEDGE_RETRY_S = 60.0
"""The longest pause between attempts to read one that cannot be read."""


async def follow_knowledge(knowledge: KnowledgeBase, engines: Engines) -> None:
    """Takes up each publication within seconds, without a restart (R18).

    What is withdrawn or worded anew is so at the next look, whatever the index still finds:
    also while another index is being made, and while none can be made.
    """
    loop = asyncio.get_running_loop()
    opening: asyncio.Task[Knowledge] | None = None
    pause, not_before, told = KNOWLEDGE_CHECK_S, 0.0, ""
    while True:
        if opening is None:
            await asyncio.sleep(KNOWLEDGE_CHECK_S)
        else:
            await asyncio.wait((opening,), timeout=KNOWLEDGE_CHECK_S)
        # Only what changed since `opened` was read is asked for, hence before.
        opened = opening if opening is not None and opening.done() else None
        current = engines.knowledge
        try:
            entries = await asyncio.to_thread(knowledge.changed)
        except Exception as error:
            told = _told_once(error, told)
            continue
        if opened is not None:
            opening = None
            try:
                current = opened.result()
                pause, told = KNOWLEDGE_CHECK_S, ""
                log.info("knowledge_base_reloaded", revision=current.revision)
            except Exception as error:
                pause, told = min(2 * pause, KNOWLEDGE_RETRY_S), _told_once(error, told)
            not_before = loop.time() + pause
        if entries is not None:
            current = replace(current, entries=entries)
            if opening is None and loop.time() >= not_before:
                opening = loop.create_task(asyncio.to_thread(knowledge.open, engines.embedder))
        engines.knowledge = current


def _told_once(error: Exception, told: str) -> str:
    """One line in the log for as long as the fault is the same."""
    if str(error) != told:
        log.error("knowledge_base_not_reloaded", exc_info=error)
    return str(error)


def published_or_none(knowledge: KnowledgeBase, embedder: SentenceEmbedder) -> Knowledge:
    """The knowledge base as it is published; an empty one where it cannot be read. Blocking."""
    try:
        return knowledge.open(embedder)
    except Exception as error:
        log.exception("knowledge_base_unreadable", reason=type(error).__name__)
        return unreadable()
