"""`voicebot asr`: recognition as a service of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.session import InputError, open_settings, prepare_threads, print_json

if TYPE_CHECKING:
    from asr.engines import EngineFolders, EngineRow
    from asr.hypothesis import Recognizer
    from asr.pool import DecodePool
    from asr.service.hearing import Hearing
    from voicebot.config import AsrService, Settings

ROLES = frozenset({"agent", "supervisor", "admin", "media"})
"""Whose tokens open a connection."""

app = typer.Typer(no_args_is_help=True, help="Recognition as a service.")


@app.callback()
def group() -> None:
    """Recognition as a service of its own, for human agents' desktops."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Instead of asr_service.host.")] = "",
    port: Annotated[
        int | None, typer.Option(help="Instead of asr_service.port; 0 takes a free one.")
    ] = None,
    engine: Annotated[str, typer.Option(help="Instead of asr.engine.")] = "",
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everybody on this machine in; loopback only.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Addresses and log as one JSON object a line.")
    ] = False,
) -> None:
    """Live transcripts over WebSocket, until interrupted: docs/asr-service.md.

    Clients of vosk-server work as they are, at any path; /v1/stream takes caller and agent
    on two channels. SIGTERM sends the last finals first.

    \b
    Examples:
      voicebot asr serve
      voicebot asr serve --engine vosk --port 2700 --no-token
      voicebot token create agent --name "seat 7"
    """
    prepare_threads()
    from voicebot.recognisers import open_ears_for

    settings = open_settings(quiet=False)
    if as_json:
        from voicebot import logs

        logs.configure(settings.log.level, as_json=True)
    service = _service(settings, host, port)
    if no_token and not _on_loopback(service.host):
        raise InputError(
            f"--no-token is for this machine alone and {service.host} is not a loopback address; "
            "leave it out, or use --host 127.0.0.1."
        )
    tls = _tls(service)
    admit = _anybody if no_token else _whoever_has_a_token(settings)
    ears = open_ears_for(settings, engine=engine, open_engine=partial(_open_engine, settings))
    raise typer.Exit(
        asyncio.run(_run(settings, service, tls, admit, ears.transcriber, ears.listener, as_json))
    )


@app.command()
def engines(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an engine.")] = False,
    into: Annotated[
        Path | None, typer.Option(help="Write the table into a document, between its two marks.")
    ] = None,
) -> None:
    """What each recogniser can do, and whether its model is here.

    \b
    Examples:
      voicebot asr engines
      voicebot asr engines --json
      voicebot asr engines --into docs/recognition.md
    """
    from asr.engines import EngineFolders, capability_table
    from voicebot.recognisers import engine_folders

    if into is not None:
        _write_table(into, capability_table(EngineFolders()))
        return
    settings = open_settings()
    rows = capability_table(engine_folders(settings))
    if as_json:
        for row in rows:
            print_json(_row(row))
    else:
        _show_table(rows, settings)


async def _run(
    settings: Settings,
    service: AsrService,
    tls: ssl.SSLContext | None,
    admit: Callable[[str | None], Awaitable[bool]],
    transcriber: Recognizer,
    listener: Recognizer | None,
    as_json: bool,
) -> int:
    """Serve until SIGTERM (0) or SIGINT (130); a second signal does not wait for the finals."""
    from asr.pool import DecodePool, open_pool
    from asr.service.server import ServiceLimits, TranscriptionServer

    at_once = max(1, _at_once(transcriber))
    stopping = _Stopping()
    limits = ServiceLimits(
        connections=service.connections, idle_s=service.idle_s, drain_s=service.drain_s
    )
    with ThreadPoolExecutor(at_once, "decode") as decoding, ThreadPoolExecutor(1, "ears") as ears:
        changes = hasattr(transcriber, "most_workers")
        pool = (
            open_pool(transcriber, decoding) if changes else DecodePool(decoding, workers=at_once)
        )
        hearing = _hearing(settings, service, transcriber, listener, pool, ears)
        working = asyncio.create_task(pool.run())
        server = TranscriptionServer(hearing, admit, limits)
        try:
            async with server.listening(service.host, service.port, tls) as port:
                _announce(service, port, transcriber.name, as_json=as_json)
                await stopping.requested.wait()
        except OSError as error:
            raise InputError(
                f"Port {service.port} on {service.host} cannot be opened ({error.strerror}); "
                "stop the other program or give another with --port."
            ) from None
        finally:
            working.cancel()
    return 130 if stopping.number == signal.SIGINT else 0


def _open_engine(
    settings: Settings, engine: str, folders: EngineFolders, *, threads: int
) -> Recognizer:
    """In processes of its own; Vosk here, for its clients are answered by Kaldi itself."""
    from asr.engines import open_transcriber
    from voicebot.recognisers import open_apart

    if engine == "vosk":
        return open_transcriber(engine, folders, threads=threads)
    return open_apart(settings, engine, folders, threads=threads, word_times=True)


