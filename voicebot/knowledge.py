"""The knowledge base as calls use it: what is published now, and how it becomes so.

Nothing is computed at call time that can be computed at publish time: embeddings, the
index and the audio of every answer are made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from asr.domain import NO_WORDS, DomainWords
from kb import store
from kb.entry import Entry, Safety, by_id
from kb.explanation import Explanation, explain
from kb.index import Index, build
from kb.index_file import open_index
from kb.large_index import LargeIndex
from kb.reading import answer_for, begins, day_of, may_read
from kb.regions import covers
from kb.search import Searcher, SearchResult
from voicebot.call.audio_library import AudioLibrary, Progress
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.domain_words import domain_words
from voicebot.embedder import SentenceEmbedder
from voicebot.errors import VoicebotError
from voicebot.knowledge_speech import planned_texts, rendered_of
from voicebot.records.database import migrate, open_engine

log = structlog.get_logger()


_INVITES = re.compile(
    r"告诉我|说给我|说说看|请(?:现在|先)?说|说出|登记转|我(?:来|先)?登记|帮您登记|由我登记"
)
"""How an answer asks the caller for details, which a ticket then takes up."""


class KnowledgeError(VoicebotError):
    """The knowledge base cannot be used or published."""

    code = "voicebot.knowledge"


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One publication: searched and spoken from, never changed; the next one replaces it.

    Without a searcher it is what calls have while the knowledge base cannot be read:
    every search fails, so that the dialogue goes on to a ticket and a human.
    """

    searcher: Searcher | None
    entries: Mapping[str, Entry]
    revision: int
    words: DomainWords = NO_WORDS
    """What the recogniser is to know by sound."""

    def search(
        self,
        query: str,
        *,
        alternatives: Sequence[str] = (),
        syllables: Sequence[str] = (),
        region: str | None = None,
        line: str | None = None,
        previous: str | None = None,
        at: datetime,
    ) -> SearchResult:
        """As `kb.search.Searcher.search`; what was withdrawn after the index was made is left out.

        Raises:
            KnowledgeError: the knowledge base could not be read.
        """
        found = self._searcher().search(
            query,
            alternatives=alternatives,
            syllables=syllables,
            region=region,
            line=line,
            previous=previous,
            on=at,
        )
        return self._still_spoken(found, region=region, line=line, at=at)

    def explain(
        self,
        query: str,
        *,
        alternatives: Sequence[str] = (),
        syllables: Sequence[str] = (),
        region: str | None = None,
        line: str | None = None,
        at: datetime,
    ) -> Explanation:
        """What `search` finds, and why.

        Raises:
            KnowledgeError: the knowledge base could not be read.
        """
        searcher = self._searcher()
        examined = searcher.examine(
            query,
            alternatives=alternatives,
            syllables=syllables,
            region=region,
            line=line,
            on=at,
        )
        found = self._still_spoken(examined.result, region=region, line=line, at=at)
        return explain(searcher.index, replace(examined, result=found))

    def _searcher(self) -> Searcher:
        if self.searcher is None:
            raise KnowledgeError("The knowledge base cannot be read; see the log of the start.")
        return self.searcher

    def _still_spoken(
        self, found: SearchResult, *, region: str | None, line: str | None, at: datetime
    ) -> SearchResult:
        """Without what was withdrawn after the index was made."""
        kept = tuple(
            c for c in found.candidates if self.entry(c.id, region=region, line=line, at=at)
        )
        meant = 2 if found.decision == "clarify" else 1
        if kept[:meant] == found.candidates[:meant]:
            return replace(found, candidates=kept)
        return SearchResult("none", None, kept)

    def inviting(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the entries whose answers ask the caller for details (告诉我小区名称)."""
        return tuple(
            name
            for name in names
            if (entry := self.entries.get(name)) is not None and _INVITES.search(entry.answer)
        )

    def safety(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the entries that bear on danger: id → ``ask`` | ``handoff``."""
        return {
            name: entry.safety.value
            for name in names
            if (entry := self.entries.get(name)) is not None and entry.safety is not Safety.NONE
        }

    def entry(
        self, name: str, *, region: str | None = None, line: str | None = None, at: datetime
    ) -> Entry | None:
        """An entry that may be spoken at this moment to who called `line`, its slots filled.

        A caller at `region` may ask about elsewhere: that entry is filled for its own region.
        """
        found = self.entries.get(name)
        if found is None:
            return None
        place = region if covers(found.region, region) else found.region
        if not may_read(found, at, region=place, line=line):
            return None
        answer = answer_for(found, at, place)
        return replace(found, answer=answer) if answer is not None else None


def unreadable() -> Knowledge:
    """What calls have while the knowledge base cannot be read."""
    return Knowledge(None, {}, 0, domain_words())


def open_embedder(settings: Settings) -> SentenceEmbedder:
    """The one embedder of triage and search."""
    return SentenceEmbedder(
        settings.paths.models,
        model=Path(settings.embedder.model) if settings.embedder.model else None,
        store=settings.paths.state / "vectors.sqlite",
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """What was published at a moment, in the order of the ids."""

    revision: int
    at: datetime
    until: datetime | None
    """When a step that was planned then takes effect."""
    entries: dict[str, Entry]

    def holds(self, revision: int, at: datetime) -> bool:
        """Whether that is so still."""
        same_day = day_of(at) == day_of(self.at)  # validity ends at midnight
        return self.revision == revision and same_day and (self.until is None or at < self.until)


class KnowledgeBase:
    """Reads what is published from the database."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.paths.state / "knowledge"
        self._engine = open_engine(settings.database_url)
        self._revision: int | None = None
        self._due: datetime | None = None
        self._read: _Read | None = None
        self._index: Index | LargeIndex | None = None

    def open(
        self,
        embedder: SentenceEmbedder,
        *,
        progress: Progress | None = None,
        anew: bool = False,
    ) -> Knowledge:
        """The newest publication; its index is read from disk, or made where it is missing.

        `anew`: made in any case, beside the one on disk; see `kb.index_file.open_index`.

        Raises:
            KnowledgeError: an index made `anew` cannot be kept.
        """
        at = now()
        with Session(self._engine) as session:
            revision = store.published_revision(session)
            known = self._read
            if known is not None and known.holds(revision, at):
                entries = list(known.entries.values())
            else:
                entries = store.published(session, at)
            gaps = store.gaps(session, at, spoken={entry.id for entry in entries})
            planned = store.next_step(session, at)
        try:
            index = open_index(
                entries,
                embedder,
                self._folder,
                gaps=gaps,
                embed=embedder.embed_corpus,
                previous=self._index,
                progress=progress,
                anew=anew,
            )
        except OSError as error:
            if anew:
                raise KnowledgeError(
                    f"The new index cannot be kept in {self._folder}: {error.strerror or error}."
                ) from None
            # The folder only saves the time of making it.
            log.warning("index_not_kept", reason=str(error))
            index = build(entries, embedder, gaps=gaps, embed=embedder.embed_corpus)
        self._index = index
        ends = [
            begins(entry.valid_to + timedelta(days=1))
            for entry in entries
            if entry.valid_to < date.max
        ]
        self._revision = revision
        self._due = min([*ends, *([planned] if planned else [])], default=None)
        return Knowledge(
            Searcher(index, embedder),
            by_id(entries),
            revision,
            domain_words(entries),
        )

    def changed(self) -> dict[str, Entry] | None:
        """The entries that may be spoken now, if others may than at the last opening; else None.

        Others may after a published change, and when a planned minute or the end of an entry's
        validity has come. They are there at once, where an index of many new ones takes a while;
        they are read once until they change again.
        """
        at = now()
        with Session(self._engine) as session:
            revision = store.published_revision(session)
            due = self._due is not None and at >= self._due
            if not due and revision == self._revision:
                self._read = None
                return None
            if self._read is None or not self._read.holds(revision, at):
                entries = by_id(store.published(session, at))
                self._read = _Read(revision, at, store.next_step(session, at), entries)
            return self._read.entries

    def planned_texts(self) -> set[str]:
        """`voicebot.knowledge_speech.planned_texts`, at this moment."""
        with Session(self._engine) as session:
            return planned_texts(session, now())

    def close(self) -> None:
        self._engine.dispose()


def spoken_texts(knowledge: Knowledge, prompts: Sequence[str]) -> list[str]:
    """All that is rendered before there is a call: `prompts`, and what entries need."""
    return [*prompts, *rendered_of(knowledge.entries.values(), now())]


def publish(
    settings: Settings,
    embedder: SentenceEmbedder,
    library: AudioLibrary,
    prompts: Sequence[str],
    *,
    progress: Progress | None = None,
) -> Knowledge:
    """Make everything that calls need of what is published: the index, and the audio.

    Running services take up a publication by themselves; until its audio is rendered they
    render on demand.
    """
    migrate(settings.database_url)
    base = KnowledgeBase(settings)
    try:
        knowledge = base.open(embedder)
        planned = base.planned_texts()
    finally:
        base.close()
    library.prepare([*spoken_texts(knowledge, prompts), *sorted(planned)], progress)
    return knowledge
