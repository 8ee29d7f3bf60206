"""`voicebot account`: people's accounts, at this machine's command line."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.voicebot.conftest import ROOT
from tests.voicebot.quick_passwords import GOOD, quick_passwords  # noqa: F401 - fixture
from voicebot.cli import app

pytestmark = pytest.mark.usefixtures("quick_passwords")


class Account:
    """``account("add", "王芳", "--role", "agent", words="…")``."""

    def __call__(self, *arguments: str, words: str = "", fails: bool = False) -> Result:
        typed = f"{words}\n" if words else ""
        result = CliRunner().invoke(app, ["account", *arguments], input=typed)
        assert (result.exit_code != 0) == fails, result.output + repr(result.exception)
        return result

    def listed(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self("list", "--json").stdout.splitlines()]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))
    return Account()


def test_an_account_is_made_changed_and_closed(account: Account) -> None:
    assert (
        "王芳 may log in as agent." in account("add", "王芳", "--role", "agent", words=GOOD).stdout
    )
    account("role", "王芳", "--role", "supervisor")
    account("disable", "王芳")
    (row,) = account.listed()
    assert (row["name"], row["role"], row["log_in"]) == ("王芳", "supervisor", "password")
    assert row["disabled_at"]
    assert "disabled" in account("list").stdout
    account("enable", "王芳")
    assert account.listed()[0]["disabled_at"] is None


def test_a_password_is_read_from_standard_input_and_never_shown(account: Account) -> None:
    account("add", "王芳", "--role", "agent", words=GOOD)
    before = account.listed()[0]["password_at"]
    shown = account("password", "王芳", words="four quite unusual words 2")
    assert "unusual" not in shown.output
    assert account.listed()[0]["password_at"] != before
    assert "argon2" not in account("list", "--json").stdout + account("list").stdout


def test_on_a_terminal_it_is_asked_for_twice_unseen(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "voicebot.cli", "account", "add", "王芳", "--role", "agent"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "VOICEBOT_PATHS__STATE": str(tmp_path)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    for _ in range(2):
        while not shown.endswith(": "):
            shown += os.read(ours, 1024).decode(errors="replace")
        os.write(ours, f"{GOOD}\n".encode())
        shown += "\n"
    while True:
        try:
            more = os.read(ours, 1024)
        except OSError:  # the terminal is closed
            break
        if not more:
            break
        shown += more.decode(errors="replace")
    assert process.wait(60) == 0, shown
    assert "may log in as agent" in shown
    assert "horse" not in shown


@pytest.mark.parametrize(
    ("arguments", "words", "says"),
    [
        (("add", "王芳", "--role", "media"), GOOD, "People have no role 'media'"),
        (("add", "李明", "--role", "agent"), "password1234", "among the first that are guessed"),
        (("add", "李明", "--role", "agent"), "short", "12 characters at least"),
        (("add", "李明", "--role", "agent"), "", "to standard input"),
        (("add", "王芳", "--role", "agent"), GOOD, "There is an account"),
        (("add", " ", "--role", "agent"), GOOD, "A name has"),
        (("disable", "李明"), "", "`voicebot account list` shows them"),
        (("role", "王芳", "--role", "king"), "", "People have no role 'king'"),
        (("password", "李明"), GOOD, "There is no account"),
    ],
)
def test_mistakes_are_sentences(
    account: Account, arguments: tuple[str, ...], words: str, says: str
) -> None:
    account("add", "王芳", "--role", "agent", words=GOOD)
    assert says in str(account(*arguments, words=words, fails=True).exception)


def test_without_accounts_the_list_says_how_to_make_one(account: Account) -> None:
    assert "`voicebot account add` makes one" in account("list").stdout
    assert account("list", "--json").stdout == ""
