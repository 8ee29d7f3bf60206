"""What is past its time is deleted and told in the audit; what something open needs stays."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session

from telephony.recording import file_stem
from tests.voicebot.conftest import Voicebot
from voicebot.auditing.checking import anchors_file, check, read_anchors
from voicebot.callers.tables import EvaluationRow, LimitRow, MissedCallRow, NuisanceCallRow
from voicebot.clock import BEIJING
from voicebot.config import Settings, load_settings
from voicebot.config_retention import Retention
from voicebot.duty.tables import DutyNoticeRow
from voicebot.exchange.reconciliation.tables import DifferenceRow, ReconciliationRow
from voicebot.exchange.tables import EnvelopeRow, InboxRow, LedgerRow
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.records.database import migrate, open_engine
from voicebot.records.tables import (
    AuditRow,
    CallEventRow,
    CallRow,
    HandoffRow,
    OutboxRow,
    TicketRow,
    TurnRow,
)
from voicebot.retention import removing
from voicebot.retention.batches import BATCH
from voicebot.retention.daily import DailyRetention, Stopped, run_retention
from voicebot.retention.mark import REMOVED
from voicebot.retention.running import Outcome, Run
from voicebot.tickets.tables import TicketStepRow

DAY = 86_400.0
NOW = 1_795_395_600.0
OLD = NOW - 100 * DAY
WHO = {"principal": "王管理", "role": "local", "client": "cli"}
ALL = {"recordings": 30, "transcripts": 30, "personal": 30, "events": 30}
DOSSIER = {
    "handoff": "H1", "call_id": "C1", "caller": "13800138000", "category": 4, "revision": 2,
    "transcript": [{"text": "有人拿刀"}],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    return made


def put(engine: Engine, *rows: Any) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(rows)


def call(folder: Path, name: str = "C1", at: float = OLD) -> list[Any]:
    """An ended call with all that is kept about it."""
    file = folder / f"{name}.wav.age"
    file.write_bytes(b"age")
    return [
        CallRow(
            id=name, caller="13800138000", did="12345", started_at=at - 60, ended_at=at,
            recording=str(file),
        ),
        TurnRow(call_id=name, seq=1, side="caller", text="我叫王芳", start=0.0, end=1.0),
        CallEventRow(call_id=name, seq=1, at=0.0, direction="in", kind="x", payload={"a": "王芳"}),
    ]  # fmt: skip


def ticket(status: str = "closed", call_id: str = "C1", **values: Any) -> TicketRow:
    return TicketRow(
        id="T1", call_id=call_id, matter="王芳家漏水", place="和平大道5号", name="王芳",
        number="13800138000", answer="王芳您好", created_at=OLD, updated_at=OLD, closed_at=OLD,
        status=status, tail="1", **values,
    )  # fmt: skip


def handoff(state: str = "confirmed", at: float = OLD) -> HandoffRow:
    return HandoffRow(
        id="H1", call_id="C1", destination="110-460100", lines=[], flags=[], reason="",
        evidence=["有人拿刀"], requested_at=at, connected_at=OLD if state == "confirmed" else None,
        state=state, state_at=at, dossier=DOSSIER, revision=2,
    )  # fmt: skip


def message(state: str) -> OutboxRow:
    return OutboxRow(
        kind="dossier", handoff="H1", key="H1:1", url="http://127.0.0.1/", payload=DOSSIER,
        state=state, created_at=OLD, next_attempt_at=OLD,
    )  # fmt: skip


def ledger(subject: str, state: str = "applied") -> LedgerRow:
    return LedgerRow(
        direction="out", id="m1", kind="ticket", subject=subject, sequence=1, sender="12345",
        content_hash="0" * 64, state=state, sent_at=OLD, at=OLD,
    )  # fmt: skip


def reconciled(days: int = 0) -> ReconciliationRow:
    day = (datetime.fromtimestamp(OLD, BEIJING) + timedelta(days=days)).date().isoformat()
    return ReconciliationRow(
        first_day=day, last_day=day, began_at=OLD, ended_at=OLD, principal="service", ours=1,
        theirs=1, found={}, unsettled=0,
    )  # fmt: skip


def run(engine: Engine, folder: Path, *, dry: bool = False, **days: int) -> Outcome:
    rules = Retention(**(days or ALL))
    return Run(engine, rules, folder, WHO, NOW, dry=dry, pause=lambda _: None).run()


@contextmanager
def transactions(engine: Engine) -> Iterator[list[str]]:
    """Begun meanwhile on this engine, which takes SQLite's lock for each."""
    begun: list[str] = []

    def begin(connection: Any) -> None:
        begun.append("begun")

    event.listen(engine, "begin", begin)
    yield begun
    event.remove(engine, "begin", begin)


