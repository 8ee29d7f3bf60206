"""The knowledge base as calls use it: what is published today, and how it becomes so.

Nothing is computed at call time that can be computed at publish time: embeddings, the
index and the audio of every answer are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from kb import store
from kb.entry import Entry
from kb.index_file import open_index
from kb.search import Searcher, SearchResult
from voicebot.call.audio_library import AudioLibrary, Progress
from voicebot.config import Settings
from voicebot.embedder import SentenceEmbedder
from voicebot.errors import VoicebotError
from voicebot.records.database import migrate, open_engine
from voicebot.security import WRITE_PATIENCE_S


class KnowledgeError(VoicebotError):
    """The knowledge base cannot be used or published."""

    code = "voicebot.knowledge"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One publication: searched and spoken from, never changed; the next one replaces it."""

    searcher: Searcher
    entries: Mapping[str, Entry]
    revision: int
    day: date

    def search(
        self,
        query: str,
        *,
        alternatives: Sequence[str] = (),
        syllables: Sequence[str] = (),
        region: str | None = None,
        on: date,
    ) -> SearchResult:
        """As `kb.search.Searcher.search`."""
        return self.searcher.search(
            query, alternatives=alternatives, syllables=syllables, region=region, on=on
        )

    def entry(self, name: str, *, on: date) -> Entry | None:
        """An entry that may be spoken on the day `on`."""
        found = self.entries.get(name)
        return found if found is not None and found.valid_on(on) else None


def open_embedder(settings: Settings) -> SentenceEmbedder:
    """The one embedder of triage and search."""
    return SentenceEmbedder(
        settings.paths.models,
        model=Path(settings.embedder.model) if settings.embedder.model else None,
        store=settings.paths.state / "vectors.sqlite",
    )


class KnowledgeBase:
    """Reads what is published from the database."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.paths.state / "knowledge"
        self._engine = open_engine(settings.database_url)
        self._newest: tuple[int, date] | None = None

    def open(self, embedder: SentenceEmbedder) -> Knowledge:
        """The newest publication; its index is read from disk, or made where it is missing."""
        today = date.today()
        with Session(self._engine) as session:
            revision = store.revision(session)
            entries = store.published(session, today)
            gaps = store.gaps(session, today)
        index = open_index(entries, embedder, self._folder, gaps=gaps, embed=embedder.embed_corpus)
        self._newest = (revision, today)
        return Knowledge(
            Searcher(index, embedder), {entry.id: entry for entry in entries}, revision, today
        )

    def newer(self, embedder: SentenceEmbedder) -> Knowledge | None:
        """A publication newer than the last one opened, or None."""
        with Session(self._engine) as session:
            state = (store.revision(session), date.today())
        return self.open(embedder) if state != self._newest else None

    def close(self) -> None:
        self._engine.dispose()


def spoken_texts(knowledge: Knowledge, prompts: Sequence[str]) -> list[str]:
    """All that a caller can hear word for word: the prompts without blanks and the answers."""
    return [*prompts, *(entry.answer for entry in knowledge.entries.values())]


def publish(
    settings: Settings,
    embedder: SentenceEmbedder,
    library: AudioLibrary,
    prompts: Sequence[str],
    *,
    change: Callable[[Session], object] | None = None,
    progress: Progress | None = None,
) -> Knowledge:
    """Make `change` in one transaction, then everything that calls need of the result.

    The change itself is what running services notice; until its audio is rendered they
    render on demand.
    """
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        if change is not None:
            with Session(engine) as session, session.begin():
                change(session)
    finally:
        engine.dispose()
    base = KnowledgeBase(settings)
    try:
        knowledge = base.open(embedder)
    finally:
        base.close()
    library.prepare(spoken_texts(knowledge, prompts), progress)
    return knowledge
