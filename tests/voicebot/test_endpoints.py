"""The service says that it is ready when its endpoints answer, and waits for none for ever."""

from __future__ import annotations

import asyncio

import pytest

from voicebot.endpoints import STARTING_S, Endpoint, running

pytestmark = pytest.mark.leaping_time


async def test_the_service_is_ready_when_its_endpoints_answer() -> None:
    started = asyncio.Event()

    async def run() -> None:
        await asyncio.sleep(4.0)
        started.set()
        await asyncio.sleep(3600)

    began = asyncio.get_running_loop().time()
    async with running({"sip": Endpoint(run, started)}):
        assert started.is_set()
        assert asyncio.get_running_loop().time() - began == pytest.approx(4.0, abs=0.1)


async def test_an_endpoint_that_does_not_come_up_is_not_waited_for_for_ever() -> None:
    async def run() -> None:
        raise OSError("the port is in use")

    began = asyncio.get_running_loop().time()
    async with running({"sip": Endpoint(run, asyncio.Event()), "asterisk": Endpoint(run)}):
        assert asyncio.get_running_loop().time() - began == pytest.approx(STARTING_S, abs=0.1)