def left(engine: Engine, folder: Path) -> dict[str, int]:
    """What personal data there still is."""
    counts = {
        "turns": select(func.count()).select_from(TurnRow),
        "events": select(func.count()).select_from(CallEventRow),
        "numbers": select(func.count()).where(CallRow.caller == "13800138000"),
        "paths": select(func.count()).where(CallRow.recording != ""),
        "tickets": select(func.count()).where(TicketRow.name != ""),
    }
    with Session(engine) as session:
        found = {name: session.scalar(query) or 0 for name, query in counts.items()}
    return {**found, "files": len(list(folder.iterdir()))}


def acts(engine: Engine) -> list[tuple[str, str]]:
    with Session(engine) as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
        assert list(check(session).findings) == []
        return [(row.action, row.subject) for row in rows]


NOTHING = {"turns": 0, "events": 0, "numbers": 0, "paths": 0, "tickets": 0, "files": 0}
EVERYTHING = dict.fromkeys(NOTHING, 1)


def test_what_is_past_its_time_is_deleted_and_each_kind_told_with_its_counts(
    engine: Engine, folder: Path
) -> None:
    put(engine, *call(folder), ticket(), handoff(), message("delivered"))
    put(
        engine,
        TicketStepRow(
            ticket="T1", version=1, at=OLD, act="note", before="", after="", who="王", role="agent",
            why="王芳又来电", details={},
        ),
        EvaluationRow(call_id="C1", number="13800138000", asked_at=OLD),
    )  # fmt: skip
    run(engine, folder)
    assert left(engine, folder) == NOTHING
    with Session(engine) as session:
        kept = session.get_one(TicketRow, "T1")
        assert (kept.matter, kept.number, kept.answer) == (REMOVED, REMOVED, "")
        assert kept.status == "closed"
        assert session.scalars(select(TicketStepRow.why)).all() == [""]
        assert session.scalars(select(EvaluationRow.number)).all() == [REMOVED]
        opened = session.get_one(HandoffRow, "H1")
        assert opened.dossier == {"handoff": "H1", "call_id": "C1", "category": 4, "revision": 2}
        assert opened.evidence == []
        assert session.scalar(select(func.count(OutboxRow.id))) == 0
    until = "until 2026-10-24: "
    assert acts(engine) == [
        ("retention.recordings", until + "calls 1, files 1"),
        ("retention.transcripts", until + "dossiers 1, messages 1, turns 1"),
        ("retention.events", until + "events 1"),
        ("retention.personal", until + "tickets 1"),
        ("retention.personal", until + "numbers 1"),
    ]


def test_a_second_run_finds_nothing_and_says_nothing(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder), ticket())
    run(engine, folder)
    told = acts(engine)
    run(engine, folder)
    assert acts(engine) == told


def test_what_is_young_stays(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder, at=NOW - 29 * DAY), ticket())
    with Session(engine) as session, session.begin():
        session.get_one(TicketRow, "T1").closed_at = NOW - 29 * DAY
    run(engine, folder)
    assert left(engine, folder) == EVERYTHING
    assert acts(engine) == []


