"""200 live boards: what they cost the service, and whether one of them misses anything.

    python -m benchmarks.console_live [--boards 200] [--calls 60] [--seconds 30]

The service's real application answers in a process of its own; its calls are played: in each of
them a hypothesis comes five times a second, calls end and others begin. Every board reads the
text/event-stream as a browser does, each with its own socket; one in five breaks off in the middle
and comes back with the number of the last event that it had. Afterwards each board must have every
event, and show what the service shows.

CPU is that of the whole server process, playing the calls included; `--boards 0` tells that part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from telephony.loopback_server import LoopbackServer
from tests.browser.service import ScriptedService
from voicebot.config import load_settings
from voicebot.records.store import Records
from voicebot.web.api import create_app

HYPOTHESES_PER_S = 5.0
CALL_S = 20.0
TEXT = "喂你好我在海口市龙华区国贸路二十八号楼下的下水道堵了好几天了一直没有人来修"


@dataclass
class Board:
    """What one reader has got."""

    seqs: list[int] = field(default_factory=list)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    resets: int = 0
    breaks: int = 0

    def take(self, seq: int, topic: str, data: dict[str, Any]) -> None:
        if topic == "reset":
            self.resets += 1
        if topic != "calls":
            return
        self.seqs.append(seq)
        now = time.time()
        for row in data["rows"]:
            self.rows[row["call_id"]] = row
            stamp = row["text"].partition("|")[2]
            if stamp:
                self.delays.append(now - float(stamp))
        for call in data["gone"]:
            self.rows.pop(call, None)


# ── the server's process ────────────────────────────────────────────────────────────


async def _serve(pipe: Connection, folder: Path, calls: int) -> None:
    file = folder / "voicebot.toml"
    state = folder / "state"
    file.write_text(f'[paths]\nstate = "{state}"\n[rate_limits]\nenabled = false\n')
    settings = load_settings(file)
    records = await Records.open(settings)
    service = ScriptedService(settings, records)
    app = create_app(service)
    async with LoopbackServer(app) as server:
        pipe.send({"url": server.http_url, "token": records.tokens.create("supervisor")})
        seconds = await asyncio.to_thread(pipe.recv)
        lines = [asyncio.create_task(_talk(service, number)) for number in range(calls)]
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        cpu = (time.process_time() - used) / (time.monotonic() - began)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        await asyncio.sleep(1.0)  # the last changes are on their way
        live = app.state.console_live
        events = [each.seq for each in live._ring.after(0, ("calls",))]
        rows = sorted(row.call_id for row in live.board.rows)
        pipe.send({"cpu": cpu, "seqs": events, "rows": rows})
        await asyncio.to_thread(pipe.recv)
    await records.close()


async def _talk(service: ScriptedService, number: int) -> None:
    """One line: a call after the other."""
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, CALL_S))
    for count in range(10**6):
        call_id = f"bench-{number}-{count}"
        caller, began, at = f"138{number:08}", time.monotonic(), 0.0

        def publish(kind: str, call_id: str = call_id, at: float = 0.0, **rest: Any) -> None:
            message = {"call_id": call_id, "at": round(at, 2), "kind": kind, **rest}
            service.live.publish(message)

        publish("call", state="started", caller=caller, did="12345", trunk="public", order="")
        while at < CALL_S:
            await asyncio.sleep(chance.expovariate(HYPOTHESES_PER_S))
            at = time.monotonic() - began
            text = TEXT[: 1 + int(at * 4) % len(TEXT)]
            publish(
                "hypothesis", at=at, turn=int(at // 8), ear="transcriber",
                text=f"{text}|{time.time():.3f}", final=False,
            )  # fmt: skip
        publish("call", state="ended", outcome="answered")


def _process(pipe: Connection, folder: str, calls: int) -> None:
    asyncio.run(_serve(pipe, Path(folder), calls))


# ── the boards ──────────────────────────────────────────────────────────────────────


async def _read(
    client: httpx.AsyncClient, url: str, board: Board, ready: asyncio.Event, breaks_at: float
) -> None:
    last: int | None = None
    while True:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(breaks_at if not board.breaks else None),
                client.stream("GET", url, headers=headers, timeout=None) as answer,
            ):
                assert answer.status_code == 200, answer.status_code
                async for seq, topic, data in _events(answer):
                    last = seq
                    ready.set()
                    board.take(seq, topic, data)
        board.breaks += 1
        await asyncio.sleep(random.uniform(0.2, 2.0))


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[int, str, dict[str, Any]]]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


async def _watch(pipe: Connection, boards: int, seconds: float) -> dict[str, Any]:
    known = pipe.recv()
    url = f"{known['url']}/console/live?topics=calls"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    shown = [Board() for _ in range(boards)]
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {known['token']}"}, trust_env=False, limits=limits
    ) as client:
        ready = [asyncio.Event() for _ in shown]
        readers = [
            asyncio.create_task(
                _read(client, url, board, ready[n], seconds / 2 if n % 5 == 0 else 1e6)
            )
            for n, board in enumerate(shown)
        ]
        for each in ready:
            await asyncio.wait_for(each.wait(), 60)
        pipe.send(seconds)
        told = await asyncio.to_thread(pipe.recv)
        await asyncio.sleep(1.0)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    pipe.send("over")
    return _compared(shown, told)


def _compared(shown: list[Board], told: dict[str, Any]) -> dict[str, Any]:
    delays = sorted(delay for board in shown for delay in board.delays)
    whole = set(told["seqs"])
    return {
        "boards": len(shown),
        "events": len(told["seqs"]),
        "server_cpu_of_a_core": round(told["cpu"], 3),
        "boards_that_broke_off": sum(board.breaks > 0 for board in shown),
        "boards_that_missed_an_event": sum(set(board.seqs) != whole for board in shown),
        "boards_that_got_one_twice": sum(
            len(set(board.seqs)) != len(board.seqs) for board in shown
        ),
        "boards_that_show_something_else": sum(
            sorted(board.rows) != told["rows"] for board in shown
        ),
        "resets": sum(board.resets for board in shown),
        "delay_ms": {
            "median": round(1000 * statistics.median(delays)),
            "p99": round(1000 * delays[int(0.99 * len(delays))]),
        }
        if delays
        else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--boards", type=int, default=200)
    parser.add_argument("--calls", type=int, default=60, help="running at a time")
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=_process, args=(theirs, folder, given.calls))
        process.start()
        try:
            found = asyncio.run(_watch(ours, given.boards, given.seconds))
        finally:
            process.join(20)
            process.kill()
    print(json.dumps({"cores": os.cpu_count(), "calls": given.calls, **found}, indent=2))


if __name__ == "__main__":
    main()
