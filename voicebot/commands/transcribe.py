"""`voicebot transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from asr.engines import EngineFolders
    from asr.hypothesis import Recognizer
    from asr.listener import Listener
    from asr.transcribe import FileResult, SegmentResult
    from voicebot.config import Settings


_LONG_SECONDS = 60.0


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
    from asr.audio import shown
    from asr.engines import open_transcriber
    from asr.errors import AudioError

    settings = open_settings()
    name = engine or settings.asr.engine
    if name == "none":
        raise InputError("asr.engine is none in the settings; choose one with --engine.")
    folders = engine_folders(settings)
    transcriber = open_transcriber(name, folders, threads=settings.asr.threads)
    listener = _listener(folders.listener, transcriber)

    failed = False
    for file in files:
        try:
            result = _transcribe(file, transcriber, listener, as_json=as_json)
        except AudioError as error:
            failed = True
            if as_json:
                problem = {"code": error.code, "message": str(error)}
                print_json({"path": shown(file), "error": problem})
            typer.echo(f"voicebot: {error}", err=True)
            continue
        if as_json:
            print_json(result)
        elif not result["segments"]:
            typer.echo(f"{shown(file)}: no speech was heard.")
        if "error" in result:
            failed = True
            typer.echo(f"voicebot: {result['error']['message']}", err=True)
    raise typer.Exit(1 if failed else 0)


def _listener(folder: Path | None, transcriber: Recognizer) -> Listener | None:
    """The second ear, which only re-ranks here: without it the text is a little worse."""
    from asr.errors import EngineError
    from asr.listener import Listener

    if folder is None or transcriber.capabilities.phonetic:
        return None
    try:
        return Listener(folder)
    except EngineError as error:
        typer.echo(f"voicebot: goes on without the listener. {error}", err=True)
        return None


def _transcribe(
    file: Path, transcriber: Recognizer, listener: Listener | None, *, as_json: bool
) -> FileResult:
    """One file, with a bar on a terminal where it takes long."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from asr.audio import probe, shown
    from asr.transcribe import transcribe_file

    seconds = probe(file).seconds
    console = Console(stderr=True)
    quick = seconds < _LONG_SECONDS or not console.is_terminal
    with Progress(
        console=console, transient=True, disable=quick, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        bar = progress.add_task(escape(shown(file.name)), total=seconds)
        return transcribe_file(
            file,
            transcriber,
            listener=listener,
            on_segment=None if as_json else _show,
            on_progress=lambda done, _: progress.update(bar, completed=done),
        )


def engine_folders(settings: Settings) -> EngineFolders:
    """Where each engine's model lies, and the speech server.

    Raises:
        RemoteAddressInvalid: the server's token file cannot be used.
    """
    from asr.engines import EngineFolders, RemoteEngine
    from asr.remote.address import RemoteServer, read_token
    from asr.remote.conversation import Limits

    whisper, vosk = settings.asr.whisper_model, settings.asr.vosk_model
    remote = None
    if settings.asr.url:
        token, tls_ca = settings.asr.token_file, settings.asr.tls_ca
        remote = RemoteEngine(
            RemoteServer(
                settings.asr.url,
                token=read_token(Path(token).expanduser()) if token else "",
                tls_ca=Path(tls_ca).expanduser() if tls_ca else None,
            ),
            settings.asr.funasr_mode,
            Limits(final_s=settings.asr.final_deadline_s),
        )
    return EngineFolders(
        whisper=Path(whisper) if whisper else settings.paths.models / "whisper-base",
        vosk=Path(vosk) if vosk else None,
        listener=settings.paths.listener_folder(),
        remote=remote,
    )


def _show(segment: SegmentResult, _: float) -> None:
    typer.echo(f"{segment['start']:8.2f} {segment['end']:8.2f}  {segment['text']}")
