"""Passwords that are hashed at once: `pytestmark = pytest.mark.usefixtures("quick_passwords")`."""

import pytest
from argon2 import PasswordHasher

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
GOOD = "correct horse battery 海口"


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.accounts.passwords.HASHER", QUICK)
