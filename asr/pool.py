"""Shares one transcriber among all who speak.

What goes first is in `asr.decode_queue`, what there is room for in `asr.pool_load`; here the
decodes are run, and timed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from asr.decode_queue import MOST_PARTIALS, DecodeQueue, Request
from asr.pool_load import Gate, PoolLoad
from asr.urgency import Urgency, run_as

T = TypeVar("T")

SPEAKING_S = 3.0
"""Who asked for a partial within so long is speaking; under load, within two intervals."""

QUIET_S = 1.0
"""Where no caller has asked for a partial for so long, none is about to end a turn."""

WAITS = 200
"""Waits that the figures are of, for each urgency."""


@dataclass(frozen=True, slots=True)
class UrgencyFigures:
    """Of the decodes of one urgency; milliseconds."""

    waiting: int
    done: int
    wait_ms_p50: float
    wait_ms_p95: float
    decode_ms: float
    real_time_factor: float
    """Seconds of decoding a second of the turn."""


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool at one moment."""

    workers: int
    at_work: int
    utilisation: float
    """Share of the workers' time, 0..1, over the last quarter of a minute."""
    partial_interval_s: float | None
    """None: there is no room for partials."""
    dropped_partials: int
    """For which there was no place in the queue."""
    calls: int
    room: int | None
    """Calls that there is room for; None: too little was measured."""
    final: UrgencyFigures
    sentinel: UrgencyFigures
    partial: UrgencyFigures


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[], Any]
    audio_s: float
    result: asyncio.Future[Any]


