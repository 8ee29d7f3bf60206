"""The cluster trial's telephones, what it draws, and what it finds broken."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.judging import (
    DANGER,
    QUESTION,
    CallOnRecord,
    Found,
    HandoffOnRecord,
    Told,
)
from benchmarks.cluster_trial import sip_messages as sip
from benchmarks.cluster_trial.desk_line import DeskLine
from benchmarks.cluster_trial.drawing import KINDS, plans
from benchmarks.cluster_trial.judging import SEATS, Placed, broken, figures
from benchmarks.cluster_trial.listening import reply_times, with_people
from benchmarks.cluster_trial.softphone import Softphone
from benchmarks.cluster_trial.sound import FRAME, frames_of
from telephony.sip.datagram import read

RNG = np.random.default_rng(7)
VOICE = (RNG.standard_normal(8000 * 3) * 3000).astype(np.int16)
"""Nothing else is like it."""

NODE, OTHER = "127.0.0.11", "127.0.0.12"
IN_DANGER = Placed(
    Told("d1", DANGER, answered=True, ended_at=130.0, spoke_until=110.0, person_s=0.8),
    "13900000000",
    NODE,
    100.0,
)
ASKING = Placed(
    Told("q1", QUESTION, answered=True, ended_at=140.0, spoke_until=112.0, utterances=(107.0,)),
    "13900000001",
    OTHER,
    101.0,
)
FOUND = Found(
    calls={
        "d1": CallOnRecord(open=False, bot_turns=2, caller_turns=1, handoffs=frozenset({"h1"})),
        "q1": CallOnRecord(open=False, bot_turns=3, caller_turns=2),
    },
    handoffs={"h1": HandoffOnRecord("d1", connected=True, settled=True)},
    desk=frozenset({"h1"}),
    dossiers=frozenset({"h1"}),
)


def names(
    placed: list[Placed],
    *,
    died: dict[str, float] | None = None,
    machine: bool = False,
    ended_by_bot: frozenset[str] = frozenset(),
) -> set[str]:
    found = broken(placed, FOUND, ended_by_bot=ended_by_bot, died=died or {}, machine=machine)
    return {each.partition(":")[0] for each in found}


def told(placed: Placed, **changes: object) -> Placed:
    return replace(placed, told=replace(placed.told, **changes))  # type: ignore[arg-type]


# ── drawing ──────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_a_kind_alone_is_drawn_as_among_others(seed: int, kind: str) -> None:
    among = plans(2, seed, KINDS, calls=20, transcribed=4)
    assert plans(2, seed, [kind], calls=20, transcribed=4) == [
        each for each in among if each.kind == kind
    ]


# ── judging ──────────────────────────────────────────────────────────────────────────────


def test_a_run_in_which_all_is_well_breaks_nothing() -> None:
    assert names([IN_DANGER, ASKING]) == set()


def test_a_call_that_is_not_on_record_is_lost_but_for_the_seats_own() -> None:
    unknown = told(ASKING, call="of 13900000001")
    assert names([IN_DANGER, unknown]) == {"call_lost"}
    assert names([IN_DANGER, replace(unknown, node=SEATS)]) == set()


def test_a_call_of_a_node_that_lives_may_end_by_the_bot_alone() -> None:
    cut = told(ASKING, broke=True)
    assert names([IN_DANGER, cut], died={NODE: 120.0}) == {"call_dropped"}
    assert names([IN_DANGER, cut], ended_by_bot=frozenset({"q1"})) == set()
    assert names([IN_DANGER, told(cut, person_s=0.8)]) == set()


def test_callers_of_a_media_node_whose_main_process_dies_reach_a_person() -> None:
    assert names([IN_DANGER, ASKING], died={OTHER: 120.0}) == {"stranded"}
    assert names([IN_DANGER, told(ASKING, person_s=0.8)], died={OTHER: 120.0}) == set()


def test_calls_of_a_machine_that_dies_are_lost_with_it() -> None:
    cut = told(ASKING, broke=True, ended_at=126.0)
    assert names([IN_DANGER, cut], died={OTHER: 120.0}, machine=True) == set()


def test_each_caller_in_danger_must_reach_a_person_in_one_of_the_calls() -> None:
    lost = told(IN_DANGER, person_s=0.0)
    assert names([lost, ASKING]) == {"danger_unreached"}
    again = replace(told(IN_DANGER, call="d1"), answered_at=140.0)
    assert names([lost, again, ASKING]) == set()
    another = replace(again, number="13900000009")
    assert names([lost, another, ASKING]) == {"danger_unreached"}


def test_who_is_never_answered_is_told() -> None:
    never = Placed(Told("", QUESTION, answered=False), "13900000005", "")
    assert names([IN_DANGER, never, never]) == {"not_answered"}


def test_figures_say_who_was_reached_and_how_fast_each_node_replied() -> None:
    line = figures([IN_DANGER, replace(ASKING, replies=(0.5, 0.7))])
    assert "1 of 1 in danger reached" in line
    assert "127.0.0.12 1 calls, 2 replies p50 0.60 p95 0.69 s" in line


# ── listening ────────────────────────────────────────────────────────────────────────────


def test_a_persons_voice_is_found_in_what_was_heard_while_the_desk_was_off_hook() -> None:
    pcm = np.concatenate([np.zeros(8000 * 5, np.int16), VOICE[4000:], np.zeros(8000, np.int16)])
    spans = [(101.0, 103.0), (104.0, 110.0)]
    assert with_people(pcm, 100.0, spans, [VOICE]) == [(104.0, 110.0)]
    other = (RNG.standard_normal(8000 * 3) * 3000).astype(np.int16)
    assert with_people(pcm, 100.0, spans, [other]) == []


def test_a_reply_is_timed_from_the_end_of_a_sentence() -> None:
    said, heard = np.zeros(500, bool), np.zeros(500, bool)
    said[100:150] = said[160:200] = True  # a breath is no end
    heard[230:300] = True
    said[320:350] = True
    assert reply_times(said, heard, 500) == (0.62,)
    assert reply_times(said, heard, 180) == ()


# ── telephones ───────────────────────────────────────────────────────────────────────────


def test_a_call_is_described_as_it_was_routed() -> None:
    offered = read(
        sip.invite(
            "sip:12345@127.0.0.1:5060", "139", ("127.0.0.1", 5), "c1", "z9hG4bK1", ("127.0.0.1", 9)
        )
    )
    assert offered is not None
    answered = read(sip.answer(offered, "200 OK", "t", ("127.0.0.1", 6), ("127.0.0.1", 8)))
    assert answered is not None
    ours, theirs = sip.called_by(answered), sip.called(offered, "t")
    assert (ours.own, ours.other) == (theirs.other, theirs.own)
    assert ours.hop == ("127.0.0.1", 6)
    assert theirs.hop == ("127.0.0.1", 5)
    assert sip.media_of(answered.body) == ("127.0.0.1", 8)
    assert sip.user_of(offered.first("from")) == "139"


@pytest.mark.parametrize("by_caller", [True, False])
async def test_two_telephones_hear_each_other_until_one_hangs_up(by_caller: bool) -> None:
    desk = DeskLine(frames_of(VOICE))
    async with Softphone.open(on_call=desk.take) as seat, Softphone.open() as caller:
        desk.phone = seat
        line = await caller.call("110", "13900000000", seat.address)
        await asyncio.wait_for(line.up.wait(), 20)
        line.sound.say(frames_of(VOICE))
        async with asyncio.timeout(20):
            while line.sound.loud_frames < 60 or desk.answered[0].line.sound.loud_frames < 60:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert desk.with_since("13900000000") is not None
        ends, other = (caller, line), (seat, desk.answered[0].line)
        if not by_caller:
            ends, other = other, ends
        await ends[0].hang_up(ends[1])
        await asyncio.wait_for(other[1].over.wait(), 20)
        assert other[1].by_far
        assert desk.with_since("13900000000") is None
        pcm = line.sound.heard_pcm()
        assert len(pcm) == FRAME * len(line.sound.said)
        spans = desk.spans("13900000000")
        assert with_people(pcm, line.sound.began, spans, [VOICE]) == spans


async def test_a_call_that_nothing_answers_is_given_up() -> None:
    async with Softphone.open() as deaf, Softphone.open() as caller:
        line = await caller.call("110", "13900000000", deaf.address, patience_s=0.3)
        await asyncio.wait_for(line.over.wait(), 20)
        assert not line.up.is_set()


async def test_the_dispatcher_is_told_that_a_telephone_is_there() -> None:
    """Or it gives it no call."""
    async with Softphone.open() as phone:
        question = sip.invite("sip:1@x", "1", ("127.0.0.1", 0), "c1", "z9hG4bK1", ("", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dispatcher:
            dispatcher.bind(("127.0.0.1", 0))
            own = f"127.0.0.1:{dispatcher.getsockname()[1]}".encode()
            question = question.replace(b"INVITE", b"OPTIONS").replace(b"127.0.0.1:0", own)
            dispatcher.settimeout(20)
            dispatcher.sendto(question, phone.address)
            answer = await asyncio.to_thread(dispatcher.recv, 4096)
        assert answer.startswith(b"SIP/2.0 200")
