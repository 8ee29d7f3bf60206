"""A Whisper for Mandarin alone: the model's folder with the tokens of other scripts left out.

Of the 51,865 tokens of the multilingual vocabulary 1,934 can stand in Chinese text. A step of the
decoder multiplies with all of them, half of its arithmetic and most of the memory that it reads;
without the others it chooses between the same Chinese tokens at half the cost. English needs its
whole words: it is decoded by the whole model.

The file is CTranslate2's binary model, version 6 (``ctranslate2/specs/model_spec.py``).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from asr.errors import ModelBroken

Ids = npt.NDArray[np.int64]

KEPT = "kept_tokens.json"
"""In the folder made: the ids that the tokens had, by the ids that they have."""

_VERSION = 6
_BY_TOKEN = ("decoder/embeddings/weight", "decoder/projection/weight", "decoder/projection/bias")
_LATIN_PIECE = 2
"""Longest run of Latin letters or digits kept as one token; APP is then two of them."""
_CHINESE = re.compile(
    rb"^ ?[\x80-\xbf]{0,2}"  # the end of a character that another token begins
    rb"(?:[\xe4-\xe9][\x80-\xbf]{2}|\xe3\x80[\x80-\xbf]|\xef[\xbc\xbd][\x80-\xbf])*"
    rb"(?:[\xe4-\xe9][\x80-\xbf]?|\xe3\x80?|\xef[\xbc\xbd]?)?$"
)
_TIMESTAMP = re.compile(r"^<\|\d+\.\d\d\|>$")


def mandarin_only(folder: Path, cache: Path | None = None) -> Path | None:
    """The folder of the smaller model, made now if it is not there; a second for Whisper base.

    Args:
        folder: a multilingual Whisper for CTranslate2.
        cache: where it is kept; beside `folder` unless given.

    Returns:
        None where it cannot be made: it is one already, the vocabulary is not Whisper's
        multilingual one, the model file is of another version, or nothing can be written there.
        The whole model does as well.
    """
    try:
        if (folder / KEPT).exists():  # it is such a folder itself
            return None
        made = (cache or folder.parent) / f".{folder.name}.mandarin-{_identity(folder)}"
        if made.is_dir():
            return made
        tokens = json.loads((folder / "vocabulary.json").read_text("utf-8"))
        kept = _kept(tokens)
        if kept is None:
            return None
        _make(folder, made, tokens, kept)
    except (OSError, ValueError, ModelBroken):
        return None
    return made


def kept_tokens(folder: Path) -> Ids | None:
    """Of a folder that `mandarin_only` made: (tokens,) the ids in the whole vocabulary."""
    path = folder / KEPT
    return np.array(json.loads(path.read_text()), np.int64) if path.is_file() else None


def _identity(folder: Path) -> str:
    """Changes with the model's file and with what is kept of it."""
    state = (folder / "model.bin").stat()
    told = f"{state.st_size} {state.st_mtime_ns} {_LATIN_PIECE} {_CHINESE.pattern!r}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _kept(tokens: Sequence[str]) -> list[int] | None:
    """Ids of the tokens that Mandarin needs; the marks of time are not asked for."""
    if "<|zh|>" not in tokens or "<|endoftext|>" not in tokens:
        return None
    alphabet = _bytes_of_characters()
    first_mark = tokens.index("<|endoftext|>")
    return [
        number
        for number, token in enumerate(tokens)
        if (number >= first_mark and not _TIMESTAMP.match(token))
        or (number < first_mark and _is_mandarin(bytes(alphabet[c] for c in token)))
    ]


def _is_mandarin(token: bytes) -> bool:
    if token.isascii():
        return len(token.strip()) <= _LATIN_PIECE
    return len(token) == 1 or _CHINESE.match(token) is not None


def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's alphabet: every byte as a printable character (openai/gpt-2, encoder.py)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {
        chr(256 + number): byte for number, byte in enumerate(hidden)
    }


def _make(folder: Path, made: Path, tokens: Sequence[str], kept: Sequence[int]) -> None:
    """All at once, or not at all."""
    building = Path(tempfile.mkdtemp(prefix=f"{made.name}-", dir=made.parent))
    try:
        with (folder / "model.bin").open("rb") as whole, (building / "model.bin").open("wb") as new:
            _without_rows(whole, new, len(tokens), np.array(kept))
        numbers = {old: new_id for new_id, old in enumerate(kept)}
        config = json.loads((folder / "config.json").read_text("utf-8"))
        for name in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
            config[name] = [numbers[i] for i in config.get(name, ()) if i in numbers]
        (building / "config.json").write_text(json.dumps(config))
        (building / "vocabulary.json").write_text(json.dumps([tokens[i] for i in kept]))
        (building / KEPT).write_text(json.dumps(list(kept)))
        for name in ("tokenizer.json", "preprocessor_config.json"):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, building / name)
        building.chmod(0o755)
        _put(building, made)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _put(building: Path, made: Path) -> None:
    try:
        building.rename(made)
    except OSError:
        if not made.is_dir():  # else another process was quicker
            raise


def _without_rows(whole: BinaryIO, new: BinaryIO, size: int, kept: Ids) -> None:
    """Copies a model; of its matrices with a row for each of `size` tokens only the rows `kept`.

    Raises:
        ModelBroken: it is no model file of this version.
    """
    copy = _Copy(whole, new)
    if copy.number("I") != _VERSION:
        raise ModelBroken(f"The model file is not of CTranslate2's version {_VERSION}.")
    copy.text()
    copy.number("I")  # the specification's revision
    for _ in range(copy.number("I")):
        name = copy.text()
        shape = [copy.number("I", write=False) for _ in range(copy.number("B"))]
        by_token = name.startswith(_BY_TOKEN) and shape[:1] == [size]
        copy.write("I", *([len(kept), *shape[1:]] if by_token else shape))
        copy.number("B")  # the type of number
        length = copy.number("I", write=False)
        if by_token:
            rows = np.frombuffer(copy.read(length), np.uint8).reshape(size, -1)[kept]
            copy.write("I", rows.size)
            new.write(rows.tobytes())
        else:
            copy.write("I", length)
            new.write(copy.read(length))
    for _ in range(2 * copy.number("I")):  # each alias and what it stands for
        copy.text()


class _Copy:
    """Reads little-endian numbers and texts, and writes them as they are."""

    def __init__(self, whole: BinaryIO, new: BinaryIO) -> None:
        self._whole, self._new = whole, new

    def read(self, length: int) -> bytes:
        data = self._whole.read(length)
        if len(data) != length:
            raise ModelBroken("The model file ends too early.")
        return data

    def number(self, kind: str, *, write: bool = True) -> int:
        data = self.read(struct.calcsize(kind))
        if write:
            self._new.write(data)
        return int(struct.unpack("<" + kind, data)[0])

    def text(self) -> str:
        data = self.read(self.number("H"))
        self._new.write(data)
        return data.rstrip(b"\0").decode()

    def write(self, kind: str, *numbers: int) -> None:
        self._new.write(struct.pack(f"<{len(numbers)}{kind}", *numbers))
