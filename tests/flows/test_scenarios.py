"""Calls as a duty officer would tell them, through the real core and the real triage.

They are written in scenarios/*.yaml; scenarios/README.md says how.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.prompts import load_prompts
from flows.triage import Turn
from flows.wording import plain
from tests.flows.scenarios.play import Played, Scenario, ScenarioError, scenarios
from tests.flows.scenarios.real_call import real_world
from tests.flows.scripted_call import sounds


@pytest.fixture(scope="module")
def world(models_dir: Path) -> Mapping[str, Any]:
    return real_world(models_dir)


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.id)
def test_scenario(scenario: Scenario, world: Mapping[str, Any]) -> None:
    Played(scenario, **world).run()


ON_THE_WAY = {
    "connecting_human", "failure_human", "language_human", "repeat_human", "silent_human",
    "voice_human", "doubt_human", "ticket_unsaved", "still_connecting_110", "human_busy",
    "nobody_free", "not_recorded", "keys", "connecting_110", "trying_110", "transferring_110",
    "joining_110", "connecting_unit", "connecting_110_119", "connecting_110_120",
    "connecting_110_119_120", "connecting_110_122", "connecting_110_12395", "connecting_110_repair",
    "connecting_110_railway", "call_back_110", "caller_gone", "caller_gone_calling_back",
    "progress_human", "surge_call_back",
}  # fmt: skip
"""Said when the caller is on the way to a person, or none is free, or there is no caller, or by
the PBX before the bot is there."""


@pytest.mark.parametrize("prompt", sorted(load_prompts().keys() - ON_THE_WAY))
def test_the_echo_of_a_prompt_is_no_request_and_no_danger(
    prompt: str, world: Mapping[str, Any]
) -> None:
    """What the echo gate lets through must not send the caller anywhere."""
    sentences = re.split("[，。？]", load_prompts()[prompt].text)
    for heard in (plain("".join(sentences)), *sentences):
        if not heard or "{" in heard:
            continue
        turns = [Turn("caller", heard, (), sounds(heard))]
        triage = world["policy"].triage
        verdict = triage.assess(turns, {text: world["embed"](text) for text in triage.texts(turns)})
        assert verdict.request is None, heard
        assert verdict.route != "110_now", heard


def test_a_wrong_expectation_fails(world: Mapping[str, Any]) -> None:
    wrong = {
        "场景": "x", "要点": "x", "经过": [{"按键": "1", "应": ["说 connecting_110"]}]
    }  # fmt: skip
    with pytest.raises(AssertionError, match="第1步"):
        Played(Scenario.read(wrong, "x"), **world).run()


def test_a_key_that_nobody_explained_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="期望"):
        Scenario.read({"场景": "x", "要点": "x", "经过": [], "期望": []}, "x.yaml")


def test_each_is_told_once_and_there_are_enough_of_them() -> None:
    assert len(scenarios()) >= 60
    assert sum(scenario.audio for scenario in scenarios()) >= 20
