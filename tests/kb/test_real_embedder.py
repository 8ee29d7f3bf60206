"""The whole way, from the CSV files to an answer, with the real models."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

import kb
from kb import store
from kb.entry import Status
from kb.search import Searcher
from tests.kb.conftest import TODAY, publish_all

DATA = Path(kb.__file__).parent / "data"
SET_UP = Path(kb.__file__).parents[1] / "var" / "vectors.sqlite"
"""Most of the texts, as `make setup` has embedded them: each takes 18 ms."""


@pytest.fixture(scope="module")
def real(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    from voicebot.embedder import SentenceEmbedder

    entries = kb.read_entries((DATA / "faq.csv").read_bytes()).entries
    phrasings = kb.read_phrasings((DATA / "phrasings.csv").read_bytes()).phrasings
    engine = sa.create_engine("sqlite://")
    store.metadata.create_all(engine)
    with Session(engine) as session:
        # All entries, for the probabilities hold for a knowledge base of such a size; but with
        # few wordings each, in case there are no vectors yet.
        publish_all(session, [replace(e, variants=e.variants[:1]) for e in entries])
        kb.import_phrasings(session, {k: v[:1] for k, v in phrasings.items()}, "test")
        kb.import_gaps(session, kb.read_gaps(), "test")
        published = kb.published(session, TODAY)
        gaps = store.gaps(session, TODAY)
    folder = tmp_path_factory.mktemp("index")
    vectors = folder / "vectors.sqlite"
    if SET_UP.exists():
        with (
            contextlib.closing(sqlite3.connect(SET_UP)) as source,
            contextlib.closing(sqlite3.connect(vectors)) as target,
        ):
            source.backup(target)
    embedder = SentenceEmbedder(models_dir, store=vectors)
    index = kb.open_index(published, embedder, folder, gaps=gaps, embed=embedder.embed_corpus)
    yield Searcher(index, embedder)
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "more", "expected"),
    [
        ("呃那个我身份证找不着了，要上哪儿去补一张", {}, "hz-001"),
        ("我身份正丢了怎么不办", {"alternatives": ["我身份证丢了怎么补办"]}, "hz-001"),
        ("帮我转人工", {}, "rx-009"),
        ("车管所在什么地方", {"region": "460200"}, "jg-013"),
    ],
)
def test_a_caller_finds_the_entry(
    real: Searcher, query: str, more: dict[str, object], expected: str
) -> None:
    found = real.search(query, on=TODAY, **more)  # type: ignore[arg-type]
    assert found.candidates[0].id == expected


def test_a_plain_question_is_answered(real: Searcher) -> None:
    assert real.search("身份证丢了怎么补办", on=TODAY).decision == "answer"


def test_no_withheld_question_is_answered(real: Searcher) -> None:
    entries = kb.read_entries((DATA / "faq.csv").read_bytes()).entries
    withheld = [e for e in entries if e.status is not Status.APPROVED]
    assert withheld
    assert {e.id for e in withheld}.isdisjoint(e.id for e in real.index.entries)
    answered = [
        e.question for e in withheld if real.search(e.question, on=TODAY).decision == "answer"
    ]
    assert answered == []


@pytest.mark.parametrize("query", ["给我讲个笑话", "嗯嗯", "喂听得见吗"])
def test_chatter_is_not_answered(real: Searcher, query: str) -> None:
    assert real.search(query, on=TODAY).decision != "answer"
