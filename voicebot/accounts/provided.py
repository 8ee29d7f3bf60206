"""Accounts of people whom a provider sends: made at their first log-in, their role as it says."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from voicebot.accounts.errors import LoginRefused
from voicebot.accounts.id_token import Identity
from voicebot.accounts.keeping import add, change_role, found
from voicebot.accounts.sessions import Opening
from voicebot.accounts.tables import AccountRow
from voicebot.records.tables import AuditRow
from voicebot.security import Principal, audit_row


def admit(session: Session, identity: Identity, client: str, now: float) -> Opening:
    """The account of an identity; a new role ends the sessions with the old one.

    The name stays what it was at first: the audit and the knowledge base know it.

    Raises:
        LoginRefused: disabled; name_taken: somebody else here has the name.
    """

    def by(action: str, subject: str) -> AuditRow:
        who = Principal(identity.name, identity.role, "")
        return audit_row(who, action, subject, client, now)

    row = session.scalars(
        select(AccountRow)
        .where(AccountRow.issuer == identity.issuer, AccountRow.subject == identity.subject)
        .with_for_update()
    ).first()
    if row is None:
        if found(session, identity.name) is not None:
            raise LoginRefused(
                "name_taken",
                f"Somebody else here is called {identity.name}; the administrator can help.",
            )
        whom = (identity.issuer, identity.subject)
        row = add(session, identity.name, identity.role, None, identity=whom, by=by)
    if row.disabled_at is not None:
        raise LoginRefused("disabled", "This account is disabled; the administrator can help.")
    change_role(session, row, identity.role, by=by)
    return Opening.of(row)
