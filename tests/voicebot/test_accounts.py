"""Accounts: who may log in with which password, and what ends a session."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.quick_passwords import GOOD, QUICK, quick_passwords  # noqa: F401 - fixture
from voicebot.accounts import keeping
from voicebot.accounts.brake import ADDRESS, NAME
from voicebot.accounts.errors import AccountsError, LoginRefused, NoSuchAccount
from voicebot.accounts.log_in import LogIn
from voicebot.accounts.passwords import PLACES, Bench, check, checked_password, hashed
from voicebot.accounts.sessions import Visitor
from voicebot.accounts.tables import AccountRow
from voicebot.config import Settings
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow

pytestmark = pytest.mark.usefixtures("database_url", "quick_passwords")

SEAT, ELSEWHERE = "10.0.0.7", "203.0.113.9"


@pytest.fixture
def enter(records: Records, settings: Settings) -> LogIn:
    return LogIn(records, settings.accounts)


async def make(records: Records, name: str = "王芳", role: str = "agent") -> str:
    return await records.transact(lambda s: keeping.add(s, name, role, hashed(GOOD)).id)


async def logged_in(records: Records, enter: LogIn, name: str = "王芳") -> str:
    """The cookie of a session."""
    return await records.sessions.open(await enter(name, GOOD, SEAT), SEAT)


async def refusal(enter: LogIn, name: str, password: str, client: str = SEAT) -> LoginRefused:
    with pytest.raises(LoginRefused) as refused:
        await enter(name, password, client)
    return refused.value


async def acts(records: Records) -> list[tuple[str, str, bool]]:
    await records.audit(None, "end")
    rows = await records.read(
        lambda s: [(r.action, r.principal, r.allowed) for r in s.scalars(select(AuditRow))]
    )
    return rows[:-1]


# ── who may log in ────────────────────────────────────────────────────────────────────


async def test_a_name_with_its_password_lets_in(records: Records, enter: LogIn) -> None:
    account = await make(records)
    opening = await enter("王芳", GOOD, SEAT)
    assert (opening.principal.name, opening.principal.role) == ("王芳", "agent")
    assert opening.principal.token_id == opening.account == account


@pytest.mark.parametrize("name", [" 王芳 ", "王 芳", "王\u3000芳"])
async def test_a_name_may_be_written_in_other_ways(
    records: Records, enter: LogIn, name: str
) -> None:
    await make(records)
    assert (await enter(name, GOOD, SEAT)).principal.name == "王芳"


@pytest.mark.parametrize(
    ("name", "password"),
    [("王芳", "wrong"), ("王芳", GOOD + "x"), ("李明", GOOD), ("王\0芳", GOOD), ("", "")],
)
async def test_any_other_pair_is_refused_in_the_same_words(
    records: Records, enter: LogIn, name: str, password: str
) -> None:
    await make(records)
    refused = await refusal(enter, name, password)
    assert (refused.code, str(refused)) == ("wrong_login", "The name or the password is wrong.")


async def test_a_disabled_account_is_refused_in_the_same_words(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    await records.transact(keeping.disable, "王芳")
    assert (await refusal(enter, "王芳", GOOD)).code == "wrong_login"
    await records.transact(keeping.enable, "王芳")
    assert (await enter("王芳", GOOD, SEAT)).principal.name == "王芳"


async def test_an_account_of_a_provider_has_no_password_here(
    records: Records, enter: LogIn
) -> None:
    identity = ("https://id.example", "7")
    await records.transact(keeping.add, "王芳", "agent", None, identity=identity)
    assert (await refusal(enter, "王芳", "")).code == "wrong_login"
    with pytest.raises(AccountsError, match="has no password here"):
        await records.transact(keeping.set_password, "王芳", hashed(GOOD))
    with pytest.raises(AccountsError, match=r"comes from https://id\.example"):
        await records.transact(keeping.set_role, "王芳", "admin")


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    records: Records, enter: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: one hash is verified in any case."""
    verified = []

    class Counting(PasswordHasher):
        def verify(self, *arguments: Any) -> Any:
            verified.append(arguments[0])
            return super().verify(*arguments)

    monkeypatch.setattr(
        "voicebot.accounts.passwords.HASHER",
        Counting(time_cost=1, memory_cost=8, parallelism=1),
    )
    await make(records)
    await make(records, "李明")
    await records.transact(keeping.disable, "李明")
    for name in ("王芳", "李明", "nobody"):
        before = len(verified)
        await refusal(enter, name, "wrong")
        assert len(verified) == before + 1


