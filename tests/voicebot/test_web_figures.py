"""Figures and topics over HTTP, for supervisors and administrators."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.voicebot.figures_days import at
from tests.voicebot.test_web import _Service, bearer
from voicebot.figures.indicators import BY_NAME
from voicebot.figures.matters import Matter
from voicebot.figures.topic_store import keep
from voicebot.figures.topics import Found
from voicebot.web.api import create_app

DAY = {"from": "2026-11-02", "to": "2026-11-02"}


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    """A service that has had one call to 12345, one to 12333 refused, and one topic."""

    async def happened() -> None:
        records, ten = service.records, at(2, "10:00:00")
        await records.start_call("c1", "13800138000", "12345", ten + 3, "", ten)
        await records.finish_call("c1", "answered", ten + 60, "460106")
        await records.refuse_call("c2", "12333", "full", ten)
        matters = tuple(Matter(f"c{n}", ten, "停水了", "460100") for n in range(3))
        await records.transact(keep, [Found(None, matters, ("停水了",))])

    with TestClient(create_app(service, service.announcements)) as client:
        assert client.portal is not None
        client.portal.call(happened)
        yield client
        client.portal.call(service.records.close)


def test_figures_are_divided_by_line_with_names(client: TestClient, service: _Service) -> None:
    answer = client.get("/v1/figures", params=DAY, headers=bearer(service, "supervisor"))
    assert answer.status_code == 200
    found = answer.json()
    assert found["total"]["connection"]["value"] == 0.5
    lines = {row["key"]: row for row in found["rows"]}
    assert lines["12333"]["figures"]["connection"]["meets_goal"] is False
    assert lines["12345"]["figures"]["answer_wait"]["value"] == pytest.approx(3.0)
    assert lines["12345"]["label"] == "12345 12345政务服务便民热线"
    assert "13800138000" not in answer.text


def test_figures_come_as_csv_that_spreadsheets_open(client: TestClient, service: _Service) -> None:
    answer = client.get(
        "/v1/figures",
        params={**DAY, "by": "region", "format": "csv"},
        headers=bearer(service, "admin"),
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert "460106,海口市龙华区,1" in answer.content.decode("utf-8-sig")


def test_definitions_are_given_with_names(client: TestClient, service: _Service) -> None:
    answer = client.get("/v1/figures/definitions", headers=bearer(service, "supervisor"))
    assert {each["name"] for each in answer.json()} == set(BY_NAME)


def test_topics_are_read_and_the_reading_is_on_record(
    client: TestClient, service: _Service
) -> None:
    answer = client.get("/v1/topics", params=DAY, headers=bearer(service, "supervisor"))
    (topic,) = answer.json()
    assert (topic["label"], topic["count"], topic["regions"]) == ("停水了", 3, {"海口": 3})


@pytest.mark.parametrize("role", ["agent", "reviewer", "media", "desk", "110"])
def test_other_roles_get_neither(client: TestClient, service: _Service, role: str) -> None:
    token = bearer(service, role)
    for path in ("/v1/figures", "/v1/figures/definitions", "/v1/topics"):
        assert client.get(path, headers=token).status_code == 403


@pytest.mark.parametrize(
    "asked",
    [
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2025-01-01", "to": "2026-11-01"},
        {"from": "2.11.2026"},
        {"by": "caller"},
        {"format": "xlsx"},
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(
    client: TestClient, service: _Service, asked: dict[str, str]
) -> None:
    answer = client.get("/v1/figures", params=asked, headers=bearer(service, "admin"))
    assert answer.status_code == 422
    assert answer.json()["message"]
