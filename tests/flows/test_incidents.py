"""Many callers, one event: which hand-offs belong together, and that nobody is merged away."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.incident_kinds import IncidentKindsError, kind_of, load_kinds, spots, towns
from flows.incidents import WINDOW_S, Incident, Report, fit, home, merge, split, take, where

WUZHISHAN, QIONGZHONG, HAIKOU, LONGHUA = "469001", "469030", "460100", "460106"

LANDSLIDE = "山体滑坡了，好几间房子被埋了，快来救人"
IN_OTHER_WORDS = "我们这里山塌下来了，泥石流，路都没了"
FLOOD = "河里涨水，一楼全淹了，人出不去"
FIRE = "番阳路那边着火了，楼上有人"
QUARREL = "有两个人在打架"


def report(
    handoff: str = "c1-h1",
    words: str = LANDSLIDE,
    region: str | None = WUZHISHAN,
    at: float = 1000.0,
    category: int | None = 4,
) -> Report:
    return Report(handoff, handoff.split("-")[0], at, region, category, ("119",), words)


def taken(*reports: Report) -> dict[str, Incident]:
    found: dict[str, Incident] = {}
    for number, each in enumerate(reports):
        found, _ = take(each, found, f"i{number}")
    return found


def groups(incidents: dict[str, Incident]) -> set[frozenset[str]]:
    return {frozenset(each.handoff for each in one.members) for one in incidents.values()}


# ── who belongs together ──────────────────────────────────────────────────────────


def test_two_callers_of_one_landslide_are_one_incident_in_whatever_words() -> None:
    found = taken(report("a-h1"), report("b-h1", IN_OTHER_WORDS, at=1060.0))
    assert groups(found) == {frozenset({"a-h1", "b-h1"})}


def test_a_landslide_in_another_county_is_another_incident() -> None:
    found = taken(report("a-h1"), report("b-h1", region=QIONGZHONG))
    assert len(found) == 2


def test_two_towns_of_one_county_are_two_incidents() -> None:
    found = taken(
        report("a-h1", "番阳镇滑坡了"),
        report("b-h1", "毛阳镇滑坡了"),
        report("c-h1", "翻阳镇山塌了"),  # the same by sound
    )
    assert groups(found) == {frozenset({"a-h1", "c-h1"}), frozenset({"b-h1"})}


def test_a_caller_of_the_city_is_near_to_those_of_its_district() -> None:
    assert len(taken(report("a-h1", region=LONGHUA), report("b-h1", region=HAIKOU))) == 1


def test_a_caller_of_whom_no_place_is_known_joins_by_like_words() -> None:
    found = taken(report("a-h1"), report("b-h1", "山体滑坡，房子被埋了", region=None))
    assert len(found) == 1
    found = taken(report("a-h1"), report("b-h1", "塌方堵路", region="460000"))
    assert len(found) == 2, "the province is no place, and the words are not like"


def test_two_fires_of_one_county_are_two_incidents_unless_the_spot_is_the_same() -> None:
    assert len(taken(report("a-h1", FIRE), report("b-h1", "解放路的商店起火了"))) == 2
    assert len(taken(report("a-h1", FIRE), report("b-h1", "番阳路起火，好大的烟"))) == 1


def test_a_flood_is_no_landslide() -> None:
    assert len(taken(report("a-h1"), report("b-h1", FLOOD))) == 2


def test_categories_that_do_not_go_together_are_not_one_incident() -> None:
    a = report("a-h1", "那个路口有人拿刀砍人，快来，好多人", category=1)
    b = replace(a, handoff="b-h1", category=3)
    assert len(taken(a, b)) == 2
    assert len(taken(a, replace(b, category=2))) == 1


def test_an_hour_after_its_last_call_an_incident_takes_nobody_any_more() -> None:
    late = report("b-h1", at=1000.0 + WINDOW_S + 1)
    assert len(taken(report("a-h1"), late)) == 2
    between = report("c-h1", at=1000.0 + WINDOW_S / 2)
    assert len(taken(report("a-h1"), between, late)) == 1


def test_who_has_said_nothing_yet_waits_alone_and_joins_with_his_first_words() -> None:
    silent = report("b-h1", "", None, category=None)
    found = taken(report("a-h1"), silent)
    assert len(found) == 2
    found, now = take(replace(silent, words=LANDSLIDE, region=WUZHISHAN), found, "new")
    assert groups(found) == {frozenset({"a-h1", "b-h1"})}
    assert now == where("a-h1", found).id  # type: ignore[union-attr]


def test_who_says_later_that_he_is_elsewhere_goes_there() -> None:
    unknown = report("b-h1", region=None)
    found = taken(report("a-h1"), unknown)
    assert len(found) == 1
    found, _ = take(replace(unknown, region=QIONGZHONG), found, "new")
    assert groups(found) == {frozenset({"a-h1"}), frozenset({"b-h1"})}


def test_it_is_explained_why_a_call_belongs_to_an_incident() -> None:
    found = fit(report("b-h1"), Incident("i0", (report("a-h1"),)))
    assert found is not None
    assert found.reasons[:2] == ("同一市县", "都是山体滑坡")


def test_the_nearest_of_several_is_joined_and_of_equals_the_oldest() -> None:
    near = Incident("near", (report("a-h1", "番阳镇滑坡了", at=1500.0),))
    county = Incident("county", (report("b-h1", "滑坡了", at=1000.0),))
    found = home(report("c-h1", "番阳镇这里山塌了"), {"county": county, "near": near})
    assert found is not None
    assert found.incident == "near"
    twins = {"y": Incident("y", (report("a-h1"),)), "x": Incident("x", (report("b-h1"),))}
    assert home(report("c-h1"), twins).incident == "x"  # type: ignore[union-attr]


# ── by a supervisor's hand ────────────────────────────────────────────────────────


def test_two_incidents_are_merged_by_hand_and_everybody_is_in_the_one() -> None:
    found = merge(taken(report("a-h1"), report("b-h1", region=QIONGZHONG)), "i0", "i1")
    assert groups(found) == {frozenset({"a-h1", "b-h1"})}


def test_who_was_put_somewhere_by_hand_stays_whatever_he_says() -> None:
    found = merge(taken(report("a-h1"), report("b-h1", region=QIONGZHONG)), "i0", "i1")
    found, now = take(report("b-h1", FLOOD, QIONGZHONG), found, "new")
    assert now == "i0"
    assert len(found) == 1


def test_an_incident_is_split_by_hand_and_both_halves_stay_apart() -> None:
    calls = [report("a-h1"), report("b-h1"), report("c-h1")]
    found = split(taken(*calls), "i0", ["b-h1"], "other")
    for each in calls:
        found, _ = take(each, found, "new")
    assert groups(found) == {frozenset({"a-h1", "c-h1"}), frozenset({"b-h1"})}


@pytest.mark.parametrize("named", [[], ["x-h1"], ["a-h1", "b-h1"]])
def test_no_half_of_a_split_is_empty(named: list[str]) -> None:
    with pytest.raises(ValueError, match="some members"):
        split(taken(report("a-h1"), report("b-h1")), "i0", named, "other")


def test_an_incident_is_not_merged_with_itself_or_with_one_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="itself"):
        merge(taken(report("a-h1")), "i0", "i0")
    with pytest.raises(KeyError):
        merge(taken(report("a-h1")), "i0", "x")


# ── whatever comes, in whatever order ─────────────────────────────────────────────

REPORTS = st.builds(
    Report,
    st.sampled_from([f"c{number}-h1" for number in range(8)]),
    st.just("c"),
    st.floats(0, 3 * WINDOW_S),
    st.sampled_from([None, "460000", HAIKOU, LONGHUA, WUZHISHAN, QIONGZHONG]),
    st.sampled_from([None, 1, 3, 4, 6]),
    st.just(()),
    st.sampled_from([LANDSLIDE, IN_OTHER_WORDS, FLOOD, FIRE, QUARREL, "番阳镇滑坡", "毛阳镇", ""])
    | st.text(max_size=8),
)


@given(st.lists(REPORTS, max_size=24), st.randoms(use_true_random=False))
def test_nobody_is_ever_merged_away(reports: list[Report], hand: object) -> None:
    found: dict[str, Incident] = {}
    newest: dict[str, Report] = {}
    for number, each in enumerate(reports):
        found, now = take(each, found, f"i{number}")
        newest[each.handoff] = each
        assert each in found[now].members
        if len(found) > 1 and hand.random() < 0.2:  # type: ignore[attr-defined]
            one, other = sorted(found)[:2]
            found = merge(found, one, other)
        several = [id_ for id_, one in found.items() if len(one.members) > 1]
        if several and hand.random() < 0.2:  # type: ignore[attr-defined]
            found = split(found, several[0], [found[several[0]].members[0].handoff], f"s{number}")
        members = [member for one in found.values() for member in one.members]
        assert sorted(each.handoff for each in members) == sorted(newest)
        assert all(newest[each.handoff] == each for each in members)
        assert all(one.members for one in found.values())


@given(st.lists(REPORTS, max_size=16))
def test_what_no_hand_has_put_together_has_one_place(reports: list[Report]) -> None:
    for one in taken(*reports).values():
        for a, b in itertools.combinations([each.county for each in one.members], 2):
            if a and b and {a, b} != {HAIKOU, LONGHUA}:
                assert a == b


@given(st.permutations(range(9)))
def test_events_that_lie_apart_are_told_apart_in_any_order(order: list[int]) -> None:
    calls = [
        report(f"c{number}-h1", words, region, at=1000.0 + number)
        for number, (words, region) in enumerate(
            itertools.product((LANDSLIDE, IN_OTHER_WORDS, FLOOD), (WUZHISHAN, QIONGZHONG, LONGHUA))
        )
    ]
    assert groups(taken(*(calls[number] for number in order))) == {
        frozenset(group)
        for group in (
            {"c0-h1", "c3-h1"},
            {"c1-h1", "c4-h1"},
            {"c2-h1", "c5-h1"},
            {"c6-h1"},
            {"c7-h1"},
            {"c8-h1"},
        )
    }


# ── the words ─────────────────────────────────────────────────────────────────────


def test_the_kind_that_is_looked_for_first_wins() -> None:
    assert kind_of("下大雨涨水，山塌下来了") == "landslide"
    assert kind_of("公积金怎么提取") == ""


def test_names_of_towns_and_spots_are_found_and_everyday_words_are_not() -> None:
    assert towns("我在五指山番阳镇这边") == {("fan", "yang")}
    assert towns("我在镇上，我老乡也在，我们乡下") == frozenset()
    assert spots("就在解放路，这条路上") == {("jie", "fang", "路")}


@pytest.mark.parametrize(
    "text",
    [
        "[x",
        "[x]\nname='a'",
        "[x]\nname='a'\nwide=true\ncodes=[9]\nwords=['a']",
        "[x]\nname='a'\nwide=true\ncodes=[1]\nwords=['']",
    ],
)
def test_a_wrong_file_of_kinds_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kinds.toml"
    file.write_text(text)
    with pytest.raises(IncidentKindsError, match=r"kinds\.toml"):
        load_kinds(file)
