"""Tickets over HTTP: who may do what, on which version, and what a refusal says."""

import asyncio
import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from sqlalchemy import select, text

from tests.voicebot.test_web import _Service as Service
from tests.voicebot.ticket_desk import DAY, MONDAY, act, opened
from voicebot.config import Settings
from voicebot.exchange.tables import EnvelopeRow
from voicebot.records.operations import add_turn, start_call, write_dossier
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow
from voicebot.tickets.states import Act
from voicebot.web.api import create_app


class Desk:
    """The application's endpoints, asked with a role's token."""

    def __init__(self, client: TestClient, records: Records) -> None:
        self.client, self.records = client, records
        self._tokens: dict[str, str] = {}

    def headers(self, role: str) -> dict[str, str]:
        if role not in self._tokens:
            self._tokens[role] = self.records.tokens.create(role)
        return {"Authorization": f"Bearer {self._tokens[role]}"}

    def get(self, path: str, role: str = "agent") -> Any:
        return self.client.get(path, headers=self.headers(role))

    def act(self, act: str, version: int | None, role: str = "agent", **values: Any) -> Any:
        headers = self.headers(role)
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        ticket = values.pop("ticket", "C1-t1")
        path = f"/v1/tickets/{quote(ticket, safe='')}/acts"
        return self.client.post(path, json={"act": act, **values}, headers=headers)

    def write(self, work: Any, *arguments: Any, **named: Any) -> Any:
        assert self.client.portal is not None

        async def transact() -> Any:
            await self.records.transact(lambda session: work(session, *arguments, **named) and None)

        return self.client.portal.call(transact)

    def read(self, query: Any) -> Any:
        assert self.client.portal is not None

        async def reading() -> Any:
            return await self.records.read(lambda session: list(session.scalars(query)))

        return self.client.portal.call(reading)


@pytest.fixture(scope="module")
def desk_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("web")
    settings = Settings(paths={"state": folder / "state"})  # type: ignore[arg-type]
    service = Service(settings, asyncio.run(Records.open(settings)))
    with TestClient(create_app(service, service.announcements)) as client:
        desk = Desk(client, service.records)
        yield desk
        assert client.portal is not None
        client.portal.call(service.records.close)


@pytest.fixture
def web(desk_client: Desk) -> Desk:
    desk_client.write(_empty)
    return desk_client


def _empty(session: Any) -> None:
    for table in ("ticket", "ticket_step", "ticket_reminder", "dispatch_rule", "exchange_outbox"):
        session.execute(text(f"DELETE FROM {table}"))


def test_a_ticket_goes_its_way_and_every_act_is_on_record(web: Desk) -> None:
    web.write(opened)
    ticket = web.get("/v1/tickets/C1-t1")
    assert (ticket.headers["etag"], ticket.json()["status"]) == ('"1"', "created")
    version = 1
    for kind, values in (
        ("dispatch", {"department": "市水务局", "kind": "complaint", "region": "460105"}),
        ("accept", {}),
        ("start", {}),
        ("note", {"why": "已约现场查看"}),
        ("answer", {"answer": "已修复。"}),
        ("close", {}),
    ):
        done = web.act(kind, version, **values)
        assert done.status_code == 200, done.text
        version += 1
        assert done.headers["etag"] == f'"{version}"'
    found = done.json()
    assert (found["status"], found["kind"], found["region"]) == ("closed", "complaint", "460105")
    assert [step["act"] for step in found["history"]][-2:] == ["answer", "close"]
    assert found["allowed"] == ["reopen", "escalate", "note"]
    acts = web.read(select(AuditRow.action).where(AuditRow.subject == "C1-t1"))
    assert {"ticket.read", "ticket.dispatch", "ticket.close"} <= set(acts)


def test_an_act_on_an_old_version_is_told_to_look_again(web: Desk) -> None:
    web.write(opened)
    assert web.act("dispatch", 1, department="市水务局").status_code == 200
    late = web.act("withdraw", 1, why="不要了")
    assert (late.status_code, late.json()["code"]) == (412, "ticket.changed")
    assert "at version 2" in late.json()["message"]


def test_an_act_without_a_version_is_refused(web: Desk) -> None:
    web.write(opened)
    assert web.act("note", None, why="x").status_code == 428


def test_a_state_that_does_not_allow_an_act_says_what_it_allows(web: Desk) -> None:
    web.write(opened)
    refused = web.act("close", 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "ticket.refused")
    assert "possible now: dispatch, answer" in refused.json()["message"]


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        ("dispatch", {}, "department"),
        ("withdraw", {"why": " "}, "reason"),
        ("explode", {}, "body.act"),
        ("note", {"why": "x", "colour": "red"}, "body.colour"),
        ("escalate", {"why": "打架", "category": 8}, "body.category"),
    ],
)
def test_what_is_missing_or_unknown_is_named(
    web: Desk, kind: str, values: dict[str, Any], named: str
) -> None:
    web.write(opened)
    refused = web.act(kind, 1, **values)
    assert refused.status_code == 422
    assert named in refused.json()["message"]


