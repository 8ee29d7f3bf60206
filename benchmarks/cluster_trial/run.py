"""One run: the installation is opened, people call, something is done to it, all is judged."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile as sf
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from benchmarks.chaos.callers import AGENT, OFFICER, until
from benchmarks.chaos.desks import DeskProcess
from benchmarks.chaos.evidence import read, settled
from benchmarks.chaos.judging import Found
from benchmarks.cluster_trial.callers import Attempt, Caller, prepare
from benchmarks.cluster_trial.desk_line import DeskLine
from benchmarks.cluster_trial.drawing import EVERY_S, MEDIA_MACHINE, Plan
from benchmarks.cluster_trial.faults import Fault
from benchmarks.cluster_trial.installation import HOSTS, DeskAddresses, Installation
from benchmarks.cluster_trial.judging import SEATS, Placed, broken, figures
from benchmarks.cluster_trial.listening import told_by
from benchmarks.cluster_trial.softphone import Softphone
from benchmarks.processes import descendants, seconds_of
from benchmarks.trial_service import TrialError
from benchmarks.voices import speak
from tests.asterisk.phones import RATE
from voicebot.errors import VoicebotError
from voicebot.records.database import open_engine
from voicebot.records.tables import CallEventRow, CallRow

SETTLE_S = 90.0
"""After the last call, with all whole again: messages and spools have so long to go."""
AFTER_S = 6.0
"""Who is with a person when something is done stays so much longer."""
SAME_S = 8.0
"""Between the moment that a caller was answered, and the one on record, at most."""


@dataclasses.dataclass(frozen=True)
class Record:
    """A desk's line and its dossiers together, for `benchmarks.chaos.evidence`."""

    line: DeskLine
    papers: DeskProcess

    def handoffs(self) -> frozenset[str]:
        return self.line.handoffs() | self.papers.handoffs()

    def dossiers(self) -> frozenset[str]:
        return self.papers.dossiers()


class Used:
    """How busy each part of the installation keeps the machine, from now on."""

    def __init__(self, installation: Installation) -> None:
        self._installation, self._began = installation, time.monotonic()
        self._before = self._seconds()

    def cores(self) -> str:
        """Of each part that was not started anew, and of the trial itself."""
        lasted = time.monotonic() - self._began
        after = self._seconds()
        shares = {
            name: (after[name] - seconds) / lasted
            for name, seconds in self._before.items()
            if name in after
        }
        return " ".join(f"{name.partition('.')[0]} {share:.2f}" for name, share in shares.items())

    def _seconds(self) -> dict[str, float]:
        """By name and number of its start."""
        installation = self._installation
        seconds = {
            f"{name}.{unit.starts}": seconds_of(descendants(unit.pid))
            for name, unit in installation.units.items()
        }
        if installation.postgres is not None:
            pid = installation.postgres_pid
            seconds[f"postgresql.{pid}"] = seconds_of(descendants(pid))
        return seconds | {"trial": time.process_time()}


async def run(plan: Plan, folder: Path) -> tuple[list[str], str]:
    """The invariants that did not hold, and what the run was."""
    said = await asyncio.to_thread(prepare)
    police, seats = DeskLine(said[OFFICER]), DeskLine(said[AGENT])
    async with contextlib.AsyncExitStack() as stack:
        for desk in (police, seats):
            desk.phone = await stack.enter_async_context(Softphone.open(on_call=desk.take))
        callers = await stack.enter_async_context(Softphone.open())
        assert police.phone is not None
        assert seats.phone is not None
        addresses = DeskAddresses(police.phone.address, seats.phone.address)
        try:
            installation = Installation(plan, folder, addresses)
            stack.push_async_callback(asyncio.to_thread, installation.close)
            await asyncio.to_thread(installation.open)
        except (TrialError, VoicebotError) as error:
            return [f"not_ready: {str(error)[-1500:]}"], ""
        fault = Fault(installation)
        used = Used(installation)
        attempts = await _calls(plan, installation, fault, callers, (police, seats))
        cores = used.cores()
        sentences, seen = await _judged(installation, fault, attempts, (police, seats))
        return sentences, f"{seen}; cores: {cores}"


async def _calls(
    plan: Plan,
    installation: Installation,
    fault: Fault,
    phone: Softphone,
    desks: Sequence[DeskLine],
) -> list[Attempt]:
    """Everybody calls, and until all is whole again the next one as soon as one has ended."""
    people: list[Caller] = []

    def may_go() -> bool:
        return bool(fault.began) and time.monotonic() > fault.began + AFTER_S

    async def place(slot: int) -> None:
        await asyncio.sleep(EVERY_S * slot)
        while True:
            caller = Caller(
                plan.role(len(people)),
                f"139{len(people):08d}",
                plan.danger + len(people),
                phone,
                installation.front.address,
                desks,
                may_go,
            )
            people.append(caller)
            await caller.run()
            if fault.over or not plan.again:
                return

    async def harm() -> None:
        await asyncio.sleep(EVERY_S * plan.calls)
        await fault.run()

    await asyncio.gather(harm(), *(place(slot) for slot in range(plan.calls)))
    return [attempt for caller in people for attempt in caller.attempts]


