"""What is decided about Asterisk without Asterisk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.ari import Ari, AriError
from telephony.asterisk.arrivals import LOOK_S, STALLED_S, Arrivals
from telephony.asterisk.call import AsteriskCall
from telephony.asterisk.causes import inputs
from telephony.asterisk.dispatch import Dispatch, channel_of
from telephony.call_control import CallInfo
from telephony.leg_state import LegInput, LegState

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def looks(arrivals: Arrivals, *counts: int, elapsed_s: float = LOOK_S) -> bool:
    for count in counts:
        arrivals.look(count, elapsed_s)
    return arrivals.stalled


def test_a_leg_whose_packets_stop_is_stalled_in_time() -> None:
    arrivals, still = Arrivals(), round(STALLED_S / LOOK_S)
    assert not looks(arrivals, 10, 20, *[30] * still)
    assert looks(arrivals, 30)


def test_one_packet_is_enough_to_go_on() -> None:
    arrivals, still = Arrivals(), round(STALLED_S / LOOK_S)
    assert not looks(arrivals, *[30] * still, *[31] * still)


def test_a_far_side_that_never_sent_anything_is_not_stalled() -> None:
    assert not looks(Arrivals(), *[0] * 100)


def test_a_held_call_is_not_stalled_and_has_all_the_time_afterwards() -> None:
    arrivals, still = Arrivals(), round(STALLED_S / LOOK_S)
    arrivals.held = True
    assert not looks(arrivals, *[30] * 100)
    arrivals.held = False
    assert not looks(arrivals, *[30] * (still - 1))
    assert looks(arrivals, 30)


def test_a_stall_of_our_own_is_none_of_the_far_side() -> None:
    arrivals = Arrivals()
    assert not looks(arrivals, 30, 30, elapsed_s=60.0)


@pytest.mark.parametrize(
    ("cause", "said"),
    [(16, LegInput.FAR_END), (17, LegInput.FAR_END), (0, LegInput.FAR_END)]
    + [(each, LegInput.CLOSED) for each in (27, 38, 41, 44)],
)
def test_a_conversation_that_breaks_is_no_hang_up(cause: int, said: LegInput) -> None:
    event = {"type": "ChannelDestroyed", "cause": cause}
    assert inputs(event, LegState.ANSWERED, "1") == (said,)


@given(
    st.sampled_from(["Dial", "ChannelStateChange", "ChannelDtmfReceived", "ChannelDestroyed"]),
    st.dictionaries(st.sampled_from(["channel", "peer", "cause", "digit", "dialstatus"]), ANYTHING),
    st.sampled_from(LegState),
)
def test_no_event_is_too_odd_to_be_read(kind: str, rest: dict[str, Any], state: LegState) -> None:
    event = {**rest, "type": kind}
    channel_of(event)
    assert isinstance(inputs(event, state, "1"), tuple)


class NoMusic(Ari):
    """An Asterisk that does all but play music."""

    def __init__(self) -> None:
        super().__init__(AsteriskAccess("http://127.0.0.1:1/ari", "u", "p"))
        self.asked: list[str] = []

    async def post(self, path: str, **_: Any) -> Any:
        self.asked.append(path.rpartition("/")[2])
        if path.endswith("/moh"):
            raise AriError("ari_refused", "no music", 500)


async def test_without_music_a_caller_on_hold_is_put_back() -> None:
    ari = NoMusic()
    info = CallInfo("C", "13800138000", "12345")
    call = AsteriskCall(ari, Dispatch(), info, "C", asyncio.Event())
    with pytest.raises(AriError):
        await call.hold(True)
    assert ari.asked == ["removeChannel", "moh", "addChannel"]
    await ari.aclose()


@given(ANYTHING, st.sampled_from(LegState))
def test_a_destroyed_channel_ends_its_leg_whatever_it_says(cause: Any, state: LegState) -> None:
    said = inputs({"type": "ChannelDestroyed", "cause": cause}, state, "1")
    assert said