def test_an_unknown_ticket_is_not_found(web: Desk) -> None:
    assert web.get("/v1/tickets/T9").status_code == 404
    assert web.act("note", 1, why="x", ticket="T9").json()["code"] == "ticket.unknown"


@pytest.mark.parametrize("role", ["media", "editor", "reviewer", "desk", "110"])
def test_other_roles_see_no_ticket(web: Desk, role: str) -> None:
    for path in ("/v1/tickets", "/v1/tickets/C1-t1", "/v1/dispatch-rules"):
        assert web.get(path, role).status_code == 403
    assert web.act("note", 1, role, why="x").status_code == 403


def test_agents_do_not_settle_disputes(web: Desk) -> None:
    assert web.get("/v1/disputes").status_code == 403
    assert web.get("/v1/disputes.xlsx").status_code == 403
    rule = {"words": ["小区", "噪音"], "department": "市城管局", "source": "纪要1号"}
    answer = web.client.post("/v1/dispatch-rules", json=rule, headers=web.headers("agent"))
    assert answer.status_code == 403


def test_escalating_puts_a_police_order_out_with_the_act(web: Desk) -> None:
    web.write(opened)
    done = web.act("escalate", 1, why="双方持械对峙", category=2)
    assert done.status_code == 200, done.text
    (message,) = web.read(select(EnvelopeRow.envelope))
    assert message["body"]["category"] == 2
    assert message["subject"] == done.json()["police_order"]


def test_who_wants_confidence_is_known_to_supervisors_alone(web: Desk) -> None:
    web.write(opened, confidential=True, name="张三")
    turn = {"call_id": "C1", "seq": 0, "side": "caller", "text": "我住三号楼", "start": 1.0}
    web.write(add_turn, **turn, end=2.0, entry=None, final=True)
    for path in ("/v1/tickets/C1-t1", "/v1/tickets"):
        assert "13800138000" not in web.get(path).text
        assert "张三" not in web.get(path).text
        assert "13800138000" in web.get(path, "supervisor").text
    shown = web.get("/v1/tickets/C1-t1").json()
    assert (shown["transcript"], shown["call_id"]) == ([], "")
    assert "我住三号楼" in web.get("/v1/tickets/C1-t1", "supervisor").text
    web.write(
        start_call, call_id="C1", caller="13800138000", did="12345", started_at=MONDAY, recording=""
    )
    assert "13800138000" not in web.get("/api/calls").text
    for path in ("/api/calls/C1", "/api/calls/C1/events"):
        assert web.get(path).json()["code"] == "confidential"
        assert web.get(path, "supervisor").status_code == 200
    by_number = "/v1/tickets?number=13800138000"
    assert web.get(by_number).json()["tickets"] == []
    assert len(web.get(by_number, "supervisor").json()["tickets"]) == 1


def test_a_ticket_of_any_carriers_id_can_be_read_and_acted_on(web: Desk) -> None:
    web.write(opened, "呼 叫/1-t1")
    path = f"/v1/tickets/{quote('呼 叫/1-t1', safe='')}"
    assert web.get(path).json()["id"] == "呼 叫/1-t1"
    assert web.act("note", 1, why="x", ticket="呼 叫/1-t1").status_code == 200
    assert web.get(f"{path}/duplicates").json() == {"duplicates": []}


def test_pages_follow_one_another_without_gap_or_repetition(web: Desk) -> None:
    for each in range(7):  # two of each moment
        web.write(opened, f"C{each}-t1", at=MONDAY + each // 2)
    seen, after, pages = [], "", 0
    while True:
        page = web.get(f"/v1/tickets?limit=2&after={quote(after)}").json()
        seen += [ticket["id"] for ticket in page["tickets"]]
        pages += 1
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ["C6-t1", "C5-t1", "C4-t1", "C3-t1", "C2-t1", "C1-t1", "C0-t1"]
    assert pages == 4
    assert web.get("/v1/tickets?after=x").status_code == 422


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("status=dispatched", ["C2-t1"]),
        ("department=市水务局", ["C2-t1"]),
        ("region=460200", ["C3-t1"]),
        ("number=13900139000", ["C3-t1"]),
        ("text=噪音", ["C3-t1"]),
        ("text=%25", []),
        ("kind=help&status=created", ["C3-t1", "C1-t1"]),
        (f"since={MONDAY + DAY}&until={MONDAY + 2 * DAY}", ["C2-t1"]),
        ("disputed=true", []),
    ],
)
def test_tickets_are_found_by_what_is_known(web: Desk, asked: str, found: list[str]) -> None:
    web.write(opened)
    web.write(opened, "C2-t1", at=MONDAY + DAY)
    web.write(
        opened,
        "C3-t1",
        at=MONDAY + 2 * DAY,
        matter="半夜施工噪音",
        number="13900139000",
        region="460200",
    )
    web.write(act, Act.DISPATCH, "C2-t1", at=MONDAY + DAY)
    page = web.get(f"/v1/tickets?{asked}").json()
    assert [ticket["id"] for ticket in page["tickets"]] == found