async def test_an_old_hash_is_renewed_by_the_next_log_in(
    records: Records, enter: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(records)

    def on_record(session: Session) -> str | None:
        return session.scalars(select(AccountRow.password)).one()

    before = await records.read(on_record)
    monkeypatch.setattr(
        "voicebot.accounts.passwords.HASHER",
        PasswordHasher(time_cost=2, memory_cost=8, parallelism=1),
    )
    await enter("王芳", GOOD, SEAT)
    after = await records.read(on_record)
    assert before is not None
    assert after is not None
    assert "t=1" in before
    assert "t=2" in after
    assert check(after, GOOD).fits
    assert ("account.rehash", "王芳", True) in await acts(records)


# ── wrong passwords ───────────────────────────────────────────────────────────────────


async def test_wrong_passwords_make_a_name_wait_whoever_tries(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    for number in range(NAME.free):
        assert (await refusal(enter, "王芳", "wrong", f"203.0.113.{number}")).code == "wrong_login"
    refused = await refusal(enter, "王芳", GOOD, ELSEWHERE)
    assert refused.code == "too_many_tries"
    assert refused.retry_s > 0
    assert [act for act in await acts(records) if act[0] == "session.braked"]


async def test_a_name_that_is_not_there_waits_as_well(records: Records, enter: LogIn) -> None:
    for number in range(NAME.free):
        await refusal(enter, "nobody", "wrong", f"203.0.113.{number}")
    assert (await refusal(enter, "nobody", "wrong", ELSEWHERE)).code == "too_many_tries"


async def test_an_address_waits_whatever_names_it_tries(records: Records, enter: LogIn) -> None:
    await make(records)
    for number in range(ADDRESS.free):
        await refusal(enter, f"name {number}", "wrong", ELSEWHERE)
    assert (await refusal(enter, "王芳", GOOD, ELSEWHERE)).code == "too_many_tries"
    assert (await enter("王芳", GOOD, SEAT)).principal.name == "王芳"


async def test_the_network_of_one_ipv6_customer_is_one_address(
    records: Records, enter: LogIn
) -> None:
    for number in range(ADDRESS.free):
        await refusal(enter, f"name {number}", "wrong", f"2001:db8::{number:x}")
    assert (await refusal(enter, "nobody", "wrong", "2001:db8::ffff")).code == "too_many_tries"
    assert (await refusal(enter, "nobody", "wrong", "2001:db8:1::1")).code == "wrong_login"


async def test_strangers_keep_nobody_out_from_where_he_logged_in_last(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    await logged_in(records, enter)
    for number in range(NAME.free + 1):
        await refusal(enter, "王芳", "wrong", f"203.0.113.{number}")
    assert (await refusal(enter, "王芳", GOOD, ELSEWHERE)).code == "too_many_tries"
    assert (await enter("王芳", GOOD, SEAT)).principal.name == "王芳"


async def test_nor_is_there_a_way_round_the_wait_from_there(records: Records, enter: LogIn) -> None:
    await make(records)
    await logged_in(records, enter)
    for _ in range(NAME.free):
        await refusal(enter, "王芳", "wrong")
    assert (await refusal(enter, "王芳", GOOD)).code == "too_many_tries"


async def test_passwords_that_come_at_once_are_all_counted(records: Records, enter: LogIn) -> None:
    await make(records)
    many = [enter("王芳", "wrong", ELSEWHERE) for _ in range(PLACES)]
    codes = [
        refused.code
        for refused in await asyncio.gather(*many, return_exceptions=True)
        if isinstance(refused, LoginRefused)
    ]
    assert codes.count("wrong_login") == NAME.free
    assert codes.count("too_many_tries") == PLACES - NAME.free


async def test_a_right_password_takes_the_wrong_ones_off_the_name(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    for _ in range(3):
        for _ in range(NAME.free - 1):
            await refusal(enter, "王芳", "wrong")
        await enter("王芳", GOOD, SEAT)


async def test_a_shift_that_logs_in_from_one_address_does_not_wait(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    for _ in range(ADDRESS.free * 2):
        await enter("王芳", GOOD, SEAT)


async def test_wrong_and_right_log_ins_are_on_record_without_the_password(
    records: Records, enter: LogIn
) -> None:
    account = await make(records)
    await refusal(enter, "王芳", "my secret words")
    await refusal(enter, "secret typed as a name", "x")
    await logged_in(records, enter)
    await records.audit(None, "end")
    rows = await records.read(
        lambda s: [(r.action, r.subject, r.client) for r in s.scalars(select(AuditRow))]
    )
    assert rows[1:-1] == [
        ("session.refused", f"{account} 王芳", SEAT),
        ("session.refused", "", SEAT),
        ("session.open", account, SEAT),
    ]


# ── calls go first ────────────────────────────────────────────────────────────────────


async def test_only_so_many_log_ins_are_served_at_a_time(
    records: Records, enter: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, entered = threading.Event(), threading.Event()

    class Slow(PasswordHasher):
        def verify(self, *arguments: Any) -> Any:
            entered.set()
            held.wait(60)
            return super().verify(*arguments)

    await make(records)
    monkeypatch.setattr(
        "voicebot.accounts.passwords.HASHER", Slow(time_cost=1, memory_cost=8, parallelism=1)
    )
    waiting = [
        asyncio.create_task(enter(f"name {n}", "wrong", f"203.0.113.{n}")) for n in range(PLACES)
    ]
    await asyncio.to_thread(entered.wait, 60)
    refused = await refusal(enter, "王芳", GOOD)
    held.set()
    assert (refused.code, refused.retry_s > 0) == ("busy", True)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (await enter("王芳", GOOD, SEAT)).principal.name == "王芳"


async def test_passwords_are_hashed_by_one_thread_that_stands_back() -> None:
    import os

    bench = Bench()

    def who() -> tuple[int, int]:
        number = threading.get_native_id()
        return number, os.getpriority(os.PRIO_PROCESS, number)

    seen = {await bench.run(who) for _ in range(3)}
    ((thread, niceness),) = seen
    assert thread != threading.get_native_id()
    assert niceness > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


# ── which passwords ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "123456789012",
        "qwertyuiop12",
        "1qaz2wsx3edc",
        "Hainan12345!",
        "woaini1314520",
        "aaaaaaaaaaaaaaaa",
        "20261127202611",
        "王芳王芳王芳王芳",
    ],
)
def test_what_is_guessed_first_is_no_password(password: str) -> None:
    with pytest.raises(AccountsError):
        checked_password(password, 8, "王芳")


@pytest.mark.parametrize("password", ["short", "x" * 129])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(AccountsError, match="characters at"):
        checked_password(password, 12)


def test_a_password_is_the_same_however_a_keyboard_sends_it() -> None:
    assert check(
        hashed(checked_password("ｃｏｒｒｅｃｔ horse battery", 12)), "correct horse battery"
    ).fits


# ── what ends a session ───────────────────────────────────────────────────────────────


async def test_a_session_knows_its_account(records: Records, enter: LogIn) -> None:
    account = await make(records)
    visitor = await records.sessions.visitor(await logged_in(records, enter))
    assert visitor is not None
    assert (visitor.principal.name, visitor.principal.role) == ("王芳", "agent")
    assert visitor.account == account


@pytest.mark.parametrize(
    "change",
    [
        lambda s: keeping.set_role(s, "王芳", "supervisor"),
        lambda s: keeping.disable(s, "王芳"),
        lambda s: keeping.set_password(s, "王芳", QUICK.hash("another one of 2026")),
        lambda s: (keeping.disable(s, "王芳"), keeping.enable(s, "王芳")),
    ],
    ids=["role", "disabled", "password", "disabled and enabled"],
)
async def test_what_is_changed_of_an_account_ends_its_sessions_at_once(
    records: Records, enter: LogIn, change: Callable[[Session], Any]
) -> None:
    await make(records)
    await make(records, "李明")
    cookie, others = await logged_in(records, enter), await logged_in(records, enter, "李明")
    await records.transact(change)
    assert await records.sessions.visitor(cookie) is None
    assert await records.sessions.visitor(others) is not None


async def test_the_role_that_it_has_already_ends_nothing(records: Records, enter: LogIn) -> None:
    await make(records)
    cookie = await logged_in(records, enter)
    await records.transact(keeping.set_role, "王芳", "agent")
    assert await records.sessions.visitor(cookie) is not None


async def test_an_account_that_is_disabled_during_a_log_in_gets_no_session(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    opening = await enter("王芳", GOOD, SEAT)
    await records.transact(keeping.disable, "王芳")
    with pytest.raises(AccountsError, match="log in again"):
        await records.sessions.open(opening, SEAT)


async def test_ones_own_password_is_changed_with_the_present_one(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    cookie = await logged_in(records, enter)
    visitor = await records.sessions.visitor(cookie)
    assert visitor is not None
    new = "four quite unusual words 2"
    with pytest.raises(LoginRefused):
        await enter.change(visitor, "wrong", new, SEAT)
    with pytest.raises(AccountsError, match="guessed"):
        await enter.change(visitor, GOOD, "password12345", SEAT)
    opening = await enter.change(visitor, GOOD, new, SEAT)
    assert await records.sessions.visitor(cookie) is None
    fresh = await records.sessions.visitor(await records.sessions.open(opening, SEAT))
    assert fresh is not None
    assert (await refusal(enter, "王芳", GOOD)).code == "wrong_login"
    assert (await enter("王芳", new, SEAT)).account == visitor.account
    assert ("account.password", "王芳", True) in await acts(records)


async def test_a_sessions_lifetime_is_bounded_idle_or_not(
    records: Records, enter: LogIn, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    await make(records)
    idle = settings.accounts.idle_s
    cookie, began = await logged_in(records, enter), time.time()

    async def at(seconds: float) -> Visitor | None:
        monkeypatch.setattr("voicebot.accounts.sessions.time.time", lambda: began + seconds)
        found = await records.sessions.visitor(cookie)
        await records.audit(None, "written")  # and what was queued before it
        return found

    for hour in range(1, 12):
        assert await at(hour * 3600.0 - 60) is not None, hour
    assert await at(11 * 3600.0 + idle - 100) is not None
    assert await at(settings.accounts.session_s + 1) is None


async def test_an_idle_session_is_over(
    records: Records, enter: LogIn, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    await make(records)
    cookie, began = await logged_in(records, enter), time.time()
    monkeypatch.setattr(
        "voicebot.accounts.sessions.time.time", lambda: began + settings.accounts.idle_s + 61
    )
    assert await records.sessions.visitor(cookie) is None
    await make(records, "李明")
    await logged_in(records, enter, "李明")  # by which what is over is removed
    assert await records.sessions.visitor(cookie) is None


async def test_a_log_in_replaces_the_session_that_the_browser_had(
    records: Records, enter: LogIn
) -> None:
    await make(records)
    first = await logged_in(records, enter)
    opening = await enter("王芳", GOOD, SEAT)
    second = await records.sessions.open(opening, SEAT, instead_of=first)
    assert await records.sessions.visitor(first) is None
    assert await records.sessions.visitor(second) is not None


@pytest.mark.parametrize("cookie", ["", "x", "é" * 43, "A" * 43, "A" * 44, "../../etc/passwd"])
async def test_what_is_no_cookie_is_nobody(records: Records, cookie: str) -> None:
    assert await records.sessions.visitor(cookie) is None


# ── which accounts ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["王芳", " 王 芳", "王\u3000芳 "])
async def test_a_name_is_given_once(records: Records, name: str) -> None:
    await make(records)
    with pytest.raises(AccountsError, match="There is an account"):
        await make(records, name)


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\x00b"])
async def test_not_everything_is_a_name(records: Records, name: str) -> None:
    with pytest.raises(AccountsError, match="A name has"):
        await make(records, name)


@pytest.mark.parametrize("role", ["media", "channel", "acd", "metrics", "kb", ""])
async def test_roles_of_programs_are_none_of_people(records: Records, role: str) -> None:
    with pytest.raises(AccountsError, match="People have no role"):
        await make(records, role=role)


async def test_an_account_that_is_not_there_is_named(records: Records) -> None:
    with pytest.raises(NoSuchAccount, match="'李明'"):
        await records.transact(keeping.disable, "李明")


async def test_every_change_is_in_the_audit(records: Records) -> None:
    await make(records)
    await records.transact(keeping.set_role, "王芳", "editor")
    await records.transact(keeping.set_password, "王芳", hashed(GOOD))
    await records.transact(keeping.disable, "王芳")
    await records.transact(keeping.disable, "王芳")
    await records.transact(keeping.enable, "王芳")
    assert [action for action, _, _ in await acts(records)] == [
        "account.add",
        "account.role",
        "account.password",
        "account.disable",
        "account.enable",
    ]
    (row,) = await records.read(keeping.listed)
    assert (row["role"], row["log_in"], row["disabled_at"]) == ("editor", "password", None)
    assert "argon2" not in str(row)
