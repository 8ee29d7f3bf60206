"""What a hypothesis with text needs before the core sees it: sentence embeddings.

They take some tens of milliseconds, in which the listener's sounds, keys and a hang-up
must not wait, and which danger that is plain without them does not have.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol

import structlog

from flows.dialogue import texts_to_embed
from flows.events import EngineFailed, Event, Heard, TurnEnded
from flows.hearing import with_hypothesis
from flows.policy import Policy
from flows.state import State, conversation
from voicebot.embedder import Vectors

log = structlog.get_logger()


class Embeds(Protocol):
    def embed(self, texts: tuple[str, ...]) -> Vectors:
        """texts → float32 (n, d), in the same order."""
        ...


class Preparer:
    """One call's hypotheses on their way to the core, in order.

    Parameters:
        embedder: of triage and search.
        executor: where it runs.
        state: the call as it stands.
        post: takes the events for the core.
    """

    def __init__(
        self,
        embedder: Embeds,
        executor: Executor,
        policy: Policy,
        state: Callable[[], State],
        post: Callable[[Event], None],
    ) -> None:
        self._embedder, self._executor = embedder, executor
        self._policy, self._state, self._post = policy, state, post
        self._waiting: deque[Heard | TurnEnded] = deque()
        self._at_work: Heard | None = None
        self._came = asyncio.Event()
        self._failed = False

    def take(self, event: Heard) -> None:
        """Of a turn's partials only the newest is worth the work."""
        newest = self._waiting[-1] if self._waiting else None
        if isinstance(newest, Heard) and not newest.final and newest.turn == event.turn:
            self._waiting.pop()
        self._waiting.append(event)
        self._came.set()

    def take_end(self, event: TurnEnded) -> None:
        """The end of a turn comes after its words where they are known already."""
        ahead = [each for each in (self._at_work, *self._waiting) if isinstance(each, Heard)]
        if any(each.final and each.turn == event.turn for each in ahead):
            self._waiting.append(event)
        else:
            self._post(event)

    async def run(self) -> None:
        """Works until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._came.clear()
                await self._came.wait()
                continue
            event = self._waiting.popleft()
            if isinstance(event, TurnEnded):
                self._post(event)
                continue
            state, self._at_work = self._state(), event
            try:
                event = await loop.run_in_executor(self._executor, self._prepared, state, event)
            except Exception as error:
                # Triage goes on by phrases, by sound and by wording.
                event = replace(event, plain=True)
                if not self._failed:
                    self._failed = True
                    log.exception("embedder_failed")
                    self._post(EngineFailed(event.at, "embedder", type(error).__name__))
            self._at_work = None
            self._post(event)

    def _prepared(self, state: State, event: Heard) -> Heard:
        texts = texts_to_embed(state, event, self._policy)
        if not texts:
            return replace(event, embedded=())
        turns = conversation(with_hypothesis(state, event))
        known = self._policy.triage.assess(turns, state.embeddings)
        if known.action == "handoff" and (known.route == "110_now" or known.request == "police"):
            return replace(event, plain=True)
        vectors = self._embedder.embed(texts)
        vectors_of = dict(zip(texts, vectors, strict=True))
        return replace(event, embeddings=vectors_of, embedded=texts)
