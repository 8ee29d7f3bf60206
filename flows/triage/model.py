"""The triage model: an immutable value that turns a conversation into an assessment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows import jurisdiction
from flows.triage.assessment import Assessment, Turn
from flows.triage.calibration import BRIEF, Calibration
from flows.triage.classifier import Classifier, Features
from flows.triage.examples import DATA
from flows.triage.features import Sparse, mixture, sound, text_syllables, wording
from flows.triage.fusion import fuse, nothing_heard
from flows.triage.heard import Heard, mere_answer
from flows.triage.phrasebook import TABLE, load_phrasebook
from flows.triage.reading import PhraseReader, Reading

LONGEST_TEXT = 400
"""Characters of a conversation that are embedded: the last ones."""
_OTHER_WORDING = 0.3
"""How much of the wording is the transcriber's alternatives."""
_LISTENERS_SOUND = 0.4
"""How much of the sound is the listener's, where there is a text too."""

Embeddings = Mapping[str, NDArray[np.float32]]


AHEAD = 3
"""Syllables that the listener must have heard beyond what is written."""


class TriageModel:
    """Phrases, classifier and thresholds; `assess` is pure and quick (a few milliseconds)."""

    def __init__(
        self, reader: PhraseReader, classifier: Classifier, calibration: Calibration
    ) -> None:
        self._reader, self._classifier, self.calibration = reader, classifier, calibration
        self._blocks = lru_cache(maxsize=2048)(_blocks)

    @classmethod
    def load(cls, folder: Path | None = None) -> TriageModel:
        """The model stored in `folder`, by default the one that comes with the package.

        Raises:
            PhraseError, WeightsError: a file is missing or wrong; says which and what to do.
        """
        folder = folder or DATA
        own = folder / TABLE.name
        reader = PhraseReader(load_phrasebook(own if own.exists() else TABLE))
        classifier = Classifier.load(folder / "classifier.npz", reader.names)
        return cls(reader, classifier, Calibration.load(folder / "calibration.json"))

    def texts(self, turns: Sequence[Turn]) -> tuple[str, ...]:
        """The texts whose embeddings `assess` can use: each of the caller's turns and all of
        them together. Old ones repeat from call to call, so that a cache serves them."""
        said = [turn for turn in turns if turn.side == "caller" and turn.text.strip()]
        texts = [_clipped(turn.text) for turn in said]
        matter = self._matter(said)
        if len(matter) > 1:
            texts.append(_together(matter))
        return tuple(dict.fromkeys(texts))

    def assess(self, turns: Sequence[Turn], embeddings: Embeddings) -> Assessment:
        """What the caller's words mean so far. Never raises.

        Args:
            turns: the conversation in order; the bot's turns are passed over.
            embeddings: text → float32 (d,), for as many of `texts(turns)` as there are.
        """
        said = [
            (index, turn)
            for index, turn in enumerate(turns)
            if turn.side == "caller" and (turn.text.strip() or turn.syllables)
        ]
        if not said:
            return nothing_heard()
        heard = [self._hear(index, turn, embeddings) for index, turn in said]
        heard[-1] = self._newest_words(*said[-1], heard[-1])
        together = heard[-1]
        if len(heard) > 1:
            together = self._hear_together([turn for _, turn in said], heard, embeddings)
        places = [jurisdiction.resolve(turn.text, turn.syllables) for _, turn in said]
        region = next((place.code for place in reversed(places) if place is not None), None)
        return fuse(heard, together, self.calibration, region)

    def hear(self, turn: Turn, embeddings: Embeddings) -> Heard:
        """One turn by itself, before the conversation and its thresholds; for explanations."""
        return self._hear(0, turn, embeddings)

    def variant(self, turn: Turn, embeddings: Embeddings) -> str:
        """Which variant of the classifier judges a turn (`VARIANTS`)."""
        if not turn.text.strip():
            return "sound"
        return "plain" if self._embedding(_clipped(turn.text), embeddings) is None else "full"

    def _newest_words(self, index: int, turn: Turn, heard: Heard) -> Heard:
        """The turn by sound alone, where that ear is ahead and hears plainer danger.

        The listener is a second ahead of the transcriber; words of danger that are not
        written yet must not wait for it.
        """
        written = sum(1 for character in turn.text if "一" <= character <= "鿿")
        if not turn.text.strip() or len(turn.syllables) < written + AHEAD:
            return heard
        alone = self._hear(index, replace(turn, text="", alternatives=()), {})
        named = alone.reading.named("danger", least=0.0)
        return alone if named and alone.odds > heard.odds else heard

    def _matter(self, turns: Sequence[Turn]) -> list[Turn]:
        """The turns that are read together: without mere answers; the written ones, if any.

        A text and another turn's sound would not be one conversation.
        """
        told = [t for t in turns if not mere_answer(t, self._reader.read(t))] or list(turns)
        return [turn for turn in told if turn.text.strip()] or told

    def _hear(self, index: int, turn: Turn, embeddings: Embeddings) -> Heard:
        reading = self._reader.read(turn)
        wording_, sound_ = self._blocks(turn)
        embedding = self._embedding(_clipped(turn.text), embeddings)
        features = Features(reading.features, sound_, wording_, embedding)
        return self._scored(index, reading, features, mere_answer(turn, reading))

    def _hear_together(
        self, turns: Sequence[Turn], heard: Sequence[Heard], embeddings: Embeddings
    ) -> Heard:
        """The conversation as one turn; its phrases are those of its turns."""
        matter = self._matter(turns)
        parts = [one for one, turn in zip(heard, turns, strict=True) if turn in matter]
        if len(parts) == 1:
            return parts[0]
        text = _together([turn for turn in matter if turn.text.strip()])
        syllables: tuple[str, ...] = ()
        if any(turn.syllables for turn in matter):
            syllables = tuple(s for t in matter for s in t.syllables or text_syllables(t.text))
        wording_, sound_ = self._blocks(Turn("caller", text, (), syllables))
        phrases = np.maximum.reduce([one.reading.features for one in parts])
        features = Features(phrases, sound_, wording_, self._embedding(text, embeddings))
        return self._scored(-1, heard[-1].reading, features)

    def _embedding(self, text: str, embeddings: Embeddings) -> NDArray[np.float32] | None:
        """None too where the embedder was another than in training: phrases go on alone."""
        found = embeddings.get(text)
        if found is None or found.shape != (self._classifier.embedding_size,):
            return None
        return found

    def _scored(
        self, index: int, reading: Reading, features: Features, answer: bool = False
    ) -> Heard:
        brief = index >= 0 and reading.length <= BRIEF
        spread = self.calibration.probabilities(
            features.variant, self._classifier.scores(features, "route"), brief=brief
        )
        scores = partial(self._classifier.scores, features)
        return Heard(index, reading, spread, scores, answer)


def _blocks(turn: Turn) -> tuple[Sparse | None, Sparse]:
    """Wording and sound over everything that was heard of a turn."""
    if not turn.text.strip():
        return None, sound(turn.syllables)
    written = wording(turn.text)
    others = [wording(other) for other in turn.alternatives if other.strip()]
    if others:
        share = _OTHER_WORDING / len(others)
        written = mixture([(1 - _OTHER_WORDING, written), *((share, other) for other in others)])
    spoken = sound(text_syllables(turn.text))
    if turn.syllables:
        spoken = mixture(
            [(1 - _LISTENERS_SOUND, spoken), (_LISTENERS_SOUND, sound(turn.syllables))]
        )
    return written, spoken


def _clipped(text: str) -> str:
    return text[-LONGEST_TEXT:]


def _together(turns: Sequence[Turn]) -> str:
    return _clipped("。".join(turn.text for turn in turns))
