"""A danger told in one breath with an ordinary question is heard all the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.phonetics import to_syllables
from flows.triage import TriageModel, Turn
from flows.triage.stretches import SIZES, stretches


@pytest.fixture(scope="module")
def model() -> TriageModel:
    return TriageModel.load()


QUESTION = "请问社保卡怎么补办"
FIRE = "哎呀厨房着火了火很大"


def test_a_question_does_not_hide_the_danger_after_it(model: TriageModel) -> None:
    assert model.assess([Turn("caller", QUESTION + FIRE)], {}).action == "handoff"


def test_nor_the_danger_before_it(model: TriageModel) -> None:
    assessment = model.assess([Turn("caller", "我孩子掉到河里了没人会游泳请问打哪个电话")], {})
    assert assessment.route == "110_now"


def test_what_was_told_alone_is_in_the_evidence_and_the_lines(model: TriageModel) -> None:
    assessment = model.assess([Turn("caller", QUESTION + FIRE)], {})
    assert "119" in assessment.lines
    assert any(found.kind == "danger" and "（" not in found.detail for found in assessment.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "请问家里要是煤气泄漏了应该先打哪个电话我就是想提前了解一下",
        "我想问一下去年我们家着火了房产证烧掉了现在怎么补办要带什么材料",
        "请问小区消防演习是哪一天到时候会不会真的点火冒烟",
    ],
)
def test_questions_about_dangers_stay_questions(model: TriageModel, text: str) -> None:
    assert model.assess([Turn("caller", text)], {}).action != "handoff"


@given(
    st.lists(st.sampled_from("着火了怎么办社保卡孩子水"), max_size=80).map("".join), st.booleans()
)
def test_stretches_cover_the_turn_and_have_the_sizes_said(text: str, by_sound: bool) -> None:
    syllables = to_syllables(text)
    turn = Turn("caller", "", (), syllables) if by_sound else Turn("caller", text)
    found = list(stretches(turn))
    sizes = {len(part.syllables) if by_sound else len(part.text) for part in found}
    assert sizes <= set(SIZES)
    if len(text) > SIZES[0]:
        first = [part for part in found if len(part.syllables or part.text) == SIZES[0]]
        assert text.startswith(first[0].text) or by_sound
        assert text.endswith(first[-1].text) or by_sound
    else:
        assert not found
