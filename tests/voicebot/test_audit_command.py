"""`voicebot audit`: whole or not, who did what, and a copy that can be checked anywhere."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.voicebot.conftest import Voicebot, VoicebotHere
from voicebot.auditing.chain import Anchor
from voicebot.auditing.checking import (
    AuditError,
    anchors_file,
    check_file,
    keep_anchor,
    read_anchors,
)
from voicebot.config import Paths
from voicebot.security import audit_local


def tamper(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "state" / "voicebot.db")) as database:
        assert database.execute(statement).rowcount > 0
        database.commit()


def test_an_audit_is_whole_until_somebody_touches_it(voicebot: Voicebot) -> None:
    voicebot("db", "migrate")
    checked = json.loads(voicebot("audit", "verify", "--json").stdout)
    assert (checked["whole"], checked["findings"]) == (True, [])
    tamper(voicebot.folder, "UPDATE audit SET principal = 'nobody' WHERE id = 2")
    done = voicebot("audit", "verify")
    assert done.returncode == 1
    assert "Row 2: its content is not what was written." in done.stdout


def test_an_audit_that_was_emptied_is_known_by_the_anchors_in_the_state_folder(
    voicebot: Voicebot,
) -> None:
    voicebot("db", "migrate")
    anchor = json.loads(voicebot("audit", "verify", "--json").stdout)["anchor"]
    tamper(voicebot.folder, "DELETE FROM audit")
    tamper(voicebot.folder, f"UPDATE audit_head SET last = 0, hash = '{'0' * 64}'")
    voicebot("token", "create", "agent")
    checked = json.loads(voicebot("audit", "verify", "--json", "--anchor", anchor).stdout)
    assert checked["findings"] == [{"id": int(anchor.split(":")[0]), "fault": "forged"}]


def test_acts_are_listed_the_newest_first_and_the_look_is_one(voicebot: Voicebot) -> None:
    voicebot("db", "migrate")
    voicebot("token", "create", "agent", "--name", "seat 7")
    rows = [
        json.loads(line)
        for line in voicebot("audit", "list", "--action", "token", "--json").stdout.splitlines()
    ]
    assert [row["action"] for row in rows] == ["token.create"] * 4
    assert rows[0]["subject"].endswith("agent seat 7")
    newest = voicebot("audit", "list", "--limit", "1").stdout
    assert "audit.list" in newest


def test_nothing_on_record_steers_the_terminal(voicebot_here: VoicebotHere) -> None:
    voicebot_here("db", "migrate")
    url = f"sqlite:///{voicebot_here.folder / 'state' / 'voicebot.db'}"
    audit_local(url, "handoff.link.refused", "\x1b[2Jh1\n1204 admin\u202e")
    (line,) = voicebot_here("audit", "list", "--action", "handoff.link").stdout.splitlines()
    assert "\\x1b[2Jh1\\n1204 admin\\u202e" in line


def test_an_export_is_checked_without_the_database(voicebot: Voicebot, tmp_path: Path) -> None:
    voicebot("db", "migrate")
    out = tmp_path / "audit.jsonl"
    said = voicebot("audit", "export", str(out)).stdout
    anchor = said.strip().rpartition(" ")[2]
    assert out.stat().st_mode & 0o777 == 0o600
    assert voicebot("audit", "verify", "--file", str(out), "--anchor", anchor).returncode == 0
    lines = out.read_text("utf-8").splitlines()
    out.write_text("\n".join(lines[:-1]), "utf-8")
    cut = voicebot("audit", "verify", "--file", str(out), "--anchor", anchor)
    assert cut.returncode == 1
    assert "does not lead to a hash that was kept elsewhere" in cut.stdout
    assert voicebot("audit", "export", str(out)).returncode == 1


ROW = (
    b'{"id": 1, "at": 1.0, "principal": "a", "role": "agent", "action": "x", "subject": "", '
    b'"client": "", "allowed": true, "previous": "00", "hash": "00"}'
)


@pytest.mark.parametrize(
    "line",
    [
        b"x", b"{}", b"[]", b'{"id": 1}', b"\xff", b"[" * 50_000,
        ROW.replace(b'"id": 1', b'"id": "1"'), ROW.replace(b'"at": 1.0', b'"at": NaN'),
        ROW.replace(b'"x"', b'"\\ud800"'), ROW.replace(b'"agent"', b"null"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(line)
    with pytest.raises(AuditError, match="line 1, is no row of an exported audit"):
        check_file(file)


def test_an_anchor_that_is_none_is_said_to_be_none(voicebot: Voicebot) -> None:
    assert "with a colon between them" in voicebot("audit", "verify", "--anchor", "12").stderr


def test_processes_that_share_secrets_share_anchors(tmp_path: Path) -> None:
    """What the worker has kept, `voicebot audit verify` of any other process is held to."""
    shared = tmp_path / "secrets"
    files = {
        anchors_file(Paths(state=tmp_path / role, secrets=shared)) for role in ("media", "worker")
    }
    assert files == {shared / "audit-anchors.jsonl"}


def test_anchors_are_their_owners_alone(tmp_path: Path) -> None:
    file = anchors_file(Paths(state=tmp_path / "state"))
    assert read_anchors(file) == []
    keep_anchor(file, Anchor(3, "a" * 64), 1.5)
    keep_anchor(file, Anchor(5, "b" * 64), 2.5)
    assert read_anchors(file) == [Anchor(3, "a" * 64), Anchor(5, "b" * 64)]
    assert file.stat().st_mode & 0o777 == 0o600
    for damaged in (b"x", b"\x80", b"[" * 50_000, b'{"id": Infinity, "hash": ""}'):
        file.write_bytes(damaged)
        with pytest.raises(AuditError, match="no anchor"):
            read_anchors(file)
