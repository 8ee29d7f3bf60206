"""The hand-off's legs against the real stand-in desk over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from flows.actions import Route
from flows.events import LegState, TransferProgress
from telephony.desk import create_desk
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.loopback_server import LoopbackServer
from voicebot.call.handoff import HandoffDriver, HandoffLimits
from voicebot.call.line import Int16

TOKEN = "desk-token"
LOCAL = Route("110-460100", "110")


@pytest.fixture(scope="session")
def officer(shared_dir: Path) -> tuple[Int16, int]:
    """A person's voice, as the desk's greeting."""
    pcm, rate = sf.read(
        shared_dir / "data/speech/aishell1_s0150/BAC009S0150W0134.wav", dtype="int16"
    )
    return pcm[: 3 * rate], rate


@asynccontextmanager
async def handing_off(
    tmp_path: Path, **desk: Any
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

        async def play(pcm: Int16, rate: int) -> None:
            heard.append(int(np.abs(pcm.astype(int)).max(initial=0)))

        async def loud(pcm: Int16) -> list[tuple[float, int]]:
            return [(1.0 if np.abs(pcm.astype(int)).max(initial=0) > 400 else 0.0, len(pcm))]

        async def voice() -> Any:
            return loud

        driver = HandoffDriver(
            directory,
            TOKEN,
            progress.append,
            play,
            voice,
            time.monotonic,
            HandoffLimits(answer_timeout_s=1.0, confirm_timeout_s=3.0),
        )
        try:
            yield driver, progress, heard
        finally:
            await driver.close()


async def until(progress: list[TransferProgress], state: LegState) -> TransferProgress:
    async with asyncio.timeout(8):
        while True:
            for event in progress:
                if event.state is state:
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
    async with handing_off(tmp_path, mode="no-voice") as (driver, progress, _):
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
    async with handing_off(tmp_path, mode="silent") as (driver, progress, _):
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
