"""A danger told in one breath with an ordinary question is heard all the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.triage import Assessment, Turn
from tests.flows.scenarios.real_call import real_world

QUESTION = "请问社保卡怎么补办"
FIRE = "哎呀厨房着火了火很大"


@pytest.fixture(scope="module")
def world(models_dir: Path) -> Mapping[str, Any]:
    return real_world(models_dir)


def assessed(world: Mapping[str, Any], text: str) -> Assessment:
    model, turns = world["policy"].triage, (Turn("caller", text),)
    return model.assess(turns, {each: world["embed"](each) for each in model.texts(turns)})


def test_a_question_does_not_hide_the_danger_after_it(world: Mapping[str, Any]) -> None:
    assert assessed(world, QUESTION + FIRE).route == "110_now"


def test_nor_the_danger_before_it(world: Mapping[str, Any]) -> None:
    assessment = assessed(world, "我孩子掉到河里了没人会游泳请问打哪个电话")
    assert assessment.route == "110_now"


def test_its_words_are_in_the_evidence_and_bring_their_lines(world: Mapping[str, Any]) -> None:
    assessment = assessed(world, QUESTION + FIRE)
    assert "119" in assessment.lines
    assert any(found.kind == "danger" for found in assessment.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "请问家里要是煤气泄漏了应该先打哪个电话我就是想提前了解一下",
        "我想问一下去年我们家着火了房产证烧掉了现在怎么补办要带什么材料",
        "请问小区消防演习是哪一天到时候会不会真的点火冒烟",
    ],
)
def test_questions_about_dangers_stay_questions(world: Mapping[str, Any], text: str) -> None:
    assert assessed(world, text).action != "handoff"