class DecodePool:
    """Runs decodes on `executor` in order of urgency. Belongs to one event loop.

    Args:
        workers: decodes at a time. One keeps a machine busy whose engine has threads of its own
            (CTranslate2), two would only make both late; a speech server takes many.
        most_partials: that may wait.
        most_workers: threads of `executor`, where `workers` may change.
        share: of the workers, what others leave to this pool; None: all.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        workers: int | Callable[[], int] = 1,
        most_partials: int = MOST_PARTIALS,
        most_workers: int | None = None,
        share: Callable[[], float] | None = None,
    ) -> None:
        self._executor = executor
        self._count: Callable[[], int] = workers if callable(workers) else lambda: workers
        self._most_workers = most_workers or self._count()
        self._share: Callable[[], float] = share or self._count
        self._queue: DecodeQueue[_Job] = DecodeQueue(most_partials)
        self._measured, self._gate = PoolLoad(self._count()), Gate()
        self._wake = asyncio.Event()
        self._busy: set[int] = set()
        """`id` of the owners whose decode is at work."""
        self._asking: dict[int, float] = {}
        """When each owner last asked for a partial."""
        self._interval_s = 0.0
        self._calls = 0
        self._waits = {urgency: deque[float](maxlen=WAITS) for urgency in Urgency}
        self._done = dict.fromkeys(Urgency, 0)

    # ── decodes ───────────────────────────────────────────────────────────────────

    async def decode(
        self,
        owner: object,
        job: Callable[[], T],
        urgency: Urgency,
        *,
        ahead: bool = False,
        audio_s: float = 0.0,
    ) -> T | None:
        """The job's result; None if it became needless, or there is no place for a partial, or
        no room for a spare one.

        Args:
            owner: whose audio it is; one decode of an owner is at work at a time.
            ahead: the turn may go on; `hasten` says that it is over.
            audio_s: seconds of the turn it hears, for the figures; 0 is not known.

        Raises:
            Exception: whatever the engine raised.
        """
        now = time.monotonic()
        if urgency is Urgency.SPARE and not self._has_spare(now):
            return None
        if urgency in (Urgency.SENTINEL, Urgency.PARTIAL):
            self._asking[id(owner)] = now
        result: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        request = Request(owner, urgency, now, _Job(job, audio_s, result), ahead)
        for gone in self._queue.put(request):
            _answer(gone, None)
        self._wake.set()
        try:
            return await result
        finally:
            self._queue.discard(request)

    def hasten(self, owner: object) -> bool:
        """Makes what waits of the owner a sentinel at least, and a final ahead of its time one
        that is due; False where nothing waits."""
        return self._queue.hasten(owner)

    def withdraw(self, owner: object) -> bool:
        """What waits of the owner is needless: its result is None; False where nothing waits."""
        request = self._queue.withdraw(owner)
        if request is not None:
            _answer(request, None)
        return request is not None

    def _has_spare(self, now: float) -> bool:
        """One more decode takes no worker from a caller: a decode at work is not broken off."""
        taken = len(self._busy) + self._queue.waiting.total()
        if self._count() > 1:
            return taken + 1 < self._count()
        return not taken and all(now - at > QUIET_S for at in self._asking.values())

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._most_workers):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            # Without any worker one is asked all the same: it says so at once, or another does it.
            free = len(self._busy) < max(1, self._count())
            request = self._queue.take(self._busy) if free else None
            if request is not None:
                await self._run(request)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _run(self, request: Request[_Job]) -> None:
        job, began = request.work, time.monotonic()
        self._waits[request.urgency].append(began - request.asked_at)
        self._busy.add(id(request.owner))
        urgency = Urgency.SENTINEL if request.ahead else request.urgency
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._executor, run_as, urgency, job.run
            )
        except asyncio.CancelledError:
            job.result.cancel()
            raise
        except Exception as error:  # an engine's fault belongs to the call that asked
            if not job.result.done():
                job.result.set_exception(error)
        else:
            _answer(request, result)
        finally:
            now = time.monotonic()
            self._busy.discard(id(request.owner))
            self._done[request.urgency] += 1
            self._load.done(now, request.urgency, now - began, job.audio_s)

    # ── load ──────────────────────────────────────────────────────────────────────

    @property
    def _load(self) -> PoolLoad:
        self._measured.workers = self._share()
        return self._measured

    def _room(self, within_s: float) -> int | None:
        return self._load.room(within_s) if self._count() else 0

    def partial_interval(self, base_s: float) -> float:
        """Seconds between two partials of a speaker that all keep to; `base_s` without load.

        Infinite where finals leave no room.
        """
        now = time.monotonic()
        recent = max(SPEAKING_S, 2 * self._interval_s)
        self._asking = {who: at for who, at in self._asking.items() if now - at <= recent}
        interval = self._load.partial_interval(now, base_s, len(self._asking))
        self._interval_s = interval if math.isfinite(interval) else self._interval_s
        return interval

    def serving(self, calls: int) -> None:
        """From now on the pool serves so many calls."""
        self._calls = calls
        self._load.serving(time.monotonic(), calls)

    def takes_another(self, within_s: float) -> bool:
        """There is room for one more call, by what decodes were measured to take.

        Args:
            within_s: seconds after the end of a turn within which 95 of 100 finals must be there.
        """
        return self._gate.takes_another(self._calls, self._room(within_s))

    def figures(self, base_s: float, within_s: float) -> PoolFigures:
        """The pool at this moment, for interval `base_s` and limit `within_s` as above."""
        interval, waiting = self.partial_interval(base_s), self._queue.waiting
        return PoolFigures(
            workers=self._count(),
            at_work=len(self._busy),
            utilisation=round(self._load.utilisation(time.monotonic()), 3),
            partial_interval_s=round(interval, 2) if math.isfinite(interval) else None,
            dropped_partials=self._queue.dropped,
            calls=self._calls,
            room=self._room(within_s),
            final=self._of(Urgency.FINAL, waiting[Urgency.FINAL]),
            sentinel=self._of(Urgency.SENTINEL, waiting[Urgency.SENTINEL]),
            partial=self._of(Urgency.PARTIAL, waiting[Urgency.PARTIAL]),
        )

    def _of(self, urgency: Urgency, waiting: int) -> UrgencyFigures:
        waits = sorted(self._waits[urgency])
        return UrgencyFigures(
            waiting=waiting,
            done=self._done[urgency],
            wait_ms_p50=_ms(waits, 0.5),
            wait_ms_p95=_ms(waits, 0.95),
            decode_ms=round(1000 * self._load.decode_s(urgency), 1),
            real_time_factor=round(self._load.real_time_factor(urgency), 3),
        )


class _Shared(Protocol):
    """An engine whose workers come and go, such as `asr.nodes.transcriber.NodesTranscriber`."""

    @property
    def workers(self) -> int: ...
    @property
    def most_workers(self) -> int: ...
    @property
    def share(self) -> float: ...


def open_pool(engine: object, executor: Executor) -> DecodePool:
    """The pool of an engine: as many decodes at a time as its `workers` say, one if it does not.

    Args:
        executor: does the decodes of an engine that takes one at a time, and has one thread.
    """
    most = int(getattr(engine, "most_workers", getattr(engine, "workers", 1)))
    if most > 1:
        executor = ThreadPoolExecutor(most, thread_name_prefix="decode")
    if not hasattr(engine, "most_workers"):
        return DecodePool(executor, workers=most)
    shared = cast(_Shared, engine)
    return DecodePool(
        executor,
        workers=lambda: shared.workers,
        most_workers=most,
        share=lambda: shared.share,
    )


def _answer(request: Request[_Job], result: Any) -> None:
    if not request.work.result.done():
        request.work.result.set_result(result)


def _ms(waits: list[float], share: float) -> float:
    return round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))], 1) if waits else 0.0
