"""Access tokens: who may do what.

A token is 256 random bits, so its SHA-256 is as safe to keep as an argon2 hash and can
be checked at each request. Tokens are made at first start, shown once, and kept for the
commands on this machine in ``<state>/secrets/<role>.token``, mode 0600.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import pwd
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from voicebot.config import Settings
from voicebot.errors import VoicebotError
from voicebot.records.database import migrate, open_engine, reason
from voicebot.records.tables import AccessTokenRow, AuditRow
from voicebot.state_folder import make_private
from voicebot.token_memory import KnownToken, memory_file, recall, remember

log = structlog.get_logger()

Role = Literal[
    "admin",
    "supervisor",
    "agent",
    "editor",
    "reviewer",
    "media",
    "desk",
    "110",
    "channel",
    "acd",
    "metrics",
    "auditor",
]
ROLES: tuple[Role, ...] = get_args(Role)
EDITORS: tuple[Role, ...] = ("editor", "reviewer")
"""Who may write the knowledge base (知识库) …"""
REVIEWERS: tuple[Role, ...] = ("reviewer",)
"""… and who may approve, publish and withdraw in it, but for what he wrote (`kb.rules`)."""

FIRST_TOKENS: tuple[Role, ...] = ("media", "admin", "desk")
FIRST_START = "first start"
MOST_NAME = 64

CACHE_S = 1.0
"""How long a revoked token may still be let in."""
WRITE_PATIENCE_S = 5.0


class SecurityError(VoicebotError):
    """A token cannot be made, found or kept."""

    code = "security.error"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever showed a valid token or has a session; of an account, `token_id` is its id."""

    name: str
    role: str
    token_id: str


