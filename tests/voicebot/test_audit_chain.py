"""The audit is a chain: what is altered, removed or put in is found."""

import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from voicebot.auditing.chain import (
    GENESIS,
    PRUNED,
    Anchor,
    Fault,
    Finding,
    Link,
    digest,
    faults,
    linked,
    parse_anchor,
)
from voicebot.auditing.checking import check
from voicebot.records.database import migrate, open_engine
from voicebot.records.operations import audit
from voicebot.records.tables import AuditHeadRow, AuditRow

NOW = 1_790_000_000.25


def act(number: int, action: str = "call.read", subject: str = "") -> AuditRow:
    return AuditRow(
        at=NOW + number,
        principal="王芳",
        role="agent",
        action=action,
        subject=subject or f"C{number}",
    )


def chain(count: int) -> list[Link]:
    links, before = [], Anchor(0, GENESIS)
    for number in range(1, count + 1):
        content = {
            "at": NOW + number, "principal": "王芳", "role": "agent", "action": "call.read",
            "subject": f"C{number}", "client": "10.0.0.1", "allowed": True,
        }  # fmt: skip
        links.append(Link(**linked(content, before)))
        before = Anchor(links[-1].id, links[-1].hash)
    return links


def head(links: list[Link]) -> Anchor:
    return Anchor(links[-1].id, links[-1].hash)


CHANGES: dict[str, object] = {
    "at": NOW, "principal": "李四", "role": "admin", "action": "kb.publish", "subject": "C999",
    "client": "10.0.0.2", "allowed": False, "previous": "f" * 64,
}  # fmt: skip


# ── the rule ──────────────────────────────────────────────────────────────────


@given(st.integers(1, 12), st.data())
def test_a_chain_that_nobody_touched_is_whole(count: int, data: st.DataObject) -> None:
    links = chain(count)
    known = data.draw(st.lists(st.sampled_from(links)))
    anchors = [Anchor(each.id, each.hash) for each in known]
    assert list(faults(links, head(links), anchors)) == []


@given(st.integers(1, 12), st.sampled_from(sorted(CHANGES)), st.data())
def test_a_change_of_any_field_is_found_at_its_row(
    count: int, field: str, data: st.DataObject
) -> None:
    links = chain(count)
    at = data.draw(st.integers(0, count - 1))
    altered = [*links]
    altered[at] = replace(links[at], **{field: CHANGES[field]})
    assert Finding(at + 1, Fault.ALTERED) in faults(altered, head(links))


@given(st.integers(1, 12), st.data())
def test_a_changed_row_with_a_new_hash_breaks_the_link_behind_it(
    count: int, data: st.DataObject
) -> None:
    links = chain(count)
    at = data.draw(st.integers(0, count - 1))
    content = {**asdict(links[at]), "subject": "C999"}
    altered = [*links]
    altered[at] = replace(links[at], subject="C999", hash=digest(content))
    found = list(faults(altered, head(links)))
    last = at == count - 1
    assert found == [
        Finding(at + 1 if last else at + 2, Fault.TRUNCATED if last else Fault.INSERTED)
    ]


@given(st.integers(1, 12), st.data())
def test_a_removed_row_is_found_wherever_it_was(count: int, data: st.DataObject) -> None:
    links = chain(count)
    at = data.draw(st.integers(0, count - 1))
    found = list(faults(links[:at] + links[at + 1 :], head(links)))
    if at == count - 1:
        assert found == [Finding(count, Fault.TRUNCATED)]
    else:
        assert found == [Finding(at + 2, Fault.REMOVED)]


def test_a_chain_made_anew_does_not_lead_to_the_hashes_that_were_kept_elsewhere() -> None:
    links = chain(5)
    kept = Anchor(3, links[2].hash)
    forged, before = links[:1], Anchor(links[0].id, links[0].hash)
    for link in links[1:]:
        forged.append(Link(**linked({**asdict(link), "principal": "李四"}, before)))
        before = Anchor(forged[-1].id, forged[-1].hash)
    assert list(faults(forged, head(forged))) == []
    assert list(faults(forged, head(forged), [kept])) == [Finding(3, Fault.FORGED)]
    assert list(faults(links[:2], head(links[:2]), [kept])) == [Finding(3, Fault.FORGED)]


def test_rows_past_their_time_may_be_missing_only_if_the_chain_says_so() -> None:
    links = chain(5)
    pruning = {**asdict(links[0]), "action": PRUNED, "subject": f"2 {links[1].hash}"}
    told = [*links, Link(**linked(pruning, head(links)))]
    old = Anchor(1, links[0].hash)
    assert list(faults(told[2:], head(told), [old])) == []
    assert list(faults(links[2:], head(links))) == [Finding(3, Fault.REMOVED)]
    assert list(faults(told[3:], head(told))) == [Finding(4, Fault.REMOVED)]


def test_an_anchor_is_written_as_it_is_printed() -> None:
    assert parse_anchor(f"7:{GENESIS}") == Anchor(7, GENESIS)
    assert parse_anchor("7") is parse_anchor("x:y") is None


# ── in both databases ─────────────────────────────────────────────────────────