def test_the_longest_overdue_comes_first_and_what_is_answered_is_not(web: Desk) -> None:
    long_ago = MONDAY - 365 * DAY
    for each in range(4):
        web.write(opened, f"C{each}-t1", at=long_ago - 7 * each * DAY)
    web.write(act, Act.ANSWER, "C1-t1", at=long_ago)
    web.write(act, Act.DISPATCH, "C3-t1", at=long_ago)  # five working days from here
    page = web.get("/v1/tickets?overdue=true&limit=2").json()
    more = web.get(f"/v1/tickets?overdue=true&limit=2&after={quote(page['next'])}").json()
    found = [ticket["id"] for ticket in page["tickets"] + more["tickets"]]
    assert found == ["C2-t1", "C0-t1", "C3-t1"]


def test_what_was_disputed_is_listed_exported_and_decided(web: Desk) -> None:
    now = time.time()
    for each, department in enumerate(("市城管局", "市生态环境局")):
        web.write(opened, f"C{each}-t1", at=now, matter="小区楼下酒吧半夜噪音扰民，电话13800138000")
        web.write(act, Act.DISPATCH, f"C{each}-t1", at=now, department=department)
        web.write(act, Act.RETURN, f"C{each}-t1", at=now, why="不属本局职责")
    dossier = {"handoff": "C2-h1", "call_id": "C2", "region": None, "category": None, "lines": [],
               "flags": [], "reason": "undecided", "evidence": [], "revision": 1}  # fmt: skip
    web.write(write_dossier, destination="110-460000", dossier=dossier, at=now)
    web.write(opened, "C2-t1", at=now, matter="小区楼下酒吧半夜噪音扰民", call_id="C2")
    (dispute,) = web.get("/v1/disputes", "supervisor").json()["disputes"]
    assert (dispute["returns"], dispute["refused_by"]) == (2, {"市城管局": 1, "市生态环境局": 1})
    assert dispute["undecided"] == 1, "R3: the first receiver opened a ticket"
    assert sorted(dispute["tickets"]) == ["C0-t1", "C1-t1", "C2-t1"]
    book = load_workbook(io.BytesIO(web.get("/v1/disputes.xlsx", "admin").content))
    assert book.sheetnames == ["争议事项", "工单", "退回经过", "通话记录"]
    assert book["退回经过"].max_row == 3
    assert "13800138000" not in str([[c.value for c in row] for s in book for row in s])

    headers = web.headers("supervisor")
    rule = {"words": ["小区", "噪音"], "department": "市城管局", "source": "会商纪要〔2026〕1号"}
    decided = web.client.post("/v1/dispatch-rules", json=rule, headers=headers)
    assert decided.status_code == 201, decided.text
    assert web.get("/v1/dispatch-rules").json()["rules"] == [decided.json()]
    number = decided.json()["id"]
    for status in (200, 404):
        path = f"/v1/dispatch-rules/{number}/withdraw"
        assert web.client.post(path, headers=headers).status_code == status
    assert web.get("/v1/dispatch-rules").json()["rules"] == []


def test_what_was_said_in_confidence_does_not_go_to_the_meeting(web: Desk) -> None:
    now = time.time()
    web.write(opened, at=now, confidential=True)
    turn = {"call_id": "C1", "seq": 0, "side": "caller", "text": "我住三号楼", "start": 1.0}
    web.write(add_turn, **turn, end=2.0, entry=None, final=True)
    web.write(act, Act.DISPUTE, at=now)
    book = load_workbook(io.BytesIO(web.get("/v1/disputes.xlsx", "admin").content))
    assert book["争议事项"].max_row == 2
    assert book["通话记录"].max_row == 1


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"words": []}, "words"),
        ({"words": ["的"]}, "2 characters"),
        ({"department": ""}, "department"),
        ({"source": " "}, "source"),
        ({"region": "999999"}, "GB/T 2260"),
        ({"classification": "0102"}, "classification"),
    ],
)
def test_a_rule_that_says_too_little_is_refused(
    web: Desk, changed: dict[str, Any], named: str
) -> None:
    rule = {"words": ["小区", "噪音"], "department": "市城管局", "source": "纪要1号", **changed}
    refused = web.client.post("/v1/dispatch-rules", json=rule, headers=web.headers("admin"))
    assert refused.status_code == 422
    assert named in refused.json()["message"]


@pytest.mark.parametrize("days", ["from=2026-11-02&to=2026-11-01", "to=9999-12-31", "from=x"])
def test_a_period_that_makes_no_sense_is_refused(web: Desk, days: str) -> None:
    assert web.get(f"/v1/disputes?{days}", "admin").status_code == 422
