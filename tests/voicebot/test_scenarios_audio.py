"""Scenarios as sound: a voice on a telephone line, real ears, the real dialogue, scripted desks.

Those of tests/flows/scenarios that are marked `录音`. The caller speaks with the project's own
voice through A-law; the bot's voice is noise, for nobody listens to it here. What recognisers
make of a sentence differs a little from day to day, so that what is compared is what decides:
who is called and why, what the caller is asked, and what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from asr.listener import Listener
from flows import actions as act
from flows.state import State
from flows.triage import TriageModel
from telephony.scripted import ScriptedLine
from tests.flows.scenarios.play import Scenario, scenarios, told
from tests.voicebot.far_sides import silence, spoken
from tests.voicebot.test_engines import settings_with
from tests.voicebot.test_session import Running, offered, scripted_engines, serving, until
from voicebot.app import Service
from voicebot.call.engines import open_ears
from voicebot.config import Settings, load_settings
from voicebot.embedder import SentenceEmbedder
from voicebot.records.store import Records

pytestmark = pytest.mark.leaping_time

AUDIBLE = [scenario for scenario in scenarios() if scenario.audio]

DECISIVE = ("说 ask_danger", "说 offer_110", "说 are_you_there", "说 noted", "说 goodbye")
SAME = {"danger": "110", "requested_police": "110"}
"""救命有人拿刀 is danger and a request: which of them is heard first, nobody minds."""
PATIENCE_S = 8.0
"""Of the caller's: how long the bot may take for what it is to do."""


def decisive(deeds: Sequence[str]) -> list[str]:
    """What of the bot's deeds decides how the call goes; work orders once only."""
    found: list[str] = []
    for deed in deeds:
        what, _, rest = deed.partition(" ")
        if what == "转":
            reason = rest.rpartition(" ")[2]
            found.append(f"转 {SAME.get(reason, reason)}")
        elif deed in DECISIVE or (what == "工单" and deed not in found) or deed == "记 中断":
            found.append(deed)
    return found


@pytest.fixture(scope="module")
def models(
    models_dir: Path, listener_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    """Loaded once for all scenarios."""
    settings = settings_with(tmp_path_factory.mktemp("asr"), models_dir, "process = false")
    _, transcriber = open_ears(settings, ThreadPoolExecutor(1))
    return {
        "listener": Listener(listener_dir),
        "transcriber": transcriber,
        "embedder": SentenceEmbedder(models_dir),
        "triage": TriageModel.load(),
    }


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(
        f"""
[paths]
state = "{tmp_path / "state"}"
[asr]
partial_every_s = 1.2
[handoff]
desk_url = "trunk:police/{{number}}"
seat_url = "trunk:seats/{{number}}"
"""
    )
    return load_settings(file)


@pytest.fixture
async def service(
    settings: Settings,
    models: Mapping[str, Any],
    records: Records,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Service]:
    engines = scripted_engines(
        tmp_path, listener=models["listener"], transcriber=models["transcriber"]
    )
    engines.embedder, engines.triage = models["embedder"], models["triage"]
    async with serving(settings, engines, records, monkeypatch) as made:
        yield made


class Heard(Running):
    """A call whose caller has a voice, and which tells what the bot did."""

    def __init__(self, service: Service, line: ScriptedLine, models_dir: Path) -> None:
        super().__init__(service, line)
        self.models_dir = models_dir
        self.deeds: list[str] = []
        self.heard: list[str] = []

    def watch(self) -> None:
        journal = self.session._journal
        note = journal.note

        def noted(event: Any, actions: tuple[act.Action, ...], state: State) -> None:
            self.deeds += [words for each in actions if (words := told(each)) is not None]
            self.heard = [turn.words for turn in state.turns]
            note(event, actions, state)

        journal.note = noted  # type: ignore[method-assign]

    async def happens(self, step: Mapping[str, Any]) -> None:
        ((what, value),) = [(str(k), v) for k, v in step.items() if k not in ("应", "听到一半")]
        match what:
            case "说" | "说完" | "说到":
                await self.line.say(spoken(f"{value}。", self.models_dir))
                await self.line.say(silence(0.3))
            case "任说一句":
                await self.line.say(spoken(f"{value[0]}。", self.models_dir))
            case "按键":
                self.line.press(str(value))
            case "挂断":
                self.line.caller_hangs_up()
            case "沉默" | "110":
                pass
            case _:
                raise AssertionError(f"{what} has no sound")

    async def until_done(self, expected: Sequence[str]) -> None:
        """Until the bot has done so much, or the caller's patience ends."""
        try:
            await until(lambda: len(decisive(self.deeds)) >= len(expected), PATIENCE_S)
        except TimeoutError:
            return

    async def until_quiet(self) -> None:
        await until(lambda: self.taking.done() or self.session._state.quiet, 30.0)


@pytest.mark.parametrize("scenario", AUDIBLE, ids=lambda scenario: scenario.id)
async def test_scenario_as_sound(scenario: Scenario, service: Service, models_dir: Path) -> None:
    call = Heard(service, ScriptedLine(offered()), models_dir)
    await until(lambda: service._sessions)
    call.watch()
    await call.greeted()
    expected: list[str] = []
    for step, deeds in whole_sentences(scenario.steps):
        expected += deeds
        await call.until_quiet()
        await asyncio.sleep(0.3)
        await call.happens(step)
        if "挂断" in step:
            await call.over()
        await call.until_done(decisive(expected))
    if not call.taking.done():
        await call.hung_up()
    done, expected = decisive(call.deeds), decisive(expected)
    assert done[: len(expected)] == expected, call.heard
    assert set(done[len(expected) :]) <= {"记 中断", "工单"}, "what a caller leaves who hangs up"


def whole_sentences(
    steps: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """The steps and what is to be done; half a sentence is spoken with the rest of it."""
    before: list[str] = []
    for step, following in zip_longest(steps, steps[1:], fillvalue={}):
        deeds = [*before, *(str(each) for each in step.get("应") or ())]
        half = "说到" in step and "说完" in following
        before = deeds if half else []
        if not half:
            yield step, deeds
