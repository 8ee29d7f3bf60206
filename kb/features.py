"""How well each entry fits a question, seen several ways: the columns that the ranker weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from asr import phonetics
from kb.index import CHARACTER_SIZES, Block, Part, entry_sound_terms, sound_terms
from kb.vectors import Floats, unit
from kb.wording import characters, ngrams, sound_class, without_fillers

Mask = NDArray[np.bool_]

EMBEDDED_VIEWS = ("best", "second", "centroid", "answer")
CHARACTER_VIEWS = ("characters", "entry_characters")
SOUND_VIEWS = ("sounds", "entry_sounds", "near_sounds")


@dataclass(frozen=True, slots=True)
class Question:
    """What was heard, ready to be compared.

    `texts` are hypotheses without fillers, best first (none for syllables alone); `syllables`
    are what the listener heard, toned; `vectors` are the embeddings of the first texts, zero in
    the columns of an encoder that has not been asked.
    """

    texts: tuple[str, ...]
    syllables: tuple[str, ...] = ()
    vectors: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @staticmethod
    def heard(
        text: str, alternatives: Sequence[str] = (), syllables: Sequence[str] = ()
    ) -> Question:
        """From a hypothesis; blanks and repeats among the alternatives are dropped."""
        plain = (without_fillers(t) for t in (text, *alternatives))
        return Question(tuple(dict.fromkeys(t for t in plain if t)), tuple(syllables))

    @property
    def sounds(self) -> list[tuple[str, ...]]:
        """The sound classes of each hypothesis, the listener's last."""
        heard = [phonetics.to_syllables(t) for t in self.texts]
        heard += [self.syllables] if self.syllables else []
        return [tuple(map(sound_class, s)) for s in heard if s]


@dataclass(frozen=True, slots=True)
class Views:
    """Similarities of one question to entries: name → float32 (entries,)."""

    columns: dict[str, Floats]
    gaps: dict[str, tuple[float, float]]
    """Best and second best similarity to a known gap, for the views that have one."""
    length: int
    """Syllables of the best hypothesis: short questions say little."""
    rows: NDArray[np.intp] | None = None
    """Which entries of the index the columns are of, ascending; None: all of them."""
    sample: dict[str, Floats] | None = None
    """The same columns for a fixed sample of all entries, where `rows` are chosen ones."""

    def of(self, name: str, rows: NDArray[np.intp]) -> Floats:
        """A column's values for some of the entries that it is of, given by their positions."""
        at = rows if self.rows is None else np.searchsorted(self.rows, rows)
        return self.columns[name][at]


LATER_ALTERNATIVE = 0.9
"""What a similarity to a hypothesis that is not the first counts, against the first."""


def compare(index: Block, question: Question) -> Views:
    """All views of `question` on all entries of `index`: about 4 ms for 3,000 wordings."""
    return compare_terms(index, Terms.of(question))


@dataclass(frozen=True, slots=True)
class Terms:
    """A question taken to pieces, once for all blocks it is compared with."""

    vectors: Floats
    characters: tuple[str, ...]
    """Each hypothesis as bare characters."""
    sounds: tuple[tuple[str, ...], ...]

    @staticmethod
    def of(question: Question) -> Terms:
        return Terms(
            question.vectors,
            tuple(characters(text) for text in question.texts),
            tuple(question.sounds),
        )


def compare_terms(block: Block, asked: Terms) -> Views:
    """As `compare`."""
    columns: dict[str, Floats] = {}
    gaps: dict[str, tuple[float, float]] = {}
    if asked.characters and len(asked.vectors):
        _add_embedded(block, asked, columns, gaps)
    if asked.characters:
        terms = [ngrams(text, CHARACTER_SIZES) for text in asked.characters]
        columns["characters"] = _best_hypothesis(
            [block.best_of_each(block.by_characters.scores(t)) for t in terms]
        )
        columns["entry_characters"] = _best_hypothesis(
            [block.entries_by_characters.scores(t) for t in terms]
        )
        gaps["characters"] = _two_best(block.gaps_by_characters.scores(terms[0]))
    if asked.sounds:
        terms = [sound_terms(s) for s in asked.sounds]
        columns["sounds"] = _best_hypothesis(
            [block.best_of_each(block.by_sounds.scores(t)) for t in terms]
        )
        columns["entry_sounds"] = _best_hypothesis(
            [block.entries_by_sounds.scores(entry_sound_terms([s])) for s in asked.sounds]
        )
        columns["near_sounds"] = _best_hypothesis([_near(block, s) for s in asked.sounds])
        gaps["sounds"] = _two_best(block.gaps_by_sounds.scores(terms[0]))
    return Views(columns, gaps, len(asked.sounds[0]) if asked.sounds else 0)


