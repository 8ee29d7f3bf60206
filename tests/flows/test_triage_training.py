"""The training data: made reproducibly, free of evaluation lines; the training itself runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from flows.triage import TriageModel, Turn
from flows.triage.examples import GATE, TRAINING, read_examples
from flows.triage.noise import Homophones, misheard_syllables, noisy_copies, prefixes
from flows.triage.phrase_lines import phrase_lines
from flows.triage.phrasebook import load_phrasebook
from flows.triage.training import made_up, train

NEAR_COPY = 90


def test_no_training_or_gate_line_is_a_near_copy_of_a_development_line(shared_dir: Path):
    dev = shared_dir / "data" / "triage" / "dev.jsonl"
    texts = [json.loads(line)["text"] for line in dev.read_text("utf-8").splitlines()]
    ours = read_examples(*TRAINING, GATE)
    near = [
        number
        for number, example in enumerate(ours)
        if process.extractOne(example.text, texts, scorer=fuzz.ratio, score_cutoff=NEAR_COPY)
    ]

    assert near == []


def test_no_training_line_is_a_near_copy_of_a_gate_line():
    gate = [example.text for example in read_examples(GATE)]
    near = [
        example.text
        for example in read_examples(*TRAINING)
        if process.extractOne(example.text, gate, scorer=fuzz.ratio, score_cutoff=NEAR_COPY)
    ]

    assert near == []


def test_made_up_examples_are_the_same_for_the_same_lines():
    written = read_examples(TRAINING[-1])
    book = load_phrasebook()

    assert made_up(written) == made_up(written)
    assert phrase_lines(book, 3) == phrase_lines(book, 3)


def test_noise_keeps_the_sound_and_the_labels():
    import random

    written = read_examples(TRAINING[-1])
    homophones = Homophones(example.text for example in written)
    misheard = homophones.misheard("我家着火了", 1.0, random.Random(1))

    assert misheard != "我家着火了"
    assert {copy.route for copy in noisy_copies(written, 1)} == {e.route for e in written}
    assert misheard_syllables((), 0.5, random.Random(1)) == ()


def test_beginnings_are_made_of_harmless_lines_only():
    written = read_examples(TRAINING[-1])

    assert all("110_now" not in example.accept for example in prefixes(written, 1))


def embed_by_length(texts: list[str]) -> NDArray[np.float32]:
    rows = [[len(text) % 7, len(text) % 3, 1.0, 0.0] for text in texts]
    values = np.array(rows, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_training_writes_weights_that_a_model_can_be_loaded_from(tmp_path: Path):
    small = tmp_path / "small.tsv"
    lines = TRAINING[-1].read_text("utf-8").splitlines()
    small.write_text("\n".join(lines[::2]), "utf-8")
    report = train(
        embed_by_length,  # type: ignore[arg-type]
        folder=tmp_path,
        training=(small,),
        gate=TRAINING[-1],
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
