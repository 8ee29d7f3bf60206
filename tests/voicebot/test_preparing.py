"""Hypotheses get their embeddings on the way to the core, unless danger is plain or they fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from flows.events import Ear, EngineFailed, Event, Heard, TurnEnded
from flows.state import State
from tests.flows.scripted_call import POLICY
from voicebot.call.preparing import Preparer
from voicebot.embedder import Vectors


@dataclass
class Embedder:
    asked: list[tuple[str, ...]] = field(default_factory=list)
    broken: bool = False
    hold: threading.Event = field(default_factory=threading.Event)

    def embed(self, texts: tuple[str, ...]) -> Vectors:
        self.asked.append(texts)
        self.hold.wait(60)
        if self.broken:
            raise OSError("no file")
        return np.ones((len(texts), 2), np.float32)


@asynccontextmanager
async def preparing(embedder: Embedder) -> AsyncIterator[tuple[Preparer, list[Event]]]:
    posted: list[Event] = []
    with ThreadPoolExecutor(1) as executor:
        preparer = Preparer(embedder, executor, POLICY, State, posted.append)
        running = asyncio.create_task(preparer.run())
        try:
            yield preparer, posted
        finally:
            embedder.hold.set()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def heard(text: str, *, turn: int = 1, final: bool = False) -> Heard:
    return Heard(1.0, turn, Ear.TRANSCRIBER, text=text, final=final)


async def until(met: list[Event], count: int) -> None:
    async with asyncio.timeout(60):
        while len(met) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_a_hypothesis_comes_out_with_its_embeddings() -> None:
    embedder = Embedder()
    embedder.hold.set()
    async with preparing(embedder) as (preparer, posted):
        preparer.take(heard("社保卡怎么补办"))
        await until(posted, 1)
    assert isinstance(posted[0], Heard)
    assert list(posted[0].embeddings) == ["社保卡怎么补办"]
    assert not posted[0].plain


async def test_plain_danger_does_not_wait_for_an_embedding() -> None:
    embedder = Embedder()
    async with preparing(embedder) as (preparer, posted):
        preparer.take(heard("我家着火了"))
        await until(posted, 1)
        assert posted[0].plain  # type: ignore[union-attr]
    assert embedder.asked == []


async def test_of_a_turns_partials_only_the_newest_is_prepared_and_finals_all_are() -> None:
    embedder = Embedder()
    async with preparing(embedder) as (preparer, posted):
        preparer.take(heard("一"))
        async with asyncio.timeout(60):
            while not embedder.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        preparer.take(heard("一二"))
        preparer.take(heard("一二三"))
        preparer.take(heard("一二三四", final=True))
        preparer.take(heard("五", turn=2))
        embedder.hold.set()
        await until(posted, 3)
    assert [event.text for event in posted] == ["一", "一二三四", "五"]  # type: ignore[union-attr]


async def test_an_embedder_that_fails_costs_no_hypothesis_and_is_reported_once() -> None:
    embedder = Embedder(broken=True)
    embedder.hold.set()
    async with preparing(embedder) as (preparer, posted):
        preparer.take(heard("一", final=True))
        preparer.take(heard("二", turn=2))
        await until(posted, 3)
    failed = [event for event in posted if isinstance(event, EngineFailed)]
    assert [event.engine for event in failed] == ["embedder"]
    assert [event.plain for event in posted if isinstance(event, Heard)] == [True, True]


async def test_a_turn_ends_after_its_words_where_those_are_known_before() -> None:
    embedder = Embedder()
    async with preparing(embedder) as (preparer, posted):
        preparer.take(heard("一", final=True))
        preparer.take_end(TurnEnded(1.0, 1))
        await asyncio.sleep(0)
        preparer.take_end(TurnEnded(1.0, 1))
        assert posted == []
        embedder.hold.set()
        await until(posted, 3)
    assert [type(event) for event in posted] == [Heard, TurnEnded, TurnEnded]


async def test_the_end_of_a_turn_waits_for_no_partial_and_for_no_other_turns_words() -> None:
    async with preparing(Embedder()) as (preparer, posted):
        preparer.take(heard("一", final=True))
        preparer.take(heard("二", turn=2))
        preparer.take_end(TurnEnded(1.0, 2))
        assert posted == [TurnEnded(1.0, 2)]
