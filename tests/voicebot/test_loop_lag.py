"""A loop that is held up shows it."""

import asyncio
import time

from voicebot.loop_lag import Lag, LoopLag


async def test_a_block_of_the_loop_is_seen() -> None:
    lag = LoopLag()
    assert lag.figures == Lag(0.0, 0.0, 0.0)
    measuring = asyncio.create_task(lag.run())
    await asyncio.sleep(0.1)
    time.sleep(0.15)  # noqa: ASYNC251 - the fault that is looked for
    await asyncio.sleep(0.05)
    measuring.cancel()
    assert 120 < lag.figures.max < 1000
    assert lag.figures.p50 < 100
