"""A running service with its desks and its records, made so that a fault can be done to it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from sqlalchemy import insert, select

from benchmarks.chaos.callers import AGENT, OFFICER, Door
from benchmarks.chaos.desks import DeskProcess
from benchmarks.chaos.drawing import Plan
from benchmarks.processes import children
from benchmarks.trial_service import TrialError, TrialService
from benchmarks.voices import render
from kb.store import metadata as knowledge_base
from tests.voicebot.postgres import Postgres, programs
from voicebot.config import load_settings
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import AccessTokenRow
from voicebot.security import desk_token, local_token

DISK_MB = 600
JUMPING_CLOCK = Path(__file__).with_name("jumping_clock.c")


def cannot(kind: str) -> str:
    """Why a kind of fault cannot be done on this machine; empty if it can."""
    if kind == "clock_jump" and shutil.which("cc") is None:
        return "there is no C compiler (Debian: gcc, libc6-dev)"
    if kind == "postgresql_killed" and programs() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    if kind == "disk_full" and os.geteuid() != 0:
        return "only root can mount a disk that becomes full"
    return ""


class Stage:
    """Parameters:
    folder: of this run; what is in it tells what happened.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.clock = folder / "clock"
        self._mounted = False
        self.postgres: Postgres | None = None
        self.url = ""
        modes = {"police_busy": "busy", "police_silent": "silent"}
        self.police, self.seats = (
            DeskProcess(folder / name, render(text, folder / f"{name}.wav"), mode)
            for name, text, mode in (
                ("110", OFFICER, modes.get(plan.kind, "answer")),
                ("seats", AGENT, "answer"),
            )
        )
        self.service: TrialService | None = None

    def open(self) -> None:
        """Until the service answers.

        Raises:
            TrialError: something does not start.
        """
        if self.plan.kind == "disk_full":
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "chaos", self.state], check=True
            )
            self._mounted = True
        variables = self._variables()
        if self.plan.postgresql:
            variables["VOICEBOT_DATABASE__URL"] = self.url = self._database()
        service = self.service = TrialService(self.folder, variables)
        if self.plan.postgresql:
            copy_records(service.settings.database_url, self.url)
        else:
            self.url = service.settings.database_url
        for desk in (self.police, self.seats):
            desk.start(self.desk_token)
        service.start()

    @property
    def running(self) -> TrialService:
        assert self.service is not None
        return self.service

    @property
    def desk_token(self) -> str:
        return desk_token(self.running.settings) or ""

    @property
    def door(self) -> Door:
        """For callers."""
        token = local_token(self.running.settings, "media") or ""
        return Door(f"ws://127.0.0.1:{self.running.port}/media", token)

    def move_clock(self, seconds: int) -> None:
        """So far ahead of the real one is the service's wall clock from now on."""
        with self.clock.open("r+b") as file:  # in place: the service has it mapped
            file.write(struct.pack("l", seconds))

    def processes(self, module: str) -> list[int]:
        """Ids of the processes that the service has for what `module` runs there."""
        return [
            int(each.name)
            for each in children(self.running.pid)
            if module.encode() in (each / "cmdline").read_bytes()
        ]

    def close(self) -> None:
        """Ends all of it; its folder stays."""
        for desk in (self.police, self.seats):
            desk.kill()
        if self.service is not None:
            self.service.close(keep=True)
        if self.postgres is not None:
            self.postgres.remove()
        if self._mounted:
            kept = self.folder / "state-kept"
            shutil.copytree(
                self.state, kept, ignore=shutil.ignore_patterns("audio", "knowledge", "ballast")
            )
            subprocess.run(["umount", self.state], check=False)

    def _variables(self) -> dict[str, str]:
        desk, seats = self.police.variables, self.seats.variables
        variables = {
            "VOICEBOT_HANDOFF__DESK_URL": desk[0],
            "VOICEBOT_HANDOFF__DESK_HTTP": desk[1],
            "VOICEBOT_HANDOFF__SEAT_URL": seats[0],
            "VOICEBOT_HANDOFF__SEAT_HTTP": seats[1],
            "VOICEBOT_HANDOFF__ANSWER_TIMEOUT_S": "5",
            "VOICEBOT_HANDOFF__CONFIRM_TIMEOUT_S": "6",
        }
        if self.plan.kind == "clock_jump":
            self.clock.write_bytes(bytes(struct.calcsize("l")))
            library = self.folder / "jumping_clock.so"
            options = ("-O2", "-shared", "-fPIC", "-o", str(library))
            subprocess.run(["cc", *options, JUMPING_CLOCK], check=True)
            variables |= {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self.clock)}
        if self.plan.kind == "model_missing":
            variables |= self._models_without(self.plan.missing)
        return variables

    def _models_without(self, missing: str) -> dict[str, str]:
        """A folder of models of its own, in which one is not there."""
        paths = load_settings().paths
        models = self.folder / "models"
        shutil.copytree(paths.models, models, copy_function=os.link)
        if missing == "listener":
            return {
                "VOICEBOT_PATHS__MODELS": str(models),
                "VOICEBOT_PATHS__LISTENER": str(self.folder / "no-listener"),
            }
        gone = models / missing
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)
        return {"VOICEBOT_PATHS__MODELS": str(models)}

    def _database(self) -> str:
        self.postgres = server()
        url = self.postgres.url(self.postgres.create())
        migrate(url)
        return url


def server() -> Postgres:
    """A PostgreSQL that runs, as durable as one in service.

    Raises:
        TrialError: it is not installed.
    """
    found = programs()
    if found is None:
        raise TrialError("PostgreSQL is not installed. Run `scripts/setup.sh --all`.")
    made = Postgres(found)
    made.initialise()
    made.start(durable=True)
    return made


def copy_records(filled: str, url: str) -> None:
    """What is published, and the tokens, from one database onto a server."""
    source, target = open_engine(filled), open_engine(url, writes=True)
    try:
        with source.connect() as reading, target.begin() as writing:
            for table in (*knowledge_base.sorted_tables, AccessTokenRow.__table__):
                rows = [dict(row) for row in reading.execute(select(table)).mappings()]
                if rows:
                    writing.execute(insert(table), rows)  # type: ignore[arg-type]
    finally:
        source.dispose()
        target.dispose()
