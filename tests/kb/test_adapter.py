"""Maps of embeddings, learnt from lines that mean the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kb.adapter import ADAPTED, Adapter, adapters_for, load, save
from kb.adapter_training import GROUPS, Group, read_groups, train_adapters
from kb.errors import AdapterNotReadable, FileNotReadable
from kb.features import Question, compare
from kb.index import build
from tests.kb.conftest import LetterEmbedder, identity_adapters, make_entry

SLICES = {"use": slice(0, 3), "e5": slice(3, 5)}


def adapter(**changes: object) -> Adapter:
    fields: dict[str, object] = {
        "name": ADAPTED,
        "sources": ("use", "e5"),
        "mean": np.zeros(5, np.float32),
        "matrix": np.eye(5, dtype=np.float32),
    }
    return Adapter(**(fields | changes))  # type: ignore[arg-type]


def vectors(*rows: Sequence[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_each_encoder_counts_alike_whatever_the_length_of_its_vectors() -> None:
    mapped = adapter().apply(vectors([0, 3, 4, 0, 9]), SLICES)
    assert np.allclose(mapped, [[0, 0.6, 0.8, 0, 1]])


def test_a_question_that_an_encoder_has_not_seen_yet_is_not_mapped() -> None:
    mapped = adapter().apply(vectors([1, 0, 0, 0, 0], [1, 0, 0, 0, 1]), SLICES)
    assert not mapped[0].any()
    assert mapped[1].any()


def test_it_fits_vectors_of_its_encoders_alone() -> None:
    assert adapter().applies_to(SLICES)
    assert not adapter().applies_to({"use": slice(0, 3)})
    assert not adapter().applies_to({"use": slice(0, 4), "e5": slice(4, 6)})


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "adapters.npz"
    written = (adapter(), adapter(name="adapted use", sources=("use",), mean=np.ones(3, "f4")))
    save(path, "use:1+e5:2", written)
    model, read = load(path)
    assert model == "use:1+e5:2"
    assert [(a.name, a.sources) for a in read] == [(a.name, a.sources) for a in written]
    assert np.array_equal(read[1].mean, written[1].mean)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing", b"no archive"])
def test_a_damaged_file_says_how_to_make_it_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "adapters.npz"
    path.write_bytes(content)
    with pytest.raises(AdapterNotReadable, match="voicebot kb train"):
        load(path)


def test_the_package_has_them_for_its_own_encoders_and_no_others() -> None:
    model, read = load(Path(__file__).parents[2] / "kb" / "data" / "adapters.npz")
    widths = {"use": 512, "e5": 384}
    both = {"use": slice(0, 512), "e5": slice(512, 896)}
    assert [a.name for a in adapters_for(model, both)] == [a.name for a in read]
    quick = next(piece for piece in model.split("+") if piece.startswith("use:"))
    assert [a.name for a in adapters_for(quick, {"use": slice(0, 512)})] == ["adapted use"]
    assert adapters_for("use:another version", {"use": slice(0, 512)}) == ()
    assert adapters_for("bge:1", {"model": slice(0, 512)}) == ()
    assert all(len(a.mean) == sum(widths[s] for s in a.sources) for a in read)


def test_groups_are_read_by_what_their_lines_are(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text(
        "A\tq\t怎么办证?\nA\tv\t办证流程\nA\ta\t带身份证来。\nA\tc\t那个本子咋弄\n", "utf-8"
    )
    assert read_groups(path) == (
        Group("A", ("怎么办证?", "办证流程"), ("那个本子咋弄",), ("带身份证来。",)),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("A\tq\n", "line 1"),
        ("A\tq\t怎么办证?\nA\tx\t什么\n", "line 2"),
        ("A\tq\t怎么办证?\n", "group A lacks"),
    ],
)
def test_a_wrong_line_of_groups_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text(content, "utf-8")
    with pytest.raises(FileNotReadable, match=said):
        read_groups(path)


def test_the_groups_of_the_package_can_be_read() -> None:
    groups = read_groups()
    assert len(groups) > 1000
    texts = [text for g in groups for text in (*g.asked, *g.said, *g.answered)]
    assert len(texts) == len(set(texts)), GROUPS


def test_training_brings_callers_words_to_the_question_and_repeats_itself() -> None:
    groups = [
        Group("A", ("身份证",), ("牌子丢了",), ()),
        Group("B", ("居住证",), ("本子没了",), ()),
        Group("C", ("驾驶证",), ("开车那个",), ()),
        Group("D", ("结婚证",), ("红本本呢",), ()),
    ]
    embedder = LetterEmbedder()
    made, again = (train_adapters(groups, embedder, steps=20) for _ in range(2))
    assert [a.name for a in made] == ["adapted e5", "adapted use", ADAPTED]
    assert all(np.array_equal(a.matrix, b.matrix) for a, b in zip(made, again, strict=True))
    asked, said = (
        made[-1].apply(embedder.embed([texts[0] for texts in lines]), embedder.parts)
        for lines in ([g.asked for g in groups], [g.said for g in groups])
    )
    assert list((said @ asked.T).argmax(axis=1)) == [0, 1, 2, 3]


def test_callers_are_learnt_from_as_a_recogniser_might_have_them_too() -> None:
    embedder = LetterEmbedder()
    groups = [Group("A", ("身份证",), ("牌子丢了",), ())]
    train_adapters(groups, embedder, spoil=lambda text, seed: f"{seed}{text}", steps=1)
    assert embedder.embedded == ["身份证", "牌子丢了", "A牌子丢了"]


def test_an_index_is_seen_through_its_adapters_too() -> None:
    embedder = LetterEmbedder()
    entries = [make_entry("A", "身份证怎么办"), make_entry("B", "居住证怎么办")]
    maps = identity_adapters(embedder)
    index = build(entries, embedder, adapters=maps)
    question = Question(("身份证",), vectors=embedder.embed(["身份证"]))
    columns = compare(index, question).columns
    assert {name for name in columns if name.endswith("_best")} == {
        "e5_best",
        "use_best",
        "adapted_best",
        "adapted e5_best",
        "adapted use_best",
    }
    half = question.vectors.copy()
    half[:, embedder.parts["e5"]] = 0
    quick = compare(index, Question(("身份证",), vectors=half)).columns
    assert {name for name in quick if name.endswith("_best")} == {"use_best", "adapted use_best"}
