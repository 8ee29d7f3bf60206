"""N-grams of many documents give the scores of the plain index, for the few they are asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kb import large_ngrams
from kb.large_ngrams import LargeNgrams
from kb.ngram_index import NgramIndex, Weighting

TERMS = st.lists(st.sampled_from("甲乙丙丁戊己庚辛"), max_size=6)
DOCUMENTS = st.lists(TERMS.filter(bool), min_size=1, max_size=12)


def large(index: NgramIndex, weighting: Weighting) -> LargeNgrams:
    arrays: dict[str, NDArray[Any]] = LargeNgrams.arrays(index, weighting)
    return LargeNgrams.of_arrays(arrays.__getitem__)


@given(DOCUMENTS, TERMS, TERMS, st.sampled_from(("cosine", "bm25")), st.data())
def test_chosen_documents_score_as_among_all_whatever_was_asked_before(
    documents: list[list[str]],
    asked: list[str],
    other: list[str],
    weighting: Weighting,
    data: st.DataObject,
) -> None:
    index = NgramIndex(documents, weighting)
    rows = np.array(data.draw(st.lists(st.integers(0, len(documents) - 1))), np.intp)
    ngrams = large(index, weighting)
    for question in (asked, other, asked):
        scores = ngrams.take(rows).scores(question)
        np.testing.assert_allclose(scores, index.scores(question)[rows], atol=1e-5)


@given(DOCUMENTS, TERMS)
def test_the_most_similar_document_is_among_the_best(
    documents: list[list[str]], asked: list[str]
) -> None:
    index = NgramIndex(documents)
    scores = index.scores(asked)
    best = large(index, "cosine").best(asked, 3)
    assert len(set(best.tolist())) == len(best) <= 3
    if scores.max() > 0:
        assert scores[best].max() == pytest.approx(scores.max(), abs=1e-5)


@given(DOCUMENTS, TERMS, st.data())
def test_what_is_not_allowed_is_not_found(
    documents: list[list[str]], asked: list[str], data: st.DataObject
) -> None:
    size = len(documents)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    assert allowed[large(NgramIndex(documents), "cosine").best(asked, size, allowed)].all()


def test_only_the_rarest_terms_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_ngrams, "READ", 3)
    documents = [["甲"]] * 50 + [["甲", "乙"], ["甲", "丙"]]
    best = large(NgramIndex(documents), "cosine").best(["甲", "乙"], 10)
    assert best.tolist() == [50]


def test_a_small_index_may_take_the_rarities_of_a_large_one() -> None:
    documents = [list("甲乙"), list("甲丙"), list("甲丁戊"), list("己")]
    for weighting in ("cosine", "bm25"):
        whole = NgramIndex(documents, weighting)
        some = NgramIndex(documents[1:3], weighting, like=large(whole, weighting))
        for asked in ("甲丙", "乙", "己戊", "辛"):
            np.testing.assert_allclose(some.scores(asked), whole.scores(asked)[1:3], atol=1e-6)
