"""The sentence embedder: shapes, lengths, the cache, threads, and what happens without models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from voicebot.embedder import SentenceEmbedder
from voicebot.encoders import USE_FILE, E5Encoder, Encoder, UniversalSentenceEncoder
from voicebot.errors import EmbedderFailed, ModelUnavailable
from voicebot.vectors import VectorStore

ALIKE = ["居住证怎么办", "办居住证要带什么材料"]
OTHER = "楼下烧烤摊太吵了"


@pytest.fixture(scope="module")
def embedder(models_dir: Path) -> SentenceEmbedder:
    return SentenceEmbedder(models_dir)


def test_vectors_have_length_one_and_join_both_encoders(embedder: SentenceEmbedder) -> None:
    rows = embedder.embed([*ALIKE, OTHER])
    assert rows.shape == (3, embedder.dimension)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert embedder.parts["use"] == slice(0, 512)
    for part in embedder.parts.values():
        lengths = np.linalg.norm(rows[:, part], axis=1)
        assert np.allclose(lengths, 1 / np.sqrt(len(embedder.parts)), atol=1e-5)


def test_sentences_of_one_meaning_lie_closer(embedder: SentenceEmbedder) -> None:
    a, b, other = embedder.embed([*ALIKE, OTHER])
    assert a @ b > a @ other


def test_a_text_has_the_same_vector_alone_and_among_others(embedder: SentenceEmbedder) -> None:
    alone = embedder.encode([OTHER])[0]
    among = embedder.encode([*ALIKE, OTHER, "短"])[2]
    assert np.array_equal(alone, among)


def test_order_and_repetitions_are_kept(embedder: SentenceEmbedder) -> None:
    rows = embedder.embed([OTHER, ALIKE[0], OTHER])
    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])


def test_one_encoder_alone_gives_its_columns_of_the_same_vector(models_dir: Path) -> None:
    text = "公积金贷款怎么申请"
    asked_apart, asked_whole = SentenceEmbedder(models_dir), SentenceEmbedder(models_dir)
    parts = asked_apart.parts
    apart = [asked_apart.embed_parts([text], {name})[0] for name in parts]
    whole = asked_whole.embed([text])[0]
    assert np.allclose(np.sum(apart, axis=0), whole, atol=1e-6)
    for name, row in zip(parts, apart, strict=True):
        assert np.count_nonzero(np.delete(row, np.r_[parts[name]])) == 0
        assert np.array_equal(asked_whole.embed_parts([text], {name})[0], row)


def test_nothing_gives_no_rows(embedder: SentenceEmbedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.parametrize("text", ["", "。", "a\0b", "😀", "字" * 3000])
def test_odd_texts_give_finite_unit_vectors(embedder: SentenceEmbedder, text: str) -> None:
    row = embedder.embed([text])[0]
    assert np.isfinite(row).all()
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-4)


def test_without_e5_the_universal_encoder_works_alone(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / USE_FILE).parent.mkdir()
    (tmp_path / USE_FILE).symlink_to((models_dir / USE_FILE).resolve())
    alone = SentenceEmbedder(tmp_path)
    assert alone.dimension == 512
    assert list(alone.parts) == ["use"]
    assert np.linalg.norm(alone.embed([OTHER])) == pytest.approx(1, abs=1e-5)


def test_missing_models_are_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="voicebot models fetch"):
        SentenceEmbedder(tmp_path).embed([OTHER])
    with pytest.raises(ModelUnavailable, match="not a folder"):
        SentenceEmbedder(tmp_path, model=tmp_path / "bge").embed([OTHER])


def test_a_damaged_model_is_reported_not_crashed_on(tmp_path: Path) -> None:
    (tmp_path / USE_FILE).parent.mkdir()
    (tmp_path / USE_FILE).write_bytes(b"not a model")
    with pytest.raises(ModelUnavailable, match="--verify"):
        UniversalSentenceEncoder(tmp_path)
    with pytest.raises(ModelUnavailable):
        E5Encoder(tmp_path)


class CountingEmbedder(SentenceEmbedder):
    """Counts the texts that reach the models."""

    def __init__(self, models_dir: Path, **options: object) -> None:
        super().__init__(models_dir, **options)  # type: ignore[arg-type]
        self.computed: list[str] = []

    def encode(self, texts: Sequence[str], threads: int = 1) -> np.ndarray:
        self.computed.extend(texts)
        return super().encode(texts, threads)


def test_a_text_asked_for_by_many_threads_is_computed_once(models_dir: Path) -> None:
    counting = CountingEmbedder(models_dir)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: counting.embed(ALIKE), range(16)))
    assert sorted(counting.computed) == sorted(ALIKE)
    assert all(np.array_equal(row, rows[0]) for row in rows)


def test_only_recent_texts_are_kept(models_dir: Path) -> None:
    counting = CountingEmbedder(models_dir, cached_texts=1)
    counting.embed([ALIKE[0]])
    counting.embed([ALIKE[1]])
    counting.embed([ALIKE[0]])
    assert counting.computed == [ALIKE[0], ALIKE[1], ALIKE[0]]


def test_a_failure_reaches_every_waiter_and_is_not_remembered(models_dir: Path) -> None:
    class FailingOnce(SentenceEmbedder):
        failures = 1

        def encode(self, texts: Sequence[str], threads: int = 1) -> np.ndarray:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("once")
            return super().encode(texts, threads)

    failing = FailingOnce(models_dir)
    with pytest.raises(EmbedderFailed, match="once"):
        failing.embed([OTHER])
    assert failing.embed([OTHER]).shape == (1, failing.dimension)


def test_a_corpus_is_kept_between_starts_and_callers_words_are_not(
    models_dir: Path, tmp_path: Path
) -> None:
    store = tmp_path / "vectors.sqlite"
    first = CountingEmbedder(models_dir, store=store)
    rows = first.embed_corpus(ALIKE)
    first.embed([OTHER])
    again = CountingEmbedder(models_dir, store=store)
    assert np.array_equal(again.embed_corpus(ALIKE), rows)
    assert again.computed == []
    again.embed([OTHER])
    assert again.computed == [OTHER]


def test_vectors_of_another_model_are_not_found(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    VectorStore(path, "a").put({"x": np.ones(3, np.float32)})
    assert VectorStore(path, "b").get(["x"]) == {}
    assert list(VectorStore(path, "a").get(["x", "y"])) == ["x"]


def test_a_store_that_is_no_database_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_bytes(b"no database at all" * 100)
    store = VectorStore(path, "a")
    store.put({"x": np.ones(3, np.float32)})
    assert list(store.get(["x"])) == ["x"]


def test_a_store_that_breaks_while_it_is_used_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    store = VectorStore(path, "a")
    store.put({str(n): np.ones(400, np.float32) for n in range(100)})
    path.write_bytes(b"garbage" * 40_000)
    for _ in range(2):
        assert set(store.get(["1", "2"])) <= {"1", "2"}
        store.put({"1": np.ones(3, np.float32)})
    store.close()
    assert store.get(["1"]) == {}  # closed, and still no more than a miss


def test_without_a_store_sentences_are_embedded(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unstored = SentenceEmbedder(models_dir, store=tmp_path / "file" / "vectors.sqlite")
    assert unstored.embed_corpus([OTHER]).shape == (1, unstored.dimension)


def test_whatever_an_engine_throws_is_one_kind_of_error(tmp_path: Path) -> None:
    class Broken(SentenceEmbedder):
        def _open(self) -> tuple[Encoder, ...]:
            raise RuntimeError("engine fault")

    with pytest.raises(EmbedderFailed, match="engine fault"):
        Broken(tmp_path).embed([OTHER])


def test_the_call_path_never_imports_torch(models_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from voicebot.embedder import SentenceEmbedder;"
        f"SentenceEmbedder(Path({str(models_dir)!r})).embed(['你好']);"
        "sys.exit('torch' in sys.modules or 'sentence_transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sentence_transformers_runs_the_packaged_encoders(embedder: SentenceEmbedder) -> None:
    rows = embedder.sentence_transformer().encode([*ALIKE, OTHER])
    assert np.array_equal(rows, embedder.encode([*ALIKE, OTHER]))
    pairs = embedder.near_duplicates([*ALIKE, OTHER], above=0.8)
    assert [(a, b) for _, a, b in pairs] == [(0, 1)]


def test_a_configured_hugging_face_model_takes_the_place_of_the_packaged_ones(
    tmp_path: Path,
) -> None:
    folder = tiny_bert(tmp_path / "tiny")
    configured = SentenceEmbedder(tmp_path, model=folder)
    rows = configured.embed(["hello", "world"])
    assert configured.parts == {"model": slice(0, 16)}
    assert rows.shape == (2, 16)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def tiny_bert(folder: Path) -> Path:
    """A sentence-transformers folder with random weights, made without the network."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    source = folder.with_name("source")
    source.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world"]
    (source / "vocab.txt").write_text("\n".join(words))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=7, intermediate_size=16, **sizes)).save_pretrained(source)
    BertTokenizerFast(vocab_file=str(source / "vocab.txt")).save_pretrained(source)
    body = Transformer(str(source))
    SentenceTransformer(modules=[body, Pooling(16, "mean")]).save(str(folder))
    return folder
