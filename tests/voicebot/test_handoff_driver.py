"""The hand-off's legs against the real stand-in desk over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from websockets.asyncio.server import serve

from asr.phonetics import to_syllables
from flows.actions import Route
from flows.events import FarSideKey, LegState, TransferProgress
from telephony import messages
from telephony.codecs import Int16
from telephony.desk import create_desk
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.leg import WebSocketLeg
from telephony.leg_events import LegAudio, LegEnded, LegEvents, LegKey, LegProgress
from telephony.leg_state import LegEndReason
from telephony.leg_state import LegState as WireState
from telephony.loopback_server import LoopbackServer
from tests.voicebot.far_sides import tone
from voicebot.call.handoff import HandoffDriver, HandoffLimits

leaping = pytest.mark.leaping_time

TOKEN = "desk-token"
LOCAL = Route("110-460100", "110")


@pytest.fixture(scope="session")
def officer(shared_dir: Path) -> tuple[Int16, int]:
    """A person's voice, as the desk's greeting."""
    pcm, rate = sf.read(
        shared_dir / "data/speech/aishell1_s0150/BAC009S0150W0134.wav", dtype="int16"
    )
    return pcm[: 3 * rate], rate


async def by_level() -> Any:
    """A voice detector that takes loudness for voice."""

    async def loud(pcm: Int16) -> list[tuple[float, int]]:
        return [(1.0 if np.abs(pcm.astype(int)).max(initial=0) > 400 else 0.0, len(pcm))]

    return loud


@asynccontextmanager
async def handing_off(
    tmp_path: Path,
    *,
    voice: Callable[[], Awaitable[Any]] | None = None,
    play: Callable[[Int16, int, bool, str], Awaitable[None]] | None = None,
    answer_timeout_s: float = 30.0,
    confirm_timeout_s: float = 30.0,
    **desk: Any,
) -> AsyncIterator[tuple[HandoffDriver, list[TransferProgress], list[int]]]:
    async with LoopbackServer(
        create_desk(token=TOKEN, record_dir=tmp_path, answer_after_s=0.1, **desk)
    ) as server:
        url = (
            f"{server.base.replace('http', 'ws', 1)}/line"
            if hasattr(server, "base")
            else server.url + "/line"
        )
        directory = DutyDirectory([DutyNumber("110-460100", "110", "460100", url, "海口110")])
        progress: list[TransferProgress] = []
        heard: list[int] = []

        def keep(pcm: Int16, rate: int, bridged: bool, line: str) -> None:
            heard.append(int(np.abs(pcm.astype(int)).max(initial=0)))

        driver = HandoffDriver(
            directory,
            lambda number: WebSocketLeg(number.url, TOKEN, answer_timeout_s=answer_timeout_s),
            progress.append,
            play or keep,
            voice or by_level,
            time.monotonic,
            HandoffLimits(confirm_timeout_s=confirm_timeout_s),
        )
        try:
            yield driver, progress, heard
        finally:
            await driver.close()


async def until(progress: list[TransferProgress], state: LegState) -> TransferProgress:
    async with asyncio.timeout(60):
        while True:
            for event in progress:
                if getattr(event, "state", None) is state:
                    return event
            await asyncio.sleep(0.01)


def states(progress: list[TransferProgress]) -> list[LegState]:
    return [event.state for event in progress]


async def test_a_route_succeeds_when_a_person_speaks(
    tmp_path: Path, officer: tuple[Int16, int]
) -> None:
    async with handing_off(tmp_path, greeting=officer) as (driver, progress, heard):
        driver.send_dossier({"handoff": "h1", "revision": 1})
        driver.dial("h1", LOCAL, {"caller": "13800000000", "handoff": "h1"})
        confirmed = await until(progress, LegState.CONFIRMED)
        assert confirmed.reason == "person_spoke"
        assert states(progress)[:3] == [LegState.REQUESTED, LegState.RINGING, LegState.ANSWERED]
        assert driver.bridged
        assert max(heard) > 400


async def test_an_answered_desk_where_nobody_speaks_has_failed(tmp_path: Path) -> None:
    async with handing_off(tmp_path, mode="no-voice", confirm_timeout_s=1.0) as (
        driver,
        progress,
        _,
    ):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        failed = await until(progress, LegState.NO_ANSWER)
        assert failed.reason == "nobody_spoke"
        assert LegState.CONFIRMED not in states(progress)
        assert not driver.bridged


async def test_a_busy_desk_is_reported_busy(tmp_path: Path) -> None:
    async with handing_off(tmp_path, mode="busy") as (driver, progress, _):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.BUSY)


async def test_a_desk_that_rings_for_ever_is_no_answer(tmp_path: Path) -> None:
    async with handing_off(tmp_path, mode="silent", answer_timeout_s=1.0) as running:
        driver, progress, _ = running
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.NO_ANSWER)


async def test_a_number_outside_the_directory_is_never_dialled(tmp_path: Path) -> None:
    async with handing_off(tmp_path) as (driver, progress, _):
        driver.dial("h1", Route("0085212345678", "110"), {"handoff": "h1"})
        await until(progress, LegState.FAILED)
        assert LegState.REQUESTED not in states(progress)


async def test_a_desk_that_is_not_there_has_failed(tmp_path: Path) -> None:
    async with handing_off(tmp_path) as (driver, progress, _):
        driver._directory = DutyDirectory(
            [DutyNumber("110-460100", "110", "460100", "ws://127.0.0.1:9/line", "海口110")]
        )
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.FAILED)


async def test_the_caller_is_heard_by_the_desk(tmp_path: Path, officer: tuple[Int16, int]) -> None:
    async with handing_off(tmp_path, greeting=officer) as (driver, progress, _):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.ANSWERED)
        tone = (8000 * np.sin(np.arange(160) * 2 * np.pi * 500 / 8000)).astype(np.int16)
        for _ in range(25):
            driver.send_caller_audio(tone, 8000)
            await asyncio.sleep(0.02)
        await until(progress, LegState.CONFIRMED)
    recordings = list((tmp_path / "lines").glob("*.wav"))
    assert recordings
    pcm, _ = sf.read(recordings[0], dtype="int16", always_2d=True)
    assert max(np.abs(pcm[:, 0].astype(int)).max(), np.abs(pcm[:, 1].astype(int)).max()) > 6000


# ── what goes wrong on a leg ──────────────────────────────────────────────────────


def desk_events(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


async def until_ended(tmp_path: Path, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while desk_events(tmp_path).count("ended") < count:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.02)


async def test_a_dossier_of_any_size_stops_no_dial(
    tmp_path: Path, officer: tuple[Int16, int]
) -> None:
    turns = [{"side": "caller", "text": "社保卡丢了怎么办才好" * 5} for _ in range(900)]
    async with handing_off(tmp_path, greeting=officer) as (driver, progress, _):
        driver.send_dossier({"handoff": "h1", "revision": 1, "transcript": turns})
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.CONFIRMED)
        driver.send_dossier({"handoff": "h1", "revision": 2, "reason": "大" * 60_000})
    kept = json.loads((tmp_path / "dossiers" / "h1.json").read_text())
    assert kept["omitted_turns"] == 900 - len(kept["transcript"])
    assert kept["transcript"]


async def no_detector() -> Any:
    raise RuntimeError("no memory")


async def test_without_a_voice_detector_the_desk_may_acknowledge(tmp_path: Path) -> None:
    async with handing_off(tmp_path, voice=no_detector, acknowledge_after_s=0.5) as running:
        driver, progress, _ = running
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        assert (await until(progress, LegState.CONFIRMED)).reason == "acknowledged"


async def test_without_a_voice_detector_sound_is_a_person(
    tmp_path: Path, officer: tuple[Int16, int]
) -> None:
    async with handing_off(tmp_path, voice=no_detector, greeting=officer) as running:
        driver, progress, heard = running
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        assert (await until(progress, LegState.CONFIRMED)).reason == "person_spoke"
        assert max(heard) > 400


async def test_a_voice_detector_that_dies_or_hangs_holds_up_nothing(
    tmp_path: Path, officer: tuple[Int16, int]
) -> None:
    async def hangs(_: Int16) -> Any:
        await asyncio.sleep(60)

    async def made() -> Any:
        return hangs

    limited = handing_off(tmp_path, voice=made, greeting=officer, confirm_timeout_s=3.0)
    async with limited as (driver, progress, heard):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.NO_ANSWER)
        assert len(heard) > 100, "the caller heard the desk all the time"


async def test_a_fault_of_ours_is_a_failed_route_and_hangs_up(tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no line")

    async with handing_off(tmp_path, play=broken) as (driver, progress, _):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        assert (await until(progress, LegState.FAILED)).reason == "internal"
        await until_ended(tmp_path)
        assert states(progress).count(LegState.FAILED) == 1
        assert not driver.bridged


async def test_a_leg_is_given_up_even_if_the_next_cannot_be_dialled(tmp_path: Path) -> None:
    async with handing_off(tmp_path, mode="silent") as (driver, progress, _):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.RINGING)
        driver.dial("h1", Route("110-469099", "110"), {"handoff": "h1"})
        await until_ended(tmp_path)
        assert states(progress)[-1] is LegState.FAILED
        assert LegState.NO_ANSWER not in states(progress)


async def test_a_desk_that_freezes_in_conversation_is_lost_within_four_seconds(
    tmp_path: Path,
) -> None:
    async def frozen(socket: Any) -> None:
        await socket.send(messages.progress("acknowledged"))
        await socket.wait_closed()

    async with (
        serve(frozen, "127.0.0.1", 0) as server,
        handing_off(tmp_path) as (driver, progress, _),
    ):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/line"
        driver._directory = DutyDirectory(
            [DutyNumber("110-460100", "110", "460100", url, "海口110")]
        )
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        confirmed = await until(progress, LegState.CONFIRMED)
        ended = await until(progress, LegState.ENDED)
        assert ended.reason == "lost"
        assert ended.at - confirmed.at < 8, "two seconds, and what a stalled machine adds"


async def test_closing_never_raises_and_leaves_no_line_up(tmp_path: Path) -> None:
    async with handing_off(tmp_path, mode="silent") as (driver, progress, _):
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        await until(progress, LegState.RINGING)
        leg = driver._legs[""]

        async def fails() -> None:
            await type(leg.leg).hangup(leg.leg)
            raise OSError("socket")

        leg.leg.hangup = fails  # type: ignore[method-assign]
        await driver.close()
        await driver.close()
        await until_ended(tmp_path)


# ── machines on the far side ──────────────────────────────────────────────────────


class ScriptedLeg:
    """A leg on which happens what the test says."""

    def __init__(self, bridged: bool = False) -> None:
        self.bridged = bridged
        self.state = WireState.IDLE
        self.events = LegEvents(10_000)
        self.start: dict[str, Any] = {}
        self.sent: list[Int16] = []
        self.hung_up = 0

    async def connect(self, start_params: Any, dossier: Any = None) -> None:
        self.start = dict(start_params)

    def send_audio(self, pcm: Int16, rate: int) -> None:
        self.sent.append(pcm)

    def send_dossier(self, dossier: Any) -> bool:
        return True

    async def hangup(self) -> None:
        self.hung_up += 1
        self.events.put(LegEnded(LegEndReason.HUNG_UP))

    def __aiter__(self) -> "ScriptedLeg":
        return self

    async def __anext__(self) -> Any:
        return await anext(self.events)

    # ── what happens ──────────────────────────────────────────────────────────────

    def comes_to(self, state: WireState) -> None:
        self.events.put(LegProgress(state))

    async def plays(self, pcm: Int16, *, early: bool = False) -> None:
        """In real time."""
        for at in range(0, len(pcm) - 159, 160):
            self.events.put(LegAudio(pcm[at : at + 160].tobytes(), 8000, early))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def scripted(
    *legs: ScriptedLeg,
    ear: Callable[[], Any] = lambda: None,
    limits: HandoffLimits | None = None,
    play: Callable[..., Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[HandoffDriver, list[Any]]]:
    numbers = ["110-460100", "120", "119"]
    directory = DutyDirectory(
        DutyNumber(number, number[:3], "", "ws://127.0.0.1:9/line", number) for number in numbers
    )
    waiting = list(legs)
    progress: list[Any] = []

    def nowhere(*_: Any) -> None: ...

    driver = HandoffDriver(
        directory,
        lambda number: waiting.pop(0),
        progress.append,
        play or nowhere,
        by_level,
        asyncio.get_running_loop().time,
        limits or HandoffLimits(confirm_timeout_s=1.0, queue_patience_s=1.5, queue_timeout_s=2.5),
        ear,
    )
    try:
        yield driver, progress
    finally:
        await driver.close()


class Hearing:
    """An ear that understands what the test says."""

    def __init__(self) -> None:
        self.words = ""

    async def hear(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...]:
        return to_syllables(self.words)

    def renew(self) -> None:
        self.words = ""


LOUD = np.full(800, 3000, np.int16)


@leaping
async def test_an_agents_browser_takes_no_outgoing_line() -> None:
    async with scripted(ScriptedLeg(), ScriptedLeg()) as (driver, _):
        driver.dial("h1", Route("seat@u-1", "seat"), {})
        assert driver.lines_in_use == 0
        driver.dial("h2", MEDICAL, {}, "120")
        assert driver.lines_in_use == 1


@leaping
async def test_an_in_band_busy_tone_fails_the_route_at_once() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        playing = asyncio.create_task(leg.plays(tone([(0.35, 0.35)], 2.0)))
        busy = await until(progress, LegState.BUSY)
        assert busy.reason == "in_band_busy"
        assert LegState.CONFIRMED not in states(progress)
        await asyncio.sleep(0.05)
        assert leg.hung_up
        playing.cancel()


@leaping
async def test_a_busy_notice_in_early_media_fails_the_route_before_it_is_answered() -> None:
    leg, ear = ScriptedLeg(), Hearing()
    async with scripted(leg, ear=lambda: ear) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.RINGING)
        ear.words = "您拨打的用户正忙"
        await leg.plays(LOUD, early=True)
        assert (await until(progress, LegState.BUSY)).reason == "busy"
        assert LegState.ANSWERED not in states(progress)


@leaping
async def test_early_media_confirms_nothing() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        await leg.plays(np.tile(LOUD, 8), early=True)
        await asyncio.sleep(0.1)
        assert states(progress) == [LegState.REQUESTED]


@leaping
async def test_a_queue_is_waited_for_longer_but_not_for_ever() -> None:
    leg, ear = ScriptedLeg(), Hearing()
    async with scripted(leg, ear=lambda: ear) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        ear.words = "您的来电已进入排队"
        began = asyncio.get_running_loop().time()
        await leg.plays(LOUD)
        failed = await until(progress, LegState.NO_ANSWER)
        assert failed.reason == "nobody_spoke"
        assert 1.4 < failed.at - began < 4.0


@leaping
async def test_the_officer_after_a_queue_is_a_person() -> None:
    leg, ear = ScriptedLeg(), Hearing()
    async with scripted(leg, ear=lambda: ear) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        ear.words = "您的来电已进入排队"
        await leg.plays(LOUD)
        await leg.plays(np.zeros(7200, np.int16))
        ear.words = "你好请讲"
        await leg.plays(np.concatenate([np.tile(LOUD, 4), np.zeros(4000, np.int16)]))
        assert (await until(progress, LegState.CONFIRMED)).reason == "person_spoke"


# ── several legs at once ──────────────────────────────────────────────────────────

MEDICAL = Route("120", "120")


def level(pcm: Int16) -> int:
    return int(np.abs(pcm.astype(int)).max(initial=0))


def of_line(progress: list[Any], line: str) -> list[LegState]:
    return [event.state for event in progress if event.line == line]


@asynccontextmanager
async def three_way(
    police: ScriptedLeg, medical: ScriptedLeg, **options: Any
) -> AsyncIterator[tuple[HandoffDriver, list[Any]]]:
    """110 and 120 are both off-hook and have both been acknowledged."""
    async with scripted(police, medical, **options) as (driver, progress):
        driver.dial("h1", LOCAL, {"caller": "13800000000"})
        driver.dial("h1", MEDICAL, {"caller": "13800000000"}, "120")
        for leg in (police, medical):
            leg.comes_to(WireState.ANSWERED)
            leg.comes_to(WireState.ACKNOWLEDGED)
        await asyncio.sleep(0.05)
        yield driver, progress


async def converse(driver: HandoffDriver, caller: Int16, *talking: tuple[ScriptedLeg, int]) -> None:
    """Half a second in which the caller and the far sides speak, each at a level of its own."""
    for _ in range(25):
        for leg, amplitude in talking:
            leg.events.put(LegAudio(np.full(160, amplitude, np.int16).tobytes(), 8000))
        await asyncio.sleep(0.01)
        driver.send_caller_audio(caller, 8000)
        await asyncio.sleep(0.01)


@leaping
async def test_two_lines_are_called_at_once_and_each_reports_for_itself() -> None:
    police, medical = ScriptedLeg(), ScriptedLeg()
    async with three_way(police, medical) as (_, progress):
        for line in ("", "120"):
            assert of_line(progress, line) == [
                LegState.REQUESTED, LegState.ANSWERED, LegState.CONFIRMED,
            ]  # fmt: skip
        assert medical.start["number"] == "120"
        assert medical.start["caller"] == "13800000000"


@leaping
async def test_everyone_hears_everyone_on_legs_that_no_endpoint_joins() -> None:
    police, medical = ScriptedLeg(), ScriptedLeg()
    heard: dict[str, int] = {}

    def play(pcm: Int16, rate: int, bridged: bool, line: str) -> None:
        heard[line] = max(heard.get(line, 0), level(pcm))

    async with three_way(police, medical, play=play) as (driver, _):
        caller = np.full(160, 1000, np.int16)
        await converse(driver, caller, (police, 4000), (medical, 2000))
        # The caller at 1000; to it comes the other leg, and never one's own voice.
        assert max(map(level, police.sent)) == 3000
        assert max(map(level, medical.sent)) == 5000
        assert (heard[""], heard["120"]) == (4000, 2000)


@leaping
async def test_a_leg_that_its_endpoint_has_joined_is_sent_nothing_and_is_heard_by_the_others() -> (
    None
):
    police, medical = ScriptedLeg(bridged=True), ScriptedLeg()
    async with three_way(police, medical) as (driver, _):
        await converse(driver, np.full(160, 1000, np.int16), (police, 4000))
        assert police.sent == []
        assert max(map(level, medical.sent)) == 5000


@leaping
async def test_one_leg_ends_and_the_other_goes_on() -> None:
    police, medical = ScriptedLeg(), ScriptedLeg()
    async with three_way(police, medical) as (driver, progress):
        medical.events.put(LegEnded(LegEndReason.ENDED))
        await until(progress, LegState.ENDED)
        assert of_line(progress, "")[-1] is LegState.CONFIRMED
        assert driver.bridged
        police.sent.clear()
        driver.send_caller_audio(LOUD, 8000)
        assert level(police.sent[0]) == 3000


@leaping
async def test_a_leg_is_released_without_a_word_about_it() -> None:
    police, medical = ScriptedLeg(), ScriptedLeg()
    async with three_way(police, medical) as (driver, progress):
        driver.release()
        await asyncio.sleep(0.05)
        assert police.hung_up
        assert of_line(progress, "")[-1] is LegState.CONFIRMED
        assert not medical.hung_up
        assert driver.bridged


@leaping
async def test_the_leg_of_a_seat_stays_beside_110_and_reports_its_end_from_there() -> None:
    seat, police = ScriptedLeg(), ScriptedLeg()
    async with scripted(seat, police) as (driver, progress):
        driver.dial("h1", MEDICAL, {})
        seat.comes_to(WireState.ACKNOWLEDGED)
        await until(progress, LegState.CONFIRMED)
        driver.keep_beside("h2", "seat", "120")
        driver.dial("h2", LOCAL, {})
        assert not seat.hung_up
        seat.events.put(LegEnded(LegEndReason.ENDED))
        ended = await until(progress, LegState.ENDED)
        assert (ended.handoff, ended.line, ended.destination) == ("h2", "seat", "120")


@leaping
async def test_a_leg_that_ends_before_it_is_kept_beside_110_is_told_of_as_lost() -> None:
    """Else the core believes for ever that the seat is with the caller."""
    seat = ScriptedLeg()
    async with scripted(seat) as (driver, progress):
        driver.dial("h1", MEDICAL, {})
        seat.comes_to(WireState.ACKNOWLEDGED)
        seat.events.put(LegEnded(LegEndReason.ENDED))
        await until(progress, LegState.ENDED)
        progress.clear()
        driver.keep_beside("h2", "seat", "120")
        (gone,) = progress
        assert (gone.handoff, gone.line, gone.destination) == ("h2", "seat", "120")
        assert (gone.state, gone.reason) == (LegState.ENDED, "lost")


@leaping
async def test_a_key_of_a_confirmed_leg_is_reported() -> None:
    police, medical = ScriptedLeg(), ScriptedLeg()
    async with three_way(police, medical) as (_, progress):
        police.events.put(LegKey("*"))
        await asyncio.sleep(0.05)
        key = progress[-1]
        assert isinstance(key, FarSideKey)
        assert (key.handoff, key.destination, key.key, key.line) == ("h1", "110-460100", "*", "")


@leaping
async def test_a_key_of_an_answered_leg_acknowledges() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        leg.events.put(LegKey("1"))
        assert (await until(progress, LegState.CONFIRMED)).reason == "acknowledged"


@leaping
async def test_a_far_side_that_took_the_caller_over_is_confirmed_and_ended() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.events.put(LegEnded(LegEndReason.TRANSFERRED))
        ended = await until(progress, LegState.ENDED)
        assert ended.reason == "transferred"
        assert states(progress)[-2:] == [LegState.CONFIRMED, LegState.ENDED]


async def test_a_desk_s_key_comes_through_its_media_socket(tmp_path: Path) -> None:
    async def desk(socket: Any) -> None:
        await socket.send(messages.progress("answered"))
        await socket.send(messages.progress("acknowledged"))
        await socket.send(messages.dtmf("MZ1", "*"))
        await socket.wait_closed()

    keys: list[Any] = []
    async with serve(desk, "127.0.0.1", 0) as server, handing_off(tmp_path) as running:
        driver = running[0]
        driver._report = keys.append
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/line"
        driver._directory = DutyDirectory(
            [DutyNumber("110-460100", "110", "460100", url, "海口110")]
        )
        driver.dial("h1", LOCAL, {"handoff": "h1"})
        async with asyncio.timeout(60):
            while not any(isinstance(each, FarSideKey) for each in keys):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@leaping
async def test_a_busy_tone_after_the_conversation_is_the_far_side_s_end() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ACKNOWLEDGED)
        busy = tone([(0.35, 0.35)], 6.0)
        for at in range(0, len(busy) - 159, 160):
            leg.events.put(LegAudio(busy[at : at + 160].tobytes(), 8000))
        assert (await until(progress, LegState.ENDED)).reason == "ended"


@leaping
async def test_one_blip_of_a_busy_tone_in_a_conversation_is_nothing() -> None:
    leg = ScriptedLeg()
    async with scripted(leg) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ACKNOWLEDGED)
        noise = np.random.default_rng(1).normal(0, 2000, 8000).astype(np.int16)
        mixed = np.concatenate([tone([(0.35, 0.35)], 1.6), noise] * 4)
        for at in range(0, len(mixed) - 159, 160):
            leg.events.put(LegAudio(mixed[at : at + 160].tobytes(), 8000))
        await asyncio.sleep(0.3)
        assert states(progress)[-1] is LegState.CONFIRMED


@leaping
async def test_who_is_speaking_when_time_is_up_is_not_hung_up_on() -> None:
    leg, ear = ScriptedLeg(), Hearing()
    limits = HandoffLimits(confirm_timeout_s=0.6)
    async with scripted(leg, ear=lambda: ear, limits=limits) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        ear.words = "您好这里是"  # so far it could be anything
        playing = asyncio.create_task(leg.plays(np.tile(LOUD, 60)))
        assert (await until(progress, LegState.CONFIRMED)).reason == "person_spoke"
        await asyncio.sleep(0.1)
        assert driver.bridged
        playing.cancel()


# ── the caller is gone ────────────────────────────────────────────────────────────


@leaping
async def test_who_has_said_nothing_yet_is_told_to_the_end_that_the_caller_is_gone() -> None:
    leg, words = ScriptedLeg(), np.tile(LOUD, 40)

    async def spoken() -> Int16:
        return words

    async with scripted(leg, limits=HandoffLimits(confirm_timeout_s=1.0)) as (driver, progress):
        driver.dial("h1", LOCAL, {})
        leg.comes_to(WireState.ANSWERED)
        await until(progress, LegState.ANSWERED)
        driver.tell("", spoken, 8000)
        await driver.close()
    assert np.array_equal(np.concatenate(leg.sent), words)
    assert leg.hung_up
    assert states(progress)[-1] is LegState.ANSWERED, "no failed route, and nobody was heard"