def test_a_ticket_that_was_withdrawn_is_over_since_that_day(engine: Engine, folder: Path) -> None:
    def withdrawn(at: float) -> TicketStepRow:
        return TicketStepRow(
            ticket="T1", version=1, at=at, act="withdraw", before="created", after="withdrawn",
            who="王", role="agent", why="来电人撤回", details={},
        )  # fmt: skip

    row = ticket("withdrawn", call_id="")
    row.closed_at = None
    put(engine, row, withdrawn(NOW - 3600.0))
    run(engine, folder)
    assert left(engine, folder)["tickets"] == 1
    with Session(engine) as session, session.begin():
        session.get_one(TicketStepRow, ("T1", 1)).at = OLD
    run(engine, folder)
    assert left(engine, folder)["tickets"] == 0


def test_a_kind_without_days_is_kept_for_ever(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder), ticket())
    run(engine, folder, recordings=30)
    assert left(engine, folder) == {**EVERYTHING, "files": 0, "paths": 0}
    assert Run(engine, Retention(), folder, WHO, NOW).run().as_dict()["transcripts"] == {"held": 0}


def test_a_dry_run_counts_the_same_and_deletes_nothing(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder), ticket(), handoff(), message("delivered"))
    would = run(engine, folder, dry=True).as_dict()
    assert left(engine, folder) == EVERYTHING
    assert acts(engine) == []
    assert run(engine, folder).as_dict() == would


