"""A final of a node over NATS against one of this machine's own transcriber: wait and cost.

    python -m benchmarks.asr_nodes                  100 utterances, two minutes
    python -m benchmarks.asr_nodes --limit 20

Both have one process of the same weights, and are asked in turn for the same final in the same
run; NATS, the node and whoever asks are on this machine. `crossing` is the same with a node that
hears nothing: what the way alone takes. The last line on standard output is one JSON object:
milliseconds, processor seconds for a second of speech (of the shared one: node, NATS and whoever
asks), their ratios, and bytes of a request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from asr.engines import EngineFolders, open_transcriber
from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.nodes import messages
from asr.nodes.address import NatsServers
from asr.nodes.messages import Header
from asr.nodes.node import Node
from asr.nodes.transcriber import NodesTranscriber
from asr.streaming import ChunkedStream
from asr.supervised.transcriber import SupervisedTranscriber
from asr.urgency import Urgency
from benchmarks.processes import children
from benchmarks.speech_data import ROOT, SHARED, load
from telephony.loopback_server import free_port
from voicebot.commands.session import prepare_threads

LONGEST_S = 28.0
"""Longer recordings are cut at their pauses, and no turn is."""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def nats_server() -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    program = shutil.which("nats-server") or str(ROOT / ".cache" / "nats" / "nats-server")
    process = subprocess.Popen(
        [program, "-a", "127.0.0.1", "-p", "-1"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"client connections on (127\.0\.0\.1:\d+)", line)
            if found:
                yield f"nats://{found[1]}", process.pid
                return
        raise RuntimeError("nats-server does not start")
    finally:
        process.kill()
        process.wait()


class Deaf:
    """An engine that hears nothing, at once."""

    name = "deaf"
    capabilities = NodesTranscriber.capabilities

    def stream(self) -> ChunkedStream:
        return ChunkedStream(self.name, self.transcribe, self.transcribe)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        return Hypothesis(self.name, end=pcm.size / messages.SAMPLE_RATE, final=True)


@contextmanager
def deaf_node(nats: str) -> Iterator[int]:
    """A node of `Deaf`; its process."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.asr_nodes", "--deaf", nats])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def node(nats: str, models: Path) -> Iterator[int]:
    """`voicebot serve --roles asr` with one decode at a time; its process."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = Path(folder) / "voicebot.toml"
        settings.write_text(
            f'[paths]\nstate = "{folder}/state"\nmodels = "{models}"\n'
            f'[nats]\nservers = ["{nats}"]\n[server]\nport = {port}\n'
            '[asr]\nengine = "whisper"\nworkers = 1\n'
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "voicebot.cli", "serve", "--roles", "asr"],
            cwd=ROOT, env={**os.environ, "VOICEBOT_CONFIG": str(settings)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


def processor_s(pids: Sequence[int]) -> float:
    """Of these processes and those that they started, since each began."""
    seconds = 0.0
    for pid in pids:
        for process in (Path(f"/proc/{pid}"), *children(pid)):
            fields = (process / "stat").read_text("utf-8").rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds


class Side:
    """One of the two, and what its finals took."""

    def __init__(self, engine: Recognizer, pids: Sequence[int]) -> None:
        self._engine, self._pids = engine, pids
        self.waits: list[float] = []
        self.cost = 0.0

    def final(self, pcm: Pcm) -> str:
        spent, began = processor_s(self._pids), time.perf_counter()
        text = self._engine.transcribe(pcm).text
        self.waits.append(1000 * (time.perf_counter() - began))
        self.cost += processor_s(self._pids) - spent
        return text

    def figures(self, seconds: float) -> dict[str, float]:
        p50, p95 = np.percentile(self.waits, [50, 95])
        return {
            "p50_ms": round(float(p50), 1),
            "p95_ms": round(float(p95), 1),
            "cpu": round(self.cost / seconds, 4),
        }


def crossing(utterances: Sequence[Pcm]) -> dict[str, float]:
    """What the way to a node and back takes."""
    with ExitStack() as stack:
        nats, nats_pid = stack.enter_context(nats_server())
        node_pid = stack.enter_context(deaf_node(nats))
        shared = NodesTranscriber(NatsServers((nats,)), first_s=120.0)
        stack.callback(shared.close)
        side = Side(shared, [os.getpid(), node_pid, nats_pid])
        side.final(utterances[0])
        side.waits.clear()
        side.cost = 0.0
        for pcm in utterances:
            side.final(pcm)
        return side.figures(sum(pcm.size for pcm in utterances) / messages.SAMPLE_RATE)


def measure(models: Path, limit: int, console: Console) -> dict[str, Any]:
    """Both on the same utterances, in turn."""
    most = round(LONGEST_S * messages.SAMPLE_RATE)
    utterances = [each.pcm for each in load(SHARED / "data", limit) if each.pcm.size <= most]
    folders = EngineFolders(whisper=models / "whisper-base")
    with ExitStack() as stack:
        nats, nats_pid = stack.enter_context(nats_server())
        node_pid = stack.enter_context(node(nats, models))
        local = SupervisedTranscriber(
            partial(open_transcriber, "whisper", folders, threads=1), spare=False, niceness=10
        )
        stack.callback(local.close)
        shared = NodesTranscriber(NatsServers((nats,)), first_s=120.0)
        stack.callback(shared.close)
        ours, theirs = Side(local, [os.getpid()]), Side(shared, [os.getpid(), node_pid, nats_pid])
        for side in (ours, theirs):
            side.final(utterances[0])  # the first decode allocates
            side.waits.clear()
            side.cost = 0.0
        differing = 0
        for number, pcm in enumerate(track(utterances, "finals", console=console)):
            order = (ours, theirs) if number % 2 else (theirs, ours)
            differing += len({side.final(pcm) for side in order}) - 1
    seconds = sum(pcm.size for pcm in utterances) / messages.SAMPLE_RATE
    sizes = [len(messages.packed(Header(True, Urgency.FINAL, 6.0), pcm)) for pcm in utterances]
    a, b = ours.figures(seconds), theirs.figures(seconds)
    added = np.subtract(theirs.waits, ours.waits)
    return {
        "utterances": len(utterances),
        "speech_s": round(seconds, 1),
        "local": a,
        "nats": b,
        "crossing": crossing(utterances),
        "added_ms_p50": round(float(np.median(added)), 1),
        "ratio_p50": round(b["p50_ms"] / a["p50_ms"], 3),
        "ratio_p95": round(b["p95_ms"] / a["p95_ms"], 3),
        "ratio_cpu": round(b["cpu"] / a["cpu"], 3),
        "bytes_p50": int(np.percentile(sizes, 50)),
        "bytes_most": max(sizes),
        "differing": differing,
    }


async def _serve_deaf(nats: str) -> None:
    await Node(Deaf(), NatsServers((nats,)), name="deaf").run(asyncio.Event())


def main() -> int:
    """Measures and prints."""
    prepare_threads()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, default=100, help="utterances")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parser.add_argument("--deaf", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.deaf:
        asyncio.run(_serve_deaf(options.deaf))
        return 0
    print(json.dumps(measure(options.models, options.limit, Console(stderr=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
