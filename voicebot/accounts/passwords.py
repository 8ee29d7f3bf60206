"""Passwords: which ones are taken, and how they are kept (argon2id, RFC 9106).

Hashing is slow on purpose. It is done by one thread, beside the event loop, that stands back for
the threads of calls, and few log-ins are served at a time: who floods the service with passwords
takes from other log-ins and not from callers.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from voicebot.accounts.errors import AccountsError, LoginRefused

P = ParamSpec("P")
T = TypeVar("T")

HASHER = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)
"""One lane: no second core for one password. What older parameters made is renewed at log-in."""
MOST_CHARACTERS = 128
PLACES = 8
"""Log-ins at a time."""
BUSY_S = 2.0
NICENESS = 10
"""A tenth of an ordinary thread's share, where there is not enough for both."""

STRENGTH = 4
"""Of zxcvbn's 0 to 4: more than 10¹⁰ guesses by who knows the usual passwords and patterns."""
_LOOKED_AT = 72
"""Characters that zxcvbn judges; its time grows with their square."""
_OURS = ("hainan", "haikou", "sanya", "rexian", "12345", "110", "voicebot", "zhengwu", "mima")


def checked_password(password: str, least: int, name: str = "") -> str:
    """The password as it is hashed: one spelling for what a keyboard may send in several.

    Parameters:
        least: characters.
        name: of the account; a password made of it is easily guessed.

    Raises:
        AccountsError: it is too short, too long or easily guessed.
    """
    password = normal(password)
    if len(password) < least:
        raise AccountsError(f"A password has {least} characters at least; take a few words.")
    if len(password) > MOST_CHARACTERS:
        raise AccountsError(f"A password has {MOST_CHARACTERS} characters at most.")
    from zxcvbn import zxcvbn  # its word lists take 0.1 s to load, and few commands need them

    known = [name, *name.split(), *_OURS]
    if zxcvbn(password[:_LOOKED_AT], [each for each in known if each])["score"] < STRENGTH:
        raise AccountsError(
            "This password is among the first that are guessed: common words, names, dates or "
            "keys in a row. Take several words that have nothing to do with each other."
        )
    return password


def normal(password: str) -> str:
    """One spelling (NFKC), as names have."""
    return unicodedata.normalize("NFKC", password)


def hashed(password: str) -> str:
    """The hash of a checked password, with its parameters and salt."""
    return HASHER.hash(normal(password))


@dataclass(frozen=True, slots=True)
class Checked:
    """Attributes:
    fits: it is the password.
    renewed: its hash by today's parameters, where the one on record has others.
    """

    fits: bool
    renewed: str | None = field(default=None, repr=False)


def check(on_record: str | None, password: str) -> Checked:
    """Whether it is the password; takes as long where there is none on record."""
    given = normal(password)
    try:
        HASHER.verify(on_record or _nobodys(), given)
    except (VerificationError, InvalidHashError):
        return Checked(False)
    if on_record is None:
        return Checked(False)
    stale = HASHER.check_needs_rehash(on_record)
    return Checked(True, HASHER.hash(given) if stale else None)


@cache
def _nobodys() -> str:
    """Verified in the place of a password that is not there."""
    return HASHER.hash(os.urandom(32).hex())


class Bench:
    """The one thread that hashes, and the few places for who waits for it; for the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=_stand_back)
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """To be held from before anything is done for a log-in.

        Raises:
            LoginRefused: all places are taken.
        """
        if self._taken >= PLACES:
            raise LoginRefused("busy", "Many log in just now; try again in a moment.", BUSY_S)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """`work(…)`, when its turn comes."""
        call = partial(work, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _stand_back() -> None:
    _nobodys()  # the first log-in takes longer for it, whatever its name
    # Linux has a niceness for each thread; elsewhere one thread is bound enough.
    thread = threading.get_native_id()
    with suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, 19))
