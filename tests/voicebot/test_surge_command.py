"""`voicebot surge`: orders, reasons and expectations from the command line."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from flows.forecast import FACTORS, Situation
from tests.voicebot.conftest import Voicebot
from voicebot.clock import BEIJING
from voicebot.commands.surge_status import lines_of
from voicebot.config import Settings
from voicebot.figures.tables import AnsweredOfferRow, RefusedCallRow
from voicebot.records.store import Records
from voicebot.records.tables import CallRow
from voicebot.surge import forecasting
from voicebot.surge.tables import SurgeDecisionRow


def test_an_order_is_given_and_ended(voicebot_here: Voicebot) -> None:
    given = voicebot_here(
        "surge", "override", "bot", "--why", "台风登陆", "--as", "王班长", "--json"
    )
    (order,) = json.loads(given.stdout)["orders"]
    assert (order["order"], order["given_by"], order["why"]) == ("bot", "王班长", "台风登陆")
    assert order["until_at"] - order["given_at"] == pytest.approx(7200)
    assert "No order is in force." in voicebot_here("surge", "override", "end").stdout


def test_a_kind_of_day_without_a_forecast_is_said_to_change_nothing(
    voicebot_here: Voicebot,
) -> None:
    arguments = ("surge", "override", "typhoon", "--why", "红色预警", "--json")
    assert "surge.forecast is off" in voicebot_here(*arguments).stderr
    on = voicebot_here(*arguments, VOICEBOT_SURGE__FORECAST="true")
    assert on.stderr == ""
    assert len(json.loads(on.stdout)["orders"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("override", "flee", "--why", "x"), "There is no order 'flee'; there are bot, seats"),
        (("override", "bot"), "An order needs a reason"),
        (("override", "bot", "--why", "x", "--line", "99999"), "is no line here"),
        (("override", "bot", "--why", "x", "--for", "999"), "within a week"),
        (("explain", "c-1"), "has decided nothing about a call c-1"),
        (("forecast", "--day", "tomorrow"), "write it like 2026-09-01"),
        (("status",), "does not answer"),
        (("status", "--url", "http://127.0.0.1:9"), "give its own with --token"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    voicebot_here: Voicebot, arguments: tuple[str, ...], said: str
) -> None:
    done = voicebot_here("surge", *arguments, VOICEBOT_SERVER__PORT="9")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_calls_on_record_nothing_is_expected(voicebot_here: Voicebot) -> None:
    found = json.loads(voicebot_here("surge", "forecast", "--json").stdout)
    assert (found["line"], found["learnt"], sum(found["calls_per_hour"])) == ("12345", False, 0)


def test_the_status_names_mode_seats_and_orders() -> None:
    line = {
        "line": "12345",
        "mode": "surge",
        "since": time.time(),
        "figures_known": True,
        "asked_at_each_call": False,
        "situation": "typhoon",
        "figures": {
            "bot_calls": 6,
            "bot_room": 8,
            "lines": 16,
            "lines_in_use": 3,
            "seats_age_s": 2.0,
            "expected_per_min": 4.0,
            "seats": {
                "groups": [{"region": "460100", "local": True, "staffed": 30, "free": 0}],
                "waiting": 12,
                "oldest_wait_s": 40.0,
                "arrivals_per_min": 9.5,
            },
        },
        "newest": {"because": "坐席已满，由机器人接听。"},
    }
    order = {
        "line": "",
        "order": "typhoon",
        "until_at": time.time(),
        "given_by": "王班长",
        "why": "红色预警",
    }
    shown = "\n".join(lines_of({"lines": [line], "orders": [order]}))
    for part in ("12345  高峰", "台风", "空闲 0/30", "排队 12", "坐席已满", "全部线路  台风"):
        assert part in shown


async def test_expectations_are_learnt_from_answered_refused_and_diverted_calls(
    database_url: str, settings: Settings, records: Records
) -> None:
    now = datetime.now(BEIJING)
    first = (now - timedelta(days=14)).replace(hour=9, minute=10, second=0, microsecond=0)

    def fill(session: Session) -> None:
        for day in range(14):
            at = (first + timedelta(days=day)).timestamp()
            session.add(CallRow(id=f"a{day}", did="12345", offered_at=at, started_at=at))
            session.add(AnsweredOfferRow(offer_key=f"key-{day}", call_id=f"a{day}"))
            session.add(RefusedCallRow(call_id=f"r{day}", did="12345", reason="full", at=at))
            served = RefusedCallRow(call_id=f"s{day}", did="12345", reason="full", at=at)
            served.offer_key = f"key-{day}"  # by another node, which has answered it
            session.add(served)
            for destination, name in (("queue", "q"), ("bot", "b")):
                session.add(
                    SurgeDecisionRow(
                        call_id=f"{name}{day}",
                        line="12345",
                        at=at,
                        destination=destination,
                        reason="short_wait",
                        mode="normal",
                        because="",
                        figures={},
                    )
                )
        session.add(CallRow(id="today", did="12345", started_at=now.timestamp()))

    await records.transact(fill)
    found = await records.read(forecasting.profiles, now, 8, FACTORS)
    at_nine = now.replace(hour=9, minute=30, second=0, microsecond=0)
    per_hour = 60 * forecasting.expected(found["12345"], at_nine, Situation.ORDINARY)
    assert per_hour == pytest.approx(3.0)
    assert forecasting.expected(found["12345"], at_nine, Situation.TYPHOON) == pytest.approx(
        3 * per_hour / 60
    )
    assert forecasting.expected(None, at_nine, Situation.ORDINARY) == 0
