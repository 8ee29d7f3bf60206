"""What the stand-in has received and sent, in an SQLite file of its own."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from voicebot.clock import BEIJING
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.schema import Body, Envelope, content_hash, read_envelope, seal
from voicebot.exchange.stand_in.desk import answers, matter

_TABLES = """
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY, direction TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, sequence INTEGER NOT NULL, sender TEXT NOT NULL,
    content_hash TEXT NOT NULL, state TEXT NOT NULL, sent_at REAL NOT NULL, day TEXT NOT NULL,
    at REAL NOT NULL, times INTEGER NOT NULL DEFAULT 1, envelope TEXT NOT NULL,
    UNIQUE (direction, id), UNIQUE (direction, subject, sequence)
);
CREATE INDEX IF NOT EXISTS message_day ON message (day, number);
CREATE INDEX IF NOT EXISTS message_state ON message (direction, state, number);
CREATE TABLE IF NOT EXISTS effect (number INTEGER PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS conflict (number INTEGER PRIMARY KEY, id TEXT, envelope TEXT);
"""
_LINE = "number, direction, id, kind, subject, sequence, sender, content_hash, state, sent_at, at"


class Store:
    """Each method is one transaction; what it has returned from is on the disk.

    A message's effect is noted apart from the message: two effects of one are a fault that
    the tests look for.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        # It survives its process, killed or not; nobody's life hangs on a stand-in's power.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        self._database.close()

    def take(self, envelope: Envelope, at: float) -> str:
        """Its state from now on: ``applied``, ``waiting``, ``conflict``.

        What is answered to those that are applied is put out in the same transaction.
        """
        with self._transaction():
            known = self._database.execute(
                "SELECT id, content_hash, state FROM message WHERE direction = 'in' "
                "AND (id = ? OR (subject = ? AND sequence = ?))",
                (envelope.id, envelope.subject, envelope.sequence),
            ).fetchone()
            if known is None:
                self._write("in", envelope, at)
            elif (known["id"], known["content_hash"]) != (envelope.id, envelope.content_hash):
                self._database.execute(
                    "INSERT INTO conflict (id, envelope) VALUES (?, ?)",
                    (envelope.id, envelope.to_json()),
                )
                return "conflict"
            else:
                self._database.execute(
                    "UPDATE message SET times = times + 1 WHERE direction = 'in' AND id = ?",
                    (envelope.id,),
                )
            for applied in self._apply_ready(envelope.subject):
                for body in answers(applied, datetime.fromtimestamp(at, BEIJING)):
                    self._put_out(body, applied.subject, at)
            state: str = self._database.execute(
                "SELECT state FROM message WHERE direction = 'in' AND id = ?", (envelope.id,)
            ).fetchone()["state"]
        return state

    def take_dossier(self, dossier: Dossier, at: float) -> None:
        """A state of a dossier; a newer one need not wait for it."""
        sent_at = dossier.created_at.timestamp()
        values = dossier.model_dump(mode="json", exclude_computed_fields=True)
        name = f"12345:handoff:{dossier.handoff}:{dossier.revision}"
        with self._transaction():
            again = self._database.execute(
                "UPDATE message SET times = times + 1 WHERE direction = 'in' AND id = ?", (name,)
            )
            if again.rowcount:
                return
            self._database.execute("INSERT INTO effect (id) VALUES (?)", (name,))
            self._insert(
                direction="in",
                id=name,
                kind="handoff",
                subject=dossier.handoff,
                sequence=dossier.revision,
                sender="12345",
                content_hash=content_hash(values),
                state="applied",
                sent_at=sent_at,
                at=at,
                envelope=json.dumps(values),
            )

    def push(self, at: float, messages: int) -> str:
        """Put out a matter for 12345, and with more `messages` its further states; its number."""
        with self._transaction():
            count = self._database.execute(
                "SELECT count(*) FROM message WHERE direction = 'out' AND kind = 'ticket'"
            ).fetchone()[0]
            moment = datetime.fromtimestamp(at, BEIJING)
            number = f"F{moment:%Y%m%d}-{count + 1:06d}"
            for body in matter(number, count, messages, moment):
                self._put_out(body, number, at)
        return number

    def waiting(self) -> list[Envelope]:
        """Envelopes to send, in order; 100 at most."""
        rows = self._database.execute(
            "SELECT envelope FROM message WHERE direction = 'out' AND state = 'waiting' "
            "ORDER BY number LIMIT 100"
        )
        return [read_envelope(row["envelope"]) for row in rows]

    def confirmed(self, message_id: str, state: str) -> None:
        self._database.execute(
            "UPDATE message SET state = ? WHERE direction = 'out' AND id = ?", (state, message_id)
        )

    def send_again(self, message_id: str) -> None:
        self.confirmed(message_id, "waiting")

    def message(self, message_id: str) -> dict[str, Any] | None:
        row = self._database.execute(
            "SELECT envelope FROM message WHERE id = ? LIMIT 1", (message_id,)
        ).fetchone()
        return json.loads(row["envelope"]) if row is not None else None

    def ledger(self, day: str, after: int, limit: int) -> dict[str, Any]:
        """As `voicebot.exchange.reading.ledger`, from the other side."""
        rows = self._database.execute(
            f"SELECT {_LINE} FROM message WHERE day = ? AND number > ? "  # noqa: S608
            "ORDER BY number LIMIT ?",
            (day, after, limit + 1),
        ).fetchall()
        page = [dict(row) for row in rows[:limit]]
        following = page[-1]["number"] if len(rows) > limit else None
        return {"day": day, "entries": page, "next": following}

    def figures(self) -> dict[str, Any]:
        """``{"in": {state: n}, "out": {…}, "effects", "twice": [ids], "conflicts"}``."""
        found: dict[str, Any] = {"in": {}, "out": {}}
        for direction, state, count in self._database.execute(
            "SELECT direction, state, count(*) FROM message GROUP BY direction, state"
        ):
            found[direction][state] = count
        twice = "SELECT id FROM effect GROUP BY id HAVING count(*) > 1 ORDER BY id"
        one = "SELECT count(*) FROM "
        return found | {
            "effects": self._database.execute(one + "effect").fetchone()[0],
            "twice": [row["id"] for row in self._database.execute(twice)],
            "conflicts": self._database.execute(one + "conflict").fetchone()[0],
        }

    def effects(self) -> list[str]:
        """Ids in the order in which they were applied."""
        return [
            row["id"] for row in self._database.execute("SELECT id FROM effect ORDER BY number")
        ]

    def _apply_ready(self, subject: str) -> list[Envelope]:
        applied = []
        while row := self._database.execute(
            "SELECT id, envelope FROM message AS m WHERE direction = 'in' AND state = 'waiting' "
            "AND subject = ? AND (sequence = 1 OR EXISTS (SELECT 1 FROM message AS b WHERE "
            "b.direction = 'in' AND b.subject = m.subject AND b.sequence = m.sequence - 1 "
            "AND b.state = 'applied'))",
            (subject,),
        ).fetchone():
            self._database.execute("INSERT INTO effect (id) VALUES (?)", (row["id"],))
            self._database.execute(
                "UPDATE message SET state = 'applied' WHERE direction = 'in' AND id = ?",
                (row["id"],),
            )
            applied.append(read_envelope(row["envelope"]))
        return applied

    def _put_out(self, body: Body, subject: str, at: float) -> None:
        last = self._database.execute(
            "SELECT max(sequence) FROM message WHERE direction = 'out' AND subject = ?", (subject,)
        ).fetchone()[0]
        envelope = seal(
            body,
            subject=subject,
            sequence=(last or 0) + 1,
            sender="110",
            sent_at=datetime.fromtimestamp(at, BEIJING),
        )
        self._write("out", envelope, at)

    def _write(self, direction: str, envelope: Envelope, at: float) -> None:
        self._insert(
            direction=direction,
            id=envelope.id,
            kind=envelope.kind,
            subject=envelope.subject,
            sequence=envelope.sequence,
            sender=envelope.sender,
            content_hash=envelope.content_hash,
            state="waiting",
            sent_at=envelope.sent_at.timestamp(),
            at=at,
            envelope=envelope.to_json(),
        )

    def _insert(self, **values: Any) -> None:
        values["day"] = datetime.fromtimestamp(values["sent_at"], BEIJING).date().isoformat()
        self._database.execute(
            f"INSERT INTO message ({', '.join(values)}) "  # noqa: S608 - names of ours
            f"VALUES ({', '.join('?' for _ in values)})",
            tuple(values.values()),
        )

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
