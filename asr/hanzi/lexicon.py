"""The words that syllables can be, by sound, and what each word and pair of words costs.

All costs are negative natural logarithms of probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.confusion import Codes, encode

STANDARD = Path(__file__).with_name("data") / "lexicon.npz"

COST_STEP = 1 / 512
"""What a unit of the integers costs as which costs are stored."""

_MOST_WORDS = 1 << 20
_FIRST_SOUND = 0x100


@dataclass(frozen=True, slots=True)
class Stored:
    """A lexicon as arrays, as it lies on disk.

    Args:
        sounds: (s,) toneless syllables; in keys the i-th is the character ``chr(0x100 + i)``.
        keys: (k,) readings of words without tones, and every beginning of one.
        first: (k + 1,) where the entries of each key begin.
        entries: (e,) the word that has this reading, the commonest of a key first.
        tones: (e,) its tones, the digit of the first syllable the least significant of base 8.
        rarity: (e,) cost of the word being read so.
        words: (w,) in hanzi.
        cost: (w,) of the word by itself.
        others: (w,) cost of a word that was never counted after this one, beside its own cost.
        pairs: (p,) of first · 2^20 + second word, ascending.
        pair_cost: (p,) of the second after the first.
    """

    sounds: list[str]
    keys: list[str]
    first: npt.NDArray[np.int32]
    entries: npt.NDArray[np.int32]
    tones: npt.NDArray[np.int32]
    rarity: npt.NDArray[np.uint16]
    words: list[str]
    cost: npt.NDArray[np.uint16]
    others: npt.NDArray[np.uint16]
    pairs: npt.NDArray[np.int64]
    pair_cost: npt.NDArray[np.uint16]

    def save(self, path: Path) -> None:
        """Write a compressed npz; text is kept as UTF-8."""
        np.savez_compressed(
            path, sounds=_bytes(self.sounds), keys=_bytes(self.keys), words=_bytes(self.words),
            first=np.diff(self.first).astype(np.uint16), entries=self.entries, tones=self.tones,
            rarity=self.rarity, cost=self.cost, others=self.others,
            pairs=np.diff(self.pairs, prepend=0), pair_cost=self.pair_cost,
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Stored:
        """Read what `save` wrote. About 0.1 s."""
        with np.load(path) as data:
            return cls(
                _texts(data["sounds"]), _texts(data["keys"]),
                np.concatenate([[0], np.cumsum(data["first"])]).astype(np.int32),
                data["entries"], data["tones"], data["rarity"], _texts(data["words"]),
                data["cost"], data["others"], np.cumsum(data["pairs"]), data["pair_cost"],
            )  # fmt: skip


class Lexicon:
    """A lexicon ready to decode with; shared by all calls and threads."""

    def __init__(self, stored: Stored) -> None:
        self.words = stored.words
        self.cost: list[float] = (stored.cost * COST_STEP).tolist()
        self.others: list[float] = (stored.others * COST_STEP).tolist()
        self.sounds: Codes = encode(stored.sounds)
        """(s, 3), in the order of the characters that `sound` gives."""
        self.longest = max(map(len, stored.keys), default=1)
        self._keys = dict(zip(stored.keys, range(len(stored.keys)), strict=True))
        self._first: list[int] = stored.first.tolist()
        self._entries: list[int] = stored.entries.tolist()
        self._tones: list[int] = stored.tones.tolist()
        self._rarity: list[float] = (stored.rarity * COST_STEP).tolist()
        self._read: dict[str, list[tuple[int, int, float, float]]] = {}
        self.pairs: dict[int, float] = dict(
            zip(stored.pairs.tolist(), (stored.pair_cost * COST_STEP).tolist(), strict=True)
        )
        """By `pair` of two words: the cost of the second after the first."""

    def __contains__(self, key: str) -> bool:
        """Whether a word has this reading or one that begins so."""
        return key in self._keys

    def read_as(self, key: str) -> list[tuple[int, int, float, float]]:
        """The words with a reading, the commonest first.

        Returns:
            (word, tones in base 8, cost of being read so, cost of the word by itself) of each.
        """
        known = self._read.get(key)
        if known is None:
            at = self._keys[key]
            which = range(self._first[at], self._first[at + 1])
            known = self._read[key] = [
                (word, self._tones[i], self._rarity[i], self.cost[word])
                for i in which
                for word in (self._entries[i],)
            ]
        return known


def pair(first: int, second: int) -> int:
    """Two words as one number."""
    return first * _MOST_WORDS + second


def sound(index: int) -> str:
    """The character that stands for the syllable ``Stored.sounds[index]`` in keys."""
    return chr(_FIRST_SOUND + index)


@cache
def standard() -> Lexicon:
    """The lexicon that comes with the project. Loaded once, in about 0.2 s."""
    return Lexicon(Stored.load(STANDARD))


def _bytes(texts: list[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _texts(data: npt.NDArray[np.uint8]) -> list[str]:
    return data.tobytes().decode().split("\n")
