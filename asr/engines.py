"""Which recognisers there are, which are installed, and opening one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ModelMissing, UnknownEngine
from asr.hypothesis import Capabilities, Recognizer
from asr.listener import Listener
from asr.vosk_engine import VoskTranscriber
from asr.whisper import WhisperTranscriber

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class EngineFolders:
    """Where each engine's model lies; None where there is none."""

    whisper: Path | None = None
    vosk: Path | None = None
    listener: Path | None = None


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


def capability_table(folders: EngineFolders) -> tuple[EngineRow, ...]:
    """Every engine, best first: what it can do and whether its model is there. Loads nothing."""
    rows = []
    for name in _BEST_FIRST:
        engine, folder = _ENGINES[name], getattr(folders, name)
        installed = folder is not None and (folder / engine.mark).exists()
        rows.append(EngineRow(name, installed, folder, engine.capabilities, engine.needs))
    return tuple(rows)


def open_transcriber(
    engine: str = AUTO, folders: EngineFolders | None = None, *, threads: int = 2
) -> Recognizer:
    """Load an engine by name; "auto" takes the best whose model is installed.

    Args:
        engine: "auto", "whisper", "vosk" or "listener".
        folders: where the models lie.
        threads: cores for one decoding, where the engine can use more than one.

    Raises:
        UnknownEngine: no such name.
        ModelMissing, ModelBroken: its model is not there or does not load.
    """
    folders = folders or EngineFolders()
    if engine != AUTO and engine not in _ENGINES:
        names = ", ".join([AUTO, *_BEST_FIRST])
        raise UnknownEngine(f"There is no engine {engine!r}. There are: {names}.")
    rows = [r for r in capability_table(folders) if engine == AUTO or r.engine == engine]
    for row in rows:
        if row.folder is not None and (row.installed or engine != AUTO):
            return _ENGINES[row.engine].opens(row.folder, threads)
    wanted = " or ".join(row.needs for row in rows)
    raise ModelMissing(f"No speech model is installed: {wanted}. Run `voicebot models fetch`.")
