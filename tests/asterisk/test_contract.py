"""Asterisk is held to the same assertions as the scripted endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.asterisk.endpoint import AsteriskEndpoint
from telephony.call_control import IncomingCall
from tests.asterisk.bot import access_to
from tests.asterisk.pbx import Pbx
from tests.asterisk.phones import (
    Phone,
    Step,
    answered,
    answers,
    busy,
    declines,
    hangs_up_after,
    keys,
    reject,
    ring,
    rings_for_ever,
    tone_wav,
)
from tests.telephony.test_call_control_contract import CALLER, CallControlContract, Line


class OverAsterisk:
    """`Line`: two telephones and an Asterisk between them and the application."""

    def __init__(self, caller: Phone, police: Phone, wav: Path) -> None:
        self._caller, self._police, self._wav = caller, police, wav
        self._offers: asyncio.Queue[IncomingCall] = asyncio.Queue()

    async def take(self, call: IncomingCall) -> None:
        self._offers.put_nowait(call)
        await call.closed()

    async def offer(self) -> IncomingCall:
        await asyncio.to_thread(self._caller.call, "12345", caller=CALLER, steps=(answered(),))
        return await asyncio.wait_for(self._offers.get(), 10)

    async def caller_hangs_up(self) -> None:
        await asyncio.to_thread(self._caller.hang_up)

    async def caller_presses(self, digits: str) -> None:
        await asyncio.to_thread(self._caller.wait_for, "up")
        await asyncio.to_thread(self._caller.then, 1, keys(digits))

    def desk(self, does: str) -> None:
        self._police.script(*self._steps(does))

    def _steps(self, does: str) -> tuple[Step, ...]:
        return {
            "answers": answers(self._wav),
            "rings": rings_for_ever(),
            "busy": busy(),
            "declines": declines(),
            "unreachable": (reject(503),),
            "hangs_up": hangs_up_after(self._wav, 0.1),
            "acknowledges": (ring(0.1), ("answer", None), keys("1")),
        }[does]


class TestAsterisk(CallControlContract):
    @pytest.fixture
    async def line(
        self, pbx: Pbx, caller: Phone, police: Phone, tmp_path: Path
    ) -> AsyncIterator[Line]:
        line = OverAsterisk(caller, police, tone_wav(tmp_path / "police.wav", 1000))
        endpoint = AsteriskEndpoint(access_to(pbx), line.take)
        running = asyncio.create_task(endpoint.run())
        await asyncio.wait_for(endpoint.connected.wait(), 10)
        yield line
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