HOLDS: dict[str, Callable[[], list[Any]]] = {
    "an open ticket": lambda: [ticket("working")],
    "a ticket merged into one that is open": lambda: [ticket("merged", main="T0")],
    "a hand-off that rings": lambda: [ticket(), handoff("ringing", NOW - DAY)],
    "a dossier that was not delivered": lambda: [ticket(), handoff(), message("waiting")],
    "a message to 110 on its way": lambda: [
        ticket(),
        EnvelopeRow(
            id="m1", subject="T1", sequence=1, priority=1, envelope={}, created_at=OLD,
            next_attempt_at=OLD,
        ),
    ],
    "a message of 110 that was not taken": lambda: [
        ticket(police_order="P1"),
        InboxRow(
            id="m1", content_hash="0" * 64, subject="P1", sequence=1, envelope={},
            state="conflict", received_at=OLD,
        ),
    ],
    "a day that was never reconciled": lambda: [ticket(), ledger("T1"), reconciled(days=1)],
    "a message that 110 has not confirmed": lambda: [
        ticket(), ledger("T1", "waiting"), reconciled(),
    ],
    "a difference of the ledgers": lambda: [
        ticket(), ledger("T1"), reconciled(),
        DifferenceRow(
            finding="missing", id="m1", subject="T1", sender="12345", kind="ticket",
            day="2026-08-15", ours=None, theirs=None, repair="person", state="open", found_at=OLD,
            seen_in=1,
        ),
    ],
    "an incident that is open": lambda: [
        ticket(), IncidentRow(id="I1", opened_at=OLD, state="open"),
        IncidentMemberRow(
            handoff="H9", incident="I1", call_id="C1", at=OLD, lines=[], words="", by_hand=False,
            revision=1,
        ),
    ],
    "a missed call to be called back": lambda: [
        ticket(), MissedCallRow(call_id="C1", number="13800138000", at=OLD, why="full",
                                next_try_at=OLD),
    ],
    "a missed call that no call-back reached, until a person has settled it": lambda: [
        ticket(), MissedCallRow(call_id="C1", number="13800138000", at=OLD, why="danger",
                                danger=True, state="given_up", next_try_at=OLD),
    ],
    "a limit that somebody appeals against": lambda: [
        ticket(), LimitRow(number="13800138000", state="lifted", reason="silent",
                           evidence=["C1", "C2"], proposed_at=OLD, appeal="open"),
    ],
    "a notice that nobody has acknowledged": lambda: [
        ticket(), DutyNoticeRow(
            id="N1", key="N1", line="119", region="", subject="T1", caller="13800138000",
            state="alarm", told=1, created_at=OLD, due_at=OLD, acknowledged_by="",
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", HOLDS)
def test_what_something_open_needs_stays(engine: Engine, folder: Path, what: str) -> None:
    put(engine, *call(folder), *HOLDS[what]())
    outcome = run(engine, folder)
    assert left(engine, folder) == EVERYTHING
    assert acts(engine) == []
    assert (outcome.held["recordings"], outcome.held["transcripts"]) == (1, 1)


def test_what_is_reconciled_is_not_held(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder), ticket(), ledger("T1"), reconciled())
    run(engine, folder)
    assert left(engine, folder) == NOTHING


@pytest.mark.parametrize(
    ("exchange", "rows", "stays"),
    [
        (True, [], True),
        (True, [lambda: reconciled(days=1)], True),
        (True, [reconciled], False),
        (False, [], False),
    ],
    ids=["never", "another day", "that day", "no exchange"],
)
def test_a_dossier_stays_until_it_was_compared_with_110s(
    engine: Engine, folder: Path, exchange: bool, rows: list[Callable[[], Any]], stays: bool
) -> None:
    put(
        engine, *call(folder), ticket(), handoff(), message("delivered"), *(each() for each in rows)
    )
    rules = Retention(**ALL)
    Run(engine, rules, folder, WHO, NOW, exchange=exchange, pause=lambda _: None).run()
    assert left(engine, folder) == (EVERYTHING if stays else NOTHING)


def test_what_was_said_is_kept_for_a_week_at_least() -> None:
    with pytest.raises(ValidationError, match="7 days at least"):
        Retention(transcripts=6)


def test_a_ticket_of_no_call_is_held_by_itself_alone(engine: Engine, folder: Path) -> None:
    open_one = ticket("working", call_id="")
    open_one.id = "T2"
    put(engine, ticket(call_id=""), open_one)
    run(engine, folder)
    with Session(engine) as session:
        rows = dict(session.execute(select(TicketRow.id, TicketRow.name)).all())
    assert rows == {"T1": "", "T2": "王芳"}


def test_a_hand_off_whose_caller_was_gone_is_not_open_for_ever(
    engine: Engine, folder: Path
) -> None:
    put(engine, *call(folder), ticket(), handoff("ringing"))
    run(engine, folder)
    assert left(engine, folder) == NOTHING


def test_held_calls_do_not_keep_the_others(engine: Engine, folder: Path) -> None:
    names = [f"C{number:04}" for number in range(BATCH + 20)]
    for name in names:
        put(engine, *call(folder, name))
    put(engine, ticket("working", call_id=names[0]))
    outcome = run(engine, folder)
    counts = left(engine, folder)
    assert (counts["turns"], counts["files"], counts["numbers"]) == (1, 1, 1)
    assert outcome.removed["transcripts"]["turns"] == BATCH + 19


def beside(engine: Engine) -> dict[str, str]:
    """Numbers that stand beside ids of calls, by these ids."""
    with Session(engine) as session:
        return {
            call: number
            for table in (MissedCallRow, EvaluationRow, NuisanceCallRow)
            for call, number in session.execute(select(table.call_id, table.number))
        }


def missed_call(name: str, at: float = OLD, state: str = "reached") -> MissedCallRow:
    return MissedCallRow(
        call_id=name, number="13800138000", at=at, why="queue", state=state, next_try_at=at
    )


def nuisance(name: str) -> NuisanceCallRow:
    return NuisanceCallRow(call_id=name, number="13800138000", reason="silent", at=OLD)


def test_a_number_of_a_call_that_was_never_answered_goes_by_its_own_time(
    engine: Engine, folder: Path
) -> None:
    asked = EvaluationRow(call_id="evaluation:T1", number="13800138000", asked_at=OLD)
    put(engine, missed_call("refused"), missed_call("young", NOW - DAY), asked, nuisance("n"))
    run(engine, folder)
    kept = {"young": "13800138000"}
    assert beside(engine) == {"refused": REMOVED, "evaluation:T1": REMOVED, "n": REMOVED, **kept}
    assert acts(engine) == [("retention.personal", "until 2026-10-24: numbers 1")] * 3


def test_a_number_without_a_call_stays_while_somebody_has_to_call_it_or_it_is_evidence(
    engine: Engine, folder: Path
) -> None:
    put(
        engine, missed_call("waits", state="waiting"), missed_call("given up", state="given_up"),
        nuisance("shown"),
        LimitRow(number="13800138000", state="proposed", reason="silent", evidence=["shown"],
                 proposed_at=OLD),
    )  # fmt: skip
    outcome = run(engine, folder)
    assert set(beside(engine).values()) == {"13800138000"}
    assert (outcome.held["personal"], acts(engine)) == (3, [])


def test_a_recording_of_no_call_goes_by_its_own_time(engine: Engine, folder: Path) -> None:
    for name, at in (("lost.wav", OLD), ("new.wav", NOW)):
        (folder / name).write_bytes(b"RIFF")
        os.utime(folder / name, (at, at))
    (folder / "other.txt").touch()
    run(engine, folder)
    assert sorted(each.name for each in folder.iterdir()) == ["new.wav", "other.txt"]


def test_a_recording_that_is_sealed_meanwhile_ends_nothing(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder))
    running = folder / "C2.wav"
    running.write_bytes(b"RIFF")

    def seal() -> None:
        if running.exists():
            running.rename(folder / "C2.wav.age")

    Run(engine, Retention(**ALL), folder, WHO, NOW, go_on=seal).run()
    assert left(engine, folder) == {**NOTHING, "files": 1}


def test_what_is_still_being_written_is_no_recording(engine: Engine, folder: Path) -> None:
    (folder / "C1.wav.age.part").touch()
    os.utime(folder / "C1.wav.age.part", (OLD, OLD))
    assert run(engine, folder).removed["recordings"]["files"] == 0


def test_a_recording_that_a_crash_left_unsealed_is_its_calls(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder, at=NOW), ticket("working"))
    (folder / "C1.wav.age").rename(folder / "C1.wav")
    os.utime(folder / "C1.wav", (OLD, OLD))
    run(engine, folder)
    assert (folder / "C1.wav").exists()


