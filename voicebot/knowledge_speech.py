"""Answers as speech: which audio is in use, what its reviewer should know, what can go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from kb import ledger, store
from kb.entry import Entry
from voicebot.call.audio_check import Finding, findings
from voicebot.call.audio_files import Pruned, prune
from voicebot.call.audio_library import LINE_RATES, AudioLibrary
from voicebot.errors import SpeechUnavailable

CHECKED_RATE = 16_000
"""Hz of the audio that is checked and listened to: the better of those on the lines."""


@dataclass(frozen=True, slots=True)
class EntryFinding:
    """What is wrong with the audio of one entry's answer."""

    entry: str
    finding: Finding


def check_answers(library: AudioLibrary, entries: Iterable[Entry]) -> list[EntryFinding]:
    """The audio of each answer, rendered where it is missing, errors and warnings alike."""
    found: list[EntryFinding] = []
    for entry in entries:
        try:
            speech = library.get(entry.answer, CHECKED_RATE)
        except SpeechUnavailable as error:
            found.append(EntryFinding(entry.id, Finding("error", "silent", str(error))))
            continue
        found += [EntryFinding(entry.id, each) for each in findings(speech, entry.answer)]
    return found


def planned_answers(session: Session, at: datetime) -> set[str]:
    """The answers that are spoken at this moment, or will be by a step that is taken already."""
    answers: set[str] = set()
    moment: datetime | None = at
    while moment is not None:
        answers.update(entry.answer for entry in store.published(session, moment))
        moment = store.next_step(session, moment)
    return answers


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
        newest = {entry.answer for entry in ledger.newest(session).values()}
        texts = {*prompts, *planned_answers(session, at), *newest}
        return {library.name(text, rate) for text in texts for rate in LINE_RATES}

    return prune(folder, used, dry_run=dry_run)
