"""Keeps an ear process at work: what is lost is replaced at once, and the calls go on in it. One
that is worn retires: it hears its calls to their end, and new ones are heard in another.

Where a process crashed or hung at one call's audio, and the next one at the same call's, none is
asked a third time, and this process never: the call goes on without its listener.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import structlog

from asr.supervised.supervisor import LONGEST_PAUSE_S, PAUSE_S
from asr.supervised.wear import Limits, Wear, Worn, worn
from voicebot.call.caller_ear import CallerEar, Senses
from voicebot.ear_process.ear import ApartEar
from voicebot.ear_process.place import ThreadPlace
from voicebot.ear_process.process import EarProcess, NotLoaded, Opens, start

log = structlog.get_logger()

LOAD_S = 60.0
START_S = 10.0
"""The service waits no longer for its first process: calls wait for it, or a thread hears them."""
CATCH_UP_S = 3.0
"""The next spare process loads so long after a loss: until then calls hear again what they had."""
WATCH_S = 0.25
WEAR_S = 5.0
"""So often it is looked whether the process at work is worn."""
PATIENCE_S = 3.0
"""A call waits so long for a process; then a thread hears it. `voicebot.call.intake` keeps 5 s."""
BLAMED = 2
"""Processes lost in a row at one call's audio."""
OUTSIDE = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""What ends by these is ended by somebody else, or for want of memory."""


@dataclass(slots=True)
class Counts:
    """Since the start."""

    restarts: int = 0
    """Processes lost: they ended, or hung."""
    timeouts: int = 0
    """Those of them that hung."""
    recycled: int = 0
    """Processes that gave way because of age or memory."""
    not_loaded: int = 0
    """Attempts to load one that failed."""
    in_thread: int = 0
    """Calls that went on in a thread of this process."""
    failed: int = 0
    """Calls that lost their listener."""


class EarProcesses:
    """Belongs to the event loop in which it is started.

    Parameters:
        opens: loads the models there.
        instead: a caller's senses in this process, with the listener or without.
        executor: its thread for them.
        limits: hours at work and growth at which a process gives way; no other is looked at.
        spare: one more loaded process, so that a loss costs no loading.
    """

    def __init__(
        self,
        opens: Opens,
        instead: Callable[[bool], Senses],
        executor: Executor,
        *,
        limits: Limits,
        spare: bool,
    ) -> None:
        self._opens, self._instead, self._executor = opens, instead, executor
        self._limits, self._keep_spare = limits, spare
        # Processes end with the thread that started them.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="ear-processes")
        self._counts = Counts()
        self._ears: set[ApartEar] = set()
        self._current: EarProcess | None = None
        self._current_since = 0.0
        self._worn: Worn | None = None
        """Why it gives way as soon as there is another."""
        self._spare: EarProcess | None = None
        self._loading: EarProcess | None = None
        self._retiring: set[EarProcess] = set()
        """They hear their calls to the end, and no new ones."""
        self._missing = False
        """None can be had."""
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()
        self._waits_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._burials: set[asyncio.Future[None]] = set()
        self._is_closed = False

    @property
    def counts(self) -> dict[str, int]:
        """By the names in `Counts`."""
        return asdict(self._counts)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the process at work, of the next one and of those that retire, as far as there are."""
        return tuple(each.pid for each in self._processes)

    @property
    def _processes(self) -> list[EarProcess]:
        there = (self._current, self._spare, *self._retiring)
        return [each for each in there if each is not None]

    async def start(self) -> None:
        """Returns when a process is loaded or cannot be, or after `START_S`."""
        self._wanted.set()
        work = (self._keep(), self._watch(), self._look_for_wear())
        self._tasks = [asyncio.create_task(each) for each in work]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._tried.wait()

    def ear(self) -> CallerEar:
        """One caller's."""
        ear = ApartEar(self._ears.discard, self._move)
        self._place(ear)
        self._ears.add(ear)
        return ear

    async def close(self) -> None:
        """Ends the processes."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self._processes:
            self._end(process)
        await asyncio.gather(*self._burials, return_exceptions=True)
        self._starter.shutdown(wait=False)

    # ── where calls are heard ─────────────────────────────────────────────────────

    def _place(self, ear: ApartEar) -> None:
        """In a process, or wait for one."""
        if ear.blamed >= BLAMED or (self._missing and self._current is None):
            self._move(ear)
        elif self._current is not None:
            ear.place_in(self._current.open())

    def _move(self, ear: ApartEar) -> bool:
        """Into the thread, but for the listener whose audio a process was lost at; False: it is
        there."""
        if isinstance(ear.place, ThreadPlace):
            return False
        if ear.place is not None:
            ear.place.close()
            ear.place = None
        if ear.blamed:
            self._counts.failed += 1
            log.error("listener_given_up", processes=ear.blamed)
            ear.deafen()
        else:
            self._counts.in_thread += 1
            log.warning("ear_in_thread")
        ear.place_in(ThreadPlace(self._instead(ear.listens), self._executor))
        return True

    def _place_all(self, place: Callable[[ApartEar], object]) -> None:
        """Those that have no place; last the one at whose audio a process was lost, which may not
        have been its fault."""
        waiting = [ear for ear in self._ears if ear.place is None]
        for ear in sorted(waiting, key=lambda ear: ear.blamed):
            try:
                place(ear)
            except Exception:
                # One call's fault must not cost the others their ears.
                log.exception("ear_not_placed")

    # ── processes ─────────────────────────────────────────────────────────────────

    def _on_lost(self, process: EarProcess, how: str) -> None:
        if self._is_closed or process is self._loading:
            self._bury(process, how)
            return
        self._counts.restarts += 1
        self._counts.timeouts += how.startswith("no answer")
        if process in self._retiring:
            self._retiring.remove(process)
        else:
            if process is self._current:
                self._put_to_work(self._spare)
            self._spare = None
            self._wanted.set()
        moved = [ear for ear in self._ears if ear.place in process.seats]
        blamed = [ear for ear in moved if ear.place is process.at_work]
        for ear in blamed:
            ear.blamed += 1
        for ear in moved:
            ear.place = None
        self._place_all(self._place)
        self._bury(process, how, blamed)

    def _put_to_work(self, process: EarProcess | None) -> None:
        self._current, self._worn = process, None
        self._current_since = asyncio.get_running_loop().time()

    def _end(self, process: EarProcess) -> None:
        process.end()
        self._bury(process, None)

    def _bury(self, process: EarProcess, how: str | None, blamed: Sequence[ApartEar] = ()) -> None:
        """`how` it was lost, as far as that is known; None: it was not. Those `blamed` for it are
        not, if it was ended from outside."""

        async def wait() -> None:
            loop = asyncio.get_running_loop()
            ended = await loop.run_in_executor(self._starter, process.buried)
            if not how and ended in OUTSIDE:
                for ear in blamed:
                    ear.blamed = max(0, ear.blamed - 1)
            if how is not None and not self._is_closed:
                log.warning(
                    "ear_process_lost", pid=process.pid, how=how or ended,
                    spare=self._current is not None, **self.counts,
                )  # fmt: skip

        burial = asyncio.ensure_future(wait())
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)

    async def _keep(self) -> None:
        pause = PAUSE_S
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._current is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CATCH_UP_S):
                        await self._wanted.wait()
            while self._current is None or (
                self._spare is None and (self._keep_spare or self._worn is not None)
            ):
                try:
                    process = await self._load()
                    pause, self._missing = PAUSE_S, False
                except Exception as error:
                    known = isinstance(error, NotLoaded | OSError)
                    reason = str(error) if known else type(error).__name__
                    self._counts.not_loaded += 1
                    log.error("ear_process_not_loaded", reason=reason, again_in_s=pause)
                    self._miss()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
                    continue
                self._take(process)

    async def _load(self) -> EarProcess:
        """Raises:
        NotLoaded, OSError: none can be had.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        started = await loop.run_in_executor(self._starter, start)
        process = self._loading = EarProcess(started, self._on_lost)
        try:
            await process.load(self._opens, LOAD_S)
        except BaseException:
            process.lose()
            raise
        finally:
            self._loading = None
        log.info(
            "ear_process_ready", pid=process.pid, load_s=round(loop.time() - began, 2),
            resident_mb=process.resident_bytes >> 20,
        )  # fmt: skip
        return process

    def _take(self, process: EarProcess) -> None:
        if self._current is not None:
            self._spare = process
            self._retire_worn()
            return
        self._put_to_work(process)
        self._tried.set()
        self._place_all(self._place)

    def _miss(self) -> None:
        """None can be had: until one can, calls are heard by the thread."""
        if self._current is not None:
            return
        self._missing = True
        self._tried.set()
        self._place_all(self._move)

    def _retire_worn(self) -> None:
        """The process at work gives way if it is worn and there is another."""
        if self._worn is None or self._current is None or self._spare is None:
            return
        process, reason = self._current, self._worn
        self._retiring.add(process)
        self._put_to_work(self._spare)
        self._spare = None
        self._counts.recycled += 1
        log.info("ear_process_retired", pid=process.pid, reason=reason, calls=len(process.seats))

    async def _look_for_wear(self) -> None:
        while True:
            await asyncio.sleep(WEAR_S)
            if self._current is None or self._worn is not None:
                continue
            seconds = asyncio.get_running_loop().time() - self._current_since
            self._worn = worn(Wear(0, seconds, self._current.grown_bytes), self._limits)
            if self._worn is not None:
                self._retire_worn()
                self._wanted.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            for process in self._processes:
                process.watch(WATCH_S)
            for process in [each for each in self._retiring if not each.seats]:
                self._retiring.remove(process)
                self._end(process)
            self._waits_s = 0.0 if self._current is not None else self._waits_s + WATCH_S
            if self._waits_s >= PATIENCE_S:
                self._place_all(self._move)
