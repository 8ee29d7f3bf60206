"""A call is answered only when it can be served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.call_control import CallInfo, Rejection, Trunk
from voicebot.admission import Admission
from voicebot.config_telephony import Admission as Limits

LIMITS = Limits(calls=3, calls_at_least=1, handoff_reserve=1, handoff_lines=4, per_number=2)


class Recogniser:
    """Has room for so many calls."""

    def __init__(self, room: int) -> None:
        self.room, self.calls = room, 0
        self.asked: list[float] = []

    def serving(self, calls: int) -> None:
        self.calls = calls

    def takes_another(self, within_s: float) -> bool:
        self.asked.append(within_s)
        return self.calls < self.room


def call(number: int, caller: str = "", trunk: Trunk = Trunk.PUBLIC) -> CallInfo:
    return CallInfo(f"c{number}", caller, "12345", trunk=trunk)


def admission(
    lines: int = 0, limits: Limits = LIMITS, recogniser: Recogniser | None = None
) -> Admission:
    return Admission(limits, lambda: lines, recogniser or Recogniser(99))


def test_calls_beyond_the_limit_are_refused_until_one_ends() -> None:
    places = admission()
    assert [places.reserve(call(n)) for n in range(4)] == [None, None, None, Rejection.FULL]
    places.release("c1")
    assert places.reserve(call(3)) is None


def test_a_refused_call_takes_no_place() -> None:
    places = admission()
    for n in range(9):
        places.reserve(call(n))
    assert places.occupancy.calls == 3


def test_no_call_is_answered_without_a_spare_line_for_its_hand_off() -> None:
    assert admission(lines=2).reserve(call(1)) is None
    assert admission(lines=3).reserve(call(1)) is Rejection.FULL


def test_one_number_cannot_take_all_places_but_withheld_numbers_are_not_counted() -> None:
    places = admission()
    assert places.reserve(call(1, "13800138000")) is None
    assert places.reserve(call(2, "13800138000")) is None
    assert places.reserve(call(3, "13800138000")) is Rejection.TOO_MANY
    assert places.reserve(call(4, "13900139000")) is None
    withheld = admission()
    assert [withheld.reserve(call(n)) for n in range(3)] == [None] * 3


def test_calls_from_110_take_the_reserve_and_are_not_counted_by_number() -> None:
    places = admission(lines=4)
    assert places.reserve(call(0, "110", Trunk.POLICE)) is None
    assert [places.reserve(call(n, "110", Trunk.POLICE)) for n in range(1, 5)] == [
        None,
        None,
        None,
        Rejection.FULL,
    ]


def test_who_is_being_called_back_in_danger_takes_the_reserve_and_is_not_counted_by_number() -> (
    None
):
    places, number = admission(lines=4), "13800138000"
    assert places.reserve(call(0, number)) is Rejection.FULL
    assert [places.reserve(call(n, number), in_danger=True) for n in range(5)] == [
        *[None] * 4, Rejection.FULL,
    ]  # fmt: skip


def test_calls_that_the_recogniser_has_no_room_for_are_refused_until_one_ends() -> None:
    recogniser = Recogniser(2)
    places = admission(recogniser=recogniser)
    assert [places.reserve(call(n)) for n in range(3)] == [None, None, Rejection.FULL]
    assert recogniser.calls == 2
    assert set(recogniser.asked) == {LIMITS.final_within_s}
    places.release("c1")
    assert recogniser.calls == 1
    assert places.reserve(call(3)) is None


@pytest.mark.parametrize("floor", [1, 2, 3])
def test_so_many_calls_are_taken_whatever_was_measured(floor: int) -> None:
    limits = LIMITS.model_copy(update={"calls_at_least": floor})
    places = admission(limits=limits, recogniser=Recogniser(0))
    assert [places.reserve(call(n)) for n in range(4)].count(None) == floor


def test_calls_from_110_are_taken_though_the_recogniser_has_no_room() -> None:
    places = admission(recogniser=Recogniser(0))
    police = [places.reserve(call(n, "110", Trunk.POLICE)) for n in range(3)]
    assert police == [None] * 3


def test_a_second_call_of_one_id_is_a_duplicate() -> None:
    places = admission()
    assert places.reserve(call(1)) is None
    assert places.reserve(call(1)) is Rejection.DUPLICATE
    places.release("c1")
    places.release("c1")
    assert places.occupancy.calls == 0


def test_a_service_that_is_being_stopped_takes_no_call() -> None:
    places = admission()
    places.stop()
    assert places.reserve(call(1, trunk=Trunk.POLICE)) is Rejection.STOPPING


def test_a_number_is_calling_while_a_call_of_its_own_has_a_place() -> None:
    places = admission()
    places.reserve(call(1, "13800138000"))
    assert places.calling("13800138000", ())
    assert not places.calling("13800138000", {"c1"}), "beside that one"
    assert not places.calling("13900139000", ())
    places.release("c1")
    assert not places.calling("13800138000", ())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from(["", "1", "2"]))))
def test_whatever_comes_and_goes_the_limits_hold(steps: list[tuple[bool, int, str]]) -> None:
    places, held = admission(), {}
    for come, number, caller in steps:
        if come and places.reserve(call(number, caller)) is None:
            assert number not in held
            held[number] = caller
        elif not come:
            places.release(f"c{number}")
            held.pop(number, None)
        assert places.occupancy.calls == len(held) <= LIMITS.calls
        assert all(list(held.values()).count(each) <= LIMITS.per_number for each in "12")
