"""Hand-offs and orders between 12345 and 110 through faults: is anything lost, or done twice?

    make exchange-trial N=2000                  (ARGS="--seed 7 --store postgresql")

Our side is a process with the service's own records, outboxes, inbox and HTTP; the other
is the stand-in for 110's platform with a store of its own; between them a line that breaks.
Ours is killed at each step of a message's way and at random, theirs at random; the
disk is full, the clock jumps, answers are lost, late or lies, messages come twice and out of
order. Then both come back and deliver what waits. Of what then still goes out 110 forgets
each message after its receipt, and our store loses some of 110's: the reconciliation must
find every one. Both are reconciled until nothing differs. What counts is then read from both
stores, not from the reconciliation. The last line is one JSON object; exit status 1 if
anything was lost, done twice or is not reconciled.

*Disk full* is RLIMIT_FSIZE = 0 of our process: no file of its (database, log, spool) may
grow, as on a full disk, though the kernel's word for it is another (EFBIG). With
PostgreSQL that is the spool alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.exchange_line import LossyLine, Service, StandIn, write_settings
from benchmarks.exchange_service import STEPS, note_effects
from benchmarks.exchange_stores import Stores, database
from telephony.loopback_server import free_port
from voicebot.config import load_settings

AT_ONCE = 8
"""Orders that are being written together."""
PATIENCE_S = 15.0
"""So long without any progress, once all faults are over, what waits is for reconciliation."""
ROUNDS = 6
"""Reconciliations at most until nothing differs."""
LOSS = 0.01
FAULTS = {
    "down": 0.03, "slow": 0.02, "slow_s": 0.2, "lose_answer": 0.03, "lie": 0.02,
    "wrong_receipt": 0.02, "duplicate": 0.05, "reorder": 0.2,
}  # fmt: skip
JUMPS_S = (-86400.0, -3600.0, -90.0, 90.0, 3600.0, 86400.0)


@dataclass
class Trial:
    """One trial, from two empty stores to the verdict."""

    orders: int
    seed: int
    folder: Path
    database_url: str
    faults: Counter[str] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)
    """Ids of messages of which somebody was told that they are written."""
    gone: set[str] = field(default_factory=set)
    """Ids of messages that one side has lost without a sign."""

    async def run(self) -> dict[str, Any]:
        dice = random.Random(self.seed)
        service_port, stand_in_port = free_port(), free_port()
        self._lines = [
            LossyLine(port, random.Random(f"{self.seed}:{port_name}"), LOSS)
            for port_name, port in (("out", stand_in_port), ("in", service_port))
        ]
        to_110, to_us = [await line.open() for line in self._lines]
        config = write_settings(self.folder / "12345", to_110, self.database_url)
        theirs = write_settings(self.folder / "110", stand_in_port, "")
        self._stores = Stores(load_settings(config))
        self._service = Service(config, service_port)
        self._stand_in = StandIn(theirs, stand_in_port, to_us)
        try:
            await self._stand_in.start({**FAULTS, "seed": self.seed})
            await self._trouble(dice)
            await self._calm()
            await self._lose()
            unreconciled = await self._reconcile()
            return {**await self._verdict(), "unreconciled": unreconciled}
        finally:
            await self._service.close()
            await self._stand_in.close()
            for line in self._lines:
                line.close()

    async def _trouble(self, dice: random.Random) -> None:
        """Write all orders, while everything goes wrong that can."""
        self._left = [f"{'HP'[n % 5 > 1]}{self.seed}-{n}" for n in range(self.orders)]
        self._left.reverse()
        self._written = False
        killer = asyncio.create_task(self._kill_service(dice))
        others = [
            asyncio.create_task(work)
            for work in (self._kill_stand_in(dice), self._full_disks_and_wrong_clocks(dice))
        ]
        await asyncio.gather(*(self._write() for _ in range(AT_ONCE)), self._push())
        self._written = True
        await killer
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _write(self) -> None:
        while self._left:
            name = self._left.pop()
            at = time.time()
            path = f"handoffs/{name}?at={at}" if name[0] == "H" else f"orders/{name}"
            while True:  # the same one until its writing is confirmed, as a call's process would
                with contextlib.suppress(httpx.HTTPError):
                    answer = await self._service.http.post(f"/trial/{path}")
                    if answer.is_success:
                        self.told.update(answer.json())
                        break
                await asyncio.sleep(0.05)

    async def _push(self) -> None:
        """110 passes on a matter for every four orders, in messages that may overtake."""
        for _ in range(max(1, self.orders // 4)):
            with contextlib.suppress(httpx.HTTPError):
                await self._stand_in.http.post("/admin/push", json={"messages": 2})
            await asyncio.sleep(0.02)

    async def _kill_service(self, dice: random.Random) -> None:
        """At each step in turn and, where none comes, at that moment, until all is written."""
        number, few = 0, max(3, self.orders // 100)
        while not self._written or number < len(STEPS):
            step = STEPS[number % len(STEPS)]
            await self._service.start(step, dice.randint(1, few))
            if await self._service.died(within_s=dice.uniform(2, 6)):
                self.faults[f"killed_{step}"] += 1
            elif await self._service.kill():
                self.faults["killed_at_any_moment"] += 1
            number += 1
        await self._service.start()

    async def _kill_stand_in(self, dice: random.Random) -> None:
        while True:
            await asyncio.sleep(dice.uniform(2, 6))
            await self._stand_in.note_faults()
            await self._stand_in.kill()
            self.faults["110_killed"] += 1
            await asyncio.sleep(dice.uniform(0, 0.5))
            await self._stand_in.start({**FAULTS, "seed": dice.randrange(10**6)})

    async def _full_disks_and_wrong_clocks(self, dice: random.Random) -> None:
        while True:
            await asyncio.sleep(dice.uniform(0.5, 2))
            faults: list[tuple[str, dict[str, float], dict[str, float]]] = [
                ("disk_full", {"full": True}, {"full": False}),
                ("clock_jump", {"ahead": dice.choice(JUMPS_S)}, {"ahead": 0.0}),
            ]
            kind, on, off = dice.choice(faults)
            path = "/trial/disk" if kind == "disk_full" else "/trial/clock"
            with contextlib.suppress(httpx.HTTPError):
                (await self._service.http.post(path, params=on)).raise_for_status()
                self.faults[kind] += 1
                await asyncio.sleep(dice.uniform(0.3, 1.5))
                await self._service.http.post(path, params=off)

    async def _calm(self) -> None:
        """Both come back, and deliver what waits."""
        await self._stand_in.note_faults()
        await self._stand_in.kill()
        await self._service.kill()
        for name in [key for key in self._stand_in.fallen if self._stand_in.fallen[key]]:
            self.faults[name] += self._stand_in.fallen[name]
        self.faults["connection_lost"] += sum(line.lost for line in self._lines)
        for line in self._lines:
            line.chance = 0.0
        await self._stand_in.start({})
        await self._service.start()
        await self._until_nothing_waits()

    async def _lose(self) -> None:
        """What only a reconciliation can find: a receipt for nothing, and a store that forgets."""
        count = max(2, self.orders // 50)
        before = set(self.told)
        await self._faults(lie=1.0)
        self._left = [f"{'HP'[n % 2]}{self.seed}-{self.orders + n}" for n in range(count)]
        await self._write()
        await self._until_nothing_waits()
        await self._faults()
        self.gone = self.told - before
        self.faults["lie"] += len(self.gone)
        forgotten = await asyncio.to_thread(self._stores.forget, count)
        self.faults["lost_here"] += len(forgotten)
        self.gone |= forgotten

    async def _faults(self, **chances: float) -> None:
        (await self._stand_in.http.put("/admin/faults", json=chances)).raise_for_status()

    async def _until_nothing_waits(self) -> None:
        """Or until what waits waits for something that one side has lost."""
        last, since = -1, time.monotonic()
        while last and time.monotonic() - since < PATIENCE_S:
            with contextlib.suppress(httpx.HTTPError):
                figures = await self._stand_in.figures()
                ours = await asyncio.to_thread(self._stores.waiting)
                waiting = ours + figures["out"].get("waiting", 0)
                if waiting != last:
                    last, since = waiting, time.monotonic()
            await asyncio.sleep(0.2)

    async def _reconcile(self) -> int:
        """What is not settled in the end, and what was lost and not found at once."""
        for number in range(1, ROUNDS + 1):
            outcome = await asyncio.to_thread(self._stores.reconcile)
            print(f"reconciliation {number}: {json.dumps(outcome.as_dict())}", flush=True)
            if number == 1:
                overlooked = self.gone - self._stores.differences()
                print(f"{len(self.gone)} lost without a sign, {len(overlooked)} overlooked")
            if not outcome.unsettled:
                break
            await self._until_nothing_waits()
        return outcome.unsettled + len(overlooked)

    async def _verdict(self) -> dict[str, Any]:
        """What both stores say of what was sent, and how often it was done."""
        there = Counter((await self._stand_in.http.get("/admin/effects")).json())
        here = await asyncio.to_thread(self._stores.effects)
        sent_to_us = await asyncio.to_thread(self._stores.sent_by_110)
        lost = (self.told - there.keys()) | (sent_to_us - here.keys())
        twice = [name for each in (here, there) for name, count in each.items() if count > 1]
        for name in [*sorted(lost)[:5], *twice[:5]]:
            print(f"lost or twice: {name}", flush=True)
        print(f"{len(here) + len(there)} messages applied")
        return {"lost": len(lost), "duplicated": len(twice)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None, help="of the faults and their moments")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="folder for both stores")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    folder = (given.keep or Path(tempfile.mkdtemp(prefix="exchange-trial-"))).resolve()
    began = time.monotonic()
    note_effects()
    try:
        with database(given.store, folder) as url:
            trial = Trial(given.orders, seed, folder, url)
            verdict = asyncio.run(trial.run())
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    result = {
        "orders": given.orders,
        **verdict,
        "faults": dict(sorted(trial.faults.items())),
        "seconds": round(time.monotonic() - began, 1),
        "store": given.store,
        "seed": seed,
    }
    print(json.dumps(result))
    return 1 if result["lost"] or result["duplicated"] or result["unreconciled"] else 0


if __name__ == "__main__":
    sys.exit(main())
