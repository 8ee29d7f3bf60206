"""A hundred calls in five seconds: those that fit are served, the others wait for humans."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.asterisk.bot import Bot, Taken, access_to, wait_until
from tests.asterisk.listeners import Listeners
from tests.asterisk.pbx import CARRIER_PORTS, SEATS_PORT, SIP_PORT, Pbx

SCENARIOS = Path(__file__).with_name("sipp")
CALLS, ROOM, BURST_S, CALL_S = 100, 8, 5.0, 5.5
BOT_HZ = 700.0


@contextlib.contextmanager
def ringing_seats(sipp: str, folder: Path) -> Iterator[None]:
    """Seats that ring and never answer: everybody stays in the queue."""
    seats = subprocess.Popen(
        [
            *(sipp, "-sf", SCENARIOS / "rings.xml", "-i", "127.0.0.1", "-p", str(SEATS_PORT)),
            *("-nostdin", f"127.0.0.1:{SIP_PORT}"),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        seats.kill()
        seats.wait(5)


def serve(bot: Bot, calling: subprocess.Popen[bytes]) -> list[Taken]:
    """Hums to every caller who is taken, until the last one has hung up."""
    taken: list[Taken] = []
    while calling.poll() is None:
        with contextlib.suppress(queue.Empty):
            taken.append(bot.call(0.2))
            bot.talk(taken[-1], BOT_HZ)
    return taken


def test_100_calls_in_5_s_and_nobody_is_answered_into_silence(
    pbx: Pbx, sipp: str, tmp_path: Path
) -> None:
    with (
        Listeners(CALLS) as ears,
        ringing_seats(sipp, tmp_path),
        Bot(access_to(pbx), room=ROOM) as bot,
    ):
        callers = [f"139{number:08d};{port}" for number, port in enumerate(ears.ports)]
        (tmp_path / "callers.csv").write_text("\n".join(["SEQUENTIAL", *callers, ""]))
        began = time.monotonic()
        calling = subprocess.Popen(
            [
                *(sipp, "-sf", SCENARIOS / "burst.xml", "-s", "12345", "-inf", "callers.csv"),
                *("-i", "127.0.0.1", "-p", str(CARRIER_PORTS[1]), f"127.0.0.1:{SIP_PORT}"),
                *("-m", str(CALLS), "-l", str(CALLS), "-r", f"{CALLS / BURST_S:.0f}"),
                *("-d", f"{1000 * CALL_S:.0f}", "-nostdin", "-timeout", "30"),
            ],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        taken = serve(bot, calling)
        # Everybody was answered and nobody was hung up on.
        assert calling.returncode == 0
        assert len(taken) == ROOM
        assert len(bot.offers) == CALLS
        wait_until(lambda: not pbx.channels(), 5, pbx.channels)
        heard = [ears.heard(number) for number in range(CALLS)]
        served = [each.last(CALL_S / 2).has_tone(BOT_HZ, 0.8) for each in heard]
        assert sum(served) == ROOM
        waits = []
        for number, each in enumerate(heard):
            first = each.first_sound_at()
            assert first is not None, f"caller {number} never heard anything"
            waits.append(first - began - number * BURST_S / CALLS)
            assert each.end - first > CALL_S - 2.5
            assert each.longest_silence_s() < 3.0
        assert max(waits) < 3.0
        print(
            f"MEASURED first sound after the call: served p95 "
            f"{np.quantile([w for w, s in zip(waits, served, strict=True) if s], 0.95):.2f} s, "
            f"others p95 "
            f"{np.quantile([w for w, s in zip(waits, served, strict=True) if not s], 0.95):.2f} s"
        )
