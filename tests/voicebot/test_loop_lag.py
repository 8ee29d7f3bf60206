"""A loop that is held up shows it."""

import asyncio

import pytest

from tests.leaping_time import LeapingLoop
from voicebot.loop_lag import Lag, LoopLag


@pytest.mark.leaping_time
async def test_a_block_of_the_loop_is_seen() -> None:
    lag, loop = LoopLag(), asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    assert lag.figures == Lag(0.0, 0.0, 0.0)
    measuring = asyncio.create_task(lag.run())
    await asyncio.sleep(0.1)
    loop.block(0.15)
    await asyncio.sleep(0.05)
    measuring.cancel()
    assert 130 <= lag.figures.max <= 150
    assert lag.figures.p50 == 0
