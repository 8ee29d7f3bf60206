"""Ear processes that are worn give way, whatever else happens, and no call notices.

The processes are scripted and the clock leaps; each does its work when it is told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.supervised.wear import Limits
from tests.voicebot.ear_doubles import silence, tone
from tests.voicebot.test_ear_apart import Desk
from voicebot.call.caller_ear import Listened
from voicebot.ear_process import keeper
from voicebot.ear_process.ear import ApartEar
from voicebot.ear_process.keeper import CATCH_UP_S, WATCH_S, WEAR_S, EarProcesses
from voicebot.ear_process.process import NotLoaded

pytestmark = pytest.mark.leaping_time

LOAD_S = 1.5
AGE_S = 180.0
LIMITS = Limits(hours=AGE_S / 3600, growth_bytes=1000)
QUIET_S = WEAR_S + CATCH_UP_S + LOAD_S + 2 * WATCH_S
"""After which all is done that wear gives to do."""


class Seat(Desk):
    def __init__(self, process: ScriptedProcess) -> None:
        super().__init__()
        self.process = process

    def close(self) -> None:
        super().close()
        if self in self.process.seats:
            self.process.seats.remove(self)


class ScriptedProcess:
    """In place of an `EarProcess`."""

    resident_bytes = 0

    def __init__(self, script: Script, on_lost: Any) -> None:
        self._script, self._on_lost = script, on_lost
        self.pid = len(script.started) + 1
        self.seats: list[Seat] = []
        self.at_work: Seat | None = None
        self.grown_bytes = 0
        self.is_loaded = False
        self.gone = ""

    async def load(self, opens: object, seconds: float) -> None:
        await asyncio.sleep(LOAD_S)
        if not self._script.loads:
            self.gone = "not loaded"
            raise NotLoaded("no memory")
        self.is_loaded = True

    def open(self) -> Seat:
        assert not self.gone
        self.seats.append(seat := Seat(self))
        return seat

    def watch(self, since_s: float) -> None:
        assert not self.gone

    def lose(self, how: str = "") -> None:
        if not self.gone:
            self.gone = "lost"
            self._on_lost(self, how)
            self.seats.clear()

    def end(self) -> None:
        self.gone = f"ended with {len(self.seats)} calls"
        self.seats.clear()

    def buried(self) -> str:
        return "SIGSEGV"


class Script:
    """Ears, and the processes that were started for them."""

    def __init__(self, ears: EarProcesses) -> None:
        self.ears = ears
        self.started: list[ScriptedProcess] = []
        self.loads = True

    def start(self, _: object, on_lost: Any) -> ScriptedProcess:
        self.started.append(process := ScriptedProcess(self, on_lost))
        return process

    async def second_load(self) -> None:
        """Returns when it has begun."""
        async with asyncio.timeout(2 * QUIET_S):
            while len(self.started) == 1:  # noqa: ASYNC110 - as little as possible is scripted
                await asyncio.sleep(WATCH_S)

    @property
    def there(self) -> list[ScriptedProcess]:
        """The one at work first."""
        return [self.started[pid - 1] for pid in self.ears.pids]

    @property
    def counts(self) -> dict[str, int]:
        """Those that are not 0."""
        return {name: count for name, count in self.ears.counts.items() if count}


@asynccontextmanager
async def scripted(*, spare: bool = True, limits: Limits = LIMITS) -> AsyncIterator[Script]:
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        ears = EarProcesses(Desk, lambda _: 1 / 0, executor, limits=limits, spare=spare)  # type: ignore
        script = Script(ears)
        patch.setattr(keeper, "PATIENCE_S", 1e9)  # no call goes on in the thread
        patch.setattr(keeper, "start", lambda: None)
        patch.setattr(keeper, "EarProcess", script.start)
        await ears.start()
        try:
            await asyncio.sleep(QUIET_S)
            yield script
        finally:
            await ears.close()


class Call:
    """A caller who speaks in a tone of his own."""

    def __init__(self, script: Script, height: int = 4001) -> None:
        ear = script.ears.ear()
        assert isinstance(ear, ApartEar)
        self.ear, self._height = ear, height
        self._asked: list[asyncio.Future[Any]] = []
        self._said = 0
        self.seat = self.ear.place

    @property
    def process(self) -> ScriptedProcess:
        assert isinstance(self.ear.place, Seat)
        return self.ear.place.process

    def says(self, syllables: int = 2) -> None:
        self._said += syllables
        self._asked.append(self.ear.hear(tone(syllables / 5, self._height)))

    def is_heard(self) -> None:
        """All that it has said, if there is a process for it."""
        if isinstance(self.ear.place, Seat):
            self.ear.place.do()

    def ends_turn(self) -> None:
        """Each word of it is heard, once."""
        self._asked += [self.ear.hear(silence(0.6)), self.ear.settle(cut=False)]
        self.is_heard()
        *_, final = [asked.result() for asked in self._asked]
        assert isinstance(final, Listened)
        assert final.syllables == (f"t{self._height}",) * self._said
        self._asked, self._said = [], 0


@pytest.mark.parametrize("reason", ["age", "memory"])
async def test_a_worn_process_hears_its_calls_to_their_end_and_new_ones_are_heard_in_another(
    reason: str,
) -> None:
    async with scripted() as script:
        worn, spare = script.there
        early = Call(script)
        early.says()
        early.is_heard()
        with structlog.testing.capture_logs() as lines:
            worn.grown_bytes = 1000 * (reason == "memory")
            await asyncio.sleep(AGE_S if reason == "age" else QUIET_S)
            late = Call(script, 4002)
            assert (early.process, late.process) == (worn, spare)
            assert len(script.there) == 3, "a new spare one is to be loaded"

            early.says()
            early.ends_turn()
            late.says()
            late.ends_turn()
            assert not worn.gone
            early.ear.close()
            await asyncio.sleep(2 * WATCH_S)
        assert worn.gone == "ended with 0 calls"
        assert [process.gone for process in script.there] == ["", ""]
        assert script.counts == {"recycled": 1}
    (line,) = [each for each in lines if each["event"] != "ear_process_ready"]
    assert (line["event"], line["reason"], line["calls"]) == ("ear_process_retired", reason, 1)


async def test_a_spare_process_does_not_age_before_it_works() -> None:
    async with scripted() as script:
        first, second = script.there
        await asyncio.sleep(AGE_S)
        assert first.gone
        assert script.there[0] is second
        await asyncio.sleep(AGE_S - 2 * WEAR_S)
        assert script.there[0] is second
        await asyncio.sleep(3 * WEAR_S)
        assert second.gone


async def test_without_a_spare_process_another_is_loaded_before_the_worn_one_gives_way() -> None:
    async with scripted(spare=False) as script:
        (worn,) = script.there
        worn.grown_bytes = 1000
        await script.second_load()
        assert Call(script).process is worn
        await asyncio.sleep(2 * LOAD_S)
        new, retiring = script.there
        assert retiring is worn
        assert Call(script).process is new
        await asyncio.sleep(QUIET_S)
        assert len(script.started) == 2, "no spare one is to be kept"


async def test_a_worn_process_stays_at_work_while_no_other_can_be_had() -> None:
    async with scripted(spare=False) as script:
        (worn,) = script.there
        worn.grown_bytes, script.loads = 1000, False
        await asyncio.sleep(5 * QUIET_S)
        assert Call(script).process is worn
        script.loads = True
        await asyncio.sleep(keeper.LONGEST_PAUSE_S + LOAD_S)
        assert Call(script).process is not worn


async def test_a_worn_process_that_is_lost_before_it_gave_way_is_replaced_by_one_that_stays() -> (
    None
):
    async with scripted(spare=False) as script:
        call = Call(script)
        call.says()
        call.process.grown_bytes = 1000
        await script.second_load()
        call.process.lose()
        await asyncio.sleep(5 * QUIET_S)
        call.ends_turn()
        assert script.there == [call.process] == script.started[1:]
        assert script.counts == {"restarts": 1}


async def test_a_retiring_process_that_is_lost_gives_its_calls_to_the_one_at_work() -> None:
    async with scripted() as script:
        cause, other = Call(script), Call(script, 4002)
        retiring = cause.process
        retiring.grown_bytes = 1000
        await asyncio.sleep(QUIET_S)
        late = Call(script, 4003)
        seat = late.ear.place
        for call in (cause, other, late):
            call.says()
        # Of the same moment in the process at work nothing is to be held against its call.
        assert isinstance(cause.ear.place, Seat)
        late.process.at_work, retiring.at_work = late.ear.place, cause.ear.place  # type: ignore
        with structlog.testing.capture_logs() as lines:
            retiring.lose("no answer in 1.5 s")
            await asyncio.sleep(QUIET_S)
        assert {cause.process, other.process, late.process} == {script.there[0]}
        assert late.ear.place is seat
        assert [call.ear.blamed for call in (cause, other, late)] == [1, 0, 0]
        for call in (cause, other, late):
            call.ends_turn()
        assert len(script.there) == 2, "the spare one is to stay the spare one"
        assert len(script.started) == 3
        assert script.counts == {"restarts": 1, "timeouts": 1, "recycled": 1}
    assert [line["event"] for line in lines] == ["ear_process_lost"]


async def test_closed_it_ends_those_that_retire_too() -> None:
    async with scripted() as script:
        call = Call(script)
        call.process.grown_bytes = 1000
        await asyncio.sleep(QUIET_S)
        three = script.there
        assert len(three) == 3
    assert all(process.gone for process in three)
    assert script.counts == {"recycled": 1}


numbers = st.integers(0, 5)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["call", "grow"])),
        st.tuples(st.sampled_from(["say", "hear", "end turn", "hang up"]), numbers),
        st.tuples(st.just("lose"), numbers, st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([0.3, LOAD_S, QUIET_S])),
    ),
    max_size=40,
)


@given(steps, st.booleans())
@settings(max_examples=100, deadline=None)
async def test_in_whichever_order_processes_wear_and_are_lost_each_word_is_heard_once(
    events: list[tuple[Any, ...]], spare: bool
) -> None:
    async with scripted(spare=spare, limits=Limits(growth_bytes=1000)) as script:
        calls: list[Call] = []
        losses = 0
        for event in events:
            seats = {call: call.ear.place for call in calls}
            match event:
                case ("call",):
                    calls.append(call := Call(script, 4001 + len(calls)))
                    if (current := script.ears._current) is not None:
                        assert call.process.pid == current.pid
                    else:
                        assert call.ear.place is None, "one that retires is to get no more"
                case ("grow",) if script.there:
                    script.there[0].grown_bytes = 1000
                case ("wait", seconds):
                    await asyncio.sleep(seconds)
                case ("lose", number, at_work) if script.there:
                    process = script.there[number % len(script.there)]
                    # One at whose audio two in a row are lost is another matter.
                    speak = [call for call in calls if call.ear.place in process.seats]
                    blame = [call for call in speak if at_work and not call.ear.blamed]
                    process.at_work = blame[0].ear.place if blame else None  # type: ignore
                    process.lose()
                    losses += 1
                case (what, number) if calls:
                    call = calls[number % len(calls)]
                    if what == "say":
                        call.says()
                    elif what == "hear":
                        call.is_heard()
                    elif what == "end turn":
                        if call.ear.place is None:
                            await asyncio.sleep(2 * LOAD_S)
                        call.ends_turn()
                    else:
                        call.ear.close()
                        calls.remove(call)
            for call in calls:
                if isinstance(seat := seats.get(call), Seat) and seat.process.gone != "lost":
                    assert call.ear.place is seat
            standing = [each for each in script.started if each.is_loaded and not each.gone]
            assert sorted(script.ears.pids) == [each.pid for each in standing]
        await asyncio.sleep(2 * QUIET_S)
        for call in calls:
            call.says()
            call.ends_turn()
        retiring = script.there[1 + spare :]
        assert all(process.seats for process in retiring)
        assert script.there[0].grown_bytes == 0
        ends = {each.gone for each in script.started}
        assert ends <= {"", "lost", "ended with 0 calls"}
        counts = script.ears.counts
        assert (counts["restarts"], counts["in_thread"], counts["failed"]) == (losses, 0, 0)
        for call in calls:
            call.ear.close()
