"""Learning the adapters of `kb.adapter` from groups of lines that mean the same.

In each step one line of a caller and one of an office are drawn from many groups, and each must
find its partner among all of them (InfoNCE, van den Oord et al. 2018, in both directions). The map
starts as the identity and is held near it, so that what the encoder knows of other subjects stays.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kb.adapter import ADAPTED, Adapter, adapted
from kb.corpus import DATA
from kb.errors import FileNotReadable
from kb.index import Embed, Embedder
from kb.vectors import Floats, unit

Spoil = Callable[[str, str], str]

GROUPS = DATA / "paraphrases.tsv"
SEED = 20221027
STEPS = 600
BATCH = 600
"""Groups in a step; as good as 1,200 (plain cosine's top-1 on the tuning split 74.7 and 73.5 %)."""
LEARNING_RATE = 2e-3
SHARPNESS = 20.0
"""What similarities are multiplied with before the softmax: the inverse of the temperature."""
DROPOUT = 0.1
NEAR_IDENTITY = 1e-3
"""Penalty on the squared distance from the identity."""
_KINDS = {"q": "asked", "v": "asked", "c": "said", "a": "answered"}


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that mean the same.

    `asked` are questions as an office writes them, `said` callers' words, `answered` an answer.
    """

    name: str
    asked: tuple[str, ...]
    said: tuple[str, ...]
    answered: tuple[str, ...]


def read_groups(path: Path = GROUPS) -> tuple[Group, ...]:
    """Tab-separated lines of group, kind (q question, v variant, c caller, a answer) and text.

    Raises:
        FileNotReadable: missing, or a line is wrong; names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileNotReadable(f"{path} cannot be read: {error}.") from error
    found: dict[str, dict[str, list[str]]] = {}
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3 or cells[1] not in _KINDS or not all(cells):
            raise FileNotReadable(
                f"{path.name}, line {number}: a group, one of {', '.join(_KINDS)} and a text are "
                "needed, with tabs between them."
            )
        name, kind, text = cells
        of_kind = found.setdefault(name, {field: [] for field in _KINDS.values()})
        of_kind[_KINDS[kind]].append(text)
    groups = [
        Group(name, *(tuple(of_kind[field]) for field in ("asked", "said", "answered")))
        for name, of_kind in found.items()
    ]
    for group in groups:
        if not (group.asked and group.said):
            raise FileNotReadable(f"{path.name}: group {group.name} lacks questions or callers.")
    return tuple(groups)


def train_adapters(
    groups: Sequence[Group],
    embedder: Embedder,
    embed: Embed | None = None,
    *,
    spoil: Spoil | None = None,
    steps: int = STEPS,
) -> tuple[Adapter, ...]:
    """One adapter for each encoder that is asked alone, and one for all together.

    Args:
        embed: a faster way to embed many texts.
        spoil: (text, seed) → the text as a recogniser might have it; callers then say each line
            so too (plain cosine's top-1 on the tuning split with such errors 56.0 in place of
            51.9 %, without them 75.1 in place of 74.0 %).
    """
    if spoil is not None:
        groups = [
            replace(group, said=(*group.said, *(spoil(text, group.name) for text in group.said)))
            for group in groups
        ]
    texts = [text for group in groups for text in (*group.asked, *group.said)]
    vectors = (embed or embedder.embed)(texts)
    slices = dict(embedder.parts)
    sources: dict[str, tuple[str, ...]] = {adapted(name): (name,) for name in slices}
    if len(slices) > 1:
        sources[ADAPTED] = tuple(slices)
    return tuple(
        _train_one(
            name, groups, np.hstack([unit(vectors[:, slices[n]]) for n in names]), names, steps
        )
        for name, names in sources.items()
    )


def digest_of(groups: Sequence[Group]) -> str:
    """SHA-256 of the lines, for the record."""
    lines = [text for g in groups for text in (*g.asked, *g.said, *g.answered)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _train_one(
    name: str, groups: Sequence[Group], rows: Floats, sources: tuple[str, ...], steps: int
) -> Adapter:
    import torch  # seconds to import

    mean = rows.mean(axis=0)
    centred = torch.from_numpy(rows - mean)
    chance = random.Random(SEED)  # noqa: S311 - a reproducible choice, not a secret
    identity = torch.eye(rows.shape[1])
    matrix = torch.nn.Parameter(identity.clone())
    optimiser = torch.optim.Adam([matrix], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    places = _places(groups)
    partners = torch.arange(min(BATCH, len(groups)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for _ in range(steps):
            few = chance.sample(places, min(BATCH, len(places)))
            drawn = [(chance.choice(asked), chance.choice(said)) for asked, said in few]
            asked, said = (
                _mapped(torch, centred[[pair[side] for pair in drawn]], matrix) for side in (0, 1)
            )
            likeness = SHARPNESS * said @ asked.T
            loss = (
                sum(
                    torch.nn.functional.cross_entropy(scores, partners) / 2
                    for scores in (likeness, likeness.T)
                )
                + NEAR_IDENTITY * ((matrix - identity) ** 2).sum()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return Adapter(name, sources, mean, matrix.detach().numpy())


def _mapped(torch: Any, rows: Any, matrix: Any) -> Any:
    return torch.nn.functional.normalize(torch.dropout(rows, DROPOUT, True) @ matrix, dim=-1)


def _places(groups: Sequence[Group]) -> list[tuple[range, range]]:
    """Where each group's (asked, said) lines are among all."""
    places, at = [], 0
    for group in groups:
        middle = at + len(group.asked)
        end = middle + len(group.said)
        places.append((range(at, middle), range(middle, end)))
        at = end
    return places
