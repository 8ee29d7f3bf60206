"""What the chaos trial draws, and what it finds broken."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.callers import with_a_person
from benchmarks.chaos.drawing import KINDS, WITH_POSTGRESQL, Plan, draw, plans
from benchmarks.chaos.faults import EXTRA_S, Fault, LossyNetwork
from benchmarks.chaos.judging import (
    DANGER,
    MATTER,
    CallOnRecord,
    Found,
    HandoffOnRecord,
    Told,
    broken,
    longest_silence,
)
from benchmarks.chaos.stage import Stage
from benchmarks.faulted_runs import run_all, summary
from telephony.call_report import CallReport, HeardUtterance

TOLD = Told(
    "CA-danger-1",
    DANGER,
    answered=True,
    ended_at=130.0,
    spoke_until=110.0,
    utterances=(104.0, 115.0),
    person_s=3.0,
)
RECORD = CallOnRecord(open=False, bot_turns=2, caller_turns=1, handoffs=frozenset({"H1"}))
FOUND = Found(
    calls={"CA-danger-1": RECORD},
    handoffs={"H1": HandoffOnRecord("CA-danger-1", connected=True, settled=True)},
    desk=frozenset({"H1"}),
    dossiers=frozenset({"H1"}),
)


def names(told: list[Told], found: Found, died_at: float | None = None) -> set[str]:
    return {each.partition(":")[0] for each in broken(told, found, died_at)}


# ── drawing ──────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_each_kind_comes_so_often_and_the_seed_repeats_it(seed: int, count: int) -> None:
    drawn = plans(count, seed)
    assert [sum(each.kind == kind for each in drawn) for kind in KINDS] == [count] * len(KINDS)
    assert drawn == plans(count, seed)
    assert len({each.name for each in drawn}) == len(drawn)


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_a_kind_alone_is_drawn_as_among_others(seed: int, kind: str) -> None:
    assert plans(1, seed, [kind]) == [each for each in plans(1, seed) if each.kind == kind]


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_only_kinds_that_can_are_drawn_on_postgresql(seed: int, kind: str) -> None:
    plan = draw(kind, 1, seed)
    assert not plan.postgresql or kind in WITH_POSTGRESQL
    assert plan.postgresql or kind != "postgresql_killed"


# ── judging ──────────────────────────────────────────────────────────────────────────────


def test_a_run_in_which_all_is_well_breaks_nothing() -> None:
    assert broken([TOLD], FOUND) == []


def test_a_call_that_was_not_answered_need_not_be_on_record() -> None:
    refused = Told("CA-matter-1", MATTER, answered=False)
    assert broken([TOLD, refused], FOUND) == []


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (replace(FOUND, calls={}), "call_lost"),
        (replace(FOUND, calls={"CA-danger-1": replace(RECORD, open=True)}), "call_left_open"),
        (replace(FOUND, calls={"CA-danger-1": replace(RECORD, backwards=True)}), "time_backwards"),
        (replace(FOUND, calls={"CA-danger-1": replace(RECORD, missing=3)}), "log_lost"),
        (replace(FOUND, calls={"CA-danger-1": replace(RECORD, bot_turns=1)}), "transcript_lost"),
        (replace(FOUND, calls={"CA-danger-1": replace(RECORD, caller_turns=0)}), "transcript_lost"),
        (replace(FOUND, handoffs={}), "handoff_lost"),
        (replace(FOUND, desk=frozenset({"H1", "H2"})), "handoff_lost"),
        (replace(FOUND, dossiers=frozenset()), "dossier_lost"),
        (
            replace(FOUND, handoffs={"H1": HandoffOnRecord("CA-danger-1", False, False)}),
            "handoff_forgotten",
        ),
        (
            replace(FOUND, calls={"CA-danger-1": replace(RECORD, tickets=frozenset({"T1"}))}),
            "ticket_lost",
        ),
        (replace(FOUND, waiting=1), "message_lost"),
        (replace(FOUND, spooled=2), "spool_left"),
        (replace(FOUND, rejected=1), "write_rejected"),
    ],
)
def test_what_is_not_on_record_is_named(found: Found, name: str) -> None:
    assert names([TOLD], found) == {name}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (replace(TOLD, person_s=0.0), {"danger_unreached"}),
        (replace(TOLD, person_s=0.0, broke=True), {"danger_unreached", "hung_up"}),
        (replace(TOLD, silence_s=4.6), {"silent"}),
    ],
)
def test_what_the_caller_suffered_is_named(told: Told, expected: set[str]) -> None:
    assert names([told], FOUND) == expected


def test_a_caller_who_is_cut_off_by_the_services_death_reaches_somebody_by_the_next_call() -> None:
    cut_off = replace(TOLD, person_s=0.0, broke=True)
    again = replace(TOLD, call="CA-danger-2")
    calls = {"CA-danger-1": RECORD, "CA-danger-2": RECORD}
    assert broken([cut_off, again], replace(FOUND, calls=calls), died_at=130.0) == []
    assert names([cut_off], FOUND, died_at=130.0) == {"danger_unreached"}


def test_a_carrier_ends_the_call_of_a_service_that_is_frozen_and_answers_no_ping() -> None:
    cut_off = replace(TOLD, person_s=0.0, broke=True)
    again = replace(TOLD, call="CA-danger-2")
    found = replace(FOUND, calls={"CA-danger-1": RECORD, "CA-danger-2": RECORD})
    assert broken([cut_off, again], found, frozen=[(120.0, 131.0)]) == []
    later = broken([cut_off, again], found, frozen=[(120.0, 129.0)])
    assert [each.partition(":")[0] for each in later] == ["hung_up"]


def test_what_was_said_in_the_moment_of_the_services_death_may_be_gone() -> None:
    found = replace(FOUND, calls={"CA-danger-1": replace(RECORD, bot_turns=1)})
    assert broken([TOLD], found, died_at=116.0) == []
    assert names([TOLD], found, died_at=118.0) == {"transcript_lost"}


# ── silence ──────────────────────────────────────────────────────────────────────────────


def sound(*spans: tuple[int, int], seconds: int = 20) -> np.ndarray:
    loud = np.zeros(seconds * 50, bool)
    for begin, end in spans:
        loud[begin * 50 : end * 50] = True
    return loud


NOBODY = sound()


def test_silence_is_the_longest_time_in_which_neither_is_heard() -> None:
    found = longest_silence(sound((4, 6)), sound((0, 3), (12, 15)))
    assert found == pytest.approx(6.0, abs=0.05)


def test_silence_after_the_callers_last_word_counts_until_a_person_is_there() -> None:
    said, heard = sound((3, 6)), sound((0, 2))
    assert longest_silence(said, heard) == pytest.approx(14.0, abs=0.05)
    kept = longest_silence(said, heard, excused=[(6.5, 20.0)])
    assert kept == pytest.approx(1.0, abs=0.05)


def test_silence_after_the_bots_last_word_is_the_callers() -> None:
    assert longest_silence(NOBODY, sound((0, 2))) < 0.1


def test_a_call_in_which_nothing_is_heard_is_silent_throughout() -> None:
    assert longest_silence(NOBODY, NOBODY) == pytest.approx(20.0)


def test_only_what_is_not_excused_counts() -> None:
    said, heard = NOBODY, sound((0, 2), (14, 16))
    kept = longest_silence(said, heard, excused=[(4.0, 11.0)])
    assert kept == pytest.approx(3.0, abs=0.05)


def test_when_to_speak_is_a_persons_who_is_there_and_not_of_one_who_was_cut_off() -> None:
    words = [
        HeardUtterance("prompt", "u1", None, 0.0, 2.0, 0.1, True),
        HeardUtterance("unmarked", "", None, 6.0, 8.0, 6.1, True),
        HeardUtterance("unmarked", "", None, 12.0, 14.0, 12.5, True),
    ]
    report = CallReport(
        "CA", "MZ", "1", "12345", "alaw", 100.0, 30.0, "caller", heard=tuple(words)
    )  # fmt: skip
    assert with_a_person(report, lost_at=float("-inf")) == [(6.1, 30.0)]
    assert with_a_person(report, lost_at=110.0) == [(12.5, 30.0)]
    assert with_a_person(report, lost_at=107.8) == [(12.5, 30.0)], "on its way"
    assert with_a_person(report, lost_at=113.0) == [(13.0, 30.0)], (
        "another goes on where one was lost"
    )
    assert with_a_person(report, lost_at=120.0) == []


@given(
    st.lists(st.tuples(st.floats(-5, 25), st.floats(0, 10)), max_size=5),
    st.integers(1, 18),
)
def test_excuses_never_lengthen_a_silence(spans: list[tuple[float, float]], at: int) -> None:
    heard = sound((at, at + 1))
    excused = [(begin, begin + length) for begin, length in spans]
    without = longest_silence(NOBODY, heard)
    assert 0.0 <= longest_silence(NOBODY, heard, excused=excused) <= without


# ── the lossy line, the last line ────────────────────────────────────────────────────────


async def test_a_lossy_line_delivers_all_in_order() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        line = LossyNetwork(
            server.sockets[0].getsockname()[1], Random(1), loss=0.2, delay_s=0.001, jitter_s=0.002
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", await line.open())
        sent = bytes(Random(2).randbytes(50_000))
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(60):
            assert await reader.read() == sent
        writer.close()
        line.close()


def test_what_is_lost_comes_as_late_as_it_takes_to_send_it_again() -> None:
    line = LossyNetwork(0, Random(3), loss=0.5, delay_s=0.05, jitter_s=0.0)
    late = {round(line.late_by(), 2) for _ in range(200)}
    assert {0.05, 0.25, 0.65} <= late


def test_the_last_line_counts_runs_and_those_that_broke() -> None:
    first, second = plans(2, 7, ["desk_killed"])
    (other,) = plans(1, 7, ["disk_full"])
    assert summary([(first, []), (second, ["silent: x", "call_lost: y"]), (other, [])], 7) == {
        "runs": 3,
        "broken": 1,
        "kinds": {
            "desk_killed": {"runs": 2, "broken": 1},
            "disk_full": {"runs": 1, "broken": 0},
        },
        "seed": 7,
    }


def test_runs_side_by_side_are_all_done_whatever_happens_to_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running, most = 0, 0

    async def run(plan: Plan, folder: Path) -> tuple[list[str], str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        if plan.number == 3:
            raise OSError("no room for a folder")
        return (["silent: x"] if plan.number == 2 else []), ""

    planned = plans(5, 7, ["desk_killed"])
    status = run_all(
        planned, run, lambda plan: plan.name, keep=tmp_path, prefix="", seed=7, side_by_side=2
    )
    assert status == 1
    assert (running, most) == (0, 2)
    assert json.loads(capsys.readouterr().out)["kinds"] == {"desk_killed": {"runs": 5, "broken": 2}}


def test_runs_that_are_interrupted_are_cleaned_up_and_what_was_done_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned = []

    async def run(plan: Plan, folder: Path) -> tuple[list[str], str]:
        if plan.number == 1:
            return [], ""
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(plan.number)
        raise AssertionError("not ended")

    planned = plans(3, 7, ["desk_killed"])
    assert run_all(planned, run, lambda plan: plan.name, keep=tmp_path, prefix="", seed=7) == 130
    assert cleaned == [2]
    assert json.loads(capsys.readouterr().out)["runs"] == 1


async def test_a_call_that_ends_while_the_service_is_frozen_is_not_silent_for_that() -> None:
    """A carrier ends it, and it is judged before the thaw."""
    stage = Mock(spec=Stage, plan=replace(draw("service_frozen", 1, 7), at_s=0.0, lasts_s=0.1))
    excused: list[tuple[float, float]] = []
    frozen = asyncio.Event()
    fault = asyncio.create_task(Fault(stage, excused).run())
    stage.running.freeze.side_effect = lambda on: frozen.set()
    await frozen.wait()
    ((began, ends),) = excused
    assert longest_silence(sound((3, 6)), sound((0, 2)), [(7.0, 7.0 + ends - began)]) < 1.1
    await fault
    ((began, ends),) = excused
    assert ends - began == pytest.approx(0.1 + EXTRA_S, abs=1.0)