@pytest.mark.parametrize("name", ["C1", "a84b4c76e66710@pbx.example"])
def test_a_recording_is_its_calls_after_the_state_folder_has_moved(
    engine: Engine, folder: Path, name: str
) -> None:
    put(engine, *call(folder, file_stem(name)), ticket("working", call_id=name))
    with Session(engine) as session, session.begin():
        row = session.scalars(select(CallRow)).one()
        row.id, row.recording = name, f"/srv/before/recordings/{file_stem(name)}.wav.age"
    os.utime(folder / f"{file_stem(name)}.wav.age", (OLD, OLD))
    run(engine, folder)
    assert left(engine, folder)["files"] == 1


def test_a_recording_is_removed_only_once_that_is_on_record(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder))

    def refuse(_: Any) -> None:
        raise OSError("the disk is full")

    event.listen(engine, "commit", refuse)
    with pytest.raises(OSError, match="disk is full"):
        run(engine, folder)
    event.remove(engine, "commit", refuse)
    assert left(engine, folder) == {**EVERYTHING, "tickets": 0}


def test_a_recording_that_cannot_be_removed_is_still_on_record_and_tried_again(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, *call(folder))
    before = left(engine, folder)
    with monkeypatch.context() as patched:

        def refuse(file: Path, missing_ok: bool = False) -> None:
            raise PermissionError(13, "Permission denied")

        patched.setattr(Path, "unlink", refuse)
        outcome = run(engine, folder, recordings=30)
    assert left(engine, folder) == before
    assert outcome.removed["recordings"]["files"] == 0
    until = "until 2026-10-24: "
    assert [subject for _, subject in acts(engine)] == [
        until + "calls 1, files 1",
        until + "not_removed 1",
    ]
    run(engine, folder, recordings=30)
    assert left(engine, folder) == {**before, "files": 0, "paths": 0}


