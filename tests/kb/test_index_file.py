import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb.entry import Entry
from kb.errors import IndexNotReadable
from kb.index import Index
from kb.index_file import LEFT_BEHIND_S, load, open_index, path_of
from kb.search import Searcher
from tests.kb.conftest import TODAY, LetterEmbedder

GAPS = ("婚假几天",)


def opened(entries: list[Entry], embedder: LetterEmbedder, folder: Path) -> Index:
    return open_index(entries, embedder, folder, gaps=GAPS)


def test_a_stored_index_is_loaded_without_embedding_and_finds_the_same(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    built = opened(entries, embedder, tmp_path)
    fresh = LetterEmbedder()
    loaded = opened(entries, fresh, tmp_path)
    assert fresh.embedded == []
    assert loaded.digest == built.digest
    for query in ("社保卡丢了", "车管所在哪里"):
        first, second = (
            Searcher(index, embedder).search(query, on=TODAY) for index in (built, loaded)
        )
        assert first == second


def test_only_what_changed_is_embedded_again(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    opened(entries, embedder, tmp_path)
    fresh = LetterEmbedder()
    changed = [replace(entries[0], answer="新的答复。"), *entries[1:]]
    opened(changed, fresh, tmp_path)
    assert fresh.embedded == ["新的答复。"]


def test_a_damaged_file_is_made_again(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    index = opened(entries, embedder, tmp_path)
    path = path_of(tmp_path, index.digest)
    whole = path.read_bytes()
    for damage in (b"", b"PK\x03\x04", whole[: len(whole) // 2], b"x" * 500):
        path.write_bytes(damage)
        with pytest.raises(IndexNotReadable):
            load(path, entries, embedder, gaps=GAPS)
        assert opened(entries, embedder, tmp_path).digest == index.digest
    assert path.read_bytes()[:4] == whole[:4]


def test_the_index_of_other_entries_is_refused(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    index = opened(entries, embedder, tmp_path)
    with pytest.raises(IndexNotReadable, match="another state"):
        load(path_of(tmp_path, index.digest), entries[1:], embedder, gaps=GAPS)


def test_the_last_two_states_are_kept_and_nothing_else_is_left(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    for count in range(1, 5):
        opened(entries[:count], embedder, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_vectors_are_those_of_the_embedder(entries: list[Entry], embedder: LetterEmbedder) -> None:
    from kb.index import build, texts_of

    index = build(entries, embedder)
    assert np.array_equal(index.vectors, embedder.embed(texts_of(entries)))


def test_what_a_kill_left_half_written_is_removed_and_another_writers_file_is_not(
    entries: list[Entry], embedder: LetterEmbedder, tmp_path: Path
) -> None:
    left, in_work = tmp_path / ".kb-left.npz", tmp_path / ".kb-work.npz"
    for file in (left, in_work):
        file.write_bytes(b"half")
    long_ago = time.time() - LEFT_BEHIND_S - 1
    os.utime(left, (long_ago, long_ago))
    opened(entries, embedder, tmp_path)
    assert list(tmp_path.glob(".kb-*")) == [in_work]
