"""POST /v1/matters: written matters through the real triage, into tickets and police orders."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient

from flows.dispatch import DispatchModel
from flows.triage import TriageModel
from tests.voicebot.test_assist import PUBLISHED
from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.config import Settings
from voicebot.embedder import SentenceEmbedder
from voicebot.matters import telling
from voicebot.web import matters
from voicebot.web.access import Refusal
from voicebot.web.api import create_app

KEY = "web-2026-000001"
LAMP = "我们小区门口的路灯坏了半个月一直没有人来修，晚上很黑"
KNIFE = "我家门口有个人拿着刀在砍人，地上全是血，我们在海口市美兰区海甸岛"


@pytest.fixture(scope="module")
def models(models_dir: Path) -> dict[str, Any]:
    return {
        "triage": TriageModel.load(),
        "embedder": SentenceEmbedder(models_dir),
        "dispatch": DispatchModel.load(),
        "knowledge": PUBLISHED,
    }


@pytest.fixture
def service(settings: Settings, models: dict[str, Any]) -> _Service:
    made = _Service(settings, asyncio.run(_opened(settings)))
    made.engines = SimpleNamespace(**models)
    return made


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def send(
    client: TestClient,
    service: _Service,
    text: str,
    key: str = KEY,
    role: str = "channel",
    **more: Any,
) -> Any:
    headers = {**bearer(service, role), "Idempotency-Key": key}
    return client.post("/v1/matters", json={"text": text, **more}, headers=headers)


def rows(service: _Service, query: str) -> list[Any]:
    with sqlite3.connect(service.settings.paths.state / "voicebot.db") as database:
        return database.execute(query).fetchall()


# ── what becomes of it ────────────────────────────────────────────────────────────


def test_a_matter_becomes_a_ticket_with_a_department_proposed(
    client: TestClient, service: _Service
) -> None:
    answer = send(
        client, service, LAMP, place="海口市龙华区金盘路", name="王女士", number="13800138000"
    )
    assert answer.status_code == 200
    told = answer.json()
    assert (told["outcome"], told["call_110"], told["region"]) == ("ticket", False, "460106")
    assert told["number"] in told["message"]
    ((matter, channel, region, name, number, department, confidence, reason),) = rows(
        service,
        "select matter, channel, region, name, number, proposed_department, proposal_confidence,"
        " proposal_reason from ticket",
    )
    assert (matter, channel, region) == (LAMP, "web", "460106")
    assert (name, number) == ("王女士", "13800138000")
    assert department == told["department"]
    assert 0 < confidence <= 1
    assert reason


def test_danger_is_a_police_order_to_the_local_110_and_the_answer_says_to_call_110(
    client: TestClient, service: _Service
) -> None:
    told = send(client, service, KNIFE, number="13800138000").json()
    assert (told["outcome"], told["call_110"]) == ("danger", True)
    assert "请立即拨打110" in told["message"]
    assert "海口市美兰区110" in told["message"]
    ((subject, envelope),) = rows(service, "select subject, envelope from exchange_outbox")
    order = json.loads(envelope)
    assert (order["kind"], subject) == ("police_order", told["number"])
    assert order["body"]["desk"] == "460108-110"
    assert order["body"]["caller"]["number"] == "13800138000"
    assert order["body"]["reason"] == KNIFE
    assert order["body"]["priority"] in ("life", "urgent")
    assert rows(service, "select count(*) from ticket") == [(0,)]


def test_danger_late_in_a_long_letter_is_danger(client: TestClient, service: _Service) -> None:
    letter = f"{LAMP}。物业费也收得不清不楚。{LAMP}。刚才我前夫拿刀冲进来要杀我，救命"
    assert send(client, service, letter).json()["outcome"] == "danger"


def test_what_an_approved_entry_answers_is_answered(client: TestClient, service: _Service) -> None:
    told = send(client, service, "社保卡丢了怎么补办").json()
    assert (told["outcome"], told["entry"], told["number"]) == ("answer", "a-1", "")
    assert rows(service, "select count(*) from ticket") == [(0,)]


def test_who_wants_a_ticket_gets_one(client: TestClient, service: _Service) -> None:
    told = send(client, service, "社保卡丢了怎么补办", want="ticket").json()
    assert told["outcome"] == "ticket"


def test_when_and_confidentiality_are_taken_from_the_words(
    client: TestClient, service: _Service
) -> None:
    send(client, service, f"昨天晚上{LAMP}，请不要透露我的姓名")
    ((happened, confidential),) = rows(service, "select happened, confidential from ticket")
    assert "昨天晚上" in happened
    assert confidential == 1


# ── sent again ────────────────────────────────────────────────────────────────────


def test_sent_again_it_gets_the_same_answer_and_makes_nothing_new(
    client: TestClient, service: _Service
) -> None:
    for text in (LAMP, KNIFE):
        key = f"{KEY}-{len(text)}"
        first = send(client, service, text, key).json()
        assert send(client, service, text, key).json() == first
    assert rows(service, "select count(*) from ticket") == [(1,)]
    assert rows(service, "select count(*) from exchange_outbox") == [(1,)]


def test_other_words_under_the_same_key_are_refused(client: TestClient, service: _Service) -> None:
    send(client, service, LAMP)
    answer = send(client, service, LAMP + "。")
    assert (answer.status_code, answer.json()["code"]) == (409, "matter.other_content")
    assert rows(service, "select count(*) from ticket") == [(1,)]


def test_the_sender_follows_its_matter(client: TestClient, service: _Service) -> None:
    told = send(client, service, LAMP).json()
    found = client.get(f"/v1/matters/{KEY}", headers=bearer(service, "channel")).json()
    assert (found["number"], found["status"]) == (told["number"], "created")
    unknown = client.get("/v1/matters/web-2026-999999", headers=bearer(service, "channel"))
    assert unknown.status_code == 404


# ── when something is wrong ───────────────────────────────────────────────────────


def test_danger_that_cannot_be_kept_is_told_to_call_110_all_the_same(
    client: TestClient, service: _Service
) -> None:
    with sqlite3.connect(service.settings.paths.state / "voicebot.db") as database:
        database.execute("drop table internet_matter")
    answer = send(client, service, KNIFE)
    assert answer.status_code == 503
    assert "请立即拨打110" in answer.json()["advice"]
    assert "已经转给" not in answer.json()["advice"]
    answer = send(client, service, LAMP)
    assert (answer.status_code, answer.json()["advice"]) == (503, telling.TURNED_AWAY)


def test_danger_under_a_key_that_was_used_is_told_to_call_110(
    client: TestClient, service: _Service
) -> None:
    send(client, service, LAMP)
    answer = send(client, service, KNIFE)
    assert (answer.status_code, answer.json()["code"]) == (409, "matter.other_content")
    assert answer.json()["advice"].startswith("如果现在有人有危险，请立即拨打110。")


@pytest.mark.parametrize(
    ("status", "more"),
    [
        (422, {"text": KNIFE * 100}),
        (422, {"number": "13800138000;"}),
        (413, {"text": KNIFE * 1000}),
        (403, {"role": "reviewer"}),
        (422, {"key": "short"}),
    ],
    ids=["long", "bad field", "large", "wrong token", "bad key"],
)
def test_what_is_turned_away_is_told_that_danger_is_for_110(
    client: TestClient, service: _Service, status: int, more: dict[str, Any]
) -> None:
    answer = send(client, service, **{"text": KNIFE, **more})
    assert (answer.status_code, answer.json()["advice"]) == (status, telling.TURNED_AWAY)
    assert "请立即拨打110" in telling.TURNED_AWAY


@pytest.mark.parametrize(("fault", "status"), [("busy", 503), ("broken", 500)])
def test_a_service_that_is_full_or_fails_says_the_same(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch, fault: str, status: int
) -> None:
    if fault == "busy":
        full = Refusal(503, matters.BUSY)
        monkeypatch.setattr(matters, "decide", Mock(side_effect=full))
    else:
        monkeypatch.setattr(matters, "decide", Mock(side_effect=ZeroDivisionError))
    answer = send(client, service, KNIFE)
    assert (answer.status_code, answer.json()["advice"]) == (status, telling.TURNED_AWAY)


def test_without_a_knowledge_base_or_an_embedder_a_ticket_is_made(
    client: TestClient, service: _Service
) -> None:
    class Broken:
        quickest = "use"

        def embed(self, texts: Any) -> Any:
            raise OSError("no model")

        def search(self, *_: Any, **__: Any) -> Any:
            raise OSError("no index")

    service.engines.embedder, service.engines.knowledge = Broken(), Broken()
    service.engines.dispatch = None
    assert send(client, service, LAMP).json()["outcome"] == "ticket"


@pytest.mark.parametrize("role", ["media", "editor", "reviewer", "desk", "110"])
def test_other_roles_may_not(client: TestClient, service: _Service, role: str) -> None:
    answer = send(client, service, LAMP, role=role)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")


def test_a_channel_may_read_no_call(client: TestClient, service: _Service) -> None:
    assert client.get("/api/calls", headers=bearer(service, "channel")).status_code == 403


@pytest.mark.parametrize(
    "more",
    [
        {"text": "喂"},
        {"text": "长" * 2001},
        {"region": "110000"},
        {"number": "13800138000;"},
        {"channel": "fax"},
        {"extra": 1},
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_field(
    client: TestClient, service: _Service, more: dict[str, Any]
) -> None:
    headers = {**bearer(service, "channel"), "Idempotency-Key": KEY}
    answer = client.post("/v1/matters", json={"text": LAMP, **more}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert next(iter(more)) in answer.json()["message"]


@pytest.mark.parametrize("key", ["", "short", "有中文的键不行"])
def test_a_matter_needs_a_key_of_its_own(client: TestClient, service: _Service, key: str) -> None:
    headers = {**bearer(service, "channel"), "Idempotency-Key": key.encode()}
    answer = client.post("/v1/matters", json={"text": LAMP}, headers=headers)
    assert answer.status_code == 422


def test_each_matter_is_audited(client: TestClient, service: _Service) -> None:
    told = send(client, service, LAMP).json()
    assert rows(
        service, "select role, subject, allowed from audit where action = 'matter.take'"
    ) == [("channel", told["number"], 1)]
