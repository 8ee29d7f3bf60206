"""Every list of the API, asked by each role, on SQLite and PostgreSQL: what it tells of a caller
who wants to be kept confidential (保密).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from flows.waiting_list import Claim
from flows.waiting_risk import Risk
from tests.voicebot.postgres import ALL_TABLES, Postgres
from tests.voicebot.test_web import _Service
from tests.voicebot.ticket_desk import opened
from voicebot.callers.tables import EvaluationRow, LimitRow, MissedCallRow, NuisanceCallRow
from voicebot.config import Settings
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.records.operations import add_turn, notify_line, start_call, write_dossier
from voicebot.records.store import Records
from voicebot.records.tables import DutyNumberRow
from voicebot.web.api import create_app

NUMBER, NAME, WORDS = "13800138000", "张三丰", "我住三号楼"
OTHER, OTHER_WORDS = "13900139000", "五号楼漏水"
SECRETS = (NUMBER, NAME, WORDS)
NOW = time.time()


class Live:
    """What happens in the confidential call and in another."""

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        for message in (
            {"call_id": "C1", "kind": "hypothesis", "text": WORDS, "confidential": True},
            {"call_id": "C9", "kind": "hypothesis", "text": OTHER_WORDS},
        ):
            yield message
        await asyncio.Event().wait()


def put(session: Session) -> None:
    """C1 is confidential, C2 a later call in which its ticket is evaluated; C9 is neither."""
    for call, number in (("C1", NUMBER), ("C2", NUMBER), ("C9", OTHER)):
        start_call(session, call_id=call, caller=number, did="12345", started_at=NOW, recording="")
    session.flush()
    opened(session, at=NOW, confidential=True, name=NAME, number=NUMBER)
    opened(session, "C9-t1", at=NOW, call_id="C9", name="李四", number=OTHER, matter="没有路灯")
    for call, text in (("C1", WORDS), ("C9", OTHER_WORDS)):
        add_turn(
            session, call_id=call, seq=0, side="caller", text=text, start=1.0, end=2.0, entry=None,
            final=True,
        )  # fmt: skip
        number = NUMBER if call == "C1" else OTHER
        session.add_all(
            [
                MissedCallRow(call_id=call, number=number, at=NOW, why="full", next_try_at=NOW),
                NuisanceCallRow(call_id=call, number=number, reason="abuse", at=NOW),
                LimitRow(
                    number=number, state="proposed", reason="abuse", evidence=[call],
                    proposed_at=NOW,
                ),
            ]
        )  # fmt: skip
    for call, ticket, number in (("C2", "C1-t1", NUMBER), ("C9", "C9-t1", OTHER)):
        session.add(
            EvaluationRow(
                call_id=call, number=number, ticket=ticket, asked_at=NOW, score=1, given_at=NOW
            )
        )
    session.add(IncidentRow(id="I1", opened_at=NOW, state="open"))
    for call, words in (("C1", WORDS), ("C9", OTHER_WORDS)):
        handed_off(session, call, "110-460100", words)
        session.add(
            IncidentMemberRow(
                handoff=f"{call}-h1", incident="I1", call_id=call, at=NOW, lines=[], words=words,
                by_hand=False, revision=1,
            )
        )  # fmt: skip
    handed_off(session, "C3", "seat", "")
    handed_off(session, "C4", "seat", "")
    handed_off(session, "C5", "seat@u-1a2b", "")
    session.add(DutyNumberRow(number="02166", kind="seat", name="", url="", http_url=""))
    handed_off(session, "C6", "02166", "")
    session.flush()
    notify_line(session, line="119", handoff="C4-h1", dossier=dossier("C4", ""), at=NOW)


def dossier(call: str, words: str) -> dict[str, Any]:
    number = NUMBER if call == "C1" else OTHER
    return {
        "handoff": f"{call}-h1", "call_id": call, "caller": number, "region": "460106",
        "category": 4, "lines": [], "flags": [], "reason": "danger", "evidence": [words],
        "revision": 1, "transcript": [{"text": words}],
    }  # fmt: skip


def handed_off(session: Session, call: str, to: str, words: str) -> None:
    write_dossier(session, destination=to, dossier=dossier(call, words), at=NOW)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Service:
    """One for all tests of a database: those that write stand at the end."""
    state = tmp_path_factory.mktemp("privacy") / "state"
    url = ""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.url(server.create(ALL_TABLES))
    settings = Settings.model_validate({"paths": {"state": state}, "database": {"url": url}})
    made = _Service(settings, asyncio.run(_opened(settings)))
    made.live = Live()  # type: ignore[assignment]
    lines = made.waiting.of_call("C1", lambda grant: None)
    claim = Claim("C1-h1", None, ("110-460106",), risk=Risk(4.0, (WORDS,)))
    made.waiting.renew(lines._call, claim, 0.0)
    return made


async def _opened(settings: Settings) -> Records:
    records = await Records.open(settings)
    await records.transact(put)
    return records


@pytest.fixture(scope="module")
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service, service.announcements)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


@pytest.fixture(scope="module")
def ask(client: TestClient, service: _Service) -> Any:
    """``ask("agent", "/v1/tickets")``: the answer."""
    tokens: dict[tuple[str, str], str] = {}

    def asked(role: str, path: str, *, name: str = "", json: Any = None) -> Any:
        if (role, name) not in tokens:
            tokens[role, name] = service.records.tokens.create(role, name)
        headers = {"Authorization": f"Bearer {tokens[role, name]}"}
        method = "GET" if json is None else "POST"
        return client.request(method, path, headers=headers, json=json)

    return asked


LISTS = {
    "/api/calls": OTHER,
    "/v1/calls": "C9",
    "/v1/handoffs": "C9",
    "/v1/board": "C9",
    "/v1/tickets": OTHER,
    "/v1/tickets/C1-t1": "C1-t1",
    "/v1/callers/missed": OTHER,
    "/v1/callers/missed?everything=true": OTHER,
    "/v1/callers/evaluations": OTHER,
    "/v1/callers/limits": OTHER,
    "/v1/callers/limits?everything=true": OTHER,
    f"/v1/callers/limits?number={NUMBER}": "[]",
    f"/v1/callers/limits?number={OTHER}": OTHER,
    f"/console/duty/limits?number={OTHER}": OTHER,
    "/v1/callers/nuisance": OTHER,
    "/v1/incidents": "I1",
    "/v1/incidents/I1": OTHER_WORDS,
    "/v1/waiting": "C1-h1",
}
"""By path: what it still tells agents, so that it is not empty."""
SAY_NOTHING = ("/v1/incidents", *(path for path in LISTS if OTHER in path))
"""Those that tell nobody of the confidential one."""


@pytest.mark.parametrize("path", LISTS)
def test_a_list_tells_an_agent_nothing_of_a_confidential_caller(ask: Any, path: str) -> None:
    answer = ask("agent", path)
    assert answer.status_code == 200
    assert LISTS[path] in answer.text
    assert [secret for secret in SECRETS if secret in answer.text] == []


def test_an_agent_who_asks_for_a_number_is_not_told_that_its_caller_is_confidential(
    ask: Any,
) -> None:
    for path in ("/v1/callers/limits", "/console/duty/limits"):
        confidential, unknown = (
            ask("agent", f"{path}?number={number}").text.replace(number, "")
            for number in (NUMBER, "13700137000")
        )
        assert confidential == unknown
    appeal = {"number": NUMBER, "why": "不是本人"}
    assert "保密" not in ask("agent", "/v1/callers/appeals", json=appeal).text


@pytest.mark.parametrize("role", ["supervisor", "admin"])
@pytest.mark.parametrize("path", [each for each in LISTS if each not in SAY_NOTHING])
def test_the_same_list_tells_supervisors(ask: Any, path: str, role: str) -> None:
    text = ask(role, path).text
    assert any(secret in text for secret in SECRETS)


@pytest.mark.parametrize(
    "path", ["/api/calls/C1", "/api/calls/C1/events", "/api/calls/C1/live", "/api/calls/C2",
             "/api/handoffs/C1-h1"],
)  # fmt: skip
def test_what_is_all_about_a_confidential_call_is_refused_to_agents(ask: Any, path: str) -> None:
    answer = ask("agent", path)
    assert (answer.status_code, answer.json()["code"]) == (403, "confidential")


@pytest.mark.parametrize(("role", "told"), [("agent", False), ("supervisor", True)])
def test_the_live_view_keeps_a_confidential_callers_words_from_agents(
    client: TestClient, service: _Service, role: str, told: bool
) -> None:
    headers = {"Authorization": f"Bearer {service.records.tokens.create(role)}"}
    with client.websocket_connect("/api/live", headers=headers) as watching:
        first = watching.receive_json()
    assert first["text"] == (WORDS if told else OTHER_WORDS)


@pytest.mark.parametrize(
    ("role", "name", "handoff", "status"),
    [
        ("110", "", "C1-h1", 200),
        ("110", "", "C3-h1", 403),
        ("110", "", "C4-h1", 403),
        ("desk", "", "C1-h1", 200),
        ("desk", "", "C3-h1", 403),
        ("desk", "", "C4-h1", 200),
        ("desk", "119", "C4-h1", 200),
        ("desk", "119", "C1-h1", 403),
        ("desk", "110-460100", "C1-h1", 200),
        ("desk", "110-460200", "C1-h1", 403),
        ("desk", "seat", "C3-h1", 200),
        ("110", "", "C5-h1", 403),
        ("desk", "", "C5-h1", 403),
        ("desk", "seat", "C5-h1", 200),
        ("desk", "", "C6-h1", 403),
        ("desk", "02166", "C6-h1", 200),
        ("desk", "seat", "C6-h1", 200),
        ("agent", "", "C3-h1", 200),
    ],
)
def test_a_dossier_is_read_by_whom_it_went_to(
    ask: Any, role: str, name: str, handoff: str, status: int
) -> None:
    answer = ask(role, f"/api/handoffs/{handoff}", name=name)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "not_sent"


def test_there_is_no_hand_off_of_an_unknown_id_for_anybody(ask: Any) -> None:
    for role in ("110", "desk", "agent"):
        assert ask(role, "/api/handoffs/none").status_code == 404


def test_a_confidential_ticket_is_not_found_by_its_number_nor_told_by_those_like_it(
    ask: Any, client: TestClient, service: _Service
) -> None:
    def another(session: Session) -> None:
        opened(session, "C8-t1", at=NOW, call_id="C8", number=NUMBER)

    assert client.portal is not None
    client.portal.call(service.records.transact, another)
    found = ask("agent", f"/v1/tickets?number={NUMBER}").json()["tickets"]
    assert [each["id"] for each in found] == ["C8-t1"]
    for ticket in ("C1-t1", "C8-t1"):
        assert "同一来电号码" not in ask("agent", f"/v1/tickets/{ticket}/duplicates").text
        assert "同一来电号码" in ask("supervisor", f"/v1/tickets/{ticket}/duplicates").text


def test_another_ticket_of_a_confidential_call_is_as_confidential(
    ask: Any, client: TestClient, service: _Service
) -> None:
    def another(session: Session) -> None:
        opened(session, "C1-t9", at=NOW, call_id="C1", number=NUMBER, name=NAME)
        opened(session, "W1", at=NOW, call_id="", number=OTHER, confidential=True)
        opened(session, "W2", at=NOW, call_id="", number=OTHER)

    assert client.portal is not None
    client.portal.call(service.records.transact, another)
    listed = {each["id"]: each for each in ask("agent", "/v1/tickets").json()["tickets"]}
    for shown in (listed["C1-t9"], ask("agent", "/v1/tickets/C1-t9").json()):
        assert [secret for secret in SECRETS if secret in str(shown)] == []
    assert "C1-t9" not in ask("agent", f"/v1/tickets?number={NUMBER}").text
    assert "C1-t9" in ask("supervisor", f"/v1/tickets?number={NUMBER}").text
    assert "同一来电号码" not in ask("agent", "/v1/tickets/C1-t9/duplicates").text
    found = ask("agent", f"/v1/tickets?number={OTHER}").json()["tickets"]
    assert "W2" in [each["id"] for each in found], "tickets without a call have none in common"
    assert "W1" not in [each["id"] for each in found]


def test_acts_answer_as_the_lists_do(ask: Any) -> None:
    marked = {"call": "C1", "reason": "abuse"}
    assert NUMBER not in ask("agent", "/v1/callers/nuisance", json=marked).text
    done = {"call": "C9", "note": "已回拨"}
    assert ask("agent", "/v1/callers/missed/done", json=done).json() == {"settled": ["C9"]}
