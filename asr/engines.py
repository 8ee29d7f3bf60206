"""Which recognisers there are, which are installed, and opening one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import ModelMissing, RemoteAddressInvalid, UnknownEngine
from asr.hypothesis import Capabilities, Recognizer
from asr.listener import Listener
from asr.nodes.address import NatsServers
from asr.nodes.asking import Limits as NodesLimits
from asr.nodes.transcriber import NodesTranscriber
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
    hot_words: Mapping[str, int] = field(default_factory=dict)
    """Weight by word, for servers that take them."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class NodesEngine:
    """The nodes of an installation, which share their transcriber."""

    servers: NatsServers
    limits: NodesLimits = field(default_factory=NodesLimits)


@dataclass(frozen=True, slots=True)
class EngineFolders:
    """Where each engine's model lies, the speech server and the nodes; None where there is none."""

    whisper: Path | None = None
    vosk: Path | None = None
    listener: Path | None = None
    remote: RemoteEngine | None = None
    nodes: NodesEngine | None = None


@dataclass(frozen=True, slots=True)
class EngineRow:
    """A line of the capability table."""

    engine: str
    installed: bool
    folder: Path | None
    capabilities: Capabilities
    needs: str
    model: str
    """Where the model comes from, and its licence."""
    cost: str
    """As far as it was measured, and where."""


@dataclass(frozen=True, slots=True)
class _Engine:
    opens: Callable[[Path, int, bool], Recognizer]
    """With the model's folder, the cores for one decode, and whether word times are wanted."""
    mark: str
    """A file of the model, to tell whether it is installed."""
    capabilities: Capabilities
    needs: str
    model: str
    cost: str


@dataclass(frozen=True, slots=True)
class _Server:
    """What speaks a protocol; which models it runs is the operator's choice."""

    dialect: Callable[[RemoteEngine | None], Dialect]
    model: str


_ENGINES: dict[str, _Engine] = {
    "whisper": _Engine(
        lambda folder, threads, word_times: WhisperTranscriber(
            folder, threads=threads, word_times=word_times
        ),
        "model.bin",
        WhisperTranscriber.declared,
        "a CTranslate2 Whisper folder (asr.whisper_model)",
        "openai/whisper base, MIT (`voicebot models fetch`); any other in CTranslate2's format",
        "base: 0.4 s of two cores an utterance; word times 40 ms of one more",
    ),
    "vosk": _Engine(
        lambda folder, threads, word_times: VoskTranscriber(folder),
        "am/final.mdl",
        VoskTranscriber.declared,
        "a Vosk model folder (asr.vosk_model)",
        "an operator's own, such as vosk-model-small-cn-0.22, Apache-2.0 (alphacephei.com)",
        "not measured in Mandarin; the small Korean model: 537 MB",
    ),
    "listener": _Engine(
        lambda folder, threads, word_times: Listener(folder),
        "tokens.txt",
        Listener.capabilities,
        "a sherpa-onnx transducer folder with pinyin tokens (paths.listener)",
        "k2-fsa's Zipformer trained on WenetSpeech, Apache-2.0 (`voicebot models fetch`)",
        "0.022 s of one core a second of audio",
    ),
}
# Text engines by the accuracy of what is usually installed; the listener has no hanzi.
_BEST_FIRST = ("whisper", "vosk", "listener")
# Servers are opened by name only: "auto" must not send callers' voices away.
_SERVERS: dict[str, _Server] = {
    "funasr": _Server(
        lambda remote: (
            FunAsr(remote.funasr_mode, hot_words=remote.hot_words) if remote else FunAsr()
        ),
        "the server's, such as Paraformer (FunASR's model licence)",
    ),
    "vosk-server": _Server(lambda remote: VoskServer(), "the server's, as of vosk"),
}
NODES = "nats"
"""Opened by name only too: nodes of one's own, but elsewhere."""
_AT_THE_SERVER = "the server's; here next to nothing"


def capability_table(folders: EngineFolders) -> tuple[EngineRow, ...]:
    """Every engine, best first: what it can do and whether its model is there. Loads nothing."""
    rows = []
    for name in _BEST_FIRST:
        engine, folder = _ENGINES[name], getattr(folders, name)
        installed = folder is not None and (folder / engine.mark).exists()
        rows.append(
            EngineRow(
                name, installed, folder, engine.capabilities, engine.needs, engine.model,
                engine.cost,
            )
        )  # fmt: skip
    for name, server in _SERVERS.items():
        able, needs = server.dialect(folders.remote).capabilities, f"a {name} service (asr.url)"
        there = folders.remote is not None
        rows.append(EngineRow(name, there, None, able, needs, server.model, _AT_THE_SERVER))
    rows.append(
        EngineRow(
            NODES, folders.nodes is not None, None, NodesTranscriber.capabilities,
            "nodes with the role asr, and NATS (nats.servers)", "the nodes', such as whisper's",
            "the nodes'; here next to nothing",
        )
    )  # fmt: skip
    return tuple(rows)


def open_transcriber(
    engine: str = AUTO,
    folders: EngineFolders | None = None,
    *,
    threads: int = 2,
    word_times: bool = False,
) -> Recognizer:
    """Load an engine by name; "auto" takes the best whose model is installed.

    Args:
        engine: "auto", "whisper", "vosk", "listener", "funasr", "vosk-server" or "nats".
        folders: where the models lie, the speech server, and the nodes.
        threads: cores for one decoding, where the engine can use more than one.
        word_times: finals say when each word was spoken, of an engine too that has to compute it.

    Raises:
        UnknownEngine: no such name.
        ModelMissing, ModelBroken: its model is not there or does not load.
        RemoteAddressInvalid: there is no address for its server. Whether the server is there is
            seen when it is used.
    """
    folders = folders or EngineFolders()
    if engine == NODES:
        if folders.nodes is None:
            raise RemoteAddressInvalid("The engine nats needs the addresses of NATS: nats.servers.")
        return NodesTranscriber(folders.nodes.servers, limits=folders.nodes.limits)
    if engine in _SERVERS:
        if folders.remote is None:
            raise RemoteAddressInvalid(
                f"The engine {engine} needs the address of a server: asr.url."
            )
        dialect, remote = _SERVERS[engine].dialect(folders.remote), folders.remote
        return RemoteTranscriber(dialect, remote.server, limits=remote.limits)
    if engine != AUTO and engine not in _ENGINES:
        names = ", ".join([AUTO, *_BEST_FIRST, *_SERVERS, NODES])
        raise UnknownEngine(f"There is no engine {engine!r}. There are: {names}.")
    local = [row for row in capability_table(folders) if row.engine in _ENGINES]
    rows = [row for row in local if engine in (AUTO, row.engine)]
    for row in rows:
        if row.folder is not None and (row.installed or engine != AUTO):
            return _ENGINES[row.engine].opens(row.folder, threads, word_times)
    wanted = " or ".join(row.needs for row in rows)
    raise ModelMissing(f"No speech model is installed: {wanted}. Run `voicebot models fetch`.")