def test_the_beginning_of_the_audit_goes_and_the_rest_is_still_whole(
    engine: Engine, folder: Path
) -> None:
    for age in (400, 300, 200, 10):
        put(
            engine,
            AuditRow(at=NOW - age * DAY, principal="a", role="admin", action="x", subject=str(age)),
        )
    outcome = run(engine, folder, audit=180)
    assert outcome.removed["audit"]["acts"] == 3
    (kept, pruned) = acts(engine)
    assert kept == ("x", "10")
    assert pruned[0] == "audit.pruned"
    assert run(engine, folder, audit=180).removed["audit"]["acts"] == 0


def test_an_audit_that_is_old_as_a_whole_keeps_its_end(engine: Engine, folder: Path) -> None:
    for age in (400, 300):
        put(engine, AuditRow(at=NOW - age * DAY, principal="a", role="admin", action="x"))
    run(engine, folder, audit=180)
    assert [action for action, _ in acts(engine)] == ["x", "audit.pruned"]


def test_the_audit_is_kept_for_six_months_at_least() -> None:
    with pytest.raises(ValidationError, match="180 days at least"):
        Retention(audit=90)


def test_a_run_that_is_stopped_keeps_what_it_has_done(engine: Engine, folder: Path) -> None:
    for number in range(BATCH + 1):
        put(engine, *call(folder, f"C{number:04}"))
    batches = iter((True, True))

    def go_on() -> None:
        if not next(batches, False):
            raise Stopped

    with pytest.raises(Stopped):
        Run(engine, Retention(transcripts=30, events=30), folder, WHO, NOW, go_on=go_on).run()
    counts = left(engine, folder)
    assert (counts["turns"], counts["events"]) == (0, BATCH + 1)
    assert [action for action, _ in acts(engine)] == ["retention.transcripts"] * 2


def test_a_run_that_finds_nothing_takes_no_lock(engine: Engine, folder: Path) -> None:
    put(engine, *call(folder, at=NOW - DAY), ticket("working"))
    with transactions(engine) as begun:
        run(engine, folder, **ALL, audit=180)
    assert begun == []


def test_a_dry_run_takes_no_lock(engine: Engine, folder: Path) -> None:
    act = AuditRow(at=NOW - 300 * DAY, principal="a", role="admin", action="x")
    put(engine, *call(folder), ticket(), handoff(), message("delivered"), act)
    put(engine, AuditRow(at=NOW, principal="a", role="admin", action="y"))
    with transactions(engine) as begun:
        would = run(engine, folder, dry=True, **ALL, audit=180)
    assert begun == []
    assert would.as_dict() == run(engine, folder, **ALL, audit=180).as_dict()


def test_who_writes_the_calls_gets_the_database_between_two_batches(
    engine: Engine, folder: Path, database_url: str
) -> None:
    put(engine, *(row for n in range(BATCH + 1) for row in call(folder, f"C{n:04}")))
    calls = open_engine(database_url, writes=True)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        put(calls, CallRow(id=f"new {len(pauses)}", caller="1"))

    Run(engine, Retention(transcripts=30), folder, WHO, NOW, pause=pause).run()
    assert len(pauses) == 2
    assert all(0.1 <= seconds <= 1.0 for seconds in pauses)


