"""Training lines with what callers put around any matter: an opening, where they are, a closing.

The same frames stand around danger and around the most ordinary question, so that a classifier
learns nothing from them: 喂喂，听得到吗 and 我打了好几个电话都没人理 are said of both.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.triage.examples import DATA, Example
from flows.triage.noise import own_chance

FRAMES = DATA / "frames.toml"
SHARE = 0.35
"""Of the lines, framed once each."""
LEAST = 5
"""Characters of a line that is still understood in a frame: 没有 and 好的 are not."""
_OPENING, _HESITATION, _PLACE, _CLOSING = 0.65, 0.3, 0.35, 0.6
"""How often each piece is there."""
_BARE = frozenset({"12345", "neither"})


@dataclass(frozen=True, slots=True)
class Frames:
    """Pieces of talk without a matter, none with closing punctuation."""

    openings: tuple[str, ...]
    hesitations: tuple[str, ...]
    places: tuple[str, ...]
    closings: tuple[str, ...]


def load_frames(path: Path = FRAMES) -> Frames:
    """The frames of a file."""
    read = tomllib.loads(path.read_text("utf-8"))
    return Frames(**{name: tuple(read[name]) for name in Frames.__slots__})


def framed(examples: Sequence[Example], frames: Frames, seed: int) -> list[Example]:
    """A share of the lines in frames, of every route alike; the same for the same line."""
    made = []
    for example in examples:
        chance = own_chance(seed, example)
        if len(example.text) >= LEAST and chance.random() < SHARE:
            made.append(replace(example, text=_in_frame(example.text, frames, chance)))
    return made


def bare(frames: Frames, seed: int) -> list[Example]:
    """Frames around nothing: what is heard before the matter is told."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    alone = [*frames.openings, *frames.places, *frames.closings]
    joined = [
        f"{opening}，{chance.choice((*frames.places, *frames.hesitations))}"
        for opening in frames.openings
    ]
    return [
        Example(text, "neither", _BARE, None, frozenset(), frozenset())
        for text in dict.fromkeys((*alone, *joined))
    ]


def _in_frame(text: str, frames: Frames, chance: random.Random) -> str:
    before = [
        chance.choice(pieces)
        for pieces, often in (
            (frames.openings, _OPENING),
            (frames.hesitations, _HESITATION),
            (frames.places, _PLACE),
        )
        if chance.random() < often
    ]
    after = [chance.choice(frames.closings)] if chance.random() < _CLOSING or not before else []
    return "，".join((*before, text.rstrip("。！？，"), *after))
