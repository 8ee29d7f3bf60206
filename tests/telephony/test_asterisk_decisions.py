"""What is decided about Asterisk without Asterisk: causes, strays, life signs, addresses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.asterisk.access import AsteriskAccess
from telephony.asterisk.caretaking import Bridge, Channel, bridges, channels, plan
from telephony.asterisk.causes import inputs
from telephony.asterisk.offer import caller_number, wire_rate
from telephony.asterisk.watchdog import DEAD_S, GRACE_S, LOOK_S, Vigil
from telephony.leg_state import LegInput, LegState, transition


def after(state: LegState, *events: dict[str, Any]) -> LegState:
    for event in events:
        for each in inputs(event, state, "1"):
            state = transition(state, each)
    return state


def dial(status: str) -> dict[str, Any]:
    return {"type": "Dial", "dialstatus": status}


def destroyed(cause: int) -> dict[str, Any]:
    return {"type": "ChannelDestroyed", "cause": cause}


@pytest.mark.parametrize(
    ("events", "last"),
    [
        ([dial("")], None),
        ([dial("RINGING")], LegState.RINGING),
        ([dial("PROGRESS")], LegState.REACHED),
        ([dial("PROGRESS"), dial("ANSWER")], LegState.ANSWERED),
        ([{"type": "ChannelStateChange", "channel": {"state": "Up"}}], LegState.ANSWERED),
        ([{"type": "ChannelVarset"}], None),
        ([dial("BUSY")], LegState.ENDED),
        ([dial("RINGING"), destroyed(16)], LegState.ENDED),
    ],
)
def test_events_in_the_states_words(events: list[dict[str, Any]], last: LegState | None) -> None:
    assert after(LegState.CONNECTING, *events) is (last or LegState.CONNECTING)


@pytest.mark.parametrize(
    ("state", "cause", "said"),
    [
        (LegState.CONNECTING, 17, LegInput.BUSY),
        (LegState.RINGING, 17, LegInput.BUSY),
        (LegState.CONNECTING, 18, LegInput.DEADLINE),
        (LegState.RINGING, 19, LegInput.DEADLINE),
        (LegState.CONNECTING, 34, LegInput.UNREACHABLE),
        (LegState.RINGING, 21, LegInput.FAR_END),
        (LegState.ANSWERED, 17, LegInput.FAR_END),
        (LegState.ACKNOWLEDGED, 16, LegInput.FAR_END),
    ],
)
def test_causes(state: LegState, cause: int, said: LegInput) -> None:
    assert inputs(destroyed(cause), state, "1")[-1] is said


@given(st.sampled_from(LegState), st.integers(0, 300))
def test_every_cause_ends_every_leg_that_was_dialled(state: LegState, cause: int) -> None:
    if state is not LegState.IDLE:
        assert after(state, destroyed(cause)) is LegState.ENDED


def test_only_the_desks_own_key_acknowledges() -> None:
    key = {"type": "ChannelDtmfReceived", "digit": "1"}
    assert after(LegState.ANSWERED, key) is LegState.ACKNOWLEDGED
    assert after(LegState.ANSWERED, key | {"digit": "2"}) is LegState.ANSWERED
    assert after(LegState.RINGING, key) is LegState.RINGING


# Strays.


def caller(name: str) -> Channel:
    return Channel(name, name, caller=True, leg=False, up=True)


def made(kind: str, owner: str, *, up: bool = True) -> Channel:
    return Channel(f"vb-{kind}-00-{owner}", owner, caller=False, leg=kind == "leg", up=up)


def call_bridge(owner: str, *inside: Channel) -> Bridge:
    return Bridge(f"vb-call-{owner}", owner, frozenset(each.id for each in inside))


def nobody(_: str) -> bool:
    return False


def test_a_caller_with_110_stays_and_our_own_ears_go() -> None:
    there = [caller("1.1"), made("leg", "1.1"), made("voice", "1.1"), made("snoop", "1.1")]
    done = plan(there, [call_bridge("1.1", *there[:3])], nobody)
    assert done.paired == ("1.1",)
    assert done.fall_back == done.destroy == ()
    assert set(done.hang_up) == {there[2].id, there[3].id}


def test_a_caller_whose_110_rings_goes_to_the_fallback_and_the_ringing_ends() -> None:
    there = [caller("1.1"), made("leg", "1.1", up=False)]
    done = plan(there, [call_bridge("1.1", *there)], nobody)
    assert (done.fall_back, done.hang_up) == (("1.1",), (there[1].id,))
    assert done.destroy == ("vb-call-1.1",)


def test_legs_without_their_caller_end_unless_they_talk_to_each_other() -> None:
    alone, first, second = made("leg", "1.1"), made("leg", "2.2"), made("leg", "2.2")
    second = Channel("vb-leg-01-2.2", "2.2", caller=False, leg=True, up=True)
    done = plan(
        [alone, first, second],
        [call_bridge("1.1", alone), call_bridge("2.2", first, second)],
        nobody,
    )
    assert done.hang_up == (alone.id,)
    assert done.destroy == ("vb-call-1.1",)


_KINDS = st.sampled_from(["leg", "voice", "ear", "snoop"])
_OWNERS = st.sampled_from(["1.1", "2.2", "3.3"])
_CHANNELS = st.lists(
    _OWNERS.map(caller) | st.builds(made, _KINDS, _OWNERS, up=st.booleans()), unique=True
)


@given(_CHANNELS, st.data(), st.sets(_OWNERS))
def test_owned_calls_are_never_touched_and_nobody_stays_alone(
    there: list[Channel], data: st.DataObject, owned: set[str]
) -> None:
    inside = data.draw(st.sets(st.sampled_from(there)) if there else st.just(set()))
    rooms = [
        call_bridge(owner, *(each for each in inside if each.owner == owner))
        for owner in ("1.1", "2.2", "3.3")
    ]
    done = plan(there, rooms, owned.__contains__)
    by_id = {each.id: each for each in there}
    touched = [by_id[name].owner for name in (*done.hang_up, *done.fall_back, *done.paired)]
    assert not owned & set(touched)
    strays = {each.id for each in there if each.caller} - owned
    assert strays == set(done.fall_back) | set(done.paired)
    assert not {each for each in done.hang_up if by_id[each].caller}


def test_what_concerns_us_of_asterisks_list() -> None:
    def listed(name: str, app: str, data: str, state: str = "Up") -> dict[str, Any]:
        return {"id": name, "state": state, "dialplan": {"app_name": app, "app_data": data}}

    found = channels(
        [
            listed("1.1", "Stasis", "voicebot,caller,12345"),
            listed("1.2", "Stasis", "other,caller,12345"),
            listed("1.3", "Queue", "agents"),
            listed("vb-leg-ab-sys-1.1", "AppDial2", "(Outgoing Line)", "Ringing"),
        ],
        "voicebot",
    )
    assert [(each.id, each.owner, each.caller, each.leg, each.up) for each in found] == [
        ("1.1", "1.1", True, False, True),
        ("vb-leg-ab-sys-1.1", "sys-1.1", False, True, False),
    ]
    assert bridges([{"id": "vb-call-sys-1.1", "channels": ["a"]}, {"id": "x"}]) == [
        Bridge("vb-call-sys-1.1", "sys-1.1", frozenset("a"))
    ]


# Life signs.


def looks(vigil: Vigil, seconds: float, step: float = LOOK_S) -> None:
    for _ in range(round(seconds / step)):
        vigil.look(step)


def test_a_controller_is_dead_after_three_missed_beats_and_lives_again() -> None:
    vigil = Vigil()
    vigil.beat()
    looks(vigil, DEAD_S - 0.2)
    assert not vigil.dead
    looks(vigil, 0.3)
    assert vigil.dead
    vigil.beat()
    assert not vigil.dead


def test_the_first_beat_may_take_longer() -> None:
    vigil = Vigil()
    looks(vigil, DEAD_S + GRACE_S - 0.2)
    assert not vigil.dead
    looks(vigil, 0.4)
    assert vigil.dead


def test_a_stall_of_our_own_is_not_held_against_it() -> None:
    vigil = Vigil()
    vigil.beat()
    vigil.look(30.0)
    assert not vigil.dead


# Addresses and numbers.


def test_addresses() -> None:
    near = AsteriskAccess("http://127.0.0.1:8088/ari", "u", "secret")
    assert near.events_url == "ws://127.0.0.1:8088/ari/events"
    assert near.media_url("id") == "ws://127.0.0.1:8088/media/id"
    far = AsteriskAccess("https://pbx.example/x/ari/", "u", "secret")
    assert far.events_url == "wss://pbx.example/x/ari/events"
    assert far.media_url("id") == "wss://pbx.example/x/media/id"
    assert "secret" not in repr(far)


@pytest.mark.parametrize(
    ("formats", "rate"),
    [("(alaw)", 8000), ("(ulaw|alaw)", 8000), ("(g722)", 16000), ("(opus)", 16000), ("", 8000)],
)
def test_wideband_is_heard_in_wideband(formats: str, rate: int) -> None:
    assert wire_rate(formats) == rate


def test_withheld_numbers() -> None:
    assert caller_number("Anonymous") == ""
    assert caller_number("+8613800138000") == "+8613800138000"
