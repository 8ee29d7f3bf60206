"""Answers as speech: which audio is in use, what its reviewer should know, what can go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from kb import store
from kb.entry import Entry
from kb.reading import day_of
from kb.slots import texts
from voicebot.call.audio_check import Finding, findings
from voicebot.call.audio_files import Pruned, prune
from voicebot.call.audio_library import LINE_RATES, AudioLibrary
from voicebot.call.composing import title_clauses
from voicebot.errors import SpeechUnavailable

CHECKED_RATE = 16_000
"""Hz of the audio that is checked and listened to: the better of those on the lines."""


@dataclass(frozen=True, slots=True)
class EntryFinding:
    """What is wrong with the audio of one entry's answer."""

    entry: str
    finding: Finding


def texts_of(entries: Iterable[Entry], at: datetime) -> list[str]:
    """All that callers may hear of answers from this moment on: once for each filling of slots."""
    day = day_of(at)
    return [text for e in entries for text in texts(e.answer, e.region, e.slots, day)]


def rendered_of(entries: Iterable[Entry], at: datetime) -> list[str]:
    """All that is rendered of entries before a call: answers, and the questions, by two of which a
    caller is asked what he means."""
    entries = list(entries)
    return [*texts_of(entries, at), *title_clauses(entries)]


def check_answers(
    library: AudioLibrary, entries: Iterable[Entry], at: datetime
) -> list[EntryFinding]:
    """The audio of each answer, rendered where it is missing, errors and warnings alike."""
    found: list[EntryFinding] = []
    for entry in entries:
        for text in texts_of([entry], at):
            try:
                speech = library.get(text, CHECKED_RATE)
            except SpeechUnavailable as error:
                found.append(EntryFinding(entry.id, Finding("error", "silent", str(error))))
                continue
            found += [EntryFinding(entry.id, each) for each in findings(speech, text)]
    return found


def planned_texts(session: Session, at: datetime) -> set[str]:
    """What is rendered of entries that are spoken at this moment, or will be by a step that is
    taken already."""
    found: set[str] = set()
    moment: datetime | None = at
    while moment is not None:
        found.update(rendered_of(store.published(session, moment), moment))
        moment = store.next_step(session, moment)
    return found


def prune_audio(
    folder: Path,
    library: AudioLibrary,
    session: Session,
    prompts: Sequence[str],
    at: datetime,
    *,
    dry_run: bool = False,
) -> Pruned:
    """Remove audio of other wordings and voices.

    Kept are the prompts, what is or will be spoken, and the newest version of each entry, which
    its reviewer may be listening to.

    Raises:
        OSError: a file cannot be removed.
    """

    def used() -> set[str]:
        newest = rendered_of(store.newest(session), at)
        texts = {*prompts, *planned_texts(session, at), *newest}
        return {library.name(text, rate) for text in texts for rate in LINE_RATES}

    return prune(folder, used, dry_run=dry_run)