def compare_further(block: Block, question: Question, views: Views) -> Views:
    """`views` and those of the encoders that have embedded `question` in addition."""
    columns, gaps = dict(views.columns), dict(views.gaps)
    _add_embedded(block, Terms.of(question), columns, gaps)
    return replace(views, columns=columns, gaps=gaps)


def _add_embedded(
    block: Block, asked: Terms, columns: dict[str, Floats], gaps: dict[str, tuple[float, float]]
) -> None:
    adapters = {adapter.name: adapter for adapter in block.adapters}
    for name, part in block.parts.items():
        if f"{name}_{EMBEDDED_VIEWS[0]}" in columns:
            continue  # compared before
        if name in adapters:
            vectors = adapters[name].apply(asked.vectors, block.slices)
        else:
            vectors = asked.vectors[:, block.slices[name]]
        if not vectors.any():
            continue  # its encoders have not been asked
        rows = unit(vectors)
        for view, scores in _embedded(block, part, rows).items():
            columns[f"{name}_{view}"] = scores
        gaps[f"{name}_best"] = _two_best(part.gaps @ rows[0])


def _two_best(scores: Floats) -> tuple[float, float]:
    """The two highest; not-a-number where there are not two gaps to resemble."""
    if len(scores) < 2:
        return (float("nan"), float("nan"))
    second, best = np.partition(scores, -2)[-2:]
    return float(best), float(second)


def _best_hypothesis(scores: Sequence[Floats]) -> Floats:
    weighted = [s if n == 0 else s * np.float32(LATER_ALTERNATIVE) for n, s in enumerate(scores)]
    best: Floats = np.maximum.reduce(weighted)
    return best


def _embedded(block: Block, part: Part, rows: Floats) -> dict[str, Floats]:
    """Views of one encoder; rows: (hypotheses, d)."""
    views: dict[str, list[Floats]] = {view: [] for view in EMBEDDED_VIEWS}
    centred = unit(rows - part.mean)
    for row, less_mean in zip(rows, centred, strict=True):
        of_wordings = part.similarities(row)
        best = block.best_of_each(of_wordings)
        views["best"].append(best)
        views["second"].append(_second_of_each(block, of_wordings, best))
        views["centroid"].append(part.centroids @ less_mean)
        views["answer"].append(part.answers @ row)
    return {view: _best_hypothesis(columns) for view, columns in views.items()}


def _second_of_each(block: Block, scores: Floats, best: Floats) -> Floats:
    """The second best wording of each entry (its best where it has one wording only)."""
    rest = np.where(scores >= best[block.owners], np.float32(-2), scores)
    second = block.best_of_each(rest)
    return np.where(second <= -2, best, second).astype(np.float32)


def near_wordings(block: Block, sounds: Sequence[str]) -> Floats:
    """Near-exact match of each wording by rapidfuzz on sound classes: (wordings,), 0..1."""
    from rapidfuzz import fuzz, process

    unheard = "\ufffd"
    query = "".join(block.sound_letters.get(s, unheard) for s in sounds)
    ratios = process.cdist([query], block.sound_strings, scorer=fuzz.ratio, dtype=np.float32)
    return np.asarray(ratios[0], np.float32) / np.float32(100)


def _near(block: Block, sounds: Sequence[str]) -> Floats:
    return block.best_of_each(near_wordings(block, sounds))
