"""What the simulator decides is what the running service's surge control decides and records."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from flows.surge import Decision, Destination, Figures, Mode
from telephony.call_control import CallInfo
from telephony.scripted import ScriptedLine
from tests.voicebot.simulated_days import bot, scenario
from voicebot.admission import Room
from voicebot.config import Settings
from voicebot.records.store import Records
from voicebot.simulation.draws import Day
from voicebot.simulation.engine import Simulation
from voicebot.simulation.known import LINE
from voicebot.surge.board import GroupReport, SeatReport
from voicebot.surge.control import SurgeControl
from voicebot.surge.decisions import decision_of

pytestmark = pytest.mark.usefixtures("database_url")

MIDNIGHT = datetime(2026, 11, 25, 16, 0, tzinfo=UTC).timestamp()


@dataclass
class Present:
    """The service's clock, and what its bot has room for."""

    at: float = 0.0
    room: Room = field(default_factory=lambda: Room(0, 0, 0, 0))


def reported(figures: Figures) -> SeatReport:
    """The seats as an ACD would send them; the service counts arrivals by itself."""
    assert figures.seats is not None
    return SeatReport(
        line=LINE,
        groups=[
            GroupReport(
                region=group.region, local=group.local, staffed=group.staffed, free=group.free
            )
            for group in figures.seats.groups
        ],
        waiting=figures.seats.waiting,
        oldest_wait_s=figures.seats.oldest_wait_s,
        service_s=figures.seats.service_s,
        patience_s=figures.seats.patience_s,
    )


async def test_a_simulated_day_goes_through_the_real_admission_call_by_call(
    settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = scenario(
        arrivals={
            "calls_per_day": 250,
            "half_hours": [1] * 48,
            "rushes": [{"begins": "10:00", "ends": "10:30", "factor": 80}],
        },
        seats=[
            {"region": "460100", "staffed": {"00:00": 5}},
            {"region": "460200", "local": False, "staffed": {"00:00": 3}},
        ],
        callers={"patience": {"mean_s": 90}, "redial": {"share": 0.3}, "number_known": 0.8},
        service={"mean_s": 150},
        bot=bot(room=10),
        lines=20,
        policy={"reserve": settings.admission.handoff_reserve, "call_back_wait_s": 40},
        forecast=0,
    )
    simulated: list[tuple[float, Figures, bool, Decision]] = []
    day = Day(what, np.random.SeedSequence(7))
    Simulation(what, day, lambda *decided: simulated.append(decided)).run()

    present = Present()
    monkeypatch.setattr("voicebot.surge.control.time.time", lambda: MIDNIGHT + present.at)
    surge = settings.surge.model_copy(update={"call_back_wait_s": 40.0})
    control = SurgeControl(
        settings.model_copy(update={"surge": surge}),
        records,
        lambda: present.room,
        lambda number, at: False,
        lambda number: False,
    )
    for n, (at, figures, known, decision) in enumerate(simulated):
        present.at = at
        present.room = Room(
            figures.bot_calls, figures.bot_room, figures.lines, figures.lines_in_use
        )
        info = CallInfo(f"c-{n}", f"138{n:08d}" if known else "", LINE)
        control.board.tell(reported(figures), MIDNIGHT + at)
        routed = await control.route(ScriptedLine(info), info)
        assert (routed.decision.destination, routed.decision.mode) == (
            decision.destination,
            decision.mode,
        )
    await asyncio.gather(*records._tasks)
    for n, (_, _, _, decision) in enumerate(simulated):
        kept = await records.read(decision_of, f"c-{n}")
        assert kept is not None
        assert (kept["destination"], kept["mode"]) == (decision.destination, decision.mode)
    assert {decision.destination for *_, decision in simulated} == set(Destination)
    assert {decision.mode for *_, decision in simulated} == set(Mode)
