"""media, web and worker as processes of their own, with PostgreSQL and NATS as they run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.nats_server import NatsServer
from tests.voicebot.cluster.installation import Installation, Process, until
from tests.voicebot.tools import FETCHED, needs
from voicebot.records.database import open_engine

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    server = NatsServer(needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    server = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, nats: NatsServer, database: str
) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation"), models_dir, database, nats.url)
    made.platform.start()
    yield made
    made.end()
    made.platform.kill()


@pytest.fixture(scope="module")
def roles(installation: Installation) -> dict[str, Process]:
    """All start at once on an empty database, as after a power cut."""
    made = {name: installation.process(name, name) for name in ("media", "web", "worker")}
    for process in made.values():
        process.ready()
    return made


@pytest.fixture
def media(roles: dict[str, Process]) -> Process:
    return roles["media"]


@pytest.fixture
def web(roles: dict[str, Process]) -> Process:
    return roles["web"]


class Watching:
    """WS /api/live of a process, in a thread of its own."""

    def __init__(self, process: Process, headers: dict[str, str]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._socket = connect(
            f"{process.url.replace('http', 'ws')}/api/live",
            additional_headers=headers,
            proxy=None,
            legacy=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for message in self._socket:
            self.heard.append(json.loads(message))

    def of(self, call_id: str) -> list[dict[str, Any]]:
        return [each for each in self.heard if each["call_id"] == call_id]

    def close(self) -> None:
        self._socket.close()


def running(process: Process) -> list[str]:
    """Calls that the duty board of this process shows in use."""
    return [str(process.get("/v1/board").json()["calls"]["in_use"])]


def lost(web: Process) -> list[str]:
    """Nodes of which the duty board says in red that they are silent."""
    alarms = web.get("/v1/alarms").json()["alarms"]
    return [each["about"] for each in alarms if each["code"] == "node_lost"]


def test_each_role_has_its_own_doors(roles: dict[str, Process]) -> None:
    for process in roles.values():
        assert process.get("/health").status_code == 200
        assert process.get("/ready").status_code == 200
        assert process.get("/metrics").status_code == 200
    assert roles["web"].get("/console/").status_code == 200
    assert roles["web"].get("/call").status_code == 200
    for name in ("media", "worker"):
        assert roles[name].get("/console/").status_code == 404
        assert roles[name].get("/api/calls").status_code == 404


def test_a_call_at_the_media_node_is_seen_live_and_found_by_the_web_node(
    installation: Installation, media: Process, web: Process
) -> None:
    watching = Watching(web, installation.headers("admin"))
    with installation.call(media, "LIVE/1"):
        until(lambda: watching.of("LIVE/1"))
        until(lambda: running(web) == ["1"])
        # The acts of an agent go to the node that has the call, which answers by its state.
        asked = httpx.post(
            f"{web.url}/v1/agent/calls/LIVE%2F1/acts",
            json={"act": "resume"},
            headers=installation.headers("admin"),
            trust_env=False,
        )
        assert asked.status_code == 409, asked.text
        assert media.get("/v1/agent/calls/LIVE%2F1/card").json()["line"] == "12345"
        assert web.get("/v1/agent/calls/LIVE%2F1/card").json()["line"] == "12345"
        with httpx.stream(
            "GET",
            f"{web.url}/v1/agent/calls/LIVE%2F1/stream",
            headers=installation.headers("admin"),
            trust_env=False,
            timeout=20,
        ) as stream:
            assert next(stream.iter_lines()) == "event: snapshot"
    until(lambda: watching.of("LIVE/1")[-1].get("state") == "ended")
    until(lambda: web.get("/api/calls/LIVE%2F1").json()["ended_at"])
    until(lambda: running(web) == ["0"])
    page = web.get("/console/calls/LIVE%2F1")
    assert "<audio" in page.text
    sound = web.get("/console/calls/LIVE%2F1/recording")
    assert (sound.status_code, sound.content[:4]) == (200, b"RIFF")
    watching.close()


def test_a_token_that_the_node_does_not_take_is_refused_by_it(
    installation: Installation, media: Process, web: Process
) -> None:
    with installation.call(media, "REFUSED-1"):
        until(lambda: running(web) == ["1"])
        refused = httpx.get(f"{web.url}/v1/agent/calls/REFUSED-1/card", trust_env=False)
        assert (refused.status_code, refused.json()["code"]) == (401, "wrong_token")
        desk = web.get("/v1/agent/calls/REFUSED-1/card", "desk")
        assert (desk.status_code, desk.json()["code"]) == (403, "wrong_role")
    until(lambda: running(web) == ["0"])


def test_a_call_from_the_page_of_the_web_node_is_answered_by_a_media_node(
    installation: Installation, media: Process, web: Process
) -> None:
    with installation.call(web, "PAGE-1"):
        until(lambda: media.get("/health").json()["calls"] == 1)
    until(lambda: media.get("/health").json()["calls"] == 0)


@pytest.mark.usefixtures("roles")
def test_what_the_web_node_took_in_is_sent_to_110_by_the_worker(
    installation: Installation, web: Process, database: str
) -> None:
    told = httpx.post(
        f"{web.url}/v1/matters",
        json={"text": "家里着火了，有人被困在三楼", "number": "13800138000"},
        headers={**installation.headers("admin"), "Idempotency-Key": "cluster-test-1"},
        trust_env=False,
        timeout=30,
    )
    assert told.json()["call_110"], told.text
    engine = open_engine(database)

    def sent() -> bool:
        with engine.connect() as connection:
            states = connection.scalars(text("SELECT state FROM exchange_outbox")).all()
        return bool(states) and set(states) == {"delivered"}

    until(sent)
    engine.dispose()


def test_seats_that_an_acd_tells_the_web_node_are_known_to_the_media_node(
    installation: Installation, web: Process
) -> None:
    line = {"line": "12345", "groups": [{"region": "460100", "staffed": 20, "free": 3}]}
    told = httpx.put(
        f"{web.url}/v1/surge/figures",
        json={"lines": [line]},
        headers=installation.headers("admin"),
        trust_env=False,
    )
    assert told.status_code == 200, told.text
    with installation.call(web, "SURGE-1"):
        until(lambda: web.get("/v1/surge/calls/SURGE-1").status_code == 200)
    status = web.get("/v1/surge").json()
    shown = next(each for each in status["lines"] if each["line"] == "12345")
    assert shown["newest"]["reason"] != "figures_unknown"


def test_live_goes_on_when_nats_is_back_and_nothing_is_shown_of_before_that_is_over(
    installation: Installation, media: Process, web: Process, nats: NatsServer
) -> None:
    watching = Watching(web, installation.headers("admin"))
    with installation.call(media, "NATS-1") as caller:
        until(lambda: running(web) == ["1"])
        nats.kill()
        with installation.call(media, "NATS-2"):
            until(lambda: media.get("/health").json()["calls"] == 2)
            until(lambda: running(web) == ["0"])  # a silent node is gone after five seconds
            assert lost(web) == ["media"]
        nats.start()
        until(lambda: running(web) == ["1"])
        until(lambda: any(each["kind"] == "missed" for each in watching.heard))
        assert caller.on_the_line
    until(lambda: running(web) == ["0"])
    watching.close()


def test_the_call_goes_on_when_the_web_node_is_killed_and_is_shown_when_it_is_back(
    installation: Installation, media: Process, web: Process
) -> None:
    with installation.call(media, "KILL-1") as caller:
        until(lambda: running(web) == ["1"])
        web.kill()
        assert media.get("/health").json()["calls"] == 1
        web.start()
        web.ready()
        assert caller.on_the_line
        assert media.get("/health").json()["calls"] == 1
        until(lambda: running(web) == ["1"])
        page = until(lambda: (found := web.get("/console/")) and "KILL-1" in found.text and found)
        assert "KILL-1" in page.text
    until(lambda: running(web) == ["0"])


def test_a_media_node_that_is_frozen_is_said_to_be_away(
    installation: Installation, media: Process, web: Process
) -> None:
    with installation.call(media, "AWAY-1"):
        until(lambda: running(web) == ["1"])
        media.signal(signal.SIGSTOP)
        try:
            until(lambda: running(web) == ["0"])
            gone = web.get("/v1/agent/calls/AWAY-1/card")
            assert gone.status_code in (200, 404)
            with pytest.raises(InvalidStatus, match="503"), installation.call(web, "AWAY-2"):
                pass
        finally:
            media.signal(signal.SIGCONT)
        until(lambda: not lost(web))
    until(lambda: running(web) == ["0"])


def test_a_second_worker_stands_by_and_takes_over(
    installation: Installation, roles: dict[str, Process]
) -> None:
    second = installation.process("worker2", "worker")
    second.ready()
    assert "jobs_begin" not in second.log.read_text()
    roles["worker"].kill()
    until(lambda: "jobs_begin" in second.log.read_text())


def test_a_call_to_110_asks_the_database_for_its_line(
    installation: Installation, media: Process, web: Process, database: str
) -> None:
    engine = open_engine(database)

    def lines(which: str) -> int:
        with engine.connect() as connection:
            return connection.scalar(text(f"SELECT count(*) FROM police_line WHERE {which}")) or 0

    assert until(lambda: lines("true")) == 1
    with installation.call(media, "DANGER-1") as caller:
        until(lambda: running(web) == ["1"])
        caller.press("1")
        until(lambda: lines("taken_at > 0"))
    until(lambda: not lines("kept_until > extract(epoch FROM clock_timestamp())"))
    assert "voicebot_police_lines_alone_total" in media.get("/metrics").text
    engine.dispose()


def test_the_calls_of_a_media_node_that_never_comes_back_are_ended_by_the_worker(
    installation: Installation, web: Process, media: Process, database: str
) -> None:
    second = installation.process("media2", "media")
    second.ready()
    with installation.call(second, "GONE-1"), installation.call(media, "STAYS-1") as stays:
        until(lambda: running(web) == ["2"])
        second.kill()
        until(lambda: web.get("/api/calls/GONE-1").json()["ended_at"])
        assert stays.on_the_line
        assert web.get("/api/calls/STAYS-1").json()["ended_at"] is None
    engine = open_engine(database)
    query = text("SELECT subject FROM audit WHERE action = 'node.lost'")

    def told() -> list[str]:
        with engine.connect() as connection:
            return list(connection.scalars(query))

    assert until(told) == ["media2 1"]
    engine.dispose()


def test_each_role_ends_in_order(roles: dict[str, Process]) -> None:
    for name in ("web", "media"):
        roles[name].signal(signal.SIGTERM)
        assert roles[name].wait(60) == 0
        log = roles[name].log.read_text()
        assert "Traceback" not in log
        assert "nats_away" not in log[log.rindex("stopping") :]


def test_one_command_needs_neither(tmp_path: Path) -> None:
    """A role alone says what it lacks."""
    done = subprocess.run(
        [sys.executable, "-m", "voicebot.cli", "serve", "--roles", "media"],
        env={"PATH": "/usr/bin:/bin", "VOICEBOT_PATHS__STATE": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "set nats.servers" in done.stderr
