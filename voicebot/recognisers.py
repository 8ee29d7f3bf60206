"""Which recognisers the settings name, and opening both ears."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from asr.archive import Ears
from asr.engines import NODES, EngineFolders, NodesEngine, RemoteEngine, open_transcriber
from asr.errors import EngineError, UnknownEngine
from asr.fallback import FallbackTranscriber
from asr.hypothesis import Recognizer
from asr.listener import Listener
from asr.nodes.asking import Limits as NodesLimits
from asr.remote.address import RemoteServer, read_token
from asr.remote.conversation import Limits
from asr.supervised import wear
from asr.supervised.transcriber import SupervisedTranscriber
from voicebot.cluster.nats_servers import servers_of
from voicebot.config import REMOTE_ENGINES, Settings
from voicebot.domain_words import domain_words

log = structlog.get_logger()

DECODING_NICENESS = 10
"""Of the transcriber's threads (nice(2)): a tenth of the weight of those that carry calls."""

MOST_WORKERS = 4
"""Processes of the transcriber where the settings leave their number open: memory is not free."""


class OpenEngine(Protocol):
    """Loads an engine by name, as `asr.engines.open_transcriber` does."""

    def __call__(self, engine: str, folders: EngineFolders, *, threads: int) -> Recognizer: ...


def engine_folders(settings: Settings) -> EngineFolders:
    """Where each engine's model lies, and the speech server.

    Raises:
        RemoteAddressInvalid: a server's token file cannot be used.
    """
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
            limits=Limits(final_s=settings.asr.final_deadline_s),
            hot_words=_hot_words(settings.asr.funasr_hot_word_weight),
        )
    return EngineFolders(
        whisper=Path(whisper) if whisper else settings.paths.models / "whisper-base",
        vosk=Path(vosk) if vosk else None,
        listener=settings.paths.listener_folder(),
        remote=remote,
        nodes=_nodes(settings) if settings.nats.servers else None,
    )


def _nodes(settings: Settings) -> NodesEngine:
    limits = settings.asr
    return NodesEngine(
        servers_of(settings.nats),
        NodesLimits(limits.node_final_s, limits.node_sentinel_s, limits.node_partial_s),
    )


def _hot_words(weight: int) -> dict[str, int]:
    """The names of places; 琼 by itself would be heard everywhere."""
    names = domain_words().words if weight else ()
    return {name: weight for name in names if len(name) > 1}


def open_apart(
    settings: Settings,
    engine: str,
    folders: EngineFolders,
    *,
    threads: int,
    word_times: bool = False,
    executor: Executor | None = None,
) -> Recognizer:
    """A local engine in processes of its own, if `asr.process` says so; a speech server and the
    shared transcriber from here.

    Args:
        executor: where what stays in this process is loaded: its native threads are as nice as
            the one that makes them.

    Raises as `asr.engines.open_transcriber`.
    """
    folders = replace(folders, listener=None)  # it is no transcriber
    if engine in (*REMOTE_ENGINES, NODES) or not settings.asr.process:
        load = partial(open_transcriber, engine, folders, threads=threads, word_times=word_times)
        return executor.submit(load).result() if executor else load()
    folders = replace(folders, remote=None, nodes=None)
    return SupervisedTranscriber(
        partial(open_transcriber, engine, folders, threads=threads, word_times=word_times),
        limits=wear.Limits(
            deadline_s=settings.asr.process_deadline_s,
            hours=settings.asr.process_hours,
            growth_bytes=settings.asr.process_growth_mb << 20,
        ),
        workers=settings.asr.workers or min(os.cpu_count() or 1, MOST_WORKERS),
        spare=settings.asr.process_spare,
        niceness=DECODING_NICENESS,
    )


def open_transcriber_for(
    settings: Settings,
    folders: EngineFolders | None = None,
    *,
    engine: str = "",
    open_engine: OpenEngine = open_transcriber,
) -> Recognizer:
    """The transcriber that the settings name, with `asr.fallback` behind it.

    Where the one cannot be opened the other is used alone, and the log says so.

    Args:
        settings: `asr.engine`, `asr.fallback` and `asr.threads`.
        folders: instead of the settings' own.
        engine: instead of `asr.engine`; then it is used alone, without the fallback.
        open_engine: how engines are loaded.

    Raises:
        EngineError: none can be opened, or `asr.engine` is none.
    """
    name = engine or settings.asr.engine
    if name == "none":
        raise UnknownEngine("asr.engine is none in the settings; choose one with --engine.")
    load = partial(
        open_engine, folders=folders or engine_folders(settings), threads=settings.asr.threads
    )
    fallback = "" if engine else settings.asr.fallback
    if not fallback:
        return load(name)
    try:
        first = load(name)
    except EngineError as error:
        log.error("engine_missing", engine=name, instead=fallback, reason=str(error))
        return load(fallback)
    if first.name == fallback:
        return first
    try:
        return FallbackTranscriber(first, load(fallback))
    except EngineError as error:
        log.warning("fallback_missing", engine=fallback, reason=str(error))
        return first


def open_ears_for(
    settings: Settings,
    folders: EngineFolders | None = None,
    *,
    engine: str = "",
    open_engine: OpenEngine = open_transcriber,
) -> Ears:
    """The transcriber, and the listener, which re-ranks its readings and may be missing.

    Arguments and errors are those of `open_transcriber_for`.
    """
    folders = folders or engine_folders(settings)
    transcriber = open_transcriber_for(settings, folders, engine=engine, open_engine=open_engine)
    if folders.listener is None or transcriber.capabilities.phonetic:
        return Ears(transcriber, None)
    try:
        return Ears(transcriber, Listener(folders.listener))
    except EngineError as error:
        log.warning("listener_missing", reason=str(error))
        return Ears(transcriber, None)
