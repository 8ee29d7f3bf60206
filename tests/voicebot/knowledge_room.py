"""A service that takes up publications as the real one does, for tests of the knowledge desk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from asr.hypothesis import Hypothesis
from asr.pool import DecodePool
from kb import store
from kb.entry import Entry
from tests.flows.scripted_call import SCRIPTED_TRIAGE
from tests.voicebot.kb_commands import CorpusLetters
from tests.voicebot.test_answer_audio import FakeVoice
from tests.voicebot.test_web import _opened, _Service
from voicebot import knowledge_following
from voicebot.call.audio_library import AudioLibrary, audio_folder
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.knowledge import KnowledgeBase
from voicebot.records.database import open_engine
from voicebot.web.api import create_app

FIELDS: dict[str, Any] = {
    "question": "路灯坏了找谁修",
    "variants": ["路灯不亮了", "小区门口的路灯坏了谁来修"],
    "answer": "请把路灯杆上的编号告诉市政，七天内修好。",
    "department": "市政管理局",
    "category": "城市管理/路灯",
    "valid_from": "2026-01-01",
    "valid_to": "2099-12-31",
}


class Letters(CorpusLetters):
    """Never asked to keep on disk what callers said."""

    kept_from_disk = frozenset({"井盖丢了找谁"})

    def embed_corpus(self, texts: Any, **_: Any) -> Any:
        assert not self.kept_from_disk & set(texts)
        return super().embed_corpus(texts)


class Hearing:
    """A recogniser that hears one sentence, whatever is said; silence is nothing."""

    name = "hearing"

    def __init__(self, text: str) -> None:
        self.text, self.heard = text, 0.0

    def stream(self) -> Any:
        return self

    def feed(self, pcm: Any) -> None:
        self.heard = max(self.heard, float(np.abs(pcm).max()))

    def decode(self, final: bool = False) -> Hypothesis:
        return Hypothesis("hearing", self.text if self.heard > 0.01 else "", final=final)


@dataclass
class Room:
    """The endpoints, and whoever asks: ``room.as_("editor", "甲")`` gives his headers."""

    client: TestClient
    service: _Service
    settings: Settings

    def as_(self, role: str, name: str = "") -> dict[str, str]:
        token = self.service.records.tokens.create(role, name or role)
        return {"Authorization": f"Bearer {token}"}

    def published(self, name: str, who: dict[str, str]) -> dict[str, Any]:
        """Publish what is approved of an entry, and wait until calls search in it."""
        path, asked = "/v1/knowledge/publications", {"entries": [name]}
        begun = self.client.post(path, json=asked, headers=who)
        assert begun.status_code == 202, begun.text
        return self.over(begun.json()["id"], who)

    def over(self, publication: str, who: dict[str, str]) -> dict[str, Any]:
        while True:
            told = self.client.get(f"/v1/knowledge/publications/{publication}", headers=who).json()
            if told["state"] in ("done", "failed"):
                return cast("dict[str, Any]", told)

    def audited(self, action: str, who: str) -> list[str]:
        """The subjects of a person's acts of this kind."""
        told = self.client.get(
            "/v1/audit", params={"who": who, "action": action}, headers=self.as_("auditor")
        ).json()
        return [act["subject"] for act in told["acts"] if act["allowed"]]


@contextmanager
def opened(settings: Settings, *entries: Entry, at: datetime | None = None) -> Iterator[Room]:
    """A service that speaks these entries, written by 甲 and reviewed by 乙."""
    service = _Service(settings, asyncio.run(_opened(settings)))
    put_in(settings, *entries)
    letters = Letters()
    base = KnowledgeBase(settings)
    library = AudioLibrary(audio_folder(settings), FakeVoice())
    service.engines = SimpleNamespace(
        knowledge=base.open(cast(Any, letters)),
        triage=SCRIPTED_TRIAGE,
        embedder=letters,
        library=library,
        listener=None,
        transcriber=None,
    )
    with TestClient(create_app(service)) as client:
        assert client.portal is not None
        following = client.portal.start_task_soon(
            knowledge_following.follow_knowledge, base, service.engines
        )
        try:
            yield Room(client, service, settings)
        finally:
            following.cancel()
            client.portal.call(service.records.close)
            base.close()


def put_in(settings: Settings, *entries: Entry) -> None:
    """Entries that are spoken now."""
    engine = open_engine(settings.database_url, writes=True, patience_s=60.0)
    with Session(engine) as session, session.begin():
        store.import_entries(session, entries, "甲", at=now(), reviewed_by="乙", publish=True)
    engine.dispose()


async def give_ears(engines: Any, heard: str) -> None:
    """A transcriber that hears this, in the loop that is running."""
    engines.pool = DecodePool(ThreadPoolExecutor(1))
    engines.transcriber = Hearing(heard)
    engines.working = asyncio.create_task(engines.pool.run())
