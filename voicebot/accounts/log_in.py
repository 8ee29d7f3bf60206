"""Log-ins by name and password.

Nobody learns from the answer, or from how long it takes, which names there are. A password is
counted as wrong before it is looked at and taken off the count when it was right: a thousand that
come at once are a thousand.
"""

from __future__ import annotations

import hashlib
import math
import time
import unicodedata
from dataclasses import dataclass, field

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from voicebot.accounts.brake import ADDRESS, NAME, Level, Rule, brakes, charged, lowered, wait_s
from voicebot.accounts.errors import AccountsError, LoginRefused
from voicebot.accounts.keeping import found, set_password
from voicebot.accounts.names import key_of
from voicebot.accounts.passwords import Bench, Checked, check, checked_password, hashed
from voicebot.accounts.sessions import Opening, Visitor
from voicebot.accounts.tables import AccountRow, BrakeRow
from voicebot.config_accounts import Accounts
from voicebot.rate_limiting import network
from voicebot.records.inserting import insert
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow
from voicebot.security import Principal, audit_row

WRONG = "The name or the password is wrong."
FORGOTTEN_S = 86400.0
"""After so long nothing is left of a level, whatever it was."""


@dataclass(frozen=True, slots=True)
class Known:
    """An account as it was when its password came. `hash` is None where no password fits."""

    opening: Opening
    hash: str | None = field(repr=False)


class LogIn:
    """The log-ins of one service; for the event loop."""

    def __init__(self, records: Records, settings: Accounts) -> None:
        self._records, self._settings, self._bench = records, settings, Bench()

    async def __call__(self, name: str, password: str, client: str) -> Opening:
        """Whom the password lets in.

        Parameters:
            client: the browser's address.

        Raises:
            LoginRefused: wrong_login, too_many_tries, or busy.
            RecordsUnavailable: the database cannot be read or written.
        """
        name = unicodedata.normalize("NFKC", name)
        if not name.isprintable():  # nobody's name, and what not every database can compare
            name = ""
        with self._bench.place():
            # Read before it is written: who has to wait costs the database next to nothing.
            await self._records.read(held_up, name, client, time.time())
            known = await self._records.transact(try_on, name, client, time.time())
            checked = await self._bench.run(check, known.hash if known else None, password)
            if known is None or not checked.fits:
                who = known.opening.principal if known else None
                subject = f"{who.token_id} {who.name}" if who else ""
                self._records.audit(None, "session.refused", subject, client, allowed=False)
                raise LoginRefused("wrong_login", WRONG)
            await self._records.transact(let_in, known, checked, client, time.time())
            return known.opening

    async def change(self, who: Visitor, password: str, new: str, client: str) -> Opening:
        """Somebody's own password; all his sessions are over, and one may be opened.

        Raises:
            LoginRefused: as for a log-in; `password` is the present one.
            AccountsError: `new` cannot be taken, or this is no account with a password.
            RecordsUnavailable: the database cannot be read or written.
        """
        name = who.principal.name
        if not who.account or await self._records.read(_is_elsewhere, name):
            raise AccountsError("Only an account of this service has a password here.")
        await self(name, password, client)
        with self._bench.place():
            least = self._settings.password_length
            wanted = await self._bench.run(checked_password, new, least, name)
            hash_ = await self._bench.run(hashed, wanted)
            return await self._records.transact(_renew, who.principal, hash_, client)


def held_up(session: Session, name: str, client: str, now: float) -> None:
    """Whether the name or the address has to wait.

    Raises:
        LoginRefused: too_many_tries.
    """
    for key, rule in _keys(found(session, name), name, client):
        row = session.get(BrakeRow, key)
        _refuse_while_waiting(Level(row.level, row.at) if row is not None else Level(), now, rule)


def try_on(session: Session, name: str, client: str, now: float) -> Known | None:
    """Count a password that is about to be looked at; the account it is for, if there is one.

    Raises:
        LoginRefused: too_many_tries.
    """
    session.execute(delete(BrakeRow).where(BrakeRow.at < now - FORGOTTEN_S))
    row = found(session, name)
    for key, rule in _keys(row, name, client):
        brake = _locked(session, key, now)
        before = Level(brake.level, brake.at)
        _refuse_while_waiting(before, now, rule)
        after = charged(before, now, rule)
        brake.level, brake.at = after.value, after.at
        if brakes(after, rule) and not brakes(before, rule):
            what = f"{row.id} {row.name}" if row is not None and rule is NAME else ""
            session.add(_braked(what, client, now))
    if row is None:
        return None
    return Known(Opening.of(row), None if row.disabled_at else row.password)


def let_in(session: Session, known: Known, checked: Checked, client: str, now: float) -> None:
    """The password was right: take back what was counted, renew its hash if it is an old one."""
    name = known.opening.principal.name
    (own, _), (address, rule) = _keys(found(session, name), name, client)
    session.execute(delete(BrakeRow).where(BrakeRow.key == own))
    brake = _locked(session, address, now)
    left = lowered(Level(brake.level, brake.at), now, rule)
    brake.level, brake.at = max(0.0, left - 1.0), now
    if checked.renewed is not None:
        session.execute(
            update(AccountRow)
            .where(AccountRow.id == known.opening.account, AccountRow.password == known.hash)
            .values(password=checked.renewed)
        )
        who = known.opening.principal
        session.add(audit_row(who, "account.rehash", who.token_id, client, now))


def _is_elsewhere(session: Session, name: str) -> bool:
    row = found(session, name)
    return row is None or row.password is None


def _renew(session: Session, who: Principal, password: str, client: str) -> Opening:
    def by(action: str, subject: str) -> AuditRow:
        return audit_row(who, action, subject, client, time.time())

    row = set_password(session, who.name, password, by=by)
    return Opening.of(row)


def _keys(
    row: AccountRow | None, name: str, client: str
) -> tuple[tuple[str, Rule], tuple[str, Rule]]:
    """What is braked: the name and the address, in the order in which they are locked; `row`: the
    account of that name.

    Who comes from where he logged in last is counted by himself: strangers who try his name
    do not keep him out.
    """
    address = network(client)
    trusted = row is not None and bool(row.address) and network(row.address) == address
    digest = hashlib.sha256(key_of(name).encode()).hexdigest()[:24]
    own = f"name:{digest}{f'@{address}' if trusted else ''}"
    return (own, NAME), (f"address:{address}", ADDRESS)


def _locked(session: Session, key: str, now: float) -> BrakeRow:
    """The row of a key, held until the end of the transaction."""
    values = {"key": key, "level": 0.0, "at": now}
    session.execute(insert(session, BrakeRow).values(values).on_conflict_do_nothing())
    return session.get_one(BrakeRow, key, with_for_update=True, populate_existing=True)


def _refuse_while_waiting(level: Level, now: float, rule: Rule) -> None:
    if wait := wait_s(level, now, rule):
        seconds = math.ceil(wait)
        raise LoginRefused("too_many_tries", f"Too many wrong passwords; wait {seconds} s.", wait)


def _braked(subject: str, client: str, now: float) -> AuditRow:
    return AuditRow(
        at=now,
        principal="",
        role="",
        action="session.braked",
        subject=subject,
        client=client,
        allowed=False,
    )
