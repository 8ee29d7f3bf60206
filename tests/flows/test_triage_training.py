"""The training data: made reproducibly, free of evaluation lines; the training itself runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from flows.triage import TriageModel, Turn
from flows.triage.examples import (
    GATE,
    GATE_FIRST,
    GATE_REPLIES,
    TRAINING,
    Example,
    read_examples,
)
from flows.triage.framed import LEAST, SHARE, bare, framed, load_frames
from flows.triage.noise import (
    Homophones,
    misheard_syllables,
    noisy_copies,
    openings,
    pairs,
    prefixes,
    unpunctuated,
)
from flows.triage.phrase_lines import phrase_lines
from flows.triage.phrasebook import load_phrasebook
from flows.triage.reading import PhraseReader
from flows.triage.training import CRY, made_up, train

FRAMES = load_frames()
NEAR_COPY = 90
SMALL = TRAINING[3]
"""A file with lines of every route."""


def nothing_named(text: str) -> bool:
    """Nothing is named in any text."""
    return False


def test_no_training_or_gate_line_is_a_near_copy_of_a_development_line(shared_dir: Path):
    dev = shared_dir / "data" / "triage" / "dev.jsonl"
    texts = [json.loads(line)["text"] for line in dev.read_text("utf-8").splitlines()]

    assert near_copies(read_examples(*TRAINING, GATE, GATE_FIRST), texts) == []


@pytest.mark.parametrize("gate", [GATE, GATE_FIRST], ids=lambda path: path.name)
def test_no_training_line_is_a_near_copy_of_a_gate_line(gate: Path):
    assert near_copies(read_examples(*TRAINING), texts_of(gate)) == []


def test_no_newer_training_line_is_a_near_copy_of_a_line_of_the_gate_of_short_turns():
    """The files before train_g are older than that gate, whose 着火了 some of them have too."""
    assert near_copies(read_examples(*TRAINING[6:]), texts_of(GATE_REPLIES)) == []


def texts_of(path: Path) -> list[str]:
    return [example.text for example in read_examples(path)]


def near_copies(examples: Sequence[Example], texts: Sequence[str]) -> list[int]:
    """Numbers of the examples, from 0."""
    ours = [example.text for example in examples]
    alike = process.cdist(ours, texts, scorer=fuzz.ratio, score_cutoff=NEAR_COPY, dtype=np.uint8)
    return np.flatnonzero(alike.any(axis=1)).tolist()


def test_made_up_examples_are_the_same_for_the_same_lines():
    written = read_examples(SMALL)
    book = load_phrasebook()

    assert made_up(written, nothing_named) == made_up(written, nothing_named)
    assert phrase_lines(book, 3) == phrase_lines(book, 3)


def test_noise_keeps_the_sound_and_the_labels():
    import random

    written = read_examples(SMALL)
    homophones = Homophones(example.text for example in written)
    misheard = homophones.misheard("我家着火了", 1.0, random.Random(1))

    assert misheard != "我家着火了"
    assert {copy.route for copy in noisy_copies(written, 1)} == {e.route for e in written}
    assert misheard_syllables((), 0.5, random.Random(1)) == ()


def test_beginnings_are_made_of_harmless_lines_only():
    written = read_examples(*TRAINING[:1])
    begun = prefixes(written, 1, nothing_named) + openings(written, 1, nothing_named)

    assert begun
    assert all(not example.accept & {"110", "110_now"} for example in begun)


def test_a_beginning_in_which_danger_is_named_is_not_taught_as_harmless():
    written = read_examples(*TRAINING[:1])

    assert all("火" not in e.text for e in openings(written, 1, lambda text: "火" in text))


def test_two_lines_said_in_one_breath_are_danger_if_one_of_them_is():
    written = read_examples(SMALL)
    told = [e.text for e in written if e.accept == {"110_now"}]
    made = pairs(written, 60, 1)

    assert {e.route for e in made} >= {"110_now", "12345"}
    for example in made:
        named = any(text in example.text or unpunctuated(text) in example.text for text in told)
        assert (example.route == "110_now") == named
    assert any("。" not in example.text for example in made)


def embed_by_length(texts: list[str]) -> NDArray[np.float32]:
    rows = [[len(text) % 7, len(text) % 3, 1.0, 0.0] for text in texts]
    values = np.array(rows, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_training_writes_weights_that_a_model_can_be_loaded_from(tmp_path: Path):
    small = tmp_path / "small.tsv"
    lines = SMALL.read_text("utf-8").splitlines()
    small.write_text("\n".join(lines[::2]), "utf-8")
    report = train(
        embed_by_length,  # type: ignore[arg-type]
        folder=tmp_path,
        training=(small,),
        recognised=(),
        gate=SMALL,
        conversations=50,
    )
    model = TriageModel.load(tmp_path)

    assert report.weights_bytes < 4_000_000
    assert report.gate["gate_lines"] == len(lines)
    assert model.assess([Turn("caller", "着火了快来人")], {}).route == "110_now"


def test_a_wrong_training_file_is_named(tmp_path: Path):
    from flows.triage.errors import ExampleError

    bad = tmp_path / "bad.tsv"
    bad.write_text("north\t\t\t\t\t喂", "utf-8")
    with pytest.raises(ExampleError, match=r"bad\.tsv, line 1"):
        train(embed_by_length, folder=tmp_path, training=(bad,))  # type: ignore[arg-type]


def test_lines_of_every_route_stand_in_the_same_frames():
    written = read_examples(SMALL)

    made = framed(written, FRAMES, 3)

    assert framed(written, FRAMES, 3) == made
    assert {e.route for e in made} == {e.route for e in written}
    long = sum(len(e.text) >= LEAST for e in written)
    assert 0.7 * SHARE * long < len(made) < 1.3 * SHARE * long


def test_a_framed_line_keeps_its_words_and_its_labels():
    written = {e.text.rstrip("。！？，"): e for e in read_examples(SMALL)}

    for example in framed(tuple(written.values()), FRAMES, 3):
        text = max((text for text in written if text in example.text), key=len)
        assert example.text != text
        assert written[text].accept == example.accept


def test_a_frame_of_any_line_is_the_same_when_lines_are_added():
    written = read_examples(SMALL)

    assert set(framed(written[:50], FRAMES, 3)) <= set(framed(written, FRAMES, 3))


def test_bare_frames_are_lines_without_a_matter():
    lines = bare(FRAMES, 3)

    assert {e.text for e in lines} >= {*FRAMES.openings, *FRAMES.places, *FRAMES.closings}
    assert all(e.accept == {"12345", "neither"} for e in lines)


def test_no_frame_is_a_cry():
    reader = PhraseReader(load_phrasebook())

    for piece in (*FRAMES.openings, *FRAMES.places, *FRAMES.closings, *FRAMES.hesitations):
        assert not reader.read(Turn("caller", piece)).named("danger", least=CRY), piece
