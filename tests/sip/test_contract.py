"""Direct SIP is held to the same assertions as every other endpoint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from telephony.call_control import IncomingCall
from tests.sip.bot import running
from tests.sip.telephones import Telephone, desk, telephone
from tests.telephony.test_call_control_contract import CALLER, CallControlContract

DESKS: dict[str, dict[str, Any]] = {
    "answers": {"answer_s": 0.1},
    "rings": {"answer": 0},
    "busy": {"answer": 486},
    "declines": {"answer": 603, "answer_s": 0.1},
    "unreachable": {"refuse": 503},
    "hangs_up": {"answer_s": 0.1, "talk_s": 0.2},
    "acknowledges": {"answer_s": 0.1, "keys": "1"},
}


class OverSip:
    """`Line`: telephones as the caller and as 110."""

    def __init__(self, folder: Path, stack: contextlib.AsyncExitStack, port: int) -> None:
        self._folder, self._stack, self._port = folder, stack, port
        self._desk: dict[str, Any] | None = None
        self._caller: Telephone | None = None
        self.offers: asyncio.Queue[IncomingCall] = asyncio.Queue()

    async def take(self, call: IncomingCall) -> bool:
        self.offers.put_nowait(call)
        await call.closed()
        return True

    async def offer(self) -> IncomingCall:
        trunks = {}
        if self._desk is not None:
            spec = {"tone": 1000, **self._desk}
            _, trunks["police"] = await desk(self._stack, self._folder, "desk", **spec)
        else:
            trunks["police"] = f"sip:127.0.0.1:{self._port}"
        bot = await self._stack.enter_async_context(running(trunks=trunks))
        bot.decide = self.take
        self._caller = await self._stack.enter_async_context(
            telephone(
                self._folder, "caller", call=bot.uri(), local=f"sip:{CALLER}@127.0.0.1", tone=440
            )
        )
        return await asyncio.wait_for(self.offers.get(), 60)

    async def caller_hangs_up(self) -> None:
        await self._caller.hang_up()

    async def caller_presses(self, keys: str) -> None:
        await self._caller.press(keys)

    def desk(self, does: str) -> None:
        self._desk = DESKS[does]


class TestSip(CallControlContract):
    @pytest.fixture
    async def line(self, tmp_path: Path, unused_udp_port: int) -> AsyncIterator[OverSip]:
        async with contextlib.AsyncExitStack() as stack:
            yield OverSip(tmp_path, stack, unused_udp_port)
