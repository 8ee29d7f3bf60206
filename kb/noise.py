"""Recognition errors made to order: what a homophone-prone transcriber would have written."""

from __future__ import annotations

import random
from collections.abc import Iterable

from asr import phonetics
from kb.wording import sound_class

REPLACED = 0.15
"""Share of characters replaced by one that sounds alike: about Whisper base at 8 kHz."""
DROPPED = 0.03


class Homophones:
    """Characters by sound, from a corpus of texts.

    `spoil` is a pure function of its arguments, so that noisy evaluations repeat exactly.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        groups: dict[str, set[str]] = {}
        for character in set("".join(texts)):
            spoken = phonetics.to_syllables(character)
            if len(spoken) == 1 and not character.isdigit():
                groups.setdefault(sound_class(spoken[0]), set()).add(character)
        self._alike = {
            character: sorted(group - {character})
            for group in groups.values()
            for character in group
            if len(group) > 1
        }

    def spoil(
        self, text: str, seed: str, *, replaced: float = REPLACED, dropped: float = DROPPED
    ) -> str:
        """`text` with homophone errors and lost characters, as (`text`, `seed`) decide."""
        chance = random.Random(f"{seed}\0{text}")  # noqa: S311 not a secret, must repeat
        out = []
        for character in text:
            roll = chance.random()
            alike = self._alike.get(character)
            if roll < replaced and alike:
                out.append(chance.choice(alike))
            elif roll < 1 - dropped:
                out.append(character)
        return "".join(out) or text
