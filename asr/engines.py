"""Which recognisers there are, which are installed, and opening one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import ModelMissing, RemoteAddressInvalid, UnknownEngine
from asr.hypothesis import Capabilities, Recognizer
from asr.listener import Listener
from asr.remote.address import RemoteServer
from asr.remote.conversation import Limits
from asr.remote.dialect import Dialect
from asr.remote.funasr import FunAsr, Mode
from asr.remote.transcriber import RemoteTranscriber
from asr.remote.vosk_server import VoskServer
from asr.vosk_engine import VoskTranscriber
from asr.whisper import WhisperTranscriber

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class RemoteEngine:
    """A speech server, whichever protocol it is then opened with."""

    server: RemoteServer
    funasr_mode: Mode = "2pass"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class EngineFolders:
    """Where each engine's model lies, and the speech server; None where there is none."""

    whisper: Path | None = None
    vosk: Path | None = None
    listener: Path | None = None
    remote: RemoteEngine | None = None


@dataclass(frozen=True, slots=True)
class EngineRow:
    """A line of the capability table."""

    engine: str
    installed: bool
    folder: Path | None
    capabilities: Capabilities
    needs: str


@dataclass(frozen=True, slots=True)
class _Engine:
    opens: Callable[[Path, int], Recognizer]
    mark: str
    """A file of the model, to tell whether it is installed."""
    capabilities: Capabilities
    needs: str


_ENGINES: dict[str, _Engine] = {
    "whisper": _Engine(
        lambda folder, threads: WhisperTranscriber(folder, threads=threads),
        "model.bin",
        WhisperTranscriber.capabilities,
        "a CTranslate2 Whisper folder (paths.whisper)",
    ),
    "vosk": _Engine(
        lambda folder, threads: VoskTranscriber(folder),
        "am/final.mdl",
        VoskTranscriber.declared,
        "a Vosk model folder (paths.vosk)",
    ),
    "listener": _Engine(
        lambda folder, threads: Listener(folder),
        "tokens.txt",
        Listener.capabilities,
        "a sherpa-onnx transducer folder with pinyin tokens (paths.listener)",
    ),
}
# Text engines by the accuracy of what is usually installed; the listener has no hanzi.
_BEST_FIRST = ("whisper", "vosk", "listener")
# Servers are opened by name only: "auto" must not send callers' voices away.
_DIALECTS: dict[str, Callable[[RemoteEngine | None], Dialect]] = {
    "funasr": lambda remote: FunAsr(remote.funasr_mode) if remote else FunAsr(),
    "vosk-server": lambda remote: VoskServer(),
}


def capability_table(folders: EngineFolders) -> tuple[EngineRow, ...]:
    """Every engine, best first: what it can do and whether its model is there. Loads nothing."""
    rows = []
    for name in _BEST_FIRST:
        engine, folder = _ENGINES[name], getattr(folders, name)
        installed = folder is not None and (folder / engine.mark).exists()
        rows.append(EngineRow(name, installed, folder, engine.capabilities, engine.needs))
    for name, dialect in _DIALECTS.items():
        able, needs = dialect(folders.remote).capabilities, f"a {name} service (asr.url)"
        rows.append(EngineRow(name, folders.remote is not None, None, able, needs))
    return tuple(rows)


def open_transcriber(
    engine: str = AUTO, folders: EngineFolders | None = None, *, threads: int = 2
) -> Recognizer:
    """Load an engine by name; "auto" takes the best whose model is installed.

    Args:
        engine: "auto", "whisper", "vosk", "listener", "funasr" or "vosk-server".
        folders: where the models lie, and the speech server.
        threads: cores for one decoding, where the engine can use more than one.

    Raises:
        UnknownEngine: no such name.
        ModelMissing, ModelBroken: its model is not there or does not load.
        RemoteAddressInvalid: there is no address for its server. Whether the server is there is
            seen when it is used.
    """
    folders = folders or EngineFolders()
    if engine in _DIALECTS:
        if folders.remote is None:
            raise RemoteAddressInvalid(
                f"The engine {engine} needs the address of a server: asr.url."
            )
        dialect, remote = _DIALECTS[engine](folders.remote), folders.remote
        return RemoteTranscriber(dialect, remote.server, limits=remote.limits)
    if engine != AUTO and engine not in _ENGINES:
        names = ", ".join([AUTO, *_BEST_FIRST, *_DIALECTS])
        raise UnknownEngine(f"There is no engine {engine!r}. There are: {names}.")
    local = [row for row in capability_table(folders) if row.engine in _ENGINES]
    rows = [row for row in local if engine in (AUTO, row.engine)]
    for row in rows:
        if row.folder is not None and (row.installed or engine != AUTO):
            return _ENGINES[row.engine].opens(row.folder, threads)
    wanted = " or ".join(row.needs for row in rows)
    raise ModelMissing(f"No speech model is installed: {wanted}. Run `voicebot models fetch`.")
