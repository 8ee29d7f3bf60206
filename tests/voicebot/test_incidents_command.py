"""`voicebot incidents`: seen and changed from the command line."""

from __future__ import annotations

import json
import time

import pytest

from tests.voicebot.conftest import Voicebot
from tests.voicebot.test_incidents import TEXT, handed_off
from voicebot.config import Settings
from voicebot.records.store import Records


@pytest.fixture
async def incident(settings: Settings, records: Records, voicebot: Voicebot) -> str:
    for call in "abc":
        await records.transact(handed_off, call, time.time())
    shown = voicebot("incidents", "list", "--json")
    found = json.loads(shown.stdout)
    assert found["callers"] == 3
    return str(found["incident"])


async def test_an_incident_is_listed_and_shown_with_its_callers(
    voicebot: Voicebot, incident: str
) -> None:
    assert "五指山市 山体滑坡  3人来电" in voicebot("incidents", "list").stdout
    assert "a-h1" in voicebot("incidents", "show", incident).stdout
    whole = json.loads(voicebot("incidents", "show", incident, "--json").stdout)
    assert len(whole["members"]) == 3


async def test_it_is_split_merged_and_closed_by_hand(voicebot: Voicebot, incident: str) -> None:
    split = json.loads(voicebot("incidents", "split", incident, "c-h1", "--json").stdout)
    voicebot("incidents", "merge", incident, split["new"])
    voicebot("incidents", "close", incident, "--as", "李主管")
    shown = json.loads(voicebot("incidents", "show", incident, "--json").stdout)
    assert shown["state"] == "closed"
    assert shown["history"][-1]["who"] == "李主管"
    assert "No incident" in voicebot("incidents", "list").stdout


async def test_an_announcement_is_put_up_and_not_approved_by_its_writer(
    voicebot: Voicebot, incident: str
) -> None:
    told = voicebot("incidents", "announce", incident, TEXT, "--as", "李主管", "--json")
    number = str(json.loads(told.stdout)["announcement"])
    assert "待批准" in voicebot("incidents", "show", incident).stdout
    ended = voicebot("incidents", "announce", incident, "--withdraw", number)
    assert "not spoken any more" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "none"), "`voicebot incidents list` shows them"),
        (("merge", "none", "other"), "There is no open incident none"),
        (("announce", "none"), "Give a text, or --approve"),
        (("announce", "none", "文字文字"), "There is no open incident"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    voicebot: Voicebot, arguments: tuple[str, ...], said: str
) -> None:
    done = voicebot("incidents", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
