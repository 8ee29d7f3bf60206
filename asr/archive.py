"""Many recordings → a transcript file each: in parallel, and again from where it stopped.

A transcript is written under a name of its own and renamed when it is complete, so one that is
there is whole, and is not made again. ``manifest.jsonl`` in the folder of transcripts gets a line
for each recording that was worked on.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from types import TracebackType
from typing import Any, NamedTuple

from asr import subtitles
from asr.audio import shown
from asr.domain import NO_WORDS, DomainWords
from asr.errors import AsrError
from asr.hypothesis import Recognizer
from asr.listener import Listener
from asr.transcribe import SIDES, Channels, FileResult, Problem, SegmentResult, transcribe_file

AUDIO_SUFFIXES = frozenset(
    {".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".w64", ".wav"}
)
"""What is taken for a recording in a folder; a file that is named itself may be called anything."""

MANIFEST = "manifest.jsonl"

WRITERS: Mapping[str, tuple[str, Callable[[FileResult], str]]] = {
    "json": (".json", lambda result: json.dumps(result, ensure_ascii=False) + "\n"),
    "srt": (".srt", lambda result: subtitles.srt(result["segments"])),
    "vtt": (".vtt", lambda result: subtitles.vtt(result["segments"])),
    "text": (".txt", lambda result: subtitles.text(result["segments"])),
}
"""Format → the suffix of its files, and what is in them."""


class ArchiveError(AsrError):
    """The recordings or the folder of transcripts cannot be used as they were named."""

    code = "asr.archive"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, and its place below the folder that was named: there its transcript goes."""

    path: Path
    inside: Path


def find_recordings(named: Sequence[Path], *, recursive: bool = False) -> list[Recording]:
    """Files as they are named and folders' audio files by name; none twice, hidden ones never.

    A file that is not there counts as a recording that cannot be read.

    Raises:
        ArchiveError: a folder holds no audio file.
        OSError: a folder cannot be read.
    """
    found: dict[str, Recording] = {}
    for path in named:
        if path.is_dir():
            recordings = [Recording(path / each, each) for each in _in_folder(path, recursive)]
        else:
            recordings = [Recording(path, Path(path.name))]
        for recording in recordings:
            found.setdefault(os.path.realpath(recording.path), recording)
    return list(found.values())


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    files: list[Path] = []
    deeper = False
    for place, folders, names in os.walk(folder, onerror=_raise):
        below = Path(place).relative_to(folder)
        files += [
            below / name
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES
        ]
        folders[:] = [name for name in folders if not name.startswith(".")]
        if not recursive:
            deeper = bool(folders)
            folders.clear()
    if not files:
        hint = "; --recursive looks into its folders too" if deeper else ""
        kinds = ", ".join(sorted(suffix[1:] for suffix in AUDIO_SUFFIXES))
        raise ArchiveError(f"{shown(folder)} holds no recording ({kinds}){hint}.")
    return sorted(files)


def _raise(error: OSError) -> None:
    raise error


