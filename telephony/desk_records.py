"""What the stand-in desk keeps on disk: dossiers, lines, and a list of events.

    <folder>/dossiers/<handoff>.json   newest state of each dossier
    <folder>/dossiers/received.jsonl   idempotency keys that were taken
    <folder>/lines/<handoff>-<n>.wav   left: heard from the caller, right: said by the desk
    <folder>/lines/<handoff>-<n>.json  what the line was opened with
    <folder>/events.jsonl              one event a line, epoch seconds, numbers masked

The folder holds personal data and belongs to its owner alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telephony.errors import DeskError
from telephony.recording import file_stem

HANDOFF_FIELDS = ("handoff", "handoff_id", "id")
"""Where a dossier names its hand-off, first that is there."""

REVISION_FIELDS = ("revision", "version")
"""Where a dossier counts its updates, if it does: an older one never replaces a newer."""


@dataclass(frozen=True, slots=True)
class DeskEvent:
    """Something happened at the desk.

    Parameters:
        kind: `line_opened`, `ringing`, `busy`, `answered`, `greeting_spoken`, `acknowledged`,
            `caller_heard` (the caller's first sound on this line), `dossier`, `ended`, `refused`.
        time: time.time().
        handoff: id of the hand-off, "" when unknown.
        number: duty number that was dialled.
        name: that number's name for people.
        detail: safe to log.
        private: personal data for the desk's screen (caller, dossier); never logged or stored here.
    """

    kind: str
    time: float
    handoff: str = ""
    number: str = ""
    name: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict, repr=False)


OnDeskEvent = Callable[[DeskEvent], None]


class DeskRecords:
    """The desk's folder. All writes are small and synchronous.

    Errors: DeskError `cannot_write` at construction, `no_handoff`, `key_reused` for dossiers.
    """

    def __init__(self, folder: Path, on_event: OnDeskEvent | None = None) -> None:
        self.folder = folder
        self._on_event = on_event
        try:
            for part in (folder, folder / "dossiers", folder / "lines"):
                part.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._events = _open_append(folder / "events.jsonl")
            self._received = _open_append(folder / "dossiers" / "received.jsonl")
        except OSError as error:
            raise DeskError(
                "cannot_write",
                f"The desk cannot write to {folder} ({error.strerror}); give another folder.",
            ) from None
        self._keys = dict(_read_keys(folder / "dossiers" / "received.jsonl"))

    def close(self) -> None:
        os.close(self._events)
        os.close(self._received)

    def note(
        self,
        kind: str,
        *,
        handoff: str = "",
        number: str = "",
        name: str = "",
        detail: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes an event down and shows it."""
        event = DeskEvent(kind, time.time(), handoff, number, name, detail or {}, private or {})
        line = {
            "time": event.time,
            "event": kind,
            "handoff": handoff,
            "number": number,
            "name": name,
            **event.detail,
        }
        os.write(self._events, _line(line))
        if self._on_event is not None:
            self._on_event(event)

    def line_path(self, handoff: str) -> Path:
        """A fresh path, without suffix, for a line of this hand-off."""
        stem = file_stem(handoff or "unknown")
        count = 1
        while (path := self.folder / "lines" / f"{stem}-{count}").with_suffix(".json").exists():
            count += 1
        return path

    def keep_line(self, path: Path, opened_with: Mapping[str, Any]) -> None:
        _write_whole(path.with_suffix(".json"), opened_with)

    def take_dossier(self, dossier: Mapping[str, Any], key: str | None = None) -> bool:
        """Keeps a dossier; False when this key or a newer revision is here already.

        On disk before it returns. Errors: DeskError `no_handoff`, `key_reused`.
        """
        handoff = dossier_handoff(dossier)
        if not handoff:
            raise DeskError(
                "no_handoff", "The dossier names no hand-off; put its id in the field handoff."
            )
        digest = hashlib.sha256(
            json.dumps(dossier, sort_keys=True, ensure_ascii=True).encode()
        ).hexdigest()
        if key is not None and key in self._keys:
            if self._keys[key] != digest:
                raise DeskError(
                    "key_reused",
                    "This Idempotency-Key came with another dossier before; use a new key.",
                )
            return False
        path = self.folder / "dossiers" / f"{file_stem(handoff)}.json"
        kept = _revision(dossier) >= _revision(_read(path))
        if kept:
            _write_whole(path, dossier)
        if key is not None:
            os.write(self._received, _line({"key": key, "digest": digest, "time": time.time()}))
            os.fsync(self._received)
            self._keys[key] = digest
        return kept

    def dossiers(self) -> list[dict[str, Any]]:
        """The newest state of every dossier, oldest first."""
        paths = sorted((self.folder / "dossiers").glob("*.json"), key=lambda p: p.stat().st_mtime)
        return [_read(path) for path in paths]


def dossier_handoff(dossier: Mapping[str, Any]) -> str:
    """The id of the hand-off that a dossier belongs to, or ""."""
    return next((str(dossier[name]) for name in HANDOFF_FIELDS if dossier.get(name)), "")


def _revision(dossier: Mapping[str, Any]) -> float:
    for name in REVISION_FIELDS:
        value = dossier.get(name)
        if isinstance(value, int | float):
            return float(value)
    return 0.0


def _open_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _line(values: Mapping[str, Any]) -> bytes:
    text = json.dumps(values, ensure_ascii=False, default=str) + "\n"
    return text.encode("utf-8", "replace")


def _write_whole(path: Path, values: Mapping[str, Any]) -> None:
    """Old or new, never half: written beside, then moved over."""
    beside = path.with_suffix(".part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        text = json.dumps(values, ensure_ascii=False, indent=1, default=str)
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _read_keys(path: Path) -> list[tuple[str, str]]:
    keys = []
    for line in path.read_text("utf-8").splitlines():
        try:
            values = json.loads(line)
            keys.append((str(values["key"]), str(values["digest"])))
        except (ValueError, KeyError, TypeError):
            continue  # half a line: the machine went down while writing; it will be sent again
    return keys
