"""The OpenAPI document says what is answered, also where it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.config import Settings
from voicebot.web.api import MAX_BODY_BYTES, create_app
from voicebot.web.limiting import unlimited

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def service(settings: Settings) -> _Service:
    return _Service(settings, asyncio.run(_opened(settings)))


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service, service.announcements)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


@pytest.fixture
def document(client: TestClient, service: _Service) -> dict[str, Any]:
    answer = client.get("/v1/openapi.json", headers=bearer(service, "auditor"))
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_operation_asks_for_a_token_or_a_session_but_logging_in(
    document: dict[str, Any],
) -> None:
    either = [{"token": []}, {"session": []}]
    open_to_all = [
        (method, path)
        for method, path, operation in operations(document)
        if operation.get("security") != either
    ]
    assert open_to_all == [("post", "/v1/session")]


def test_every_refusal_is_documented_with_code_and_message(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert {"401", "403", "503"} <= answers.keys(), path
        assert ("429" in answers) != unlimited(path), path
        if method != "get":
            assert {"404", "409"} <= answers.keys(), path
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= answers.keys(), path
        for status, answer in answers.items():
            if status >= "400":
                (content,) = answer["content"].values()
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_no_number_is_larger_than_a_column(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            for each in schema.get("anyOf", [schema]):
                if each.get("type") == "integer":
                    assert each["maximum"] < 2**31, (path, parameter["name"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/openapi.json", 405, "method_not_allowed"),
        ("POST", "/v1/callers/appeals", 400, "bad_request"),
        ("POST", "/v1/callers/limits", 413, "too_large"),
    ],
)
def test_what_no_endpoint_answers_is_said_in_the_same_form(
    client: TestClient, service: _Service, method: str, path: str, status: int, code: str
) -> None:
    content = {400: b'{"why": "\xd5\xc5"}', 413: b" " * (MAX_BODY_BYTES + 1)}.get(status)
    headers = {**bearer(service, "admin"), "Content-Type": "application/json"}
    answer = client.request(method, path, headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


def test_nothing_that_is_posted_may_be_of_any_size(
    client: TestClient, service: _Service, document: dict[str, Any]
) -> None:
    """5 MiB is more than the largest message of the exchange."""
    admin, police = bearer(service, "admin"), bearer(service, "110")
    for method, path, operation in operations(document):
        if "requestBody" in operation:
            who = police if path == "/v1/exchange/messages" else admin
            sent = {**who, "Content-Type": "application/json", "Idempotency-Key": "k1234567"}
            body = b'{"x": "' + b"y" * 5 * 2**20 + b'"}'
            assert client.request(method, path, headers=sent, content=body).status_code == 413, path
