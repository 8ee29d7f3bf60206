"""What an account may be called, and what it may be."""

from __future__ import annotations

import unicodedata
from typing import get_args

from kb.rules import person
from voicebot.accounts.errors import AccountsError
from voicebot.config_accounts import PersonRole
from voicebot.security import MOST_NAME

PEOPLE: tuple[PersonRole, ...] = get_args(PersonRole)


def checked_name(name: str) -> str:
    """A name as it is kept: one spelling (NFKC), without the space around it.

    Raises:
        AccountsError: it is empty, too long, or holds what cannot be seen.
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise AccountsError(f"A name has 1 to {MOST_NAME} characters that can be seen.")
    return name


def key_of(name: str) -> str:
    """By which two names are one: as the knowledge base compares authors, so that nobody
    approves what he wrote under a name that only looks different. "" for no name.
    """
    return person(name) if name.strip() else ""


def role_of(name: str) -> PersonRole:
    """A role that people may have.

    Raises:
        AccountsError: there is none of that name, or it is for programs.
    """
    for role in PEOPLE:
        if role == name:
            return role
    raise AccountsError(f"People have no role {name!r}; they have {', '.join(PEOPLE)}.")