async def _judged(
    installation: Installation,
    fault: Fault,
    attempts: Sequence[Attempt],
    desks: tuple[DeskLine, DeskLine],
) -> tuple[list[str], str]:
    found = Found()
    names: list[str] = []
    records = (
        Record(desks[0], installation.police),
        Record(desks[1], installation.seats),
    )

    def look() -> bool:
        nonlocal found, names
        try:
            found = read(installation.url, installation.spools(), records)
            names = _names(installation.url, attempts)
        except SQLAlchemyError:
            return False
        ours = [
            name
            for name, each in zip(names, attempts, strict=True)
            if each.answered and _node(each) != SEATS
        ]
        return settled(found, ours)

    await until(look, SETTLE_S)
    epoch = time.time() - time.monotonic()
    placed = await asyncio.to_thread(_placed, installation.plan, fault, attempts, names, desks)
    sentences = fault.said + broken(
        placed,
        found,
        ended_by_bot=_hung_up(installation.url),
        died={node: at + epoch for node, at in fault.died.items()},
        machine=installation.plan.kind == MEDIA_MACHINE,
    )
    _keep(installation.folder, installation.plan, attempts, placed, found)
    return sentences, figures(placed)


def _placed(
    plan: Plan,
    fault: Fault,
    attempts: Sequence[Attempt],
    names: Sequence[str],
    desks: Sequence[DeskLine],
) -> list[Placed]:
    voices = [speak(text) for text in (OFFICER, AGENT)]
    epoch = time.time() - time.monotonic()
    placed = []
    for attempt, name in zip(attempts, names, strict=True):
        line, node = attempt.line, _node(attempt)
        spans = [
            (max(start, line.up_at), min(end, line.over_at))
            for desk in desks
            for start, end in desk.spans(attempt.number)
            if start < line.over_at and end > line.up_at
        ]
        excused = []
        if plan.kind == MEDIA_MACHINE and node in fault.died:
            excused.append((fault.died[node], line.over_at + 1))
        told, replies = told_by(attempt, name, spans, voices, excused)
        placed.append(Placed(told, attempt.number, node, epoch + line.up_at, replies))
    return placed


def _node(attempt: Attempt) -> str:
    if not attempt.answered or attempt.line.far is None:
        return ""
    host = attempt.line.far[0]
    return host if host in HOSTS else SEATS


def _names(url: str, attempts: Sequence[Attempt]) -> list[str]:
    """The id on record of each attempt, by number and time; other words where there is none."""
    epoch = time.time() - time.monotonic()
    engine = open_engine(url, patience_s=10)
    try:
        with Session(engine) as session:
            rows = list(session.execute(select(CallRow.id, CallRow.caller, CallRow.started_at)))
    finally:
        engine.dispose()
    names = []
    for attempt in attempts:
        near = [
            (abs(started - epoch - attempt.line.up_at), call)
            for call, number, started in rows
            if number == attempt.number and started is not None
        ]
        distance, call = min(near, default=(SAME_S, ""))
        names.append(call if distance < SAME_S else f"of {attempt.number}")
    return names


def _hung_up(url: str) -> frozenset[str]:
    """Calls in which the bot decided to hang up."""
    engine = open_engine(url, patience_s=10)
    try:
        with Session(engine) as session:
            return frozenset(
                session.scalars(select(CallEventRow.call_id).where(CallEventRow.kind == "HangUp"))
            )
    finally:
        engine.dispose()


def _keep(
    folder: Path,
    plan: Plan,
    attempts: Sequence[Attempt],
    placed: Sequence[Placed],
    found: Found,
) -> None:
    """What was seen and heard, for whoever looks into a run that is broken."""
    seen = {
        "plan": dataclasses.asdict(plan),
        "placed": [
            {**dataclasses.asdict(each), "closed": attempt.closed, "code": attempt.line.code}
            for each, attempt in zip(placed, attempts, strict=True)
        ],
        "found": dataclasses.asdict(found),
    }
    (folder / "seen.json").write_text(
        json.dumps(seen, ensure_ascii=False, indent=1, default=sorted), "utf-8"
    )
    calls = folder / "calls"
    calls.mkdir()
    for number, attempt in enumerate(attempts, 1):
        if attempt.answered:
            sf.write(
                calls / f"{number:03d}-{attempt.role}-{attempt.number}.wav",
                attempt.line.sound.heard_pcm(),
                RATE,
            )
