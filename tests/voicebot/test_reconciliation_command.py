"""`voicebot exchange reconcile` and `differences`, against the stand-in over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from telephony.loopback_server import LoopbackServer
from tests.voicebot.exchange_messages import AT
from tests.voicebot.exchange_sides import TOKEN, write_settings
from voicebot.cli import app
from voicebot.exchange.stand_in.app import create_stand_in
from voicebot.exchange.stand_in.faults import Faults
from voicebot.exchange.stand_in.store import Store

DAY = str(AT.date())


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(config: Path, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["--config", str(config), "exchange", *arguments])
    return found.exit_code, found.stdout or (str(found.exception) if found.exception else "")


async def test_what_110_has_and_we_lack_is_fetched_and_listed(tmp_path: Path) -> None:
    store = Store(tmp_path / "110.db")
    number = store.push(AT.timestamp(), messages=2)
    for each in store.waiting():
        store.confirmed(each.id, "applied")  # 110 was told so, and we have lost it
    stand_in = create_stand_in(store, token=TOKEN, faults=Faults())
    async with LoopbackServer(stand_in) as server:
        config = write_settings(tmp_path / "12345", server.port)

        def commands() -> list[Any]:
            looked = run(config, "reconcile", "--day", DAY, "--json")
            listed = run(config, "differences", "--subject", number)
            mended = run(config, "reconcile", "--day", DAY, "--repair", "--json")
            again = run(config, "reconcile", "--day", DAY, "--json")
            everything = run(config, "differences", "--all", "--output", "all.csv")
            assert everything[0] == 0, everything
            assert "missing_here" in Path("all.csv").read_text("utf-8-sig")
            return [looked, listed, mended, again]

        looked, listed, mended, again = await asyncio.to_thread(commands)
    assert looked[1].startswith("{"), looked
    first = json.loads(looked[1])
    assert (looked[0], first["found"], first["mending"]) == (1, {"missing_here": 2}, 0)
    assert listed[1].count("ask_again") == 2
    assert json.loads(mended[1])["mending"] == 2
    last = json.loads(again[1])
    assert (again[0], last["settled"], last["unsettled"]) == (0, 2, 0)


def test_without_a_platform_or_a_day_it_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "voicebot.toml"
    config.write_text(f'[paths]\nstate = "{tmp_path}"\n')
    assert "[exchange] url" in run(config, "reconcile")[1]
    assert "2026-11-25" in run(config, "reconcile", "--day", "gestern")[1]


def test_a_platform_that_is_away_changes_nothing(tmp_path: Path) -> None:
    config = write_settings(tmp_path / "12345", 1)
    code, said = run(config, "reconcile", "--day", DAY)
    assert code == 1
    assert "ConnectError" in said
    assert run(config, "differences", "--all", "--json") == (0, "")
