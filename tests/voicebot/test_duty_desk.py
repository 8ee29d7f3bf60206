"""The duty desk's pages: what a supervisor finds on them, and what an agent does not."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from flows.events import LegState
from flows.waiting_list import Claim
from flows.waiting_risk import Risk
from tests.voicebot.test_alarms import difference, limit, missed, rising, run
from tests.voicebot.test_incidents import handed_off
from tests.voicebot.test_searching import call, handed, said
from tests.voicebot.test_web import _opened, _Service
from voicebot.callers.missed_rules import WHY
from voicebot.callers.nuisance import REASONS
from voicebot.config import Settings
from voicebot.duty.names import LINES
from voicebot.exchange.reconciliation.comparing import Finding
from voicebot.exchange.reconciliation.deciding import Decision
from voicebot.exchange.reconciliation.rules import Repair
from voicebot.figures.counting import By
from voicebot.figures.indicators import INDICATORS
from voicebot.figures.tables import TopicMatterRow, TopicRow
from voicebot.incidents.taking_in import take_in
from voicebot.surge.orders import Order
from voicebot.tickets import opening
from voicebot.tickets.deadlines import Kind
from voicebot.tickets.states import Act, Status
from voicebot.tickets.supervision import Level
from voicebot.web.api import create_app
from voicebot.web.console.catalogue import Catalogue, read_catalogue
from voicebot.web.console.duty import incident_pages
from voicebot.web.console.duty.call_pages import OUTCOMES
from voicebot.web.console.places import message_files

NUMBER = "13800138000"
PAGES = (
    "", "now", "calls", "calls?text=着火", "calls?transferred=1", "handoffs", "incidents",
    "incidents?least=1", "incidents/closed", "tickets", "tickets?overdue=1", "tickets/a-t1",
    "limits", "limits?which=all", f"limits?number={NUMBER}", "missed", "missed?all=1", "roster",
    "roster?region=460106",
)  # fmt: skip
SUPERVISORS_PAGES = (
    "alarms", "disputes", "figures", "figures?span=month&by=day", "figures?by=hour", "topics",
    "topics?span=month", "reconciliations", "reconciliations/1",
)  # fmt: skip


def rows(session: Session) -> None:
    """One of each, an hour ago."""
    at = time.time() - 3600.0
    call(session, "a", at, ended_at=None, outcome=None)
    said(session, "a", "着火了快来人")
    handed(session, "a", at + 5, category=3, region="460106")
    opening.save(session, ticket="a-t1", at=at - 30 * 86400, call_id="a", matter="路灯坏了",
                 place="和平大道", number=NUMBER, name="王先生", region="460106",
                 confidential=True)  # fmt: skip
    for name in ("x", "y", "z"):
        handed_off(session, name, at)
    take_in(session, at + 60)
    for row in (limit("proposed"), missed("given_up", True), difference("open"), rising(at),
                run(at, at)):  # fmt: skip
        session.add(row)
    session.add(TopicRow(label="路灯不亮", examples=["路灯不亮"], first_at=at, last_at=at))
    session.flush()
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(at - 86400 + 8 * 3600))
    session.add(TopicMatterRow(topic=1, call_id="a", at=at - 86400, day=yesterday, region="4601"))


@pytest.fixture(scope="module")
def module_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from voicebot.config import load_settings

    folder = tmp_path_factory.mktemp("duty")
    file = folder / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{folder}"\n[rate_limits]\nenabled = false\n')
    return load_settings(file)


class Desk:
    """A browser with a person's token; the page's text, without its markup in `words`."""

    def __init__(self, client: TestClient, service: _Service) -> None:
        self.client, self.service = client, service
        create = service.records.tokens.create
        self._tokens = {role: create(role, role) for role in ("supervisor", "agent", "auditor")}

    def __call__(self, role: str, path: str, language: str = "zh", status: int = 200) -> str:
        answer = self.client.get(
            f"/console/duty/{path}",
            headers={
                "Authorization": f"Bearer {self._tokens[role]}",
                "Accept": "text/html",
                "Cookie": f"voicebot_language={language}",
            },
        )
        assert answer.status_code == status, answer.text
        return answer.text

    def words(self, role: str, path: str) -> str:
        page = re.sub(r"<dialog.*?</dialog>", "", self(role, path), flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.fixture(autouse=True)
def _figures_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.web.kept.WAITED_S", 60.0)


@pytest.fixture(scope="module")
def desk_of_day(module_settings: Settings) -> Iterator[Desk]:
    service = _Service(module_settings, asyncio.run(_opened(module_settings)))
    with TestClient(create_app(service, service.announcements)) as client:
        assert client.portal is not None
        client.portal.call(service.records.transact, rows)
        yield Desk(client, service)
        client.portal.call(service.records.close)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", [*PAGES, *SUPERVISORS_PAGES])
def test_a_supervisor_reads_every_page_in_both_languages(
    desk_of_day: Desk, path: str, language: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        page = desk_of_day("supervisor", path, language)
    assert [each for each in logs if each["event"] == "message_missing"] == []
    assert "duty." not in re.sub(r'"[^"]*"|<script.*?</script>', "", page, flags=re.DOTALL)


@pytest.mark.parametrize("path", PAGES)
def test_an_agent_learns_nothing_of_a_confidential_caller(desk_of_day: Desk, path: str) -> None:
    page = desk_of_day("agent", path)
    for personal in ("王先生", "快来人"):
        assert personal not in page
    if "number=" not in path and path not in ("missed", "missed?all=1", "limits"):
        assert NUMBER not in page


@pytest.mark.parametrize("path", SUPERVISORS_PAGES)
def test_what_is_for_supervisors_is_not_shown_to_agents(desk_of_day: Desk, path: str) -> None:
    desk_of_day("agent", path, status=403)


def test_an_agent_is_offered_no_act_of_a_supervisor(desk_of_day: Desk) -> None:
    for path in ("", "tickets/a-t1", "limits", "incidents"):
        page = desk_of_day("agent", path)
        assert "/v1/surge/override" not in page
        assert 'id="supervise"' not in page
        assert "/v1/callers/limits/" not in page


def test_a_call_in_danger_says_why_it_was_transferred(desk_of_day: Desk) -> None:
    words = desk_of_day.words("supervisor", "calls?transferred=1")
    assert "险情 附件2第3类 → 110-460100 有人接听" in words


def test_the_board_shows_hand_offs_and_calls_with_masked_numbers(desk_of_day: Desk) -> None:
    words = desk_of_day.words("supervisor", "")
    assert "有人接听 110-460100 险情" in words
    assert "没有座席的实时数据：机器人接听每个来电。" in words
    assert NUMBER not in desk_of_day("supervisor", ""), "the board hangs on walls"


def test_callers_in_danger_without_a_line_stand_on_the_board_by_risk(
    desk_of_day: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.board.EVERY_S", 0.0)
    waiting = desk_of_day.service.waiting
    at = time.monotonic()
    for name, score, reason in (("low", 3.0, "险情"), ("high", 9.2, "被埋")):
        claim = Claim("h", None, ("110-469001",), True, Risk(score, (reason,)), at - 30)
        waiting.renew(name, claim, at)
    try:
        words = desk_of_day.words("supervisor", "")
        assert words.index("9.2 被埋 110-469001") < words.index("3.0 险情 110-469001")
    finally:
        waiting.leave("low")
        waiting.leave("high")


@pytest.mark.parametrize("role", ["supervisor", "agent"])
def test_an_incident_shows_its_callers_and_to_supervisors_what_can_be_done(
    desk_of_day: Desk, role: str
) -> None:
    for language in ("zh", "en"):
        (path,) = set(re.findall(r'href="/console/duty/(incidents/i[^"]+)"',
                                 desk_of_day(role, "incidents", language)))  # fmt: skip
        page = desk_of_day(role, path, language)
        assert page.count('href="/console/calls/') == 3
        assert ('data-opens="announce"' in page) is (role == "supervisor")


def test_many_callers_of_an_incident_are_pages(
    desk_of_day: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_pages, "SHOWN", 2)
    (path,) = set(re.findall(r'href="/console/duty/(incidents/i[^"]+)"',
                             desk_of_day("agent", "incidents")))  # fmt: skip
    shown: list[str] = []
    following = [path]
    while following:
        page = desk_of_day("agent", following[0])
        shown += re.findall(r'href="/console/calls/([^"]+)"', page)
        following = re.findall(r'rel="next" href="/console/duty/([^"]+)"', page)
    assert sorted(shown) == ["x", "y", "z"]
    desk_of_day("agent", f"{path}?after=x", status=422)


def test_each_alarm_says_where_it_is_seen_to(desk_of_day: Desk) -> None:
    page = desk_of_day("supervisor", "alarms")
    found = re.findall(r'data-alarm="(\w+)"', page)
    assert found[0] == "missed_in_danger", "danger first"
    assert {"ticket_overdue", "difference_open", "limit_proposed", "topic_rising"} <= set(found)
    for path in re.findall(r'href="(/console/duty/[^"]*)">去处理', page):
        desk_of_day("supervisor", path.removeprefix("/console/duty/"))


def test_a_late_ticket_is_marked_and_can_be_supervised(desk_of_day: Desk) -> None:
    assert "超期" in desk_of_day.words("supervisor", "tickets?overdue=1")
    page = desk_of_day("supervisor", "tickets/a-t1")
    assert 'data-path="/v1/tickets/a-t1/acts"' in page
    assert 'name="act" value="supervise"' in page


def test_what_is_not_there_is_a_page_that_says_so(desk_of_day: Desk) -> None:
    for path in ("tickets/none", "incidents/none", "reconciliations/99", "reconciliations/x"):
        assert "没有找到" in desk_of_day("supervisor", path, status=404)


@pytest.mark.parametrize(
    "path",
    ["figures?first=x&last=y", "figures?first=2026-02-01&last=2026-01-01", "figures?by=moon",
     "figures?first=1000-01-01", "calls?since=x&until=y", "missed?all=", "limits?after=x",
     "limits?which=moon", "disputes?first=x", "disputes?first=2026-03-01&last=2026-02-01",
     "reconciliations?before=x&after=y", "roster?region=moon", "topics?span=moon"],
)  # fmt: skip
def test_what_makes_no_sense_in_an_address_is_left_out(desk_of_day: Desk, path: str) -> None:
    desk_of_day("supervisor", path)


def test_figures_that_take_long_come_by_themselves(
    desk_of_day: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.kept.WAITED_S", 0.0)
    path = "figures?first=2026-01-01&last=2026-01-31&by=region"
    page = desk_of_day("supervisor", path)
    assert 'data-again-after="1000"' in page
    monkeypatch.setattr("voicebot.web.kept.WAITED_S", 60.0)
    assert 'id="figures-table"' in desk_of_day("supervisor", path)


# ── the catalogue ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(message_files())


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("leg", LegState), ("outcome", OUTCOMES), ("status", Status), ("ticket_act", Act),
        ("kind", Kind), ("level", [level.value for level in Level]), ("order", Order),
        ("nuisance", REASONS), ("missed_why", WHY), ("finding", Finding),
        ("finding_means", Finding), ("repair", [*Repair, *Decision]), ("line_name", LINES),
        ("figure", [each.name for each in INDICATORS]),
    ],
)  # fmt: skip
def test_every_value_of_the_records_has_a_name(
    catalogue: Catalogue, table: str, values: Any
) -> None:
    for value in values:
        assert f"duty.{table}.{value}" in catalogue.keys


def test_names_in_chinese_are_those_of_the_domain(catalogue: Catalogue) -> None:
    for kind, table in ((Status, "status"), (Act, "ticket_act"), (Kind, "kind")):
        for value in kind:
            assert catalogue.text("zh", f"duty.{table}.{value}") == value.chinese
    for indicator in INDICATORS:
        assert catalogue.text("zh", f"duty.figure.{indicator.name}") == indicator.chinese


def test_each_alarm_has_a_name_and_advice(catalogue: Catalogue) -> None:
    from voicebot import alarms

    source = open(alarms.__file__, encoding="utf-8").read()  # noqa: SIM115
    codes = set(re.findall(r'(?:Alarm\(|^ +)"(\w+)", "(?:danger|warn|note)"', source, re.MULTILINE))
    assert len(codes) > 15
    for code in codes:
        assert f"duty.alarm.{code}" in catalogue.keys
        assert f"duty.alarm_advice.{code}" in catalogue.keys


def test_each_way_to_divide_figures_has_a_name(catalogue: Catalogue) -> None:
    assert {f"duty.by_{each}" for each in get_args(By)} <= catalogue.keys
