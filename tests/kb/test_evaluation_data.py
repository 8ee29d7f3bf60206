"""What is evaluated on is not what was learned from."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz import fuzz, process

import kb
from kb.adapter_training import read_groups
from kb.wording import characters, without_fillers

DATA = Path(kb.__file__).parent / "data"
NEAR_COPY = 85
"""Of 100, without fillers and punctuation."""


def plain(texts: list[str]) -> list[str]:
    return [characters(without_fillers(text)) for text in texts]


def near_copies(ours: list[str], theirs: list[str]) -> int:
    """A number alone, taken before it is asserted on: a failure must not print the queries."""
    alike = process.cdist(
        plain(ours), plain(theirs), scorer=fuzz.ratio, score_cutoff=NEAR_COPY, dtype=np.uint8
    )
    return int((alike.max(axis=1) > 0).sum())


@pytest.fixture(scope="module")
def phrasings() -> list[str]:
    with (DATA / "phrasings.csv").open(encoding="utf-8") as file:
        return [row["phrasing"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def development(shared_dir: Path) -> list[str]:
    lines = (shared_dir / "data" / "kb" / "dev_queries.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["query"] for line in lines if line.strip()]


@pytest.fixture(scope="module")
def gate() -> list[str]:
    return [asked.query for asked in kb.read_labelled(DATA / "gate_queries.jsonl")]


def test_no_development_query_is_among_the_phrasings(
    phrasings: list[str], development: list[str]
) -> None:
    copies = near_copies(phrasings, development)
    assert copies == 0


def test_no_development_query_is_among_the_tuning_queries_and_gaps(
    gate: list[str], development: list[str]
) -> None:
    copies = near_copies([*gate, *kb.read_gaps()], development)
    assert copies == 0


def test_no_tuning_query_is_among_the_phrasings(phrasings: list[str], gate: list[str]) -> None:
    copies = near_copies(phrasings, gate)
    assert copies == 0


def test_no_query_is_among_the_paraphrases(development: list[str], gate: list[str]) -> None:
    lines = [text for g in read_groups() for text in (*g.asked, *g.said, *g.answered)]
    copies = near_copies(lines, [*development, *gate])
    assert copies == 0


def test_the_demonstration_entries_are_worded_as_they_were_given(shared_dir: Path) -> None:
    """Whoever wrote the development queries wrote these, too: nothing was added to them."""
    ours, theirs = (
        [(e.id, e.question, e.variants) for e in kb.read_entries(path.read_bytes()).entries]
        for path in (DATA / "faq.csv", shared_dir / "data" / "kb" / "faq.csv")
    )
    assert ours == theirs


def test_every_entry_has_many_ways_to_ask_for_it() -> None:
    entries = kb.read_entries((DATA / "faq.csv").read_bytes()).entries
    found = kb.read_phrasings((DATA / "phrasings.csv").read_bytes())
    assert not found.errors
    assert [e.id for e in entries if len(found.phrasings.get(e.id, ())) < 6] == []
