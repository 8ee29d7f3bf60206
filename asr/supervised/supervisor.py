"""Keeps an engine's process at work: replaces what is lost or worn, and asks again what was lost.

One thread starts all processes, since they end with the thread that started them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Condition, Lock, Thread
from typing import Generic, Protocol, TypeVar

import structlog

from asr.errors import EngineError, EngineLost
from asr.supervised.process import Loaded, ProcessLost
from asr.supervised.wear import Limits, Wear, Worn, worn

log = structlog.get_logger()

ATTEMPTS = 2
"""An utterance that two processes die of is given up."""
LOADS = 3
"""So many processes in a row may be lost while they load, before it is said that none loads."""
PAUSE_S = 1.0
"""Before the first new attempt to load an engine that did not load; then twice as long, to"""
LONGEST_PAUSE_S = 60.0


class Process(Protocol):
    """What the supervisor needs of `asr.supervised.process.EngineProcess`."""

    @property
    def pid(self) -> int: ...
    @property
    def ended(self) -> bool: ...
    @property
    def resident_bytes(self) -> int: ...
    @property
    def wear(self) -> Wear: ...
    def load(self) -> Loaded: ...
    def kill(self) -> None: ...


P = TypeVar("P", bound=Process)
T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """Since the start."""

    restarts: int = 0
    """Processes lost: they ended, or hung."""
    timeouts: int = 0
    """Those of them that hung."""
    recycled: int = 0
    """Processes replaced because of age or memory."""
    failed: int = 0
    """Requests that found no answer."""


class Supervisor(Generic[P]):
    """Shared by all streams; one request is at work at a time.

    Args:
        start: begins a process.
        limits: when one is worn.
        spare: keep a loaded one beside the one at work, so that a loss costs no loading.
    """

    def __init__(self, start: Callable[[], P], limits: Limits, *, spare: bool) -> None:
        self._start, self._limits, self._keep_spare = start, limits, spare
        self._asking = Lock()
        self._changed = Condition()
        self._current: P | None = None
        self._loading: P | None = None
        self._spare: P | None = None
        self._worn: Worn | None = None
        self._not_loaded: EngineError | None = None
        self._closed = False
        self._counts = Counts()
        Thread(target=self._keep, name="engine-keeper", daemon=True).start()

    @property
    def counts(self) -> dict[str, int]:
        """By the names in ``Counts``."""
        return asdict(self._counts)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the process at work and the spare one, as far as there are."""
        with self._changed:
            return tuple(each.pid for each in (self._current, self._spare) if each is not None)

    def run(self, work: Callable[[P], T], *, beginning: bool) -> T:
        """What ``work`` makes of the process; a process lost by it is replaced, and asked again.

        Args:
            work: raises ``ProcessLost`` where there was no answer.
            beginning: of an utterance: nothing of it is in the process yet.

        Raises:
            EngineLost: it was lost each time.
            EngineError: what ``work`` raised, or loading a process.
        """
        with self._asking:
            lost: ProcessLost | None = None
            for _ in range(ATTEMPTS):
                process = self._process(beginning=beginning or lost is not None)
                try:
                    result = work(process)
                except ProcessLost as error:
                    lost = error
                    self._lose(process, error)
                    continue
                self._weigh(process)
                return result
            self._counts.failed += 1
            raise EngineLost(f"The recogniser was lost {ATTEMPTS} times at one utterance: {lost}.")

    def close(self) -> None:
        """Ends all processes; whoever waits is told."""
        with self._changed:
            self._closed = True
            processes = (self._current, self._loading, self._spare)
            self._changed.notify_all()
        for process in processes:
            if process is not None:
                process.kill()

    # ── the process to ask ────────────────────────────────────────────────────────

    def _process(self, *, beginning: bool) -> P:
        with self._changed:
            self._bury()
            current = self._current
            replaceable = beginning and self._worn is not None and self._spare is not None
            if current is not None and not replaceable:
                return current
            self._changed.wait_for(lambda: self._spare or self._not_loaded or self._closed)
            if self._closed:
                raise EngineLost("The recogniser was closed.")
            if self._spare is None:
                assert self._not_loaded is not None
                raise self._not_loaded
            fresh, self._current, self._spare = self._spare, self._spare, None
            reason, self._worn = self._worn, None
            if current is not None:
                self._counts.recycled += 1
                log.info("engine_process_recycled", pid=current.pid, reason=reason)
            self._changed.notify_all()
        if current is not None:
            current.kill()
        return fresh

    def _bury(self) -> None:
        """Those that ended while nobody asked; called with the lock held."""
        if self._current is not None and self._current.ended:
            self._note_lost(self._current, "ended while idle")
            self._current = self._worn = None
        if self._spare is not None and self._spare.ended:
            self._note_lost(self._spare, "ended as the spare one")
            self._spare = None
        self._changed.notify_all()

    def _lose(self, process: P, error: ProcessLost) -> None:
        with self._changed:
            self._note_lost(process, str(error))
            self._counts.timeouts += error.late
            self._current = self._worn = None
            self._changed.notify_all()

    def _note_lost(self, process: P, how: str) -> None:
        self._counts.restarts += 1
        spare = self._spare is not None and self._spare is not process
        log.warning("engine_process_lost", pid=process.pid, how=how, spare=spare, **self.counts)

    def _weigh(self, process: P) -> None:
        if self._worn is None:
            reason = worn(process.wear, self._limits)
            if reason is not None:
                with self._changed:
                    self._worn = reason
                    self._changed.notify_all()

    # ── the keeper's thread ───────────────────────────────────────────────────────

    def _keep(self) -> None:
        pause = PAUSE_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._one_is_wanted())
                if self._closed:
                    return
            try:
                self._load()
                pause = PAUSE_S
            except EngineError as error:
                log.error("engine_process_not_loaded", reason=str(error), again_in_s=pause)
                with self._changed:
                    self._not_loaded = error
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closed, timeout=pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _one_is_wanted(self) -> bool:
        return self._spare is None and (
            self._keep_spare or self._current is None or self._worn is not None
        )

    def _load(self) -> None:
        """A fresh process becomes the spare one.

        Raises:
            EngineError: none starts, or none loads its engine.
        """
        for attempt in range(1, LOADS + 1):
            try:
                process, loaded = self._load_one()
                break
            except OSError as error:
                raise EngineLost(f"The recogniser's process does not start: {error}.") from None
            except ProcessLost as error:
                if attempt == LOADS or self._closed:
                    raise EngineLost(
                        f"The recogniser's process was lost {attempt} times while loading: {error}."
                    ) from None
        log.info(
            "engine_process_ready", pid=process.pid, engine=loaded.name, load_s=loaded.seconds,
            resident_mb=process.resident_bytes >> 20,
        )  # fmt: skip
        with self._changed:
            self._spare, self._not_loaded = process, None
            if self._closed:
                process.kill()
            self._changed.notify_all()

    def _load_one(self) -> tuple[P, Loaded]:
        process = self._start()
        with self._changed:
            self._loading = process
            if self._closed:
                process.kill()
        try:
            return process, process.load()
        except ProcessLost as error:
            with self._changed:
                self._note_lost(process, f"{error} while loading")
            raise
        finally:
            with self._changed:
                self._loading = None
