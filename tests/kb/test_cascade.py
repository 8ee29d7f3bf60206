"""The quickest encoder is asked first, and the others only where it leaves doubt."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from kb.entry import Entry
from kb.index import Index, build
from kb.ranker import FILE, PLAIN_FILE, Model, Ranker
from kb.search import Searcher
from tests.kb.conftest import TODAY, LetterEmbedder, identity_adapters, make_entry


class Staged(LetterEmbedder):
    """Notes which encoders are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[set[str]] = []

    def embed_parts(self, texts: Sequence[str], names: Collection[str]) -> NDArray[np.float32]:
        self.asked.append(set(names))
        rows = self.embed(texts)
        for name, cut in self.parts.items():
            if name not in names:
                rows[:, cut] = 0
        return rows


def ranker(certain: float, hopeless: float) -> Ranker:
    """The package's, with other bounds for the encoder that is asked first."""
    models = Ranker.load().models
    assert [m.encoders for m in models if m.certain is not None] == [{"use"}]
    return Ranker(
        tuple(
            m if m.certain is None else replace(m, certain=certain, hopeless=hopeless)
            for m in models
        )
    )


@pytest.fixture
def staged() -> Staged:
    return Staged()


def index_of(entries: list[Entry], embedder: LetterEmbedder) -> Index:
    return build(entries, embedder, adapters=identity_adapters(embedder))


def test_a_certain_answer_needs_no_other_encoder(entries: list[Entry], staged: Staged) -> None:
    searcher = Searcher(index_of(entries, staged), staged, ranker=ranker(0.0, 1.1))
    assert searcher.search("社会保障卡遗失了", on=TODAY).candidates[0].id == "a-1"
    assert staged.asked == [{"use"}]


def test_nor_does_a_hopeless_question(entries: list[Entry], staged: Staged) -> None:
    searcher = Searcher(index_of(entries, staged), staged, ranker=ranker(1.1, 0.0))
    searcher.search("天上有几颗星星", on=TODAY)
    assert staged.asked == [{"use"}]


def test_in_doubt_the_result_is_that_of_all_encoders(entries: list[Entry], staged: Staged) -> None:
    doubting = Searcher(index_of(entries, staged), staged, ranker=ranker(1.1, 1.1))
    plain = Searcher(index_of(entries, staged), LetterEmbedder(), ranker=ranker(1.1, 1.1))
    for query in ("社会保障卡遗失了", "天上有几颗星星"):
        assert doubting.search(query, on=TODAY) == plain.search(query, on=TODAY)
    assert staged.asked == [{"use"}, {"e5"}] * 2


def test_an_index_without_maps_asks_all_encoders(entries: list[Entry], staged: Staged) -> None:
    searcher = Searcher(build(entries, staged), staged, ranker=ranker(0.0, 1.1))
    assert searcher.search("社会保障卡遗失了", on=TODAY).candidates[0].id == "a-1"
    assert staged.asked == [{"use"}, {"e5"}]


def test_one_model_alone_has_such_bounds() -> None:
    with_bounds = [m for m in Ranker.load().models if m.certain is not None]
    assert Ranker.load().first == with_bounds[0]
    none = np.zeros(0)
    assert not Model((), none, none, none, 0.5, 0.5).settles(np.array([1.0]))


def test_entries_with_few_ways_to_ask_have_weights_of_their_own(entries: list[Entry]) -> None:
    many = [replace(e, phrasings=tuple(f"{e.question}{n}" for n in range(6))) for e in entries]
    assert Ranker.for_entries(many) is Ranker.load(FILE)
    assert Ranker.for_entries(entries) is Ranker.load(PLAIN_FILE)


def test_nobody_is_asked_to_choose_between_one_question_of_two_places() -> None:
    embedder = LetterEmbedder()
    twins = [
        make_entry("w-1", "停水打什么电话", region="460100"),
        make_entry("w-2", "停水打什么电话?", region="460200"),
    ]
    models = tuple(replace(m, answer=1.1, clarify=0.0) for m in Ranker.load().models)
    found = Searcher(build(twins, embedder), embedder, ranker=Ranker(models)).search(
        "停水打什么电话", on=TODAY
    )
    assert {each.id for each in found.candidates[:2]} == {"w-1", "w-2"}
    assert found.decision == "none"