@pytest.fixture
def writer(database_url: str) -> Engine:
    migrate(database_url)
    return open_engine(database_url, writes=True, patience_s=10.0)


def write(engine: Engine, *rows: AuditRow) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def found(engine: Engine) -> list[Finding]:
    with Session(engine) as session:
        return list(check(session).findings)


def test_rows_are_linked_in_the_order_they_were_added(writer: Engine) -> None:
    write(writer, act(1), act(2))
    write(writer, act(3))
    with Session(writer) as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
        assert [row.subject for row in rows] == ["C1", "C2", "C3"]
        assert [row.previous for row in rows] == [GENESIS, rows[0].hash, rows[1].hash]
        result = check(session)
    assert (result.rows, result.findings) == (3, ())
    assert result.head == Anchor(rows[2].id, rows[2].hash)


def test_what_is_rolled_back_leaves_no_link(writer: Engine) -> None:
    with Session(writer) as session:
        session.add(act(1))
        session.flush()
        session.rollback()
        session.commit()
    write(writer, act(2))
    with Session(writer) as session:
        assert list(session.scalars(select(AuditRow.subject))) == ["C2"]
    assert found(writer) == []


def test_one_act_that_comes_twice_in_one_transaction_is_one_row(writer: Engine) -> None:
    with Session(writer) as session, session.begin():
        for _ in range(2):
            audit(
                session, at=NOW, principal="a", role="admin", action="call.read", subject="C1",
                client="", allowed=True,
            )  # fmt: skip
            session.flush()
    with Session(writer) as session:
        assert session.scalar(select(func.count(AuditRow.id))) == 1


def test_texts_that_do_not_fit_are_hashed_as_they_are_kept(writer: Engine) -> None:
    write(writer, act(1, subject="路" * 300 + "\0"), act(2, subject="\0"))
    assert found(writer) == []


def test_many_writers_make_one_chain(writer: Engine) -> None:
    def run(which: int) -> None:
        for number in range(8):
            write(writer, act(10 * which + number))

    threads = [threading.Thread(target=run, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Session(writer) as session:
        result = check(session)
    assert (result.rows, result.findings) == (32, ())


COPIED = ("at", "principal", "role", "action", "subject", "client", "allowed")


def _insert_copy(session: Session) -> None:
    row = session.scalars(select(AuditRow).where(AuditRow.id == 4)).one()
    content = {name: getattr(row, name) for name in COPIED}
    forged = linked({**content, "action": "kb.publish"}, Anchor(4, row.hash))
    session.execute(update(AuditRow).where(AuditRow.id == 5).values(id=6))
    session.execute(insert(AuditRow).values(**forged))


def _append(session: Session) -> None:
    row = session.scalars(select(AuditRow).where(AuditRow.id == 5)).one()
    content = {name: getattr(row, name) for name in COPIED}
    session.execute(insert(AuditRow).values(**linked(content, Anchor(5, row.hash))))


TAMPERING: dict[str, tuple[Callable[[Session], object], Finding]] = {
    "altered": (
        lambda s: s.execute(update(AuditRow).where(AuditRow.id == 2).values(principal="李四")),
        Finding(2, Fault.ALTERED),
    ),
    "refusal made an allowance": (
        lambda s: s.execute(update(AuditRow).where(AuditRow.id == 3).values(allowed=False)),
        Finding(3, Fault.ALTERED),
    ),
    "removed": (
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 3)),
        Finding(4, Fault.REMOVED),
    ),
    "first removed": (
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 1)),
        Finding(2, Fault.REMOVED),
    ),
    "last removed": (
        lambda s: s.execute(delete(AuditRow).where(AuditRow.id == 5)),
        Finding(5, Fault.TRUNCATED),
    ),
    "all removed": (lambda s: s.execute(delete(AuditRow)), Finding(5, Fault.TRUNCATED)),
    "inserted": (_insert_copy, Finding(6, Fault.INSERTED)),
    "head removed": (lambda s: s.execute(delete(AuditHeadRow)), Finding(5, Fault.HEADLESS)),
    "added at the end": (_append, Finding(6, Fault.INSERTED)),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_with_one_row_is_found(writer: Engine, how: str) -> None:
    write(writer, *(act(number) for number in range(1, 6)))
    tamper, finding = TAMPERING[how]
    with Session(writer) as session, session.begin():
        tamper(session)
    assert finding in found(writer)


def test_rows_from_before_the_chain_become_its_beginning(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from voicebot.records.database import MIGRATIONS

    engine = open_engine(f"sqlite:///{tmp_path / 'old.db'}", writes=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        for number in (3, 7, 8):  # PostgreSQL leaves gaps
            connection.execute(
                text(
                    "INSERT INTO audit (id, at, principal, role, action, subject, client, allowed)"
                    " VALUES (:id, :at, '王芳', 'agent', 'call.read', 'C1', '', true)"
                ),
                {"id": number, "at": NOW + number},
            )
        command.upgrade(config, "0017")
    write(engine, act(1))
    assert found(engine) == []
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM audit WHERE id = 7"))
    assert found(engine) == [Finding(8, Fault.REMOVED)]
