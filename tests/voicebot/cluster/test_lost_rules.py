"""Which processes with calls are lost is decided by watching, and by nobody's wall clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.cluster.lost_rules import LONGEST_GAP_S, REPLACED_S, Sign, Watch

AFTER_S = 120.0


def sign(seen_at: float, run: str = "r1", began_at: float = 1.0, node: str = "media1") -> Sign:
    return Sign(run, node, began_at, seen_at)


def lost_at(watch: Watch, *signs: Sign, begin: float, alive: frozenset[str] = frozenset()) -> float:
    """How long after `begin` the first of these, who stay silent, is lost."""
    now = begin
    while not watch.look(signs, alive, now):
        now += 1.0
        assert now - begin < 1000.0
    return now - begin


def test_a_process_is_lost_after_its_time_without_a_sign() -> None:
    assert lost_at(Watch(AFTER_S), sign(5.0), begin=0.0) == AFTER_S


def test_each_sign_begins_the_time_anew() -> None:
    watch = Watch(AFTER_S)
    for now in range(0, 1000, 5):
        assert watch.look([sign(float(now))], (), float(now)) == []
    assert lost_at(watch, sign(995.0), begin=1000.0) == AFTER_S - 5.0


def test_who_was_away_watches_anew() -> None:
    """A leader that was frozen, or a database that was away, makes no node lost."""
    watch = Watch(AFTER_S)
    watch.look([sign(5.0)], (), 0.0)
    later = 10_000.0
    assert later > LONGEST_GAP_S
    assert lost_at(watch, sign(5.0), begin=later) == AFTER_S


def test_what_began_anew_under_the_same_name_has_not_to_be_waited_for() -> None:
    watch = Watch(AFTER_S)
    old, new = sign(5.0, "r1", 1.0), sign(9.0, "r2", 9.0)
    assert lost_at(watch, old, new, begin=0.0) == REPLACED_S
    assert watch.look([old, sign(50.0, "r2", 9.0)], (), REPLACED_S + 1.0) == [old]


def test_two_that_live_under_one_name_are_both_there() -> None:
    watch = Watch(AFTER_S)
    for now in range(0, 500, 5):
        both = sign(float(now), "r1", 1.0), sign(float(now), "r2", 9.0)
        assert watch.look(both, (), float(now)) == []


def test_who_is_heard_otherwise_is_cut_off_from_the_database_alone() -> None:
    watch = Watch(AFTER_S)
    for now in range(0, 1000, 5):
        assert watch.look([sign(5.0)], {"r1"}, float(now)) == []
    assert lost_at(watch, sign(5.0), begin=1000.0) == AFTER_S - 5.0


def test_calls_of_a_process_without_any_sign_are_found() -> None:
    orphan = Sign("r0", "", 0.0, 0.0)
    assert lost_at(Watch(AFTER_S), orphan, sign(1.0), begin=0.0) == AFTER_S


@given(
    st.lists(st.tuples(st.floats(0.1, 60.0), st.floats(-1e6, 1e6)), min_size=1, max_size=40),
)
def test_nobody_is_lost_who_was_not_watched_in_silence_for_the_time(
    looks: list[tuple[float, float]],
) -> None:
    """Whatever the pauses between looks, and whatever the database's clock says."""
    watch, now, since, before = Watch(AFTER_S), 0.0, 0.0, None
    for pause, seen_at in looks:
        now += pause
        if pause > LONGEST_GAP_S or seen_at != before:
            since = now
        before = seen_at
        if watch.look([sign(seen_at)], (), now):
            assert now - since >= AFTER_S
