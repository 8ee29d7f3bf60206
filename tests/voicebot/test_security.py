"""Tokens are made once, kept as hashes, and die when revoked."""

import sqlite3
import stat
from contextlib import closing

import pytest

from voicebot.config import Settings
from voicebot.records.database import migrate
from voicebot.security import (
    FIRST_TOKENS,
    SecurityError,
    TokenStore,
    desk_token,
    first_start,
    local_token,
    token_file,
    token_store,
)


@pytest.fixture
def tokens(settings: Settings) -> TokenStore:
    migrate(settings.database_url)
    return TokenStore(settings.database_url)


def test_first_start_makes_tokens_once(settings: Settings, tokens: TokenStore) -> None:
    made = first_start(settings, tokens)
    assert tuple(made) == FIRST_TOKENS
    assert first_start(settings, tokens) == {}
    for role in FIRST_TOKENS:
        found = tokens.principal(made[role])
        assert found is not None
        assert found.role == role
        assert local_token(settings, role) == made[role]
        assert stat.S_IMODE(token_file(settings, role).stat().st_mode) == 0o600
    assert stat.S_IMODE(token_file(settings, "admin").parent.stat().st_mode) == 0o700
    assert desk_token(settings) == made["desk"]


def test_each_first_token_is_made_by_itself(settings: Settings, tokens: TokenStore) -> None:
    tokens.create("agent", "seat 7")
    tokens.create("desk", "the real desk")
    made = first_start(settings, tokens)
    assert tuple(made) == FIRST_TOKENS
    assert desk_token(settings) == made["desk"]


def test_a_first_start_that_broke_off_is_finished(
    settings: Settings, tokens: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    def breaking(settings: Settings, role: str, token: str) -> None:
        if role == "admin":
            raise SecurityError("no space")
        kept.append(role)

    with monkeypatch.context() as patched:
        patched.setattr("voicebot.security.keep_token", breaking)
        with pytest.raises(SecurityError):
            first_start(settings, tokens)
    assert kept == ["media"]
    assert list(first_start(settings, tokens)) == ["admin", "desk"]


def test_a_first_token_that_was_revoked_stays_so(settings: Settings, tokens: TokenStore) -> None:
    first_start(settings, tokens)
    for row in tokens.listed():
        tokens.revoke(row["id"])
    assert first_start(settings, tokens) == {}


def test_no_token_is_in_the_database(settings: Settings, tokens: TokenStore) -> None:
    made = first_start(settings, tokens)
    with closing(sqlite3.connect(settings.paths.state / "voicebot.db")) as database:
        dump = "\n".join(database.iterdump())
    for token in made.values():
        assert token not in dump
        assert token.removeprefix("vb_") not in dump


@pytest.mark.parametrize("wrong", [None, "", "vb_", "vb_wrong", "\udcff", "é" * 10_000])
def test_what_is_no_token_is_nobody(tokens: TokenStore, wrong: str | None) -> None:
    tokens.create("admin")
    assert tokens.principal(wrong) is None


def test_a_revoked_token_is_nobody(tokens: TokenStore) -> None:
    token = tokens.create("agent", "seat 7")
    (row,) = tokens.listed()
    assert (row["name"], row["role"], row["revoked_at"]) == ("seat 7", "agent", None)
    tokens.revoke(row["id"])
    assert tokens.principal(token) is None
    assert tokens.listed()[0]["revoked_at"] is not None


def test_making_and_revoking_are_audited(settings: Settings, tokens: TokenStore) -> None:
    tokens.create("agent", "seat 7")
    tokens.revoke(tokens.listed()[0]["id"])
    with closing(sqlite3.connect(settings.paths.state / "voicebot.db")) as database:
        acts = [row[0] for row in database.execute("select action from audit order by id")]
    assert acts == ["token.create", "token.revoke"]


def test_mistakes_are_sentences(tokens: TokenStore) -> None:
    with pytest.raises(SecurityError, match="no role 'king'"):
        tokens.create("king")
    with pytest.raises(SecurityError, match="voicebot token list"):
        tokens.revoke("nothing")


def test_a_channels_token_has_a_name_of_its_own(tokens: TokenStore) -> None:
    for nameless in ("", "  "):
        with pytest.raises(SecurityError, match="--name"):
            tokens.create("channel", nameless)
    with pytest.raises(SecurityError, match="64 characters"):
        tokens.create("channel", "海" * 65)
    assert tokens.principal(tokens.create("channel", "海易办")) is not None


def test_nameless_tokens_are_told_apart(tokens: TokenStore) -> None:
    made = [tokens.principal(tokens.create("supervisor")) for _ in range(2)]
    names = {who.name for who in made if who is not None}
    assert names == {f"supervisor {who.token_id}" for who in made if who is not None}
    assert len(names) == 2


def test_without_tables_the_next_step_is_said(settings: Settings) -> None:
    settings.paths.state.mkdir(parents=True)
    with pytest.raises(SecurityError, match="voicebot db migrate"):
        TokenStore(settings.database_url).create("admin")


def test_tokens_go_on_after_a_start_without_the_database(settings: Settings) -> None:
    migrate(settings.database_url)
    tokens = token_store(settings)
    gone, good = tokens.create("media", "old"), tokens.create("media", "pbx")
    tokens.revoke(tokens.listed()[0]["id"])
    tokens.close()
    (settings.paths.state / "voicebot.db").write_bytes(b"broken" * 1000)
    again = token_store(settings)
    found = again.principal(good)
    assert found is not None
    assert found.name == "pbx"
    assert again.principal(gone) is None
    file = settings.paths.state / "secrets" / "known.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert good not in file.read_text()


def test_tokens_go_on_while_the_database_is_away(settings: Settings, tokens: TokenStore) -> None:
    token = tokens.create("media")
    assert tokens.principal(token) is not None
    (settings.paths.state / "voicebot.db").write_bytes(b"broken" * 1000)
    tokens._read_at = float("-inf")
    assert tokens.principal(token) is not None
