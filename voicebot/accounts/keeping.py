"""Accounts on record: made, listed, changed. Functions of a session, in the caller's transaction.

Whatever takes something from an account counts its `generation` up: its sessions are over with
the commit. Each change is put into the audit with it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.accounts.errors import AccountsError, NoSuchAccount
from voicebot.accounts.names import checked_name, key_of, role_of
from voicebot.accounts.tables import AccountRow
from voicebot.records.tables import AuditRow
from voicebot.security import local_act

Act = Callable[[str, str], AuditRow]
"""The audit row of an action and its subject, by whoever does it."""


def add(
    session: Session,
    name: str,
    role: str,
    password: str | None,
    *,
    identity: tuple[str, str] | None = None,
    by: Act = local_act,
) -> AccountRow:
    """Make an account.

    Parameters:
        password: its hash; None for who logs in at a provider.
        identity: the provider (`issuer`), and who this is there (`subject`).

    Raises:
        AccountsError: the name is taken, or cannot be one; no such role.
    """
    name, now = checked_name(name), time.time()
    if found(session, name) is not None:
        raise AccountsError(f"There is an account {name!r} already; names that differ in width, "
                            "case or spaces alone are the same.")  # fmt: skip
    issuer, subject = identity or (None, None)
    row = AccountRow(
        id=f"u-{secrets.token_hex(6)}",
        name=name,
        key=key_of(name),
        role=role_of(role),
        password=password,
        issuer=issuer,
        subject=subject,
        generation=1,
        address="",
        created_at=now,
        password_at=now if password is not None else None,
    )
    session.add(row)
    session.add(by("account.add", _told(row)))
    return row


def found(session: Session, name: str, *, lock: bool = False) -> AccountRow | None:
    """The account that has this name, however it is written."""
    query = select(AccountRow).where(AccountRow.key == key_of(name))
    return session.scalars(query.with_for_update() if lock else query).first()


def listed(session: Session) -> list[dict[str, Any]]:
    """All accounts by name, without what is secret in them."""
    return [
        {
            "id": row.id,
            "name": row.name,
            "role": row.role,
            "log_in": "password" if row.password else row.issuer or "none",
            "created_at": row.created_at,
            "password_at": row.password_at,
            "logged_in_at": row.logged_in_at,
            "disabled_at": row.disabled_at,
        }
        for row in session.scalars(select(AccountRow).order_by(AccountRow.key))
    ]


def set_role(session: Session, name: str, role: str, *, by: Act = local_act) -> AccountRow:
    """Give an account another role; its sessions are over.

    Raises:
        AccountsError: there is no such account or role, or a provider says who it is.
    """
    row, wanted = _known(session, name), role_of(role)
    if row.issuer:
        raise AccountsError(f"The role of {row.name!r} comes from {row.issuer} at each log-in.")
    change_role(session, row, wanted, by=by)
    return row


def change_role(session: Session, row: AccountRow, role: str, *, by: Act) -> None:
    """As `set_role`, of whatever account; nothing where it has the role already."""
    if row.role != role:
        row.role, row.generation = role, row.generation + 1
        session.add(by("account.role", _told(row)))


def set_password(session: Session, name: str, password: str, *, by: Act = local_act) -> AccountRow:
    """Give an account another password, by its hash; its sessions are over.

    Raises:
        AccountsError: there is no such account, or it logs in at a provider.
    """
    row = _known(session, name)
    if row.issuer:
        raise AccountsError(f"{row.name!r} logs in at {row.issuer} and has no password here.")
    row.password, row.password_at = password, time.time()
    row.generation += 1
    session.add(by("account.password", _told(row)))
    return row


def disable(session: Session, name: str, *, by: Act = local_act) -> AccountRow:
    """Let an account in no more; its sessions are over. Nothing where that is so already."""
    row = _known(session, name)
    if row.disabled_at is None:
        row.disabled_at, row.generation = time.time(), row.generation + 1
        session.add(by("account.disable", _told(row)))
    return row


def enable(session: Session, name: str, *, by: Act = local_act) -> AccountRow:
    """Let a disabled account in again."""
    row = _known(session, name)
    if row.disabled_at is not None:
        row.disabled_at = None
        session.add(by("account.enable", _told(row)))
    return row


def _known(session: Session, name: str) -> AccountRow:
    row = found(session, name, lock=True)
    if row is None:
        raise NoSuchAccount(f"There is no account {name!r}; `voicebot account list` shows them.")
    return row


def _told(row: AccountRow) -> str:
    return f"{row.id} {row.role} {row.name}"
