"""Keeps an engine's processes at work: replaces what is lost or worn, asks again what was lost.

One thread starts all processes, since they end with the thread that started them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import BoundedSemaphore, Condition, Thread
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
    """Shared by all streams.

    Args:
        start: begins a process.
        limits: when one is worn.
        workers: processes, and requests at work at a time. What one of them loses another takes.
        spare: keep a loaded one beside those at work, so that a loss costs no loading.
    """

    def __init__(
        self, start: Callable[[], P], limits: Limits, *, workers: int = 1, spare: bool
    ) -> None:
        self._start, self._limits = start, limits
        self._workers, self._keep_spare = workers, spare
        self._turns = BoundedSemaphore(workers)
        self._changed = Condition()
        self._crew: list[P] = []
        self._at_work: set[P] = set()
        self._worn: dict[P, Worn] = {}
        self._loading: P | None = None
        self._spare: P | None = None
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
        """Of those that have been asked, and of the next one, as far as there are."""
        with self._changed:
            return tuple(each.pid for each in (*self._crew, self._spare) if each is not None)

    def run(self, work: Callable[[P], T], *, beginning: bool, last: P | None = None) -> T:
        """What ``work`` makes of a process; where it is lost by it, another one is asked.

        Args:
            work: raises ``ProcessLost`` where there was no answer.
            beginning: of an utterance: nothing of it is in a process yet.
            last: which one has heard the utterance so far; taken again unless it is at work.

        Raises:
            EngineLost: it was lost each time.
            EngineError: what ``work`` raised, or loading a process.
        """
        with self._turns:
            lost: ProcessLost | None = None
            for _ in range(ATTEMPTS):
                process = self._take(last, beginning=beginning or lost is not None)
                try:
                    return work(process)
                except ProcessLost as error:
                    lost = error
                    self._lose(process, error)
                finally:
                    self._give_back(process)
            self._counts.failed += 1
            raise EngineLost(f"The recogniser was lost {ATTEMPTS} times at one utterance: {lost}.")

    def close(self) -> None:
        """Ends all processes; whoever waits is told."""
        with self._changed:
            self._closed = True
            processes = (*self._crew, self._loading, self._spare)
            self._changed.notify_all()
        for process in processes:
            if process is not None:
                process.kill()

    # ── the process to ask ────────────────────────────────────────────────────────

    def _take(self, last: P | None, *, beginning: bool) -> P:
        with self._changed:
            self._bury()
            self._changed.wait_for(
                lambda: self._idle(last) or self._spare or self._not_loaded or self._closed
            )
            if self._closed:
                raise EngineLost("The recogniser was closed.")
            process, worn_one = self._idle(last), None
            if process is None or (beginning and process in self._worn and self._spare):
                if self._spare is None:
                    assert self._not_loaded is not None
                    raise self._not_loaded
                worn_one, process, self._spare = process, self._spare, None
                self._crew.append(process)
            self._at_work.add(process)
            if worn_one is not None:
                self._recycle(worn_one)
            self._changed.notify_all()
        if worn_one is not None:
            worn_one.kill()
        return process

    def _idle(self, last: P | None) -> P | None:
        idle = [each for each in self._crew if each not in self._at_work]
        return last if last in idle else next(iter(idle), None)

    def _give_back(self, process: P) -> None:
        reason = None if process.ended else worn(process.wear, self._limits)
        with self._changed:
            self._at_work.discard(process)
            if reason is not None and process in self._crew:
                self._worn.setdefault(process, reason)
            self._changed.notify_all()

    def _bury(self) -> None:
        """Those that ended while nobody asked; called with the lock held."""
        for process in [each for each in self._crew if each not in self._at_work and each.ended]:
            self._note_lost(process, "ended while idle")
            self._dismiss(process)
        if self._spare is not None and self._spare.ended:
            self._note_lost(self._spare, "ended as the spare one")
            self._spare = None
        self._changed.notify_all()

    def _lose(self, process: P, error: ProcessLost) -> None:
        with self._changed:
            self._note_lost(process, str(error))
            self._counts.timeouts += error.late
            self._dismiss(process)

    def _recycle(self, process: P) -> None:
        self._counts.recycled += 1
        log.info("engine_process_recycled", pid=process.pid, reason=self._worn[process])
        self._dismiss(process)

    def _dismiss(self, process: P) -> None:
        self._crew.remove(process)
        self._worn.pop(process, None)

    def _note_lost(self, process: P, how: str) -> None:
        if self._closed:
            return
        self._counts.restarts += 1
        spare = self._spare is not None and self._spare is not process
        log.warning("engine_process_lost", pid=process.pid, how=how, spare=spare, **self.counts)

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
                if self._closed:
                    return
                log.error("engine_process_not_loaded", reason=str(error), again_in_s=pause)
                with self._changed:
                    self._not_loaded = error
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closed, timeout=pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _one_is_wanted(self) -> bool:
        return self._spare is None and bool(
            self._keep_spare or len(self._crew) < self._workers or self._worn
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
