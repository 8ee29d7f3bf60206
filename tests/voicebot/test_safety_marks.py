"""Which answers bear on danger: known when the knowledge base is loaded, told with each search."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import kb
from flows import actions as act
from flows import events as ev
from flows.state import State
from kb.entry import Safety, by_id
from voicebot.call.performer import Performer
from voicebot.knowledge import Knowledge

FAQ = Path(kb.__path__[0]) / "data" / "faq.csv"


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    entries = kb.read_entries(FAQ.read_bytes()).entries
    return Knowledge(cast(Any, None), by_id(entries), 1)


def test_a_smell_of_gas_is_110s_and_the_wording_for_the_bridge(knowledge: Knowledge) -> None:
    assert knowledge.safety(["gs-007", "gs-008"]) == {"gs-007": "handoff"}


@pytest.mark.parametrize(
    "entry", ["jg-011", "sc-012", "jy-008", "hb-008", "yj-002", "yj-004", "rx-013"]
)
def test_what_may_hide_an_accident_is_asked_about(knowledge: Knowledge, entry: str) -> None:
    assert knowledge.safety([entry]) == {entry: "ask"}


def test_ordinary_matters_are_not_asked_about(knowledge: Knowledge) -> None:
    marked = [e for e in knowledge.entries.values() if e.safety is not Safety.NONE]
    assert len(marked) < len(knowledge.entries) / 20
    assert knowledge.safety(["gjj-001", "hb-002", "no-such-entry"]) == {}


async def test_a_search_tells_which_of_its_candidates_bear_on_danger(
    knowledge: Knowledge,
) -> None:
    class Engines:
        work_executor = ThreadPoolExecutor(1)

        def search(self, *_: object) -> tuple[str, tuple[tuple[str, float], ...]]:
            return "answer", (("gs-007", 0.9), ("gs-008", 0.05))

    engines = Engines()
    engines.knowledge = knowledge  # type: ignore[attr-defined]
    posted: asyncio.Queue[ev.Event] = asyncio.Queue()
    nobody = cast(Any, SimpleNamespace())
    given = dict.fromkeys(list(signature(Performer).parameters), nobody)
    given |= {"engines": engines, "post": posted.put_nowait, "now": lambda: 1.0}
    performer = Performer(**given)
    await performer.perform(act.Search(1, "家里有煤气味", final=True), State())
    result = await posted.get()
    assert isinstance(result, ev.SearchResult)
    assert result.safety == {"gs-007": "handoff"}