class Transcripts:
    """The folder of transcripts; entered by one run at a time.

    Args:
        folder: made if it is not there; readable by its owner only, as the transcripts are.
        formats: keys of ``WRITERS``; each recording gets a file of each.

    Raises on entering:
        ArchiveError: another run writes there.
        OSError: it cannot be written to.
    """

    def __init__(self, folder: Path, formats: Sequence[str]) -> None:
        self.folder = folder
        self._writers = [WRITERS[name] for name in formats]
        self._lock = Lock()

    def __enter__(self) -> Transcripts:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._manifest = os.fdopen(os.open(self.folder / MANIFEST, flags, 0o600), "ab", 0)
        try:
            fcntl.flock(self._manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._manifest.close()
            raise ArchiveError(
                f"Another run writes to {shown(self.folder)} now; wait for its end."
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manifest.close()

    def places(self, recording: Recording, mark: str = "") -> list[Path]:
        """Where its transcripts are written: its name with a suffix after its own."""
        place = self.folder / recording.inside
        return [place.with_name(place.name + mark + suffix) for suffix, _ in self._writers]

    def require_distinct(self, recordings: Sequence[Recording]) -> None:
        """Raises ArchiveError where two recordings would be written to one file."""
        for inside, count in Counter(each.inside for each in recordings).items():
            if count > 1:
                paths = " and ".join(shown(e.path) for e in recordings if e.inside == inside)
                raise ArchiveError(
                    f"{paths} would be written to one file. Name the folder that holds both, "
                    "with --recursive, or transcribe them into different folders."
                )

    def complete(self, recording: Recording) -> bool:
        """All of its transcripts are there, and the recording has not changed since."""
        changed = _changed(recording.path)
        made = [_changed(place) for place in self.places(recording)]
        return changed is not None and all(at is not None and at >= changed for at in made)

    def write(self, recording: Recording, result: FileResult) -> list[Path]:
        """All formats; of a damaged recording as ``….damaged.json``, so that it is not complete."""
        mark = ".damaged" if "error" in result else ""
        places = self.places(recording, mark)
        for place, (_, content) in zip(places, self._writers, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(place, content(result).encode("utf-8", "backslashreplace"))
        if not mark:
            for former in self.places(recording, ".damaged"):
                former.unlink(missing_ok=True)
        return places

    def note(self, line: Mapping[str, Any]) -> None:
        """A line of the manifest."""
        with self._lock:
            self._manifest.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _changed(path: Path) -> int | None:
    """When a file was last written to, in ns of the epoch; None if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _write_whole(place: Path, content: bytes) -> None:
    name = sha256(os.fsencode(place.name)).hexdigest()[:16]
    unfinished = place.with_name(f".{name}.part")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


class Ears(NamedTuple):
    """What one recording at a time is recognised with."""

    transcriber: Recognizer
    listener: Listener | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a recording: ``result``, and ``problem`` if it is not all of it."""

    recording: Recording
    result: FileResult | None
    problem: Problem | None
    cause: Exception | None = None


class _Stopped(Exception):
    pass


class Batch:
    """Transcribes recordings, as many at a time as there are pairs of ears.

    Args:
        ears: loaded engines; each pair is used by one thread at a time.
        domain, channels, sides: as of ``transcribe_file``.
        transcripts: where the results are written, if anywhere.
        on_segment: called with the recording and each of its segments, from the threads at work.
        on_progress: called with a recording and the seconds of it that were newly done.
    """

    def __init__(
        self,
        ears: Sequence[Ears],
        *,
        domain: DomainWords = NO_WORDS,
        channels: Channels = "split",
        sides: tuple[str, str] = SIDES,
        transcripts: Transcripts | None = None,
        on_segment: Callable[[Recording, SegmentResult], None] | None = None,
        on_progress: Callable[[Recording, float], None] | None = None,
    ) -> None:
        self._width = len(ears)
        self._idle: SimpleQueue[Ears] = SimpleQueue()
        for pair in ears:
            self._idle.put(pair)
        self._domain, self._channels, self._sides = domain, channels, sides
        self._transcripts = transcripts
        self._on_segment = on_segment
        self._on_progress = on_progress
        self._stopped = Event()

    def run(self, recordings: Sequence[Recording]) -> Iterator[Outcome]:
        """Outcomes in the order of the recordings.

        A recording that fails harms no other. When the iterator is closed or interrupted, what is
        at work stops at its next second of audio; only what was complete by then is written.
        """
        if not recordings:
            return
        with ThreadPoolExecutor(self._width) as pool:
            waiting = deque(pool.submit(self._outcome, each) for each in recordings)
            try:
                while waiting:
                    yield waiting.popleft().result()
            finally:
                self._stopped.set()
                for future in waiting:
                    future.cancel()

    def _outcome(self, recording: Recording) -> Outcome:
        ears = self._idle.get()
        try:
            changed = _changed(recording.path)
            result = self._transcribe(recording, ears)
            if _changed(recording.path) != changed:
                raise ArchiveError(
                    f"{shown(recording.path)} was written to while it was read; "
                    "transcribe it when it is complete."
                )
            places = self._transcripts.write(recording, result) if self._transcripts else []
            outcome = Outcome(recording, result, result.get("error"))
            self._note(outcome, places)
            return outcome
        except _Stopped:
            raise
        except Exception as error:
            outcome = Outcome(recording, None, _problem(recording, error), error)
            self._note(outcome, [])
            return outcome
        finally:
            self._idle.put(ears)

    def _transcribe(self, recording: Recording, ears: Ears) -> FileResult:
        done = 0.0

        def progress(seconds: float, _: float) -> None:
            nonlocal done
            if self._stopped.is_set():
                raise _Stopped
            if self._on_progress is not None:
                self._on_progress(recording, seconds - done)
            done = seconds

        def segment(found: SegmentResult, _: float) -> None:
            if self._on_segment is not None:
                self._on_segment(recording, found)

        return transcribe_file(
            recording.path,
            ears.transcriber,
            listener=ears.listener,
            domain=self._domain,
            channels=self._channels,
            sides=self._sides,
            on_segment=segment,
            on_progress=progress,
        )

    def _note(self, outcome: Outcome, places: Sequence[Path]) -> None:
        if self._transcripts is None:
            return
        line: dict[str, Any] = {
            "path": shown(outcome.recording.path),
            "status": "done" if outcome.problem is None else "damaged" if places else "failed",
            "transcripts": [shown(p.relative_to(self._transcripts.folder)) for p in places],
        }
        if outcome.result is not None:
            line |= {key: outcome.result[key] for key in ("seconds", "engine")}
        if outcome.problem is not None:
            line["error"] = outcome.problem
        self._transcripts.note(line)


def _problem(recording: Recording, error: Exception) -> Problem:
    if isinstance(error, AsrError):
        return Problem(code=error.code, message=str(error))
    if isinstance(error, OSError) and error.strerror:
        name = shown(error.filename2 or error.filename or recording.path)
        return Problem(code="asr.archive", message=f"{name}: {error.strerror}.")
    fault = f"a fault of the program, {type(error).__name__}"
    return Problem(code="asr.fault", message=f"{shown(recording.path)}: {fault}.")