def _at_once(transcriber: Recognizer) -> int:
    """Decodes at a time: as many as the engine says; else Whisper's share the cores by themselves,
    and those of others use one each."""
    own = 1 if transcriber.name == "whisper" else os.cpu_count() or 1
    return int(getattr(transcriber, "workers", own))


def _row(row: EngineRow) -> dict[str, Any]:
    able = asdict(row.capabilities)
    folder = str(row.folder) if row.folder else None
    return {
        "engine": row.engine, "installed": row.installed, "folder": folder, "needs": row.needs,
        **able, "model": row.model, "cost": row.cost,
    }  # fmt: skip


def _show_table(rows: Sequence[EngineRow], settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("engine", "here", "gives", "languages", "can", "needs"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        can = row.capabilities
        able = {
            "partials": can.streaming, "n-best": can.n_best, "word times": can.word_times,
            "hot words": can.hot_words,
        }  # fmt: skip
        table.add_row(
            row.engine,
            "yes" if row.installed else "no",
            "syllables" if can.phonetic else "text",
            ", ".join(can.languages),
            ", ".join(name for name, is_able in able.items() if is_able),
            row.needs,
        )
    Console().print(table)
    behind = f", {settings.asr.fallback} behind it" if settings.asr.fallback else ""
    typer.echo(f"In use: asr.engine = {settings.asr.engine}{behind}.")


def _write_table(document: Path, rows: Sequence[EngineRow]) -> None:
    from asr.capability_table import written_into

    try:
        text = written_into(document.read_text("utf-8"), rows)
        document.write_text(text, "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{document} is not UTF-8 text.") from None
    except OSError as error:
        raise InputError(f"{document} cannot be written: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{document}: {error}") from None


class _Stopping:
    """SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.number = 0
        self.requested = asyncio.Event()
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        if self.number and self._task is not None:
            self._task.cancel()
        self.number = self.number or number
        self.requested.set()


def _hearing(
    settings: Settings,
    service: AsrService,
    transcriber: Recognizer,
    listener: Recognizer | None,
    pool: DecodePool,
    ears: ThreadPoolExecutor,
) -> Hearing:
    from asr.service.hearing import Hearing
    from asr.service.utterances import UtteranceLimits
    from telephony.resampling import StreamResampler
    from voicebot.call.voice import VoiceDetector
    from voicebot.domain_words import domain_words

    return Hearing(
        engine=transcriber,
        listener=listener,
        pool=pool,
        executor=ears,
        new_voice=VoiceDetector,
        new_resampler=StreamResampler,
        limits=UtteranceLimits(threshold=settings.turn.vad_confidence, silence_s=service.silence_s),
        partial_every_s=service.partial_every_s,
        words=domain_words(),
    )


def _announce(service: AsrService, port: int, engine: str, *, as_json: bool) -> None:
    host = f"[{service.host}]" if ":" in service.host else service.host
    vosk = f"{'wss' if service.tls_certificate else 'ws'}://{host}:{port}"
    if as_json:
        print_json({"ready": True, "engine": engine, "vosk": vosk, "stream": f"{vosk}/v1/stream"})
    else:
        typer.echo(f"{engine} transcribes at {vosk} (vosk-server's protocol) and {vosk}/v1/stream.")


def _service(settings: Settings, host: str, port: int | None) -> AsrService:
    from pydantic import ValidationError

    from voicebot.config import AsrService

    given = {"host": host or None, "port": port}
    values = {key: value for key, value in given.items() if value is not None}
    try:
        return AsrService.model_validate(settings.asr_service.model_dump() | values)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"asr_service: {reason}.") from None


def _on_loopback(host: str) -> bool:
    from telephony.access import is_loopback

    return is_loopback(host)


def _tls(service: AsrService) -> ssl.SSLContext | None:
    if not service.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(service.tls_certificate, service.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"asr_service.tls_certificate or tls_key cannot be used: {error.strerror or error}."
        ) from None
    return context


async def _anybody(_: str | None) -> bool:
    return True


def _whoever_has_a_token(settings: Settings) -> Callable[[str | None], Awaitable[bool]]:
    import structlog

    from voicebot.commands.tokens import show_once
    from voicebot.records.errors import RecordsUnavailable
    from voicebot.security import SecurityError, prepare, token_store

    try:
        show_once(prepare(settings), err=True)
    except (RecordsUnavailable, SecurityError) as error:
        # The tokens last read go on being valid.
        structlog.get_logger().error("database_unavailable_at_start", reason=str(error))
    tokens = token_store(settings)

    async def admit(token: str | None) -> bool:
        principal = await asyncio.to_thread(tokens.principal, token)
        return principal is not None and principal.role in ROLES

    return admit
