"""The installation: two media nodes, one asr node, web, worker, PostgreSQL, NATS, Kamailio."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.chaos.callers import AGENT, OFFICER
from benchmarks.chaos.desks import DeskProcess
from benchmarks.chaos.stage import copy_records, server
from benchmarks.cluster_trial.drawing import Plan
from benchmarks.cluster_trial.front import Front, free_udp_port
from benchmarks.cluster_trial.sip_messages import Address
from benchmarks.cluster_trial.unit import Unit
from benchmarks.trial_service import ROOT, TrialError
from benchmarks.voices import render
from telephony.loopback_server import free_port
from tests.nats_server import NatsServer
from tests.voicebot.postgres import Postgres
from voicebot.config import load_settings
from voicebot.demo_state import fill
from voicebot.records.database import migrate
from voicebot.security import desk_token

MEDIA = ("media1", "media2")
HOSTS = ("127.0.0.11", "127.0.0.12")
"""Each media node has an address of its own, by which a call tells where it is."""
READY_S = 300.0
DRAIN_S = 20


@dataclass(frozen=True, slots=True)
class DeskAddresses:
    """Where 110's and the seats' telephones are."""

    police: Address
    seats: Address


class Installation:
    """Parameters:
    folder: of this run; what is in it tells what happened.
    """

    def __init__(self, plan: Plan, folder: Path, desks: DeskAddresses) -> None:
        self.plan, self.folder = plan, folder
        folder.mkdir(parents=True)
        self._desks = desks
        self._secrets = folder / "secrets"
        self.postgres: Postgres | None = None
        self.nats: NatsServer | None = None
        self.url = ""
        self.units: dict[str, Unit] = {}
        self._ports: dict[str, int] = {}
        self.sip = {name: free_udp_port(host) for name, host in zip(MEDIA, HOSTS, strict=True)}
        addresses = [(host, self.sip[name]) for name, host in zip(MEDIA, HOSTS, strict=True)]
        self.front = Front(folder / "kamailio", [(each, 50) for each in addresses], desks.seats)
        self.police, self.seats = (
            DeskProcess(folder / name, render(text, folder / f"{name}.wav"))
            for name, text in (("110", OFFICER), ("seats", AGENT))
        )

    def open(self) -> None:
        """Until every process is ready and the dispatcher uses both nodes.

        Raises:
            TrialError: something does not start, or is not installed.
        """
        self._seed()
        program = shutil.which("nats-server") or shutil.which(
            "nats-server", path=ROOT / ".cache" / "nats"
        )
        if program is None:
            raise TrialError("nats-server is not here. Run `scripts/setup.sh --all`.")
        self.nats = NatsServer(program)
        self.nats.start()
        self.front.unit.start()
        self.units["kamailio"] = self.front.unit
        for desk in (self.police, self.seats):
            desk.start(self._desk_token)
        roles = [(name, "media") for name in MEDIA] + [("web", "web"), ("worker", "worker")]
        if self.plan.transcribed:
            roles.append(("asr", "asr"))
        for name, role in roles:
            self.units[name] = self._unit(name, role)
            self.units[name].start()
        deadline = time.monotonic() + READY_S
        while not self.whole():
            if time.monotonic() > deadline:
                raise TrialError(f"Not ready: {', '.join(self.not_ready()) or 'the dispatcher'}.")
            time.sleep(0.2)

    def whole(self) -> bool:
        """Every process is ready, and both media nodes get calls."""
        return not self.not_ready() and self.front.in_use() == len(MEDIA)

    def not_ready(self) -> list[str]:
        return [name for name in self._ports if not self._says(name)]

    def token(self, name: str) -> str:
        """Of a process's own port."""
        role = "asr" if name == "asr" else "admin"
        path = self._secrets / f"{role}.token"
        return path.read_text().strip() if path.exists() else ""

    def port(self, name: str) -> int:
        return self._ports[name]

    @property
    def postgres_pid(self) -> int:
        assert self.postgres is not None
        return int((self.postgres.folder / "data" / "postmaster.pid").read_text().split()[0])

    def spools(self) -> list[Path]:
        return [self.folder / name / "state" / "spool" for name in self._ports]

    def close(self) -> None:
        """Ends all of it; its folder stays."""
        for desk in (self.police, self.seats):
            desk.kill()
        for unit in self.units.values():
            unit.end()
        if self.nats is not None:
            self.nats.kill()
        if self.postgres is not None:
            self.postgres.remove()
        for name in ("seed", *self._ports):
            state = self.folder / name / "state"
            for each in ("audio", "knowledge"):
                shutil.rmtree(state / each, ignore_errors=True)

    def _says(self, name: str) -> bool:
        try:
            answer = httpx.get(
                f"http://127.0.0.1:{self._ports[name]}/ready",
                headers={"Authorization": f"Bearer {self.token(name)}"},
                trust_env=False,
                timeout=2,
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def _seed(self) -> None:
        """What is published, and the first tokens, onto the server."""
        settings = load_settings()
        if not (settings.paths.state / "voicebot.db").exists():
            raise TrialError("The knowledge base is not published; run `make setup`.")
        paths = settings.paths.model_copy(update={"secrets": self._secrets})
        filled = fill(settings.model_copy(update={"paths": paths}), self.folder / "seed" / "state")
        self._desk_token = desk_token(filled) or ""
        self.postgres = server()
        self.url = self.postgres.url(self.postgres.create())
        migrate(self.url)
        copy_records(filled.database_url, self.url)

    def _unit(self, name: str, role: str) -> Unit:
        folder = self.folder / name
        state = folder / "state"
        shutil.copytree(
            self.folder / "seed" / "state",
            state,
            copy_function=os.link,
            ignore=shutil.ignore_patterns("voicebot.db*", "vectors.sqlite*"),
        )
        for each in (self.folder / "seed" / "state").glob("vectors.sqlite*"):
            shutil.copy2(each, state / each.name)
        self._ports[name] = free_port()
        return Unit(
            name,
            [sys.executable, "-m", "voicebot.cli", "serve", "--roles", role],
            folder,
            {**os.environ, **self._common(), **self._own(name, state)},
        )

    def _common(self) -> dict[str, str]:
        assert self.nats is not None
        return {
            "OMP_WAIT_POLICY": "PASSIVE",
            "VOICEBOT_DATABASE__URL": self.url,
            "VOICEBOT_NATS__SERVERS": json.dumps([self.nats.url]),
            "VOICEBOT_PATHS__SECRETS": str(self._secrets),
            "VOICEBOT_RATE_LIMITS__ENABLED": "false",
            "VOICEBOT_SERVER__TRUSTED_PROXIES": '["127.0.0.1"]',
            "VOICEBOT_HANDOFF__DESK_URL": "trunk:police/{number}",
            "VOICEBOT_HANDOFF__DESK_HTTP": self.police.variables[1],
            "VOICEBOT_HANDOFF__SEAT_URL": "trunk:seats/1001",
            "VOICEBOT_HANDOFF__SEAT_HTTP": self.seats.variables[1],
            "VOICEBOT_HANDOFF__DESK_TOKEN": self._desk_token,
            "VOICEBOT_HANDOFF__ANSWER_TIMEOUT_S": "5",
            "VOICEBOT_HANDOFF__CONFIRM_TIMEOUT_S": "6",
            "VOICEBOT_ADMISSION__HANDOFF_LINES": "60",
            "VOICEBOT_ADMISSION__DRAIN_S": str(DRAIN_S),
        }

    def _own(self, name: str, state: Path) -> dict[str, str]:
        own = {
            "VOICEBOT_PATHS__STATE": str(state),
            "VOICEBOT_SERVER__PORT": str(self._ports[name]),
            "VOICEBOT_SERVER__NODE": name,
        }
        if name == "worker":
            own["VOICEBOT_NOTICES__PUBLIC_URL"] = f"http://127.0.0.1:{self._ports['web']}"
        if name not in MEDIA:
            return own | {"VOICEBOT_SIP__ENABLED": "false"}
        most, engine = self._room(name)
        trunks = {
            trunk: f"sip:{host}:{port}"
            for trunk, (host, port) in (
                ("police", self._desks.police),
                ("seats", self._desks.seats),
            )
        }
        return own | {
            "VOICEBOT_ASR__ENGINE": engine,
            "VOICEBOT_ADMISSION__CALLS": str(most),
            "VOICEBOT_ADMISSION__CALLS_AT_LEAST": str(most),
            "VOICEBOT_SIP__ENABLED": "true",
            "VOICEBOT_SIP__HOST": HOSTS[MEDIA.index(name)],
            "VOICEBOT_SIP__PORT": str(self.sip[name]),
            "VOICEBOT_SIP__PROCESSES": str((most + 3) // 2),
            "VOICEBOT_SIP__TRUNKS": json.dumps(trunks),
            "VOICEBOT_SIP__FALLBACK": "seats/1001",
        }

    def _room(self, name: str) -> tuple[int, str]:
        """Calls that a media node takes, and its transcriber.

        Calls of one node do not differ: the first node hears by the listener alone and has
        room for all; the second has the shared transcriber and takes as many as are wanted so.
        """
        plan = self.plan
        if not plan.transcribed:
            return plan.calls, "none"
        return (plan.calls, "none") if name == MEDIA[0] else (plan.transcribed, "nats")
