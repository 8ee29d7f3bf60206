"""Proposals of a department for tickets (自助派单, R21), with the models that calls share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.dispatch import DispatchError, DispatchModel, Proposal, Rule, propose
from flows.dispatch.duties import Catalogue
from flows.dispatch.lines import Line
from voicebot.errors import VoicebotError
from voicebot.tickets.tables import DispatchRuleRow

if TYPE_CHECKING:
    from kb.entry import Entry
    from voicebot.embedder import SentenceEmbedder, Vectors

log = structlog.get_logger()


def load_dispatch() -> DispatchModel | None:
    """The model; None, with a line in the log, where there is none: people dispatch then."""
    try:
        return DispatchModel.load()
    except DispatchError as error:
        log.error("dispatch_missing", reason=str(error))
        return None


def quick_vectors(embedder: SentenceEmbedder, texts: Sequence[str]) -> Vectors:
    """Embeddings by the quickest encoder alone, rows of length 1: a ticket waits for no other."""
    name = embedder.quickest
    rows = embedder.embed_parts(list(texts), {name})[:, embedder.parts[name]]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), np.float32)


def proposal(
    model: DispatchModel,
    embedder: SentenceEmbedder,
    matter: str,
    region: str | None,
    rules: Sequence[Rule] = (),
) -> Proposal:
    """The department for a matter; by its words alone where it cannot be embedded. Some ms."""
    vector = None
    try:
        vector = quick_vectors(embedder, [matter])[0]
        if len(vector) != model.embedding_size:
            vector = None  # another encoder is configured than the one it was trained with
    except VoicebotError as error:
        log.warning("dispatch_by_words", reason=error.code)
    return propose(model, matter, vector, region, rules)


def decided_rules(session: Session) -> tuple[Rule, ...]:
    """What 会商 have decided and not taken back, the newest first."""
    rows = session.scalars(
        select(DispatchRuleRow)
        .where(DispatchRuleRow.withdrawn_at.is_(None))
        .order_by(DispatchRuleRow.decided_at.desc(), DispatchRuleRow.id.desc())
    )
    return tuple(Rule(tuple(row.words), row.department, row.region, row.source) for row in rows)


def knowledge_lines(entries: Sequence[Entry], catalogue: Catalogue) -> list[list[Line]]:
    """The knowledge base's questions by entry, where its department is one of the catalogue."""
    keyed = ((catalogue.by_alias(entry.department), entry) for entry in entries)
    return [[Line(key, words) for words in entry.wordings] for key, entry in keyed if key]
