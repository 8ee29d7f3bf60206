"""How regular a media process's frames are, by hand: `python -m tests.sip.measure [SECONDS]`.

Four telephones call one process; the bot speaks to all. One JSON line: the gaps between the
frames of each caller as the main process gets them, the processor time of the media process
in percent of a core for each call, and its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from telephony.sip.settings import SLOTS
from tests.sip.bot import running
from tests.sip.telephones import telephone


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def main(seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bot = await stack.enter_async_context(running(callers_per_process=SLOTS))
        calls, arrivals = [], []
        for at in range(SLOTS):
            await stack.enter_async_context(
                telephone(folder, f"caller{at}", call=bot.uri(), tone=440, limit_s=seconds + 30)
            )
            call = await bot.call()
            times: list[float] = []

            async def hear(_pcm, times=times) -> None:
                times.append(clock())

            call.hear = hear
            calls.append(call)
            arrivals.append(times)
        await asyncio.sleep(1.0)
        process = bot.endpoint.processes[0]
        for times in arrivals:
            times.clear()
        began, used = clock(), cpu_s(process.pid)
        await asyncio.sleep(seconds)
        used, took = cpu_s(process.pid) - used, clock() - began
        gaps = np.concatenate([np.diff(times) for times in arrivals]) * 1000
        print(
            json.dumps(
                {
                    "calls": SLOTS,
                    "seconds": round(took, 1),
                    "frames": sum(map(len, arrivals)),
                    "gap_ms_p50": round(float(np.percentile(gaps, 50)), 1),
                    "gap_ms_p99": round(float(np.percentile(gaps, 99)), 1),
                    "gap_ms_max": round(float(gaps.max()), 1),
                    "cpu_percent_per_call": round(100 * used / took / SLOTS, 2),
                    "memory_mb": round(memory_mb(process.pid), 1),
                }
            )
        )


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
