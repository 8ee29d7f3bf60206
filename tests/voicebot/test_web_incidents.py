"""Incidents and who waits for a line, over HTTP: by role, audited, announced by two people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.waiting_list import Claim
from flows.waiting_risk import Risk
from tests.voicebot.test_incidents import NOON, TEXT, handed_off
from tests.voicebot.test_web import _opened, _Service
from voicebot.call.audio_library import AudioLibrary
from voicebot.call.voices.sound import Speech
from voicebot.config import Settings
from voicebot.incidents.taking_in import take_in
from voicebot.records.tables import AuditRow
from voicebot.web.api import create_app


@pytest.fixture
def service(settings: Settings) -> _Service:
    service = _Service(settings, asyncio.run(_opened(settings)))
    noise = np.random.default_rng(1).uniform(-9000, 9000, 5 * 8000).astype(np.int16)
    voice: Any = SimpleNamespace(voice="test", render=lambda text: Speech(noise, 8000))
    service.engines = SimpleNamespace(library=AudioLibrary(settings.paths.state / "audio", voice))
    return service


def three_calls(session: Session) -> None:
    for call in "abc":
        handed_off(session, call)
    take_in(session, NOON)


class Desk:
    """Requests with the token of a person."""

    def __init__(self, client: TestClient, service: _Service) -> None:
        self._client, self._tokens = client, service.records.tokens
        self._made: dict[str, str] = {}

    def __call__(self, who: str, method: str, path: str, **body: Any) -> Any:
        role, _, name = who.partition(" ")
        token = self._made.setdefault(who, "") or self._tokens.create(role, name or role)  # type: ignore[arg-type]
        self._made[who] = token
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.request(method, path, headers=headers, json=body or None)


@pytest.fixture
def ask(service: _Service) -> Iterator[Desk]:
    with TestClient(create_app(service)) as client:
        assert client.portal is not None
        client.portal.call(service.records.transact, three_calls)
        yield Desk(client, service)
        client.portal.call(service.records.close)


@pytest.fixture
def incident(ask: Desk) -> str:
    (found,) = ask("agent", "GET", "/v1/incidents").json()["incidents"]
    assert (found["title"], found["callers"]) == ("五指山市 山体滑坡", 3)
    return str(found["incident"])


def test_an_incident_is_shown_with_all_its_calls(ask: Desk, incident: str) -> None:
    shown = ask("agent", "GET", f"/v1/incidents/{incident}").json()
    assert [each["call_id"] for each in shown["members"]] == ["a", "b", "c"]
    unknown = ask("agent", "GET", "/v1/incidents/none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "incident.unknown")


def test_single_callers_are_shown_on_demand(ask: Desk, incident: str) -> None:
    ask("supervisor", "POST", f"/v1/incidents/{incident}/split", handoffs=["c-h1"])
    some = ask("agent", "GET", "/v1/incidents").json()["incidents"]
    everybody = ask("agent", "GET", "/v1/incidents?least=1").json()["incidents"]
    assert (len(some), len(everybody)) == (1, 2)


def test_split_merged_and_closed_by_a_supervisor_on_record(
    ask: Desk, incident: str, service: _Service
) -> None:
    new = ask("supervisor", "POST", f"/v1/incidents/{incident}/split", handoffs=["c-h1"]).json()
    merged = ask("supervisor", "POST", f"/v1/incidents/{incident}/merge", other=new["incident"])
    assert merged.json()["callers"] == 3
    closed = ask("supervisor", "POST", f"/v1/incidents/{incident}/close")
    assert closed.json()["state"] == "closed"
    again = ask("supervisor", "POST", f"/v1/incidents/{incident}/close")
    assert again.status_code == 404
    portal = ask._client.portal
    assert portal is not None
    audited = portal.call(service.records.read, audit)
    assert [each for each in audited if each.startswith("incident.")] == [
        "incident.split",
        "incident.merge",
        "incident.close",
    ]


def audit(session: Session) -> list[str]:
    return list(session.scalars(select(AuditRow.action).order_by(AuditRow.id)))


@pytest.mark.parametrize("act", ["merge", "split", "close", "announcement"])
def test_an_agent_changes_nothing(ask: Desk, incident: str, act: str) -> None:
    refused = ask("agent", "POST", f"/v1/incidents/{incident}/{act}", text=TEXT)
    assert refused.status_code == 403


def test_a_text_is_spoken_once_another_supervisor_has_approved_it(
    ask: Desk, incident: str, service: _Service
) -> None:
    path = f"/v1/incidents/{incident}/announcement"
    put = ask("supervisor 李主管", "POST", path, text=TEXT, region="469001")
    assert (put.status_code, put.json()["approved"]) == (201, False)
    one = f"{path}/{put.json()['announcement']}"
    own = ask("supervisor 李主管", "POST", f"{one}/approve")
    assert (own.status_code, own.json()["code"]) == (409, "incident.announcement")
    assert ask("supervisor 王主任", "POST", f"{one}/approve").json()["approved"] is True
    assert service.engines.library.find(TEXT, 8000) is not None
    assert ask("supervisor 李主管", "POST", f"{one}/withdraw").json()["ended"] is True
    assert ask("supervisor 王主任", "POST", f"{one}/approve").status_code == 409


def test_text_that_cannot_be_spoken_is_refused_with_the_reason(ask: Desk, incident: str) -> None:
    refused = ask("supervisor", "POST", f"/v1/incidents/{incident}/announcement", text="call us")
    assert refused.status_code == 409
    assert "plain Chinese" in refused.json()["message"]


def test_who_waits_for_a_line_is_shown_the_riskiest_first(ask: Desk, service: _Service) -> None:
    for call, score in (("a", 4.0), ("b", 9.0)):
        lines = service.waiting.of_call(call, lambda grant: None)
        claim = Claim(f"{call}-h1", None, ("110-469001",), risk=Risk(score, ("被埋（埋了）",)))
        service.waiting.renew(lines._call, claim, 0.0)
    found = ask("agent", "GET", "/v1/waiting").json()["waiting"]
    assert [each["call_id"] for each in found] == ["b", "a"]
    assert found[0]["reasons"] == ["被埋（埋了）"]
