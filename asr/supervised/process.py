"""One engine's process as it is seen from here."""

from __future__ import annotations

import contextlib
import pickle
import socket
import subprocess
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from asr import errors
from asr.errors import DecodeFailed, EngineError, EngineLost
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Recognizer
from asr.supervised import child
from asr.supervised.wear import Limits, Wear
from asr.supervised.wire import Wire, pack

SAMPLE_RATE = 16_000
_NONSENSE = "answered nonsense"
T = TypeVar("T")
Opens = Callable[[], Recognizer]
"""Loads the engine; picklable, such as a ``functools.partial`` of ``open_transcriber``."""


class ProcessLost(Exception):
    """It ended, hangs or answered nonsense; it was killed. The text says which, for the log."""

    def __init__(self, how: str, *, late: bool = False) -> None:
        super().__init__(how)
        self.late = late


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a process says of its engine."""

    name: str
    capabilities: Capabilities
    seconds: float


class Place:
    """A stream within a process; let go of, it is forgotten there too."""

    def __init__(self, process: EngineProcess, number: int, start: int) -> None:
        self.process, self.number, self.start = process, number, start
        self.sent = start
        """Position of our stream up to which its audio is there."""
        weakref.finalize(self, process.forget, number).atexit = False


class EngineProcess:
    """Started by the constructor, in the thread whose end ends it too; ``load`` must follow.

    Requests are made one at a time. The audio that crosses is only what is new.

    Args:
        opens: loads the engine there.
        limits: deadlines.
        niceness: added to ours (nice(2)).
    """

    def __init__(self, opens: Opens, limits: Limits, niceness: int) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        self._process = child.start("asr.supervised.program", theirs)
        self._wire = Wire(ours)
        weakref.finalize(self, self._wire.close)
        self._first = ({"niceness": niceness}, pickle.dumps(opens))
        self._asked = self._streams = 0
        self._forget: deque[int] = deque()
        self._loaded: Loaded | None = None
        self._loaded_at = 0.0
        self._loaded_bytes = 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """By itself or by others."""
        return self._process.poll() is not None

    @property
    def loaded(self) -> Loaded:
        """Once ``load`` has returned."""
        assert self._loaded is not None
        return self._loaded

    @property
    def resident_bytes(self) -> int:
        """Memory in use; 0 where it cannot be known."""
        return child.resident_bytes(self.pid)

    @property
    def wear(self) -> Wear:
        """Since it was loaded."""
        grown = self.resident_bytes - self._loaded_bytes
        return Wear(self._asked, time.monotonic() - self._loaded_at, grown)

    def load(self) -> Loaded:
        """Wait for its model.

        Raises:
            EngineError: as opening the engine here would.
            ProcessLost: it ended, or took too long.
        """
        answer = self._exchange(*self._first, number=0, seconds=self._limits.load_s)
        if "error" in answer:
            self.kill()
            raise _as_here(answer)
        self._loaded_at, self._loaded_bytes = time.monotonic(), self.resident_bytes
        self._loaded = self._read(Loaded, answer)
        return self._loaded

    def place(self, start: int) -> Place:
        """A new stream, whose audio begins at a position of ours."""
        self._streams += 1
        return Place(self, self._streams, start)

    def forget(self, number: int) -> None:
        """Of a stream, with the next request. Safe wherever a finaliser may run."""
        self._forget.append(number)

    def decode(self, place: Place, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
        """Feed a stream the next pieces, as they were fed here, and decode it.

        Raises:
            ProcessLost: no answer; the same may be asked of another process.
            DecodeFailed: the engine raised.
        """
        return self._ask(place.number, chunks, final=final)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """One whole utterance. Raises as ``decode``."""
        return self._ask(None, [pcm], final=True)

    def kill(self) -> None:
        """At once, whatever it does; whoever waits for its answer sees it. From any thread."""
        self._process.kill()
        self._process.wait()

    def _ask(self, stream: int | None, chunks: Sequence[Pcm], *, final: bool) -> Hypothesis:
        sizes, samples = pack(chunks)
        self._asked += 1
        forget = [self._forget.popleft() for _ in range(len(self._forget))]
        answer = self._exchange(
            {"id": self._asked, "stream": stream, "final": final, "sizes": sizes, "forget": forget},
            samples,
            number=self._asked,
            seconds=self._limits.deadline_s + sum(sizes) / SAMPLE_RATE,
        )
        if "error" in answer:
            raise DecodeFailed(f"The recogniser failed at this audio: {answer['error']}.")
        return self._read(Hypothesis, answer.get("hypothesis"))

    def _read(self, kind: type[T], answer: object) -> T:
        try:
            return cast(T, _READERS[kind].validate_python(answer))
        except ValidationError:
            self.kill()
            raise ProcessLost(_NONSENSE) from None

    def _exchange(
        self, header: dict[str, Any], payload: bytes, *, number: int, seconds: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        try:
            self._wire.send(header, payload, deadline=deadline)
            answer, _ = self._wire.receive(deadline=deadline)
        except TimeoutError:
            self.kill()
            raise ProcessLost(f"no answer in {seconds:.0f} s", late=True) from None
        except OSError:
            raise ProcessLost(self._end()) from None
        except ValueError:
            answer = {}
        if answer.get("id") != number:
            self.kill()
            raise ProcessLost(_NONSENSE)
        return answer

    def _end(self) -> str:
        """How it ended: its socket is closed a moment before it is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self.kill()
        return child.how_it_ended(self._process.returncode)


def _as_here(answer: dict[str, Any]) -> EngineError:
    """The error of loading, as it would have been raised in this process."""
    kind = getattr(errors, answer["error"], None)
    if isinstance(kind, type) and issubclass(kind, EngineError):
        return kind(answer["message"])
    return EngineLost(f"The recogniser's process cannot load its engine: {answer['error']}.")


_READERS: dict[type[Any], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Loaded, Hypothesis)
}
