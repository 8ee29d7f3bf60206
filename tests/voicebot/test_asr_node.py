"""`voicebot serve --roles asr`: a node with real weights, in a process that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from asr.audio import read
from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.nodes.address import NatsServers
from asr.nodes.asking import Limits
from asr.nodes.node import Node
from asr.nodes.transcriber import NodesTranscriber
from asr.supervised.transcriber import SupervisedTranscriber
from asr.whisper import WhisperTranscriber
from telephony.loopback_server import free_port
from tests.asr.nodes_doubles import NodeThread, in_background
from tests.asr.supervised_doubles import Letters, until
from tests.nats_server import NatsServer, nats_server  # noqa: F401 - fixture
from voicebot.asr_node import asr_app, named
from voicebot.config import Settings
from voicebot.doctor_nodes import nodes as doctor_of_nodes
from voicebot.recognisers import engine_folders

SENTENCES = (
    "aishell1_s0150/BAC009S0150W0141.wav",
    "aishell1_s0150/BAC009S0150W0001.wav",
)
ROOT = Path(__file__).resolve().parents[2]


class Serving:
    """`voicebot serve --roles asr` with a state folder of its own."""

    def __init__(self, folder: Path, nats: str, models: Path) -> None:
        folder.mkdir()
        settings = folder / "voicebot.toml"
        settings.write_text(
            f'[paths]\nstate = "{folder / "state"}"\nmodels = "{models}"\n'
            f'[nats]\nservers = ["{nats}"]\n'
            f'[server]\nport = {free_port()}\nnode = "{folder.name}"\n'
            '[asr]\nengine = "whisper"\nworkers = 1\n[log]\njson = true\n'
        )
        self._log = folder / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "voicebot.cli", "serve", "--roles", "asr"],
                cwd=ROOT, env={**os.environ, "VOICEBOT_CONFIG": str(settings)},
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._token = folder / "state" / "secrets" / "asr.token"

    @property
    def ready(self) -> dict[str, Any] | None:
        """What it logged once it was ready."""
        lines = [line for line in self._log.read_text().splitlines() if "asr_node_ready" in line]
        return dict(json.loads(lines[0])) if lines else None

    def get(self, path: str, token: str | None = None) -> tuple[int, dict[str, Any]]:
        assert self.ready is not None
        shown = self._token.read_text().strip() if token is None else token
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ready['port']}{path}",
            headers={"Authorization": f"Bearer {shown}"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def serve(
    nats_server: NatsServer,  # noqa: F811
    models_dir: Path,
    tmp_path: Path,
) -> Iterator[Callable[[str], Serving]]:
    if not (models_dir / "whisper-base" / "model.bin").exists():
        pytest.skip("Whisper is not there; run `make setup`.")
    started = []

    def start(name: str) -> Serving:
        started.append(node := Serving(tmp_path / name, nats_server.url, models_dir))
        return node

    yield start
    for node in started:
        node.process.kill()
        node.process.wait()


@pytest.fixture
def sentences(shared_dir: Path) -> list[Pcm]:
    return [read(shared_dir / "data" / "speech" / name) for name in SENTENCES]


def heard(engine: Recognizer, pcm: Pcm) -> list[Hypothesis]:
    """A partial every two seconds, and the final."""
    stream, partials = engine.stream(), []
    for start in range(0, pcm.size, 32_000):
        stream.feed(pcm[start : start + 32_000])
        partials.append(stream.decode())
    return [*partials, stream.finish()]


def test_nodes_hear_what_the_local_engine_hears_also_where_one_is_killed(
    serve: Callable[[str], Serving],
    nats_server: NatsServer,  # noqa: F811
    models_dir: Path,
    sentences: list[Pcm],
) -> None:
    # In a process of its own, as at a node: the same threads, hence the same sums.
    local = SupervisedTranscriber(
        partial(WhisperTranscriber, models_dir / "whisper-base", threads=1), spare=False
    )
    both = [serve(name) for name in ("n1", "n2")]
    engine = NodesTranscriber(NatsServers((nats_server.url,)), limits=Limits(60.0, 60.0, 60.0))
    until(lambda: len(engine.nodes) == 2)
    for pcm in sentences:
        assert heard(engine, pcm) == heard(local, pcm)
    assert engine.counts["failed"] == 0
    lost = engine.counts["lost_nodes"]  # one that gets no time of a busy machine counts as frozen

    long = [*sentences] * 3
    final = in_background(lambda: engine.transcribe(concatenated(long)))
    until(lambda: any(node.at_work for node in engine.nodes))
    (busy,) = [node.node for node in engine.nodes if node.at_work]
    (victim,) = [node for node in both if node.ready and node.ready["node"] == busy]
    victim.process.kill()
    assert final() == local.transcribe(concatenated(long))
    assert engine.counts["lost_nodes"] > lost
    until(lambda: len(engine.nodes) == 1)
    engine.close()
    local.close()


def test_a_node_says_how_it_is_and_drains_at_sigterm(
    serve: Callable[[str], Serving],
    nats_server: NatsServer,  # noqa: F811
    sentences: list[Pcm],
) -> None:
    node = serve("n1")
    engine = NodesTranscriber(NatsServers((nats_server.url,)), limits=Limits(60.0, 60.0, 60.0))
    until(lambda: node.ready)
    until(lambda: engine.nodes)
    assert node.get("/ready") == (200, {"ready": True, "why": ""})
    status, health = node.get("/health")
    assert (status, health["status"], health["nats"]) == (200, "ok", "connected")
    assert health["asr"]["engine"] == "whisper"
    assert health["asr"]["model"] == "whisper-base"
    assert health["asr"]["workers"] == 1
    assert node.get("/health", "wrong")[0] == 401
    assert node.get("/ready", "")[0] == 401

    nats_server.signal(signal.SIGSTOP)
    until(lambda: node.get("/ready")[0] == 503)
    assert node.get("/ready")[1]["why"] == "nats_away"
    nats_server.signal(signal.SIGCONT)
    until(lambda: node.get("/ready")[0] == 200)
    until(lambda: engine.nodes)

    final = in_background(lambda: engine.transcribe(concatenated([*sentences] * 3)))
    until(lambda: any(each.at_work for each in engine.nodes))
    node.process.send_signal(signal.SIGHUP)  # systemctl reload: there is nothing to reload
    node.process.send_signal(signal.SIGTERM)
    assert final().text
    assert node.process.wait(60) == 0
    assert engine.counts["lost_nodes"] == 0
    engine.close()


def concatenated(parts: list[Pcm]) -> Pcm:
    return np.concatenate(parts)[: 28 * 16_000]


async def test_what_is_wrong_with_nats_is_told_to_whoever_shows_the_token() -> None:
    node = Node(Letters(), NatsServers(("nats://127.0.0.1:1",)), name="n1")
    stopping = asyncio.Event()
    client = TestClient(asr_app(node, Letters(), "secret", stopping))
    shown = {"Authorization": "Bearer secret"}
    assert client.get("/ready", headers=shown).json() == {"ready": False, "why": "nats_away"}
    assert client.get("/health", headers=shown).json()["status"] == "degraded"
    stopping.set()
    assert client.get("/ready", headers=shown).json()["why"] == "stopping"
    for path in ("/health", "/ready"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Basic secret"}).status_code == 401
    assert client.get("/docs", headers=shown).status_code == 404


def test_weights_of_an_operator_are_told_from_the_packaged_ones(settings: Settings) -> None:
    class Whisper(Letters):
        name = "whisper"

    assert named(settings, Whisper(), engine_folders(settings)) == ("whisper", "whisper-base")
    settings.asr.__dict__["whisper_model"] = "/srv/models/large-v3-turbo"
    own = named(settings, Whisper(), engine_folders(settings))
    assert own == ("whisper:large-v3-turbo", "large-v3-turbo")
    assert named(settings, Letters(), engine_folders(settings)) == ("letters", "")


def shared(url: str) -> Settings:
    return Settings.model_validate({"asr": {"engine": "nats"}, "nats": {"servers": [url]}})


def test_the_doctor_tells_what_the_shared_transcriber_lacks(nats_server: NatsServer) -> None:  # noqa: F811
    settings = shared(nats_server.url)
    nobody = doctor_of_nodes(settings)
    assert nobody.ok is False
    assert "--roles asr" in nobody.remedy
    servers = NatsServers((nats_server.url,))
    both = [NodeThread(Letters(), servers, name) for name in ("n1", "n2")]
    until(lambda: "2 nodes" in doctor_of_nodes(settings).detail)
    assert doctor_of_nodes(settings).ok
    other = NodeThread(Letters(), servers, "n3", label="letters:large", model="large")
    until(lambda: "3 nodes" in doctor_of_nodes(settings).detail)
    differing = doctor_of_nodes(settings)
    assert differing.ok is None
    assert "letters:large" in differing.detail
    for node in (*both, other):
        node.leave()
    nats_server.kill()
    away = doctor_of_nodes(settings)
    assert away.ok is False
    assert "nats.servers" in away.remedy
