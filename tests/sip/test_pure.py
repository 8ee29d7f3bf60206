"""The decisions of the endpoint, without a telephone."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import TelephonyError
from telephony.leg_state import LegInput, LegState, transition
from telephony.sip.capacity import Use, callers_left, may_dial
from telephony.sip.care import BUSY_S, GIVE_UP_S, Care, Step
from telephony.sip.conference import MUSIC, Place, links
from telephony.sip.headers import (
    caller_of,
    dialled_in,
    number_of,
    parse,
    user_to_user,
    user_to_user_value,
)
from telephony.sip.identity import leg_headers, own_uri
from telephony.sip.presence import ASK_S, LOOK_S, PAUSE_S, Presence
from telephony.sip.presence import Step as Seen
from telephony.sip.responses import ending, given_up, progress, refer_ending
from telephony.sip.sdp import audio_rate, is_sure_answer
from telephony.sip.settings import SLOTS, SipSettings


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("<sip:13800138000@carrier.example;user=phone>;tag=1", "13800138000"),
        ('"张三" <sip:+86-138-0013-8000@x>', "+8613800138000"),
        ("sip:0898%2D68836903@10.0.0.1:5060", "089868836903"),
        ("<tel:+86-10-1234;phone-context=x>", "+86101234"),
        ("<sip:13800138000;npdi@x>", "13800138000"),
        ("<sip:13800138000:secret@x>", "13800138000"),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', ""),
        ("<sip:carrier.example>", ""),
        ("<sip:%0d%0aX-Evil:%201@x>", ""),
        ("<sip:139\udcff@x>", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_numbers(value, number):
    assert number_of(value) == number


def test_the_network_is_believed_before_the_telephone():
    message = parse(
        "INVITE sip:12345@bot SIP/2.0\r\nf: <sip:999@phone>;tag=1\r\nt: <sip:54321@bot>\r\n"
        "P-Asserted-Identity: <sip:anonymous@x>,\r\n <sip:1@y>\r\n"
        "P-Asserted-Identity: <tel:13800138000>\r\n\r\nv=0\r\n"
    )
    assert caller_of(message) == "13800138000"
    assert dialled_in(message) == "12345"
    assert message.body == "v=0\n"
    assert dialled_in(parse("INVITE sip:bot SIP/2.0\r\nTo: <sip:54321@bot>")) == "54321"


@given(st.text(max_size=300))
def test_no_text_of_a_stranger_is_an_error(text):
    message = parse(text)
    number_of(text), caller_of(message), dialled_in(message), user_to_user(text), audio_rate(text)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=40))
def test_a_hand_off_id_survives_its_header(text):
    assert user_to_user(user_to_user_value(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [('"JQ-1";encoding=x', "JQ-1"), ("4a51;encoding=hex;purpose=y", "JQ"), ("zz;encoding=hex", "")],
)
def test_user_to_user(value, text):
    assert user_to_user(value) == text


@pytest.mark.parametrize(
    ("lines", "rate"),
    [
        ("m=audio 4000 RTP/AVP 8 0 9", 8000),
        ("m=audio 4000 RTP/AVP 9 8", 16000),
        ("m=audio 4000 RTP/AVP 96 8\na=rtpmap:96 opus/48000/2", 8000),
        ("m=audio 4000 RTP/SAVP 97\na=rtpmap:97 G722/8000", 16000),
        ("", 8000),
    ],
)
def test_the_rate_follows_the_offer(lines, rate):
    assert audio_rate(f"v=0\n{lines}\n") == rate


def test_a_number_cannot_break_out_of_its_header():
    assert own_uri("127.0.0.1", "1>\r\nX: y") == "<sip:1Xy@127.0.0.1>"
    assert "P-Asserted-Identity" not in leg_headers("127.0.0.1", "", "12345")


LEG_STATES = st.sampled_from([s for s in LegState if s is not LegState.ENDED])


@given(LEG_STATES.filter(lambda s: s is not LegState.IDLE), st.integers(200, 699), st.booleans())
def test_every_final_response_ends_a_leg(state, code, refer):
    for event in (refer_ending if refer else ending)(state, code):
        state = transition(state, event)
    assert state is LegState.ENDED


@given(LEG_STATES.filter(lambda s: s is not LegState.IDLE))
def test_a_deadline_ends_a_leg_that_is_not_answered(state):
    answered = state in (LegState.ANSWERED, LegState.ACKNOWLEDGED)
    assert (transition(state, given_up(state)) is LegState.ENDED) is not answered


def test_trying_is_no_ringing():
    assert progress(100) is None
    assert progress(183) is LegInput.RING


LINES = st.sets(st.integers(0, 4))


@given(LINES, st.booleans(), st.booleans())
def test_nobody_hears_themselves_and_a_waiting_caller_hears_no_leg(lines, waits, music):
    wanted = links(lines, lines, waits=waits, music=music)
    assert all(one != other for one, other in wanted)
    between = {(a, b) for (p, a), (q, b) in wanted if p is q is Place.LINE}
    expected = {(a, b) for a in lines for b in lines if a != b and not (waits and 0 in (a, b))}
    assert between == expected
    assert any(source == MUSIC for source, _ in wanted) == (music and 0 in lines)
    # The agent's browser speaks to the caller through the application.
    spoken_to = ((Place.PORT, 0), (Place.LINE, 0)) in wanted
    assert spoken_to == (0 in lines and not waits)
    assert ((Place.LINE, 0), (Place.PORT, 0)) in wanted or 0 not in lines, "danger is heard"
    # What the application hears of a party is that party alone.
    assert all(a == b for (p, a), (q, b) in wanted if p is Place.LINE and q is Place.PORT)


@given(st.lists(st.tuples(*[st.booleans()] * 3), max_size=60), st.booleans())
def test_a_caller_who_was_left_ends_up_somewhere(seen, fallback):
    care, now, steps = Care(fallback, 0.0), 0.0, []
    for bridged, has_legs, lost in seen:
        now += 0.5
        has_legs |= bridged
        steps.append(care.step(now, bridged=bridged, has_legs=has_legs, was_lost=lost))
        if steps[-1] is Step.HANG_UP:
            return
    for _ in range(round(2 * (GIVE_UP_S + BUSY_S)) + 10):
        now += 0.5
        steps.append(care.step(now, bridged=False, has_legs=False, was_lost=False))
        if steps[-1] is Step.HANG_UP:
            break
    assert steps[-1] is Step.HANG_UP
    assert fallback or Step.DIAL not in steps


@pytest.mark.parametrize("was_lost", [True, False])
def test_who_has_lost_the_other_side_is_taken_on_and_whose_other_side_hung_up_is_not(was_lost):
    care = Care(True, 0.0)
    care.step(1.0, bridged=True, has_legs=True, was_lost=False)
    steps = [
        care.step(1000.0 + tick, bridged=False, has_legs=False, was_lost=was_lost)
        for tick in range(2)
    ]
    assert steps == ([Step.RING_BACK, Step.DIAL] if was_lost else [Step.HANG_UP] * 2)


def seen(presence: Presence, counts: Iterable[int], *, must_send: bool = True) -> list[Seen]:
    """What is done at each look, until something is."""
    steps = []
    for at, count in enumerate(counts):
        steps.append(presence.look(at * LOOK_S, count, must_send=must_send))
    return steps


def looks(seconds: float) -> int:
    return round(seconds / LOOK_S)


def test_a_line_that_stops_sending_is_lost():
    sent = [*range(1, 9)]
    steps = seen(Presence(2.0, 20.0), [*sent, *[8] * looks(2.0)])
    assert steps.index(Seen.LOST) == len(steps) - 1
    assert set(steps[:-1]) == {Seen.WAIT}


def test_a_line_that_never_sends_has_twice_as_long():
    steps = seen(Presence(2.0, 20.0), [0] * (looks(4.0) + 1))
    assert steps.index(Seen.LOST) == looks(4.0)


def test_a_stall_of_ours_is_not_held_against_the_far_side():
    presence = Presence(2.0, 20.0)
    assert [presence.look(at, 7, must_send=True) for at in (0.0, 0.25, 60.0)] == [Seen.WAIT] * 3
    assert presence.look(60.25, 8, must_send=True) is Seen.WAIT


def test_whoever_leaves_silence_out_or_holds_the_call_is_asked_before_they_are_lost():
    pauses = [1, *[1] * looks(PAUSE_S), 2, *[2] * looks(20.0)]
    for presence, counts, must_send in (
        (Presence(2.0, 20.0), pauses, True),
        (Presence(2.0, 20.0), [5] * (looks(20.0) + 1), False),
    ):
        steps = seen(presence, counts, must_send=must_send)
        assert steps.index(Seen.LOST) == len(steps) - 1
        assert steps.index(Seen.ASK) == steps.index(Seen.LOST) - looks(ASK_S)
        assert steps.count(Seen.ASK) == 1


def test_who_answers_is_there():
    presence = Presence(2.0, 20.0)
    assert Seen.ASK in seen(presence, [0] * looks(19.0), must_send=False)
    presence.answered()
    steps = [presence.look(19.0 + at * LOOK_S, 0, must_send=False) for at in range(looks(19.0))]
    assert Seen.ASK in steps
    assert Seen.LOST not in steps


USES = st.lists(st.builds(Use, st.integers(0, 1), st.integers(0, 2)), max_size=3)


@given(USES, st.integers(0, 4))
def test_each_caller_can_have_110(rooms, ending):
    """Whoever takes the last call, every caller without a leg can still dial one."""
    limit = SLOTS // 2
    held = min(SLOTS, sum(room.callers + room.legs for room in rooms) + ending)
    for at, room in enumerate(rooms):
        others = rooms[:at] + rooms[at + 1 :]
        if may_dial(others, held, limit):
            waiting = sum(o.callers for o in others if not o.legs)
            assert held + 1 + waiting <= SLOTS
        elif room.callers and not room.legs and held + sum(not o.legs for o in rooms) <= SLOTS:
            raise AssertionError("a reserved leg was refused")
    more = callers_left(rooms, held, limit)
    assert 0 <= more <= limit
    if more:
        assert held + 2 <= SLOTS


def test_settings_are_checked():
    for bad in (
        {"callers_per_process": 5},
        {"trunks": {"police": "http://x"}},
        {"trunks": {"police": "sip:a b"}},
        {"fallback": "nowhere/1"},
        {"media_timeout_s": 0.1},
        {"caller_timeout_s": 1.0},
        {"media_timeout_s": 30.0},
    ):
        with pytest.raises(TelephonyError):
            SipSettings(**bad)
    settings = SipSettings(
        trunks={"police": "sips:sbc.example:5061;transport=tls"},
        police_peers=("10.0.0.1:5060", "10.0.0.2"),
    )
    assert settings.uri("police", "110") == "sips:110@sbc.example:5061;transport=tls"
    assert settings.is_police("10.0.0.1:5060")
    assert not settings.is_police("10.0.0.1:5070")
    assert settings.is_police("10.0.0.2:9")
    assert SipSettings.from_values(settings.to_values()) == settings


ANSWER = (
    "v=0\r\no=- 1 2 IN IP4 10.0.0.9\r\ns=-\r\nb=AS:84\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
    "a=X-nat:0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
)


@pytest.mark.parametrize(
    ("was", "instead", "sure"),
    [
        ("", "", True),
        ("c=IN IP4 10.0.0.9\r\n", "", False),
        ("101\r\n", "101\r\nc=IN IP4 10.0.0.9\r\n", True),
        ("t=0 0\r\n", "t=0 0\r\nk=clear:x\r\n", True),
        ("PCMA/8000", "pcma/8000/1", True),
        ("a=rtpmap:8 PCMA/8000\r\n", "", True),
        ("PCMA/8000", "PCMA/0", False),
        ("AVP 8 ", "AVP 18 ", False),
        ("audio 4000", "audio 0", False),
        ("audio 4000", "audio 65436", True),
        ("audio 4000", "audio 70000", False),
        ("c=IN IP4 10.0.0.9", "c=IN IP4 10.0.0.256", False),
        ("RTP/AVP", "RTP/SAVP", False),
        ("s=-", "s=", False),
        ("IP4 10.0.0.9\r\nt", "IP6 ::\r\nt", False),
        ("a=sendrecv\r\n", "a=sendrecv\r\nm=audio 4002 RTP/AVP 8\r\n", False),
        ("a=sendrecv", "a=crypto:1 X inline:", False),
        ("v=0", "", False),
        ("t=0 0\r\n", "t=0 0\r\n\r\n", False),
        (ANSWER, "", False),
    ],
)
def test_an_answer_is_sure_when_pjsip_can_surely_use_it(was, instead, sure):
    assert is_sure_answer(ANSWER.replace(was, instead, 1), "RTP/AVP") is sure


@given(st.text(alphabet="vosctma=\r\n0189 RTP/AVINpx:;", max_size=80))
def test_no_text_is_taken_for_an_answer_by_accident(text):
    assert not is_sure_answer(text, "RTP/AVP")
    is_sure_answer(ANSWER + text, "RTP/AVP")
