"""What is done to the installation while people talk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.chaos.callers import until
from benchmarks.cluster_trial.drawing import MEDIA_MACHINE, MEDIA_PROCESS, NONE, ROLLING
from benchmarks.cluster_trial.installation import HOSTS, MEDIA, READY_S, Installation
from benchmarks.cluster_trial.unit import RESTART_S, kill_all
from benchmarks.processes import descendants
from benchmarks.trial_service import ROOT

SCRIPT = ROOT / "deploy" / "kamailio" / "rolling-restart.sh"
ROLLED = ("web", "worker", "asr")
"""Restarted after the media nodes, which the script does."""
CALLS_FINISH_S = 30
"""How long the script lets a node's calls finish before its restart."""


class Fault:
    """One fault; `run` returns when all is whole again."""

    def __init__(self, installation: Installation) -> None:
        self._installation, self._plan = installation, installation.plan
        self.died: dict[str, float] = {}
        """By media node (its address), when it was killed, monotonic seconds."""
        self.began = self.over = 0.0
        self.said: list[str] = []
        """What did not go as it should by itself, a sentence each."""

    async def run(self) -> None:
        plan, installation = self._plan, self._installation
        await asyncio.sleep(plan.at_s)
        self.began = time.monotonic()
        if plan.kind in (MEDIA_PROCESS, MEDIA_MACHINE):
            self.died[HOSTS[plan.node]] = self.began
            await self._kill(MEDIA[plan.node], whole=plan.kind == MEDIA_MACHINE)
        elif plan.kind == "postgresql":
            await self._kill_postgresql()
        elif plan.kind == "nats":
            assert installation.nats is not None
            await asyncio.to_thread(installation.nats.kill)
            await asyncio.sleep(plan.away_s)
            await asyncio.to_thread(installation.nats.start)
        elif plan.kind == ROLLING:
            await self._roll()
        elif plan.kind != NONE:
            await self._kill(plan.kind, whole=True)
        if plan.kind != NONE:
            await until(installation.whole, READY_S)
            if not await asyncio.to_thread(installation.whole):
                missing = await asyncio.to_thread(installation.not_ready)
                self.said.append(f"not_ready: {', '.join(missing) or 'the dispatcher'}")
        self.over = time.monotonic()

    async def _kill(self, name: str, *, whole: bool) -> None:
        unit = self._installation.units[name]
        unit.restart_s = self._plan.away_s
        starts = unit.starts
        await asyncio.to_thread(unit.kill, whole=whole)
        await until(lambda: unit.starts > starts, self._plan.away_s + 10)
        unit.restart_s = RESTART_S

    async def _kill_postgresql(self) -> None:
        server = self._installation.postgres
        assert server is not None
        kill_all(descendants(self._installation.postgres_pid))
        await asyncio.sleep(self._plan.away_s)
        await asyncio.to_thread(server.kill)  # collects what is dead
        await asyncio.to_thread(lambda: server.start(durable=True))

    async def _roll(self) -> None:
        done = await asyncio.to_thread(self._roll_media)
        if done.returncode:
            self.said.append(f"rolling_failed: {done.stderr[-500:]}")
        for name in ROLLED:
            unit = self._installation.units.get(name)
            if unit is None:
                continue
            starts = unit.starts
            os.kill(unit.pid, signal.SIGTERM)
            await until(lambda unit=unit, starts=starts: unit.starts > starts, 90)  # type: ignore[misc]
            await until(self._installation.whole, READY_S)

    def _roll_media(self) -> subprocess.CompletedProcess[str]:
        """The script as it is, with a stand-in for ssh that runs the command here."""
        installation = self._installation
        folder = installation.folder / "rolling"
        folder.mkdir()
        token = folder / "token"
        token.write_text(installation.token(MEDIA[0]))
        restart = folder / "restart"
        restart.write_text(
            "#!/bin/sh\n"
            'old=$(cat "$PIDS/pid")\nkill -TERM "$old"\n'
            'while [ "$(cat "$PIDS/pid")" = "$old" ]; do sleep 0.2; done\n'
        )
        ssh = folder / "ssh"
        ssh.write_text(f'#!/bin/sh\n. "{folder}/$1.sh"\nexec sh -c "$2"\n')
        for path in (restart, ssh):
            path.chmod(0o755)
        for name in MEDIA:
            _write_node(folder / f"{name}.sh", installation, name)
        command = [
            *(str(SCRIPT), "--ssh", str(ssh), "--kamcmd", str(installation.front.kamcmd)),
            *("--token", str(token), "--url", "http://127.0.0.1:'$PORT'"),
            *("--wait", str(CALLS_FINISH_S), "--back", str(int(READY_S))),
            *("--restart", str(restart)),
            *(f"{name}={installation.front.uri(n)}" for n, name in enumerate(MEDIA)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        (folder / "log").write_text(done.stderr)
        return done


def _write_node(path: Path, installation: Installation, name: str) -> None:
    path.write_text(
        f"export PORT={installation.port(name)}\nexport PIDS={installation.units[name].folder}\n"
    )
