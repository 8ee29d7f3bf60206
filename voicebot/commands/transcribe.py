"""`voicebot transcribe`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from asr.archive import Ears, Outcome, Recording
    from asr.engines import EngineFolders
    from asr.transcribe import SegmentResult
    from voicebot.config import Settings


_LONG_SECONDS = 60.0


def transcribe(
    files: Annotated[
        list[Path], typer.Argument(help="WAV, FLAC, MP3 or OGG, any rate; or folders of them.")
    ],
    engine: Annotated[
        str, typer.Option(help="auto, whisper, vosk, listener, funasr, vosk-server.")
    ] = "",
    model: Annotated[
        Path | None, typer.Option(help="Folder of the engine's model, instead of the settings'.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
    srt: Annotated[bool, typer.Option("--srt", help="SubRip subtitles.")] = False,
    vtt: Annotated[bool, typer.Option("--vtt", help="WebVTT subtitles.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Only what was said, a line each.")] = False,
    channels: Annotated[
        str, typer.Option(help="split: two channels are two speakers; mix: all are one.")
    ] = "split",
    sides: Annotated[
        str, typer.Option(help="Who speaks in the left and the right channel.")
    ] = "caller,agent",
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Folders with all folders in them.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Write a file for each recording, its name + .json, below this folder."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --output: also what is there already.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Recordings at a time; each loads a model.")
    ] = 1,
) -> None:
    """Recordings to text.

    Two-channel recordings of calls are told apart: left the caller, right the bot or agent.
    With --output it can be stopped and started again: complete transcripts are kept, those of
    recordings that have changed are made again, and manifest.jsonl says what was done.

    \b
    Examples:
      voicebot transcribe call.wav
      voicebot transcribe *.mp3 --json > calls.jsonl
      voicebot transcribe call.wav --srt > call.srt
      voicebot transcribe call.wav --engine listener
      voicebot transcribe call.wav --engine whisper --model /srv/whisper-large-v3-turbo
      voicebot transcribe archive --recursive --output transcripts --json --vtt --jobs 4
      voicebot transcribe archive --recursive --output archive     (beside the recordings)
      voicebot transcribe old.wav --sides agent,caller --text
    """
    from asr.archive import Batch, Transcripts, find_recordings
    from voicebot.domain_words import domain_words

    chosen = {"json": as_json, "srt": srt, "vtt": vtt, "text": text}
    formats = [name for name, wanted in chosen.items() if wanted]
    if channels not in ("split", "mix"):
        raise InputError(f"--channels {channels}: use split or mix.")
    names = _sides(sides)
    recordings = find_recordings(files, recursive=recursive)
    if output is None:
        _check_screen(formats, len(recordings), force=force)
    settings = open_settings()

    with Transcripts(output, formats or ["json"]) if output else nullcontext() as transcripts:
        todo = recordings
        if transcripts is not None:
            transcripts.require_distinct(recordings)
            todo = [each for each in recordings if force or not transcripts.complete(each)]
        ears = _ears(settings, engine, model, min(jobs, len(todo)))
        screen = _Screen(formats[0] if formats else "", several=len(recordings) > 1)
        live = transcripts is None and not formats and len(ears) == 1
        failed: list[Outcome] = []
        with _bar(todo) as on_progress:
            batch = Batch(
                ears,
                domain=domain_words(),
                channels=cast(Literal["split", "mix"], channels),
                sides=names,
                transcripts=transcripts,
                on_segment=screen.segment if live else None,
                on_progress=on_progress,
            )
            try:
                for outcome in batch.run(todo):
                    if transcripts is None:
                        screen.show(outcome, live=live)
                    if outcome.problem is not None:
                        failed.append(outcome)
            except KeyboardInterrupt:
                if transcripts is not None:
                    typer.echo("voicebot: stopped; the same command goes on from here.", err=True)
                raise
    if output is not None:
        _sum_up(output, len(recordings), len(todo), len(failed))
    _report(failed)
    raise typer.Exit(1 if failed else 0)


def _sides(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(name.isprintable() and name for name in names):
        raise InputError(f"--sides {text}: name the left and the right channel, like caller,agent.")
    if names[0] == names[1]:
        raise InputError(f"--sides {text}: the two sides need two names.")
    return names[0], names[1]


def _check_screen(formats: Sequence[str], recordings: int, *, force: bool) -> None:
    """What cannot go to the screen or a pipe, but only into a folder."""
    if force:
        raise InputError("--force makes transcripts in a folder again: add --output FOLDER.")
    if len(formats) > 1:
        raise InputError("Several formats at once are files: add --output FOLDER.")
    if recordings > 1 and formats in (["srt"], ["vtt"]):
        raise InputError(f"--{formats[0]} of several recordings are files: add --output FOLDER.")


def _ears(settings: Settings, engine: str, model: Path | None, count: int) -> list[Ears]:
    """So many loaded pairs of engines; nothing is loaded where nothing is to be done."""
    from asr.engines import open_transcriber
    from voicebot.recognisers import engine_folders, open_ears_for

    with_word_times = partial(open_transcriber, word_times=True)
    folders = engine_folders(settings)
    if model is not None:
        engine, folders = _with_model(model, engine, folders)
    ears: list[Ears] = []
    for _ in range(count):
        ears.append(open_ears_for(settings, folders, engine=engine, open_engine=with_word_times))
        if ears[-1].listener is None and not ears[-1].transcriber.capabilities.phonetic:
            folders = replace(folders, listener=None)  # that it is missing was said
    return ears


def _with_model(model: Path, engine: str, folders: EngineFolders) -> tuple[str, EngineFolders]:
    """The engine that a folder's model is for, and the folders with it in its place."""
    from asr.audio import shown
    from asr.engines import AUTO, capability_table

    if not model.is_dir():
        raise InputError(f"--model {shown(model)}: there is no such folder.")
    rows = capability_table(replace(folders, whisper=model, vosk=model, listener=model))
    fitting = [row.engine for row in rows if row.folder == model and row.installed]
    if engine not in ("", AUTO):
        fitting = [name for name in fitting if name == engine]
    if not fitting:
        some = engine in ("", AUTO)
        kind = "that an engine here can load" if some else f"for the engine {engine}"
        raise InputError(f"--model {shown(model)}: there is no model in it {kind}.")
    placed: dict[str, Any] = {fitting[0]: model}
    return fitting[0], replace(folders, **placed)


