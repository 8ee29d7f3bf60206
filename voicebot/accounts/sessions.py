"""Sessions: which browser is whose, until it has been idle or logged in for too long.

A session has no rights of its own. Each request reads the account or the access token that it
was opened with, so that a change of role, a disabling or a revocation holds from the next one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from voicebot.accounts.errors import AccountsError
from voicebot.accounts.tables import AccountRow, SessionRow
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.tables import AccessTokenRow
from voicebot.security import Principal, audit_row

if TYPE_CHECKING:
    from voicebot.config_accounts import Accounts
    from voicebot.records.store import Records

TOUCH_S = 60.0
"""How exactly the last request of a session is kept."""
REMEMBERED = 4096
"""Sessions that go on while the database is away."""
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose browser it is.

    Attributes:
        csrf: what its pages must say with a request that changes something.
        key: names the session in the database.
        account: the id of the account; empty for a session of an access token.
        seen_at, ends_at: seconds since the epoch.
    """

    principal: Principal
    csrf: str
    key: str
    account: str
    seen_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session is opened with: an account as it was when its password was checked, or
    an access token.
    """

    principal: Principal
    account: str = ""
    generation: int = 0

    @classmethod
    def of(cls, account: AccountRow) -> Opening:
        """With an account as it is now."""
        return cls(_principal(account), account.id, account.generation)


class Sessions:
    """The sessions of `records`; for the event loop.

    While the database is away, or slow, those that were seen before go on, as tokens do.
    """

    def __init__(self, records: Records, settings: Accounts) -> None:
        self._records, self._settings = records, settings
        self._known: OrderedDict[str, Visitor] = OrderedDict()

    async def visitor(self, cookie: str, *, active: bool = True) -> Visitor | None:
        """Whose cookie this is; None for no session, or one that is over.

        Parameters:
            active: a person's request, which keeps the session from being idle.
        """
        if not _COOKIE.fullmatch(cookie):
            return None
        key, now = session_key(cookie), time.time()
        before = self._known.get(key)
        goes_on = before if before and not over(before, now, self._settings.idle_s) else None
        try:
            asked = self._records.read(find, cookie, now, self._settings.idle_s)
            found = await self._records.unless_slow(asked, goes_on)
        except RecordsUnavailable:
            found = goes_on
        if found is None:
            self._known.pop(key, None)
            return None
        seen_at = max(found.seen_at, before.seen_at if before else 0.0)
        if active and now - seen_at >= TOUCH_S:
            seen_at = now
            self._records.touch_session(key, now)
        self._known[key] = replace(found, seen_at=seen_at)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def open(self, opening: Opening, client: str, *, instead_of: str = "") -> str:
        """The cookie of a new session, which is on record and in the audit.

        Parameters:
            client: the browser's address.
            instead_of: the cookie that it had; that session ends.

        Raises:
            AccountsError: the account was changed since it was looked at.
            RecordsUnavailable: the database takes no write.
        """
        return await self._records.transact(
            begin, opening, client, instead_of, time.time(), self._settings
        )

    async def close(self, visitor: Visitor, client: str) -> None:
        """Log out.

        Raises:
            RecordsUnavailable: the database takes no write; the session goes on.
        """
        await self._records.transact(end, visitor, client, time.time())
        self._known.pop(visitor.key, None)


def session_key(cookie: str) -> str:
    """By which the database knows it; a cookie has 256 random bits."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def csrf_of(cookie: str) -> str:
    """Known to whoever knows the cookie, and tells nothing of it."""
    return hashlib.sha256(b"csrf " + cookie.encode()).hexdigest()


def over(visitor: Visitor, now: float, idle_s: float) -> bool:
    """It has been idle, or logged in, for too long."""
    return now >= visitor.ends_at or now - visitor.seen_at >= idle_s + TOUCH_S


def find(session: Session, cookie: str, now: float, idle_s: float) -> Visitor | None:
    """The session of a cookie, if it holds."""
    found = session.execute(
        select(SessionRow, AccountRow, AccessTokenRow)
        .outerjoin(AccountRow, AccountRow.id == SessionRow.account)
        .outerjoin(AccessTokenRow, AccessTokenRow.id == SessionRow.token)
        .where(SessionRow.key == session_key(cookie))
    ).first()
    if found is None:
        return None
    row, account, token = found
    principal = _account_holds(row, account) or _token_holds(token)
    if principal is None:
        return None
    visitor = Visitor(
        principal, csrf_of(cookie), row.key, row.account or "", row.seen_at, row.ends_at
    )
    return None if over(visitor, now, idle_s) else visitor


def _account_holds(row: SessionRow, account: AccountRow | None) -> Principal | None:
    if account is None or account.disabled_at or account.generation != row.generation:
        return None
    return _principal(account)


def _principal(account: AccountRow) -> Principal:
    return Principal(account.name, account.role, account.id)


def _token_holds(token: AccessTokenRow | None) -> Principal | None:
    if token is None or token.revoked_at:
        return None
    return Principal(token.name, token.role, token.id)


def begin(
    session: Session,
    opening: Opening,
    client: str,
    instead_of: str,
    now: float,
    settings: Accounts,
) -> str:
    """Make a session, end the one it replaces and those that are over.

    Raises:
        AccountsError: the account was changed, or disabled, since `opening` was made.
    """
    who = opening.principal
    if opening.account:
        account = session.get(AccountRow, opening.account, with_for_update=True)
        if account is None or account.disabled_at or account.generation != opening.generation:
            raise AccountsError("The account was changed just now; log in again.")
        account.logged_in_at, account.address = now, client
    gone = or_(SessionRow.ends_at <= now, SessionRow.seen_at <= now - settings.idle_s - TOUCH_S)
    if instead_of:
        gone = or_(gone, SessionRow.key == session_key(instead_of))
    session.execute(delete(SessionRow).where(gone))
    cookie = secrets.token_urlsafe(32)
    session.add(
        SessionRow(
            key=session_key(cookie),
            account=opening.account or None,
            token=None if opening.account else who.token_id,
            generation=opening.generation,
            opened_at=now,
            seen_at=now,
            ends_at=now + settings.session_s,
        )
    )
    session.add(audit_row(who, "session.open", who.token_id, client, now))
    return cookie


def end(session: Session, visitor: Visitor, client: str, now: float) -> None:
    """Log out."""
    session.execute(delete(SessionRow).where(SessionRow.key == visitor.key))
    who = visitor.principal
    session.add(audit_row(who, "session.close", who.token_id, client, now))


def touch_session(session: Session, *, key: str, at: float) -> None:
    """A person was active at `at`; an operation of `voicebot.records.operations`."""
    session.execute(
        update(SessionRow).where(SessionRow.key == key, SessionRow.seen_at < at).values(seen_at=at)
    )