class TokenStore:
    """The tokens of the database; thread-safe.

    While the database is away the tokens last read go on being valid: calls must not
    stop because of it.

    Parameters:
        url: the database's.
        memory: file in which they are remembered for a start without the database.
    """

    def __init__(self, url: str, memory: Path | None = None) -> None:
        self._url, self._memory = url, memory
        self._reader = open_engine(url)
        self._lock = threading.Lock()
        self._known: tuple[KnownToken, ...] | None = None
        self._read_at = float("-inf")

    def close(self) -> None:
        self._reader.dispose()

    def principal(self, token: str | None) -> Principal | None:
        """Whose token this is; None if it is not, or no longer, a token."""
        return _whose(token, self._tokens()) if token else None

    def remembered(self, token: str | None) -> Principal | None:
        """Whose token it was when the tokens were last read; waits for nothing."""
        return _whose(token, self._known or ()) if token else None

    def create(self, role: str, name: str = "") -> str:
        """Make a token; the only time that it is seen.

        Parameters:
            name: who it is for, as audit rows have it; empty: its role and its id.

        Raises:
            SecurityError: there is no such role, a channel's token has no name, the name is too
                long, or the database takes no write.
        """
        if role not in ROLES:
            raise SecurityError(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
        name = name.strip()
        if role == "channel" and not name:
            raise SecurityError(
                "A channel's token needs its name (--name 海易办): by it the matters that it has "
                "sent are told from those of other channels."
            )
        if len(name) > MOST_NAME:
            raise SecurityError(f"A name has {MOST_NAME} characters at most.")
        token = new_token()
        self.put_on_record(token, role, name)
        return token

    def put_on_record(self, token: str, role: str, name: str) -> None:
        """Let in from now on whoever shows `token`."""
        known = secrets.token_hex(4)
        row = AccessTokenRow(
            id=known,
            name=name or f"{role} {known}",
            role=role,
            hash=_hash(token),
            created_at=time.time(),
        )
        with self._transaction() as session:
            session.add(row)
            session.add(local_act("token.create", f"{row.id} {role} {row.name}"))
        self._forget()

    def listed(self) -> list[dict[str, Any]]:
        """All tokens, newest last, without their hashes."""
        with _translated(), Session(self._reader) as session:
            rows = session.scalars(select(AccessTokenRow).order_by(AccessTokenRow.created_at))
            return [
                {
                    "id": row.id,
                    "name": row.name,
                    "role": row.role,
                    "created_at": row.created_at,
                    "revoked_at": row.revoked_at,
                }
                for row in rows
            ]

    def revoke(self, token_id: str) -> None:
        """Make a token worthless.

        Raises:
            SecurityError: there is no such token, or the database takes no write.
        """
        with self._transaction() as session:
            row = session.get(AccessTokenRow, token_id)
            if row is None:
                raise SecurityError(
                    f"There is no token {token_id!r}; `voicebot token list` shows them."
                )
            row.revoked_at = row.revoked_at or time.time()
            session.add(local_act("token.revoke", f"{row.id} {row.role} {row.name}"))
        self._forget()

    def _tokens(self) -> Sequence[KnownToken]:
        with self._lock:
            if self._known is not None and time.monotonic() - self._read_at < CACHE_S:
                return self._known
            try:
                with Session(self._reader) as session:
                    rows = session.scalars(
                        select(AccessTokenRow).where(AccessTokenRow.revoked_at.is_(None))
                    )
                    fresh = tuple(KnownToken(r.name, r.role, r.id, r.hash) for r in rows)
                if self._memory is not None and fresh != self._known:
                    remember(self._memory, fresh)
                self._known = fresh
            except SQLAlchemyError as error:
                log.error("tokens_unreadable", reason=reason(error))
                if self._known is None:
                    self._known = recall(self._memory) if self._memory is not None else ()
            self._read_at = time.monotonic()
            return self._known

    def _forget(self) -> None:
        with self._lock:
            self._read_at = float("-inf")
        if self._memory is not None:
            self._tokens()

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        engine = open_engine(self._url, writes=True, patience_s=WRITE_PATIENCE_S)
        try:
            with _translated(), Session(engine) as session, session.begin():
                yield session
        finally:
            engine.dispose()


def _whose(token: str, tokens: Sequence[KnownToken]) -> Principal | None:
    given, found = _hash(token), None
    # All of them, so that the time taken tells nothing of where a match stood.
    for known in tokens:
        if hmac.compare_digest(given, known.hash):
            found = Principal(known.name, known.role, known.token_id)
    return found


def token_store(settings: Settings) -> TokenStore:
    """The tokens of the settings' database."""
    return TokenStore(settings.database_url, memory_file(settings.paths.state))


def prepare(settings: Settings) -> Mapping[str, str]:
    """Bring the database up to date and make the first tokens; those made, shown once.

    Processes that start at the same moment wait for each other.

    Raises:
        RecordsUnavailable: the database cannot be opened or brought up to date.
        SecurityError: the state folder cannot be written.
    """
    state, secrets_folder = settings.paths.state, settings.paths.secrets_folder
    try:
        make_private(state)
        secrets_folder.mkdir(exist_ok=True, mode=0o700, parents=True)
        lock = os.open(secrets_folder / ".first-start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SecurityError(
            f"The folder {secrets_folder} cannot be used: {error.strerror}."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        migrate(settings.database_url)
        tokens = token_store(settings)
        try:
            return first_start(settings, tokens)
        finally:
            tokens.close()
    finally:
        os.close(lock)


def first_start(settings: Settings, tokens: TokenStore) -> Mapping[str, str]:
    """Make those of the first tokens that never were made; to be shown once.

    One that was revoked is not made again. What is kept first and then put on record
    is made again, not lost, when a start breaks off in between.

    Raises:
        SecurityError: the database takes no write, or the folder of secrets cannot be written.
    """
    known = {row["role"] for row in tokens.listed() if row["name"] == FIRST_START}
    made: dict[str, str] = {}
    for role in FIRST_TOKENS:
        if role not in known:
            made[role] = new_token()
            keep_token(settings, role, made[role])
            tokens.put_on_record(made[role], role, FIRST_START)
    return made


def new_token() -> str:
    return f"vb_{secrets.token_urlsafe(32)}"


def token_file(settings: Settings, role: str) -> Path:
    return settings.paths.secrets_folder / f"{role}.token"


def keep_token(settings: Settings, role: str, token: str) -> Path:
    """Keep a token for the commands on this machine.

    Raises:
        SecurityError: the file cannot be written.
    """
    file = token_file(settings, role)
    beside = file.with_suffix(".part")
    try:
        make_private(settings.paths.state)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(token + "\n")
        beside.replace(file)
    except OSError as error:
        raise SecurityError(f"The token cannot be kept in {file}: {error.strerror}.") from None
    return file


def local_token(settings: Settings, role: str) -> str | None:
    """The token that is kept on this machine for a role, if any."""
    with suppress(OSError, UnicodeDecodeError):
        return token_file(settings, role).read_text("ascii").strip() or None
    return None


def desk_token(settings: Settings) -> str | None:
    """The token to show to desks and seats: of the settings, else of the first start."""
    return settings.handoff.desk_token.get_secret_value() or local_token(settings, "desk")


@contextmanager
def _translated() -> Iterator[None]:
    """Database errors as sentences."""
    try:
        yield
    except SQLAlchemyError as error:
        raise SecurityError(
            f"The tokens cannot be read or written: {reason(error)}. "
            "If this is a new machine, run `voicebot db migrate`."
        ) from None


def audit_row(who: Principal, action: str, subject: str, client: str, at: float) -> AuditRow:
    """The audit row of an act, for the transaction of the act itself.

    Parameters:
        client: the address that it came from.
        at: seconds since the epoch.
    """
    return AuditRow(
        at=at,
        principal=who.name,
        role=who.role,
        action=action,
        subject=subject[:255],
        client=client,
        allowed=True,
    )


def local_act(action: str, subject: str) -> AuditRow:
    """The audit row of a privileged act at this machine's command line."""
    return AuditRow(
        at=time.time(),
        principal=_user(),
        role="local",
        action=action,
        subject=subject,
        client="cli",
        allowed=True,
    )


def audit_local(url: str, action: str, subject: str) -> None:
    """Put an act at this machine's command line on record, before its result is shown.

    Raises:
        SecurityError: the database takes no write.
    """
    engine = open_engine(url, writes=True, patience_s=WRITE_PATIENCE_S)
    try:
        with Session(engine) as session, session.begin():
            session.add(local_act(action, subject))
    except SQLAlchemyError as error:
        raise SecurityError(
            f"What is shown must be on record, and that cannot be written: {reason(error)}."
        ) from None
    finally:
        engine.dispose()


def _user() -> str:
    """Who runs this, by the system and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
