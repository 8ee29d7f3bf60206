"""`voicebot kb listen|check-audio|prune-audio`: answers as callers hear them."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.clock import now
from voicebot.commands.knowledge_common import bring_up_to_date, database_sentences
from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kb.entry import Entry
    from voicebot.call.audio_library import AudioLibrary
    from voicebot.config import Settings

SHOWN = 20
"""Findings that are printed; the rest is counted."""


def listen(
    entry: Annotated[str, typer.Argument(help="An entry's id.")],
    version: Annotated[int, typer.Option(help="Another version than the newest.")] = 0,
    wav: Annotated[Path | None, typer.Option(help="New WAV file, 16 kHz.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What callers will hear of an answer: its words as they are read out, length and faults.

    For the reviewer: numbers, dates and telephone numbers stand there as the voice says them.

    \b
    Examples:
      voicebot kb listen sb-001
      voicebot kb listen sb-001 --wav sb-001.wav
      voicebot kb listen sb-001 --version 2 --json
    """
    from voicebot.call.audio_check import findings, measure
    from voicebot.call.audio_files import write_wav
    from voicebot.call.audio_library import open_library
    from voicebot.call.voices.reading import spoken
    from voicebot.knowledge_speech import CHECKED_RATE, texts_of

    settings = open_settings()
    found = _version(settings, entry, version)
    answer = next(iter(texts_of([found], now())), None)
    if answer is None:
        raise InputError(
            f"{found.id} v{found.version} is read to nobody: a slot in its answer has no value. "
            f"See `voicebot kb check --only unfilled_slot`.\n    {found.answer}"
        )
    library = open_library(settings)
    speech = library.get(answer, CHECKED_RATE)
    faults = findings(speech, answer)
    if wav is not None:
        write_wav(wav, speech)
    measured = measure(speech, answer)
    if as_json:
        print_json(
            {
                "id": found.id,
                "version": found.version,
                "status": found.status.value,
                "answer": answer,
                "spoken": spoken(answer),
                "voice": speech.voice,
                "audio": library.name(answer, CHECKED_RATE),
                **asdict(measured),
                "findings": [asdict(each) for each in faults],
            }
        )
    else:
        typer.echo(f"{found.id} v{found.version} ({found.status.value}), voice {speech.voice}")
        typer.echo(f"    {answer}")
        typer.echo(f"读作 {spoken(answer)}")
        typer.echo(f"{measured.seconds} s, peak {measured.peak_dbfs} dBFS")
        for each in faults:
            typer.echo(f"{each.level}: {each.message}", err=True)
    raise typer.Exit(1 if any(each.level == "error" for each in faults) else 0)


def check_audio(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check the audio of all answers that may be spoken now; what is missing is rendered.

    \b
    Examples:
      voicebot kb check-audio
      voicebot kb check-audio --json
    """
    from rich.console import Console
    from rich.progress import track
    from sqlalchemy.orm import Session

    from kb import store
    from voicebot.call.audio_library import open_library
    from voicebot.knowledge_speech import check_answers
    from voicebot.records.database import open_engine

    settings = open_settings()
    bring_up_to_date(settings)
    with database_sentences(), Session(open_engine(settings.database_url)) as session:
        entries = store.published(session, now())
    bar = track(entries, "checking audio", console=Console(stderr=True), transient=True)
    found = check_answers(open_library(settings, at_once=os.cpu_count() or 1), bar, now())
    for each in found:
        if as_json:
            print_json({"id": each.entry, **asdict(each.finding)})
        else:
            typer.echo(f"{each.finding.level}: {each.entry}, {each.finding.message}")
    errors = sum(each.finding.level == "error" for each in found)
    typer.echo(
        f"{len(entries)} answers, {errors} errors, {len(found) - errors} warnings.", err=True
    )
    raise typer.Exit(1 if errors else 0)


def prune_audio(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Remove audio that nothing uses: of former wordings, of other voices, half-written files.

    What is published or planned is kept, and the newest version of each entry.

    \b
    Examples:
      voicebot kb prune-audio --dry-run
      voicebot kb prune-audio
    """
    from sqlalchemy.orm import Session

    from flows.prompts import load_prompts
    from voicebot import knowledge_speech
    from voicebot.call.audio_library import audio_folder, open_library
    from voicebot.call.composing import prompt_texts
    from voicebot.records.database import open_engine

    settings = open_settings()
    bring_up_to_date(settings)
    prompts = prompt_texts(load_prompts().values())
    with database_sentences(), Session(open_engine(settings.database_url)) as session:
        pruned = knowledge_speech.prune_audio(
            audio_folder(settings), open_library(settings), session, prompts, now(), dry_run=dry_run
        )
    did = "would be removed" if dry_run else "removed"
    typer.echo(f"{pruned.files} files {did}, {pruned.size / 1e6:.1f} MB.")


def tell_findings(library: AudioLibrary, entries: Iterable[Entry]) -> int:
    """Print what is wrong with the audio of these answers; how many of it are errors."""
    from voicebot.knowledge_speech import check_answers

    found = sorted(check_answers(library, entries, now()), key=lambda each: each.finding.level)
    for each in found[:SHOWN]:
        typer.echo(f"{each.finding.level}: {each.entry}, {each.finding.message}", err=True)
    if len(found) > SHOWN:
        typer.echo(f"{len(found) - SHOWN} more: `voicebot kb check-audio`", err=True)
    return sum(each.finding.level == "error" for each in found)


def _version(settings: Settings, name: str, number: int) -> Entry:
    from sqlalchemy.orm import Session

    from kb import store
    from kb.slot_store import with_slots
    from voicebot.records.database import open_engine

    bring_up_to_date(settings)
    with database_sentences(), Session(open_engine(settings.database_url)) as session:
        versions = with_slots(session, [v.entry for v in store.history(session, name)])
    if not versions:
        raise InputError(f"There is no entry {name!r}; `voicebot kb show` lists those published.")
    if not number:
        return versions[-1]
    for each in versions:
        if each.version == number:
            return each
    raise InputError(f"{name} has no version {number}, but 1 to {versions[-1].version}.")