@contextmanager
def _bar(recordings: Sequence[Recording]) -> Iterator[Callable[[Recording, float], None] | None]:
    """A bar over all audio with the time that is left, on a terminal where it takes long."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    total = sum(map(_length, recordings))
    with Progress(
        console=console,
        transient=True,
        disable=total < _LONG_SECONDS,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        bar = progress.add_task("", total=total)

        def on_progress(recording: Recording, seconds: float) -> None:
            progress.update(bar, advance=seconds, description=_label(recording))

        yield on_progress


def _length(recording: Recording) -> float:
    """Seconds of audio; 0 where nothing can be read or the file does not say it."""
    from asr.audio import probe
    from asr.errors import AudioError

    try:
        return probe(recording.path).seconds
    except AudioError:
        return 0.0


def _label(recording: Recording) -> str:
    from rich.markup import escape

    from asr.audio import shown

    return escape(shown(recording.inside))


class _Screen:
    """Results on standard output; segments as they come where one file is heard at a time."""

    def __init__(self, format_: str, *, several: bool) -> None:
        self._format = format_
        self._several = several
        self._named: Recording | None = None

    def segment(self, recording: Recording, segment: SegmentResult) -> None:
        self._name(recording)
        times = f"{segment['start']:8.2f} {segment['end']:8.2f}"
        side = f"  {segment['side']}" if "side" in segment else ""
        typer.echo(f"{times}{side}  {segment['text']}")

    def show(self, outcome: Outcome, *, live: bool) -> None:
        """A whole result, without what was shown live."""
        from asr.archive import WRITERS
        from asr.audio import shown

        path = shown(outcome.recording.path)
        if outcome.result is None:
            if self._format == "json":
                print_json({"path": path, "error": outcome.problem})
        elif self._format:
            if self._format == "text" and outcome.result["segments"]:
                self._name(outcome.recording)
            typer.echo(WRITERS[self._format][1](outcome.result), nl=False)
        elif not outcome.result["segments"]:
            typer.echo(f"{path}: no speech was heard.")
        elif not live:
            for segment in outcome.result["segments"]:
                self.segment(outcome.recording, segment)

    def _name(self, recording: Recording) -> None:
        from asr.audio import shown

        if self._several and self._named is not recording:
            typer.echo(f"{shown(recording.path)}:")
        self._named = recording


def _sum_up(folder: Path, recordings: int, tried: int, failed: int) -> None:
    from asr.audio import shown

    there = f"; {recordings - tried} were there already" if tried < recordings else ""
    lost = f"; {failed} failed" if failed else ""
    typer.echo(f"{tried - failed} of {recordings} transcribed to {shown(folder)}{there}{lost}.")


def _report(failed: Sequence[Outcome]) -> None:
    """Every recording that could not be used as a whole, and why."""
    from voicebot.cli import DEBUG_VARIABLE

    for outcome in failed:
        if outcome.problem is not None:
            typer.echo(f"voicebot: {outcome.problem['message']}", err=True)
        if outcome.cause is not None and os.environ.get(DEBUG_VARIABLE):
            traceback.print_exception(outcome.cause)