def test_what_was_taken_up_again_since_it_was_read_stays(engine: Engine, folder: Path) -> None:
    put(engine, ticket(call_id=""))

    def reopen() -> None:
        with Session(engine) as session, session.begin():
            session.get_one(TicketRow, "T1").status = "working"

    Run(engine, Retention(personal=30), folder, WHO, NOW, go_on=reopen).run()
    assert left(engine, folder)["tickets"] == 1
    assert acts(engine) == []


def test_the_audit_goes_in_parts_each_with_its_word(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "ACTS", 2)
    for age in (400, 390, 380, 370, 360, 10):
        put(engine, AuditRow(at=NOW - age * DAY, principal="a", role="admin", action="x"))
    assert run(engine, folder, dry=True, audit=180).removed["audit"]["acts"] == 5
    assert run(engine, folder, audit=180).removed["audit"]["acts"] == 5
    assert [action for action, _ in acts(engine)] == ["x", *["audit.pruned"] * 3]


# ── the service, and the command ──────────────────────────────────────────────


def test_the_service_does_it_once_a_day_and_keeps_an_anchor(tmp_path: Path) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{tmp_path}/state"\n[retention]\ntranscripts = 30\n')
    settings: Settings = load_settings(file)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True)
    put(engine, *call(tmp_path), AuditRow(at=OLD, principal="a", role="admin", action="x"))
    moment = datetime.fromtimestamp(NOW, BEIJING).replace(hour=2, minute=29)
    now = [moment]
    daily = DailyRetention(settings, now=lambda: now[0])
    assert daily.look() is None
    now[0] += timedelta(minutes=1)
    done = daily.look()
    assert done is not None
    assert done.removed["transcripts"]["turns"] == 1
    assert daily.look() is None
    assert DailyRetention(settings, now=lambda: now[0]).look() is None
    now[0] += timedelta(days=1)
    assert daily.look() is not None
    anchors = read_anchors(anchors_file(settings.paths))
    assert len(anchors) == 2
    with Session(engine) as session:
        assert check(session, anchors).findings == ()
        by = session.scalars(select(AuditRow).where(AuditRow.action == "retention.transcripts"))
        assert [row.principal for row in by] == ["service"]


def test_where_there_is_an_exchange_the_service_holds_what_was_not_compared(tmp_path: Path) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(
        f'[paths]\nstate = "{tmp_path}/state"\n[retention]\ntranscripts = 30\n'
        '[exchange]\nurl = "http://127.0.0.1:9"\nsign_with = "k"\n'
        f'[exchange.keys.k]\nfile = "{tmp_path}/key"\nowner = "12345"\n'
    )
    settings = load_settings(file)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url, writes=True)
    put(engine, *call(tmp_path), handoff(), message("delivered"))
    assert run_retention(settings, WHO, NOW).held["transcripts"] == 1
    put(engine, reconciled())
    assert run_retention(settings, WHO, NOW).held["transcripts"] == 0


def test_the_command_shows_tries_and_deletes(voicebot: Voicebot) -> None:
    for_ever = voicebot("retention", "show", VOICEBOT_RETENTION__WEBHOOKS="0")
    assert "Nothing is ever deleted" in for_ever.stdout
    set_ = {"VOICEBOT_RETENTION__TRANSCRIPTS": "30"}
    assert "30 days, since" in voicebot("retention", "show", **set_).stdout
    voicebot("db", "migrate")
    engine = open_engine(f"sqlite:///{voicebot.folder / 'state' / 'voicebot.db'}", writes=True)
    put(engine, *call(voicebot.folder, at=1_700_000_000.0))
    assert "turns 1" in voicebot("retention", "run", "--dry-run", **set_).stdout
    assert left(engine, voicebot.folder)["turns"] == 1
    assert '"turns": 1' in voicebot("retention", "run", "--json", **set_).stdout
    assert left(engine, voicebot.folder)["turns"] == 0
    wrong = voicebot("retention", "show", VOICEBOT_RETENTION__AUDIT="30")
    assert "180 days at least" in wrong.stderr
