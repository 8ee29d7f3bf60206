"""Two hundred callers of one landslide in five minutes, and six lines to 110 (DESIGN.md, Surge)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from random import Random
from statistics import median

import pytest

from flows.state import Phase
from flows.waiting import TELL_S
from tests.voicebot.disaster import Caller, Disaster, Story

LOCAL, PROVINCE, SEAT = "110-469001", "110-460000", "seat"
CALLERS, MINUTES, LINES = 200, 5, 6

WORDS = {
    10: ("救命，山体滑坡了，我妈挖出来没有呼吸了", "山塌了，人没气了，救命"),
    9: ("救命，泥石流，我家人被埋了", "山体滑坡，房子埋了，里面有人，救命"),
    7: ("山塌下来，我们被困住了，救命", "滑坡把路断了，我们出不来，救命"),
    4: ("这边山体滑坡了，救命啊", "山上石头滚下来，塌方了，救命"),
}
"""By risk to life; 救命 is what the triage of these tests knows for danger."""


def stories(seed: int = 7) -> list[Story]:
    chance = Random(seed)
    told = []
    for number in range(CALLERS):
        level = chance.choices(list(WORDS), [1, 3, 6, 10])[0]
        said = [(5.0, chance.choice(WORDS[level]))]
        if number % 20 == 0:  # it gets worse while he waits
            said.append((60.0, "他没有呼吸了"))
        told.append(Story(chance.uniform(0, 60 * MINUTES), tuple(said)))
    return told


def landslide(
    lines: Mapping[str, int], *, callers: int = CALLERS, counted: bool = True
) -> Disaster:
    run = Disaster(stories()[:callers], lines, "469001", talks_s=60.0, counted=counted)
    run.run(7200.0)
    return run


@pytest.fixture(scope="module")
def run() -> Disaster:
    """Six lines to the county's 110, two to the province's, two to each neighbour, ten seats."""
    near = dict.fromkeys(("110-469030", "110-469029", "110-469025"), 2)
    return landslide({LOCAL: LINES, PROVINCE: 2, SEAT: 10, **near})


@pytest.fixture(scope="module")
def alone() -> Disaster:
    """Six lines, and nobody else at all; sixty callers, for the sake of the test's own time."""
    return landslide({LOCAL: LINES}, callers=60)


def level(caller: Caller) -> int:
    words = caller.story.said[0][1]
    return next(level for level, known in WORDS.items() if words in known)


def waits(run: Disaster) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for caller in run.callers:
        assert caller.handed_at is not None
        assert caller.person_at is not None
        if len(caller.story.said) == 1:
            found[level(caller)].append(caller.person_at - caller.handed_at)
    return found


@pytest.mark.parametrize("name", ["run", "alone"])
def test_each_caller_gets_110_or_a_person_and_none_is_dropped(
    name: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(name)
    assert all(caller.handed_at is not None for caller in run.callers)
    assert all(caller.person_at is not None for caller in run.callers)
    assert all(caller.state.phase is Phase.ENDED for caller in run.callers)
    expected = {"handed_off", "human"}
    assert {caller.state.outcome for caller in run.callers} <= expected


def test_110_is_full_and_never_dialled_beyond_its_lines(run: Disaster) -> None:
    assert run.most_busy[LOCAL] == LINES
    assert not run.refused, "nobody was sent into a busy tone"


@pytest.mark.parametrize("name", ["run", "alone"])
def test_each_free_line_goes_to_the_riskiest_who_wants_it(
    name: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(name)
    assert len(run.grants) > 40
    for at, grant, wanted in run.grants:
        mine = dict(wanted)[grant.call]
        ahead = [call for call, urgency in wanted if urgency > mine + 0.01]
        taken = {other.call for when, other, _ in run.grants if when == at and other is not grant}
        assert not set(ahead) - taken, f"{grant.call} had the line before {ahead}"


def test_the_worse_it_is_the_sooner_a_person_is_there(run: Disaster) -> None:
    medians = {each: median(found) for each, found in waits(run).items()}
    order = [medians[each] for each in sorted(medians, reverse=True)]
    assert all(sooner <= later + 1.0 for sooner, later in pairwise(order))
    assert order[-1] > 3 * order[0]


@pytest.mark.parametrize("name", ["run", "alone"])
def test_nobody_waits_in_silence_and_each_is_told_how_it_stands(
    name: str, request: pytest.FixtureRequest
) -> None:
    for caller in request.getfixturevalue(name).callers:
        assert caller.quiet_s <= 4.0
        gaps = [later - sooner for sooner, later in pairwise(caller.told_at)]
        assert all(gap <= TELL_S + 8.0 for gap in gaps)


def test_the_desk_sees_one_incident_with_all_its_callers(run: Disaster) -> None:
    (incident,) = run.incidents.values()
    assert len(incident.members) == CALLERS
    assert incident.kind == "landslide"
    assert len({each.call_id for each in incident.members}) == CALLERS


def test_where_lines_are_not_counted_the_riskiest_come_first_all_the_same() -> None:
    run = landslide({LOCAL: LINES, SEAT: 4}, callers=80, counted=False)
    medians = {each: median(found) for each, found in waits(run).items()}
    assert medians[10] <= medians[9] <= medians[4]
    assert all(caller.quiet_s <= 4.0 for caller in run.callers)
