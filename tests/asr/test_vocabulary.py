"""Whisper with Mandarin's tokens alone: what is made of a model's folder, and what it writes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asr.hypothesis import Pcm
from asr.vocabulary import kept_tokens, mandarin_only
from asr.whisper import WhisperTranscriber
from asr.whisper_model import WhisperModel

Load = Callable[[str], Pcm]
SENTENCES = (
    "我家在龙昆南路，水管爆裂了，麻烦派人来看一下。",
    "喂，儋州那大镇，吉屋出租，電話是13800000000。",
    "我的APP登不上去，WiFi也没有，密码是abc123。",
)


RECORDINGS = ("aishell1_s0150/BAC009S0150W0141.wav", "aishell1_s0150/BAC009S0150W0001.wav")


def opened(folder: Path) -> WhisperModel:
    return WhisperModel(folder, threads=1, workers=1, compute_type="int8", punctuation=True)


@pytest.fixture(scope="module")
def whisper_dir(models_dir: Path) -> Path:
    return models_dir / "whisper-base"


@pytest.fixture(scope="module")
def made(whisper_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = mandarin_only(whisper_dir, tmp_path_factory.mktemp("models"))
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def smaller(made: Path) -> WhisperModel:
    return opened(made)


def test_the_smaller_vocabulary_keeps_every_row_of_what_it_keeps(
    whisper_dir: Path, made: Path
) -> None:
    kept = kept_tokens(made)
    assert kept is not None
    whole = json.loads((whisper_dir / "vocabulary.json").read_text("utf-8"))
    assert json.loads((made / "vocabulary.json").read_text("utf-8")) == [whole[i] for i in kept]
    assert len(kept) < len(whole) / 8
    saved = (whisper_dir / "model.bin").stat().st_size - (made / "model.bin").stat().st_size
    assert saved % (len(whole) - len(kept)) == 0  # nothing but whole rows


def test_chinese_is_spelt_by_the_same_tokens_as_before(
    whisper_dir: Path, smaller: WhisperModel
) -> None:
    sentence = SENTENCES[0]
    assert len(smaller.tokens(sentence)) == len(opened(whisper_dir).tokens(sentence))
    assert smaller.text(smaller.tokens(sentence)) == sentence


@pytest.mark.parametrize("character", sorted(set("".join(SENTENCES))))
def test_every_character_that_may_stand_in_chinese_text_can_be_written(
    character: str, smaller: WhisperModel
) -> None:
    assert smaller.text(smaller.tokens(character)) == character


@pytest.mark.parametrize("recording", RECORDINGS)
def test_it_hears_what_the_whole_vocabulary_hears(
    whisper: WhisperTranscriber,
    whisper_dir: Path,
    utterance: Load,
    monkeypatch: pytest.MonkeyPatch,
    recording: str,
) -> None:
    monkeypatch.setattr("asr.whisper.mandarin_only", lambda folder: None)
    whole = WhisperTranscriber(whisper_dir)
    assert whole._model.suppressed != whisper._model.suppressed
    pcm = utterance(recording)
    assert whisper.transcribe(pcm).text == whole.transcribe(pcm).text


def test_the_folder_is_made_once_and_again_when_the_model_has_changed(
    whisper_dir: Path, tmp_path: Path
) -> None:
    model = tmp_path / "base"
    shutil.copytree(whisper_dir, model)
    first = mandarin_only(model)
    assert first is not None
    assert first.parent == tmp_path
    stamp = (first / "model.bin").stat().st_mtime_ns
    assert mandarin_only(model) == first
    assert (first / "model.bin").stat().st_mtime_ns == stamp
    with (model / "model.bin").open("ab") as file:
        file.write(b"\0")
    assert mandarin_only(model) not in (first, None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "vocabulary.json").unlink(),
        lambda folder: (folder / "vocabulary.json").write_text('["a", "b"]'),
        lambda folder: (folder / "vocabulary.json").write_text("no list"),
        lambda folder: (folder / "model.bin").write_bytes(b"\x05\0\0\0"),
        lambda folder: (folder / "model.bin").write_bytes(b""),
        lambda folder: (folder / "model.bin").write_bytes(np.full(9, 6, np.uint32).tobytes()),
    ],
)
def test_a_folder_of_another_kind_is_left_as_it_is(
    whisper_dir: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    model = tmp_path / "models" / "base"
    model.mkdir(parents=True)
    for name in ("config.json", "vocabulary.json", "tokenizer.json"):
        shutil.copyfile(whisper_dir / name, model / name)
    (model / "model.bin").write_bytes((whisper_dir / "model.bin").read_bytes()[:5000])
    spoil(model)
    assert mandarin_only(model) is None
    assert [path.name for path in model.parent.iterdir()] == ["base"]


def test_a_smaller_model_is_not_cut_again(made: Path, smaller: WhisperModel) -> None:
    assert mandarin_only(made) is None
    assert WhisperTranscriber(made)._model.prompt("zh") == smaller.prompt("zh")


def test_where_nothing_can_be_written_the_whole_model_serves(
    whisper_dir: Path, tmp_path: Path
) -> None:
    assert mandarin_only(whisper_dir, tmp_path / "not there") is None
