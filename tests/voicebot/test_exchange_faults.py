"""Between our service and the other side's process nothing is lost and nothing applied twice."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from telephony.loopback_server import free_port
from tests.voicebot.conftest import ROOT
from tests.voicebot.exchange_messages import AT, status, ticket
from tests.voicebot.exchange_sides import (
    StandIn,
    all_confirmed,
    hotline,
    settings_of,
    until,
    write_settings,
)
from voicebot.clock import today
from voicebot.exchange.due import send_again
from voicebot.exchange.platform import Platform
from voicebot.exchange.schema import PoliceOrder
from voicebot.exchange.sending import send
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.records.store import Records

SENDER = ROOT / "tests" / "voicebot" / "exchange_sender.py"
HOTLINE_PORT = free_port()
NOW = AT.timestamp()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    running = StandIn(tmp_path_factory.mktemp("stand-in"), free_port(), HOTLINE_PORT)
    running.start()
    yield running
    running.kill()


@pytest.fixture
async def records(tmp_path: Path, stand_in: StandIn) -> AsyncIterator[Records]:
    stand_in.faults()
    async with hotline(settings_of(tmp_path, stand_in.port), HOTLINE_PORT) as opened:
        yield opened


def order(number: str) -> PoliceOrder:
    return PoliceOrder(number=number, created_at=AT, reason="有人持刀", category=1)


def sender_process(config: Path, step: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SENDER), str(config), step],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def send_three(records: Records, subject: str) -> list[str]:
    """A ticket and two states; their ids."""

    def work(session: Session) -> list[str]:
        bodies = (ticket(subject), status("dispatched"), status("resolved"))
        return [send(session, body, subject=subject, at=NOW).id for body in bodies]

    return await records.transact(work)


@pytest.mark.parametrize(
    "chances",
    [
        {},
        {"down": 0.4},
        {"lose_answer": 0.4},
        {"wrong_receipt": 0.4},
        {"slow": 0.5, "slow_s": 0.3},
        {"down": 0.2, "lose_answer": 0.2, "wrong_receipt": 0.2, "slow": 0.2, "slow_s": 0.2},
    ],
    ids=lambda chances: "+".join(each for each in chances if each != "slow_s") or "none",
)
async def test_all_arrives_once_and_in_order(
    records: Records,
    stand_in: StandIn,
    chances: dict[str, float],
    tmp_path: Path,
) -> None:
    stand_in.faults(**chances)
    # One stand-in for all tests, so each has matters of its own.
    names = [f"{tmp_path.name[:100]}-{number}".replace("_", "-") for number in range(4)]
    sent = {name: await send_three(records, name) for name in names}
    await all_confirmed(records)
    for name in names:
        assert stand_in.effects(name) == sent[name]
    assert stand_in.figures()["twice"] == []
    states = await records.read(lambda session: session.scalars(select(LedgerRow.state)).all())
    assert set(states) == {"applied"}


async def test_a_lie_shows_in_the_ledgers_and_is_made_good(
    records: Records, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.faults(lie=1.0)
    sent = await send_three(records, "L1")
    await all_confirmed(records)
    stand_in.faults()
    async with Platform(settings_of(tmp_path, stand_in.port).exchange) as platform:
        theirs = {line["id"] async for line in platform.ledger(AT.date())}
        assert theirs.isdisjoint(sent)
        await records.transact(send_again, sent, at=NOW)
        await all_confirmed(records)
        theirs = {line["id"] async for line in platform.ledger(AT.date())}
        assert theirs >= set(sent)
        again = await platform.message(sent[0])
    assert again is not None
    assert again.id == sent[0]


async def test_what_110_sends_twice_and_out_of_order_is_applied_once_and_in_order(
    records: Records, stand_in: StandIn
) -> None:
    stand_in.faults(duplicate=0.5, reorder=0.5)
    numbers = stand_in.push(4, 4)
    await until(lambda: stand_in.figures()["out"].get("waiting", 0) == 0)
    fallen = stand_in.figures()["fallen"]
    assert fallen["duplicate"]
    assert fallen["reorder"]

    def applied(session: Session) -> list[tuple[str, int]]:
        rows = session.scalars(select(InboxRow).order_by(InboxRow.applied_at, InboxRow.number))
        assert {row.state for row in rows.all()} == {"applied"}
        lines = session.execute(
            select(InboxRow.subject, InboxRow.sequence).order_by(
                InboxRow.subject, InboxRow.sequence
            )
        )
        return [(subject, sequence) for subject, sequence in lines]

    assert await records.read(applied) == [(name, n) for name in numbers for n in (1, 2, 3, 4)]


async def test_an_order_comes_back_with_receipt_state_and_feedback(
    records: Records, stand_in: StandIn
) -> None:
    sent = await records.transact(send, order("J1"), subject="J1", at=NOW)

    def answered(session: Session) -> list[tuple[str, str]]:
        rows = session.scalars(
            select(LedgerRow).where(LedgerRow.direction == "in").order_by(LedgerRow.sequence)
        )
        return [(row.kind, row.state) for row in rows]

    await until(lambda: stand_in.figures()["out"].get("waiting", 0) == 0 and stand_in.effects("J1"))
    assert stand_in.effects("J1") == [sent.id]
    assert await records.read(answered) == [
        ("receipt", "applied"),
        ("status", "applied"),
        ("feedback", "applied"),
    ]


@pytest.mark.parametrize(("step", "arrives"), [("writing", 0), ("written", 1), ("sending", 1)])
async def test_a_sender_that_is_killed_loses_nothing_and_sends_nothing_twice(
    tmp_path: Path, stand_in: StandIn, step: str, arrives: int
) -> None:
    """Within the transaction nothing is promised; from its end on all is kept."""
    stand_in.faults(slow=1.0, slow_s=3.0)
    with sender_process(write_settings(tmp_path, stand_in.port), step) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline().strip() == ("writing" if step == "writing" else "written")
        if step == "sending":  # it is applied, and the answer is on its way
            await until(lambda: stand_in.effects(f"K-{step}"))
        sender.send_signal(signal.SIGKILL)
    stand_in.faults()
    async with hotline(settings_of(tmp_path, stand_in.port), HOTLINE_PORT) as records:
        await all_confirmed(records)
        kept = await records.read(lambda session: session.scalars(select(EnvelopeRow.id)).all())
    assert len(kept) == len(stand_in.effects(f"K-{step}")) == arrives
    assert stand_in.figures()["twice"] == []


async def test_a_receiver_that_is_killed_and_comes_back_gets_what_it_missed(
    tmp_path: Path, stand_in: StandIn
) -> None:
    own = StandIn(tmp_path / "own", free_port(), HOTLINE_PORT)
    own.start()
    try:
        async with hotline(settings_of(tmp_path, own.port), HOTLINE_PORT) as records:
            first = await send_three(records, "R1")
            await all_confirmed(records)
            own.kill()
            second = await send_three(records, "R2")
            own.start()
            await all_confirmed(records)
            assert (own.effects("R1"), own.effects("R2")) == (first, second)
            assert own.figures()["twice"] == []
    finally:
        own.kill()


async def test_both_ledgers_hold_the_same(
    records: Records, stand_in: StandIn, tmp_path: Path
) -> None:
    await send_three(records, "B1")
    stand_in.push(2, 2)
    await all_confirmed(records)
    await until(lambda: stand_in.figures()["out"].get("waiting", 0) == 0)
    await all_confirmed(records)  # the receipts for what was passed on

    def ours(session: Session) -> set[tuple[str, str, str]]:
        rows = session.scalars(select(LedgerRow))
        return {(row.id, row.content_hash, row.state) for row in rows}

    async with Platform(settings_of(tmp_path, stand_in.port).exchange) as platform:
        theirs = {
            (line["id"], line["content_hash"], line["state"])
            for day in (AT.date(), today())
            async for line in platform.ledger(day)
        }
    assert await records.read(ours) <= theirs
