"""Fitting the classifier: linear in all features, with a hidden layer over the dense ones.

Heng-Tze Cheng et al., "Wide & Deep Learning for Recommender Systems" (2016): n-grams that were
seen are remembered by the linear part, meanings that were not are generalised by the hidden layer.
All heads share it. torch is needed here alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.triage.classifier import DENSE, HEADS, SCALES, VARIANTS, Features, block_sizes
from flows.triage.examples import Example
from flows.triage.features import BUCKETS, Sparse
from flows.triage.sampling import SEED

HIDDEN = 256
"""Units of the hidden layer."""
EPOCHS = 16
BATCH = 256
RATE = 3e-3
"""Highest learning rate; it rises and falls once (one cycle)."""
DECAY, SPARSE_DECAY = 1e-2, 2e-2
DROPPED_INPUT, DROPPED_HIDDEN = 0.1, 0.3
ALSO_WEIGHT = 0.4
"""How much of an example goes to the other routes a fair reviewer would accept."""
HEAD_WEIGHTS = {"route": 1.0, "category": 0.5, "lines": 0.3, "voice": 0.3}

Floats = NDArray[np.float32]


def fit(
    variant: str,
    features: Sequence[Features],
    examples: Sequence[Example],
    weights: NDArray[np.float64],
) -> dict[str, Floats]:
    """The arrays of one variant as `Classifier` reads them; the same for the same input.

    Args:
        weights: how much each example counts.
    """
    dense, sparse = _matrices(variant, features)
    fitted = _network(dense, sparse, _targets(examples), weights)
    first = features[0]
    sizes = block_sizes(len(first.phrases), 0 if first.embedding is None else len(first.embedding))
    return _by_name(variant, fitted, sizes)


def _matrices(variant: str, features: Sequence[Features]) -> tuple[Floats, Any]:
    """Scaled: the dense blocks (examples, numbers) and the hashed ones, sparse."""
    from scipy.sparse import hstack  # type: ignore[import-untyped]

    dense = [
        np.stack([getattr(feature, block) for feature in features]) * np.float32(SCALES[block])
        for block in VARIANTS[variant]
        if block in DENSE
    ]
    hashed = [
        _sparse([getattr(feature, block) for feature in features]) * np.float32(SCALES[block])
        for block in VARIANTS[variant]
        if block not in DENSE
    ]
    return np.hstack(dense).astype(np.float32), hstack(hashed).tocsr()


def _sparse(rows: Sequence[Sparse]) -> Any:
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0] + [len(buckets) for buckets, _ in rows])
    buckets = np.concatenate([buckets for buckets, _ in rows])
    values = np.concatenate([values for _, values in rows])
    return csr_matrix((values, buckets, ends), shape=(len(rows), BUCKETS))


def _targets(examples: Sequence[Example]) -> dict[str, Floats]:
    """By head, a row an example; a category that is not known is a row of zeros."""
    routes = np.zeros((len(examples), len(HEADS["route"])), np.float32)
    for row, example in zip(routes, examples, strict=True):
        others = sorted(example.accept - {example.route})
        row[HEADS["route"].index(example.route)] = 1 - ALSO_WEIGHT if others else 1.0
        for other in others:
            row[HEADS["route"].index(other)] = ALSO_WEIGHT / len(others)
    held = {
        "category": [[str(e.category) == label for label in HEADS["category"]] for e in examples],
        "lines": [[label in e.lines for label in HEADS["lines"]] for e in examples],
        "voice": [[label in e.tags for label in HEADS["voice"]] for e in examples],
    }
    return {"route": routes} | {head: np.array(rows, np.float32) for head, rows in held.items()}


def _network(
    dense: Floats,
    sparse: Any,
    targets: Mapping[str, Floats],
    weights: NDArray[np.float64],
) -> dict[str, Floats]:
    import torch
    from torch.nn import functional as f

    torch.manual_seed(SEED)
    chance = np.random.default_rng(SEED)
    outputs = sum(len(labels) for labels in HEADS.values())
    wide = torch.nn.Linear(dense.shape[1], outputs)
    hashed = torch.nn.EmbeddingBag(sparse.shape[1], outputs, mode="sum")
    torch.nn.init.zeros_(hashed.weight)
    hidden = torch.nn.Linear(dense.shape[1], HIDDEN)
    deep = torch.nn.Linear(HIDDEN, outputs, bias=False)
    layers = torch.nn.ModuleList([wide, hidden, deep])
    steps = EPOCHS * -(-len(dense) // BATCH)
    optimiser = torch.optim.AdamW(
        [
            {"params": layers.parameters(), "weight_decay": DECAY},
            {"params": hashed.parameters(), "weight_decay": SPARSE_DECAY},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps + 1)
    inputs, counts = torch.from_numpy(dense), torch.from_numpy(weights.astype(np.float32))
    wanted = {head: torch.from_numpy(rows) for head, rows in targets.items()}

    def loss(scores: Any, rows: NDArray[np.intp]) -> Any:
        total, start = torch.zeros(len(rows)), 0
        for head, labels in HEADS.items():
            own, truth = scores[:, start : start + len(labels)], wanted[head][rows]
            start += len(labels)
            if head in ("route", "category"):
                wrong = -(truth * f.log_softmax(own, 1)).sum(1)
            else:
                wrong = f.binary_cross_entropy_with_logits(own, truth, reduction="none").sum(1)
            total = total + HEAD_WEIGHTS[head] * wrong
        return (total * counts[rows]).mean()

    for _ in range(EPOCHS):
        order = chance.permutation(len(dense))
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            x, bag = inputs[rows], sparse[rows]
            raised = f.dropout(torch.relu(hidden(f.dropout(x, DROPPED_INPUT))), DROPPED_HIDDEN)
            remembered = hashed(
                torch.from_numpy(bag.indices.astype(np.int64)),
                torch.from_numpy(bag.indptr[:-1].astype(np.int64)),
                per_sample_weights=torch.from_numpy(bag.data),
            )
            optimiser.zero_grad()
            loss(wide(x) + remembered + deep(raised), rows).backward()
            optimiser.step()
            schedule.step()
    arrays = {
        "bias": wide.bias,
        "dense": wide.weight.T,
        "hashed": hashed.weight,
        "hidden": hidden.weight.T,
        "hidden bias": hidden.bias,
        "deep": deep.weight.T,
    }
    return {name: array.detach().numpy().copy() for name, array in arrays.items()}


def _by_name(
    variant: str, fitted: Mapping[str, Floats], sizes: Mapping[str, int]
) -> dict[str, Floats]:
    """Cut up by head and block, as `Classifier` holds them."""
    named = {f"{variant}:hidden:bias": fitted["hidden bias"]}
    ends = np.cumsum([0, *(len(labels) for labels in HEADS.values())])
    columns = dict(zip(HEADS, pairwise(ends.tolist()), strict=True))
    for head, (start, end) in columns.items():
        named[f"{variant}:{head}:bias"] = fitted["bias"][start:end]
        named[f"{variant}:{head}:hidden"] = fitted["deep"][:, start:end]
    begins = {"dense": 0, "hashed": 0}
    for block in VARIANTS[variant]:
        kind = "dense" if block in DENSE else "hashed"
        rows = slice(begins[kind], begins[kind] + sizes[block])
        begins[kind] = rows.stop
        if kind == "dense":
            named[f"{variant}:hidden:{block}"] = fitted["hidden"][rows]
        for head, (start, end) in columns.items():
            named[f"{variant}:{head}:{block}"] = fitted[kind][rows, start:end]
    return named
