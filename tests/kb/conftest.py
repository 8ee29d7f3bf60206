"""A small knowledge base and an embedder that needs no model."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from kb import store
from kb.adapter import ADAPTED, Adapter, adapted
from kb.entry import Entry, Status

TODAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
"""12:00 in Hainan on that day."""


class LetterEmbedder:
    """Texts that share characters lie near each other; counts what it is asked for."""

    def __init__(self) -> None:
        self.parts = {"e5": slice(0, 64), "use": slice(64, 160)}
        self.identity = "letters"
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        rows = np.zeros((len(texts), 160), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for character in text:
                digest = hashlib.sha256(character.encode()).digest()
                row[digest[0] % 64] += 1
                row[64 + digest[1] % 96] += 1
        return rows


def identity_adapters(embedder: LetterEmbedder) -> tuple[Adapter, ...]:
    """Maps that change nothing, under the names of the package's."""
    sources = {adapted(name): (name,) for name in embedder.parts} | {ADAPTED: tuple(embedder.parts)}
    widths = {name: cut.stop - cut.start for name, cut in embedder.parts.items()}
    return tuple(
        Adapter(name, of, np.zeros(d, np.float32), np.eye(d, dtype=np.float32))
        for name, of in sources.items()
        for d in [sum(widths[each] for each in of)]
    )


def make_entry(name: str, question: str, **changes: object) -> Entry:
    fields: dict[str, object] = {
        "id": name,
        "version": 0,
        "category": "测试/分类",
        "department": "测试部门",
        "region": "",
        "question": question,
        "variants": (),
        "answer": f"这是关于{question}的答复。",
        "keywords": (),
        "source": "演示口径",
        "channel": "",
        "valid_from": date(2026, 1, 1),
        "valid_to": date(2026, 12, 31),
        "status": Status.PUBLISHED,
    }
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def publish_all(session: Session, entries: Iterable[Entry], at: datetime = NOON) -> store.Stored:
    """Written by 甲, reviewed by 乙, published at once."""
    return store.import_entries(session, entries, "甲", at=at, reviewed_by="乙", publish=True)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = sa.create_engine("sqlite://")
    store.metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def embedder() -> LetterEmbedder:
    return LetterEmbedder()


@pytest.fixture
def entries() -> list[Entry]:
    return [
        make_entry(
            "a-1", "社保卡丢了怎么补办", variants=("社会保障卡遗失", "社保卡不见了要去哪里补")
        ),
        make_entry("a-2", "身份证到期了怎么换", variants=("身份证过期了怎么办",)),
        make_entry("a-3", "怎么申请公租房", variants=("低收入家庭租政府的房子",)),
        make_entry("h-1", "车管所在哪里", region="460100", variants=("海口车管所地址电话",)),
        make_entry("s-1", "车管所在哪里", region="460200", variants=("三亚车管所地址电话",)),
    ]
