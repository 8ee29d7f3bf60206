"""`voicebot transcribe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from asr.engines import EngineFolders
    from asr.transcribe import SegmentResult
    from voicebot.config import Settings


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="WAV, FLAC, MP3 or OGG, any rate.")],
    engine: Annotated[str, typer.Option(help="auto, whisper, vosk or listener.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file.")] = False,
) -> None:
    """Recordings to text.

    \b
    Examples:
      voicebot transcribe call.wav
      voicebot transcribe *.mp3 --json > calls.jsonl
      voicebot transcribe call.wav --engine listener
    """
    from asr.engines import open_transcriber
    from asr.errors import AudioError
    from asr.listener import Listener
    from asr.transcribe import transcribe_file

    settings = open_settings()
    name = engine or settings.asr.engine
    if name == "none":
        raise InputError("asr.engine is none in the settings; choose one with --engine.")
    folders = engine_folders(settings)
    transcriber = open_transcriber(name, folders, threads=settings.asr.threads)
    listener = None
    if folders.listener is not None and not transcriber.capabilities.phonetic:
        listener = Listener(folders.listener)

    failed = False
    for file in files:
        try:
            result = transcribe_file(
                file,
                transcriber,
                listener=listener,
                on_segment=None if as_json else _show,
            )
        except AudioError as error:
            failed = True
            if as_json:
                problem = {"code": error.code, "message": str(error)}
                print_json({"path": str(file), "error": problem})
            typer.echo(f"voicebot: {error}", err=True)
            continue
        if as_json:
            print_json(result)
        elif not result["segments"]:
            typer.echo(f"{file}: no speech was heard.")
    raise typer.Exit(1 if failed else 0)


def engine_folders(settings: Settings) -> EngineFolders:
    """Where each engine's model lies."""
    from asr.engines import EngineFolders

    whisper, vosk = settings.asr.whisper_model, settings.asr.vosk_model
    return EngineFolders(
        whisper=Path(whisper) if whisper else settings.paths.models / "whisper-base",
        vosk=Path(vosk) if vosk else None,
        listener=settings.paths.listener_folder(),
    )


def _show(segment: SegmentResult, _: float) -> None:
    typer.echo(f"{segment['start']:8.2f} {segment['end']:8.2f}  {segment['text']}")
