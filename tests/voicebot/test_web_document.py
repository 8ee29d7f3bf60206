"""The OpenAPI document says what is answered, also where it is refused."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.voicebot.test_access_table import OPEN, documented
from tests.voicebot.test_web import _Service, bearer
from voicebot.security import ROLES
from voicebot.web.limiting import unlimited

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def document(client: TestClient, service: _Service) -> dict[str, Any]:
    answer = client.get("/v1/openapi.json", headers=bearer(service, "auditor"))
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_an_operation_asks_for_a_token_or_a_session_where_the_access_table_does(
    document: dict[str, Any],
) -> None:
    table = documented()
    for method, path, operation in operations(document):
        # The table has the path with its convertor, {call_id:path}.
        (marks,) = [
            row for route, row in table.items()
            if re.sub(r":[a-z]+}", "}", route) == f"{method.upper()} {path}"
        ]  # fmt: skip
        asked = [{"token": []}, {"session": []}]
        assert operation["security"] == ([] if marks["none"] == OPEN else asked), path


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_refusal_is_documented_with_code_and_message(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert {"401", "403", "503"} <= answers.keys(), path
        assert ("429" in answers) != unlimited(path), path
        if method not in ("get", "head"):
            assert {"404", "409"} <= answers.keys(), path
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= answers.keys(), path
        for status, answer in answers.items():
            if status >= "400":
                (content,) = answer["content"].values()
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_no_number_is_taken_that_no_column_holds(
    client: TestClient, service: _Service, document: dict[str, Any]
) -> None:
    admin = bearer(service, "admin")
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            kinds = parameter["schema"].get("anyOf", [parameter["schema"]])
            if not any(each.get("type") == "integer" for each in kinds):
                continue
            name, place = parameter["name"], parameter["in"]
            asked = re.sub(rf"{{{name}}}", str(10**20), path)
            asked = re.sub(r"{[^}]*}", "1", asked)
            query = {name: 10**20} if place == "query" else {}
            answer = client.request(method, asked, headers=admin, params=query)
            assert answer.status_code == 422, f"{path} {name}"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/openapi.json", 405, "method_not_allowed"),
        ("POST", "/v1/callers/appeals", 400, "bad_request"),
    ],
)
def test_what_no_endpoint_answers_is_said_in_the_same_form(
    client: TestClient, service: _Service, method: str, path: str, status: int, code: str
) -> None:
    content = b'{"why": "\xd5\xc5"}' if status == 400 else None
    headers = {**bearer(service, "admin"), "Content-Type": "application/json"}
    answer = client.request(method, path, headers=headers, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


MORE_THAN_ANY_FILE = 100 * 2**20


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in pieces"])
def test_nothing_that_is_sent_may_be_of_any_size(
    client: TestClient, service: _Service, document: dict[str, Any], chunked: bool
) -> None:
    reads = {
        f"{method.upper()} {path}"
        for method, path, operation in operations(document)
        if "requestBody" in operation
    }
    sent = {"Content-Type": "application/json", "Idempotency-Key": "k1234567", "If-Match": '"1"'}
    told = {} if chunked else {"Content-Length": str(MORE_THAN_ANY_FILE)}
    piece = b" " * 2**20
    refused = []
    for route, marks in documented().items():
        method, path = route.split()
        if method not in ("POST", "PUT", "PATCH") or path.startswith("/console/110/"):
            continue
        who = bearer(service, next(role for role in ROLES if marks[role] == OPEN))
        if chunked and re.sub(r":[a-z]+}", "}", route) not in reads and "/try/" not in path:
            continue  # who reads nothing need not wait for the end of it
        path = re.sub(r"{[^}]*}", "1", path)
        pieces = itertools.repeat(piece, MORE_THAN_ANY_FILE // len(piece)) if chunked else ()
        answer = client.request(method, path, headers={**who, **sent, **told}, content=pieces)
        assert (answer.status_code, answer.json().get("code")) == (413, "too_large"), route
        assert answer.json()["message"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        refused.append(path)
    assert len(refused) > 30


def test_a_browser_is_shown_a_page_that_says_so(client: TestClient, service: _Service) -> None:
    asked = "query=" + "x" * 2**17
    for accept, hx in (("text/html", {}), ("*/*", {"HX-Request": "true"})):
        headers = {**bearer(service, "editor"), "Accept": accept, "Accept-Language": "zh-CN", **hx}
        answer = client.post("/console/knowledge/try/typed", headers=headers, content=asked)
        assert answer.status_code == 413
        assert answer.headers["content-type"].startswith("text/html")
        assert "内容太大" in answer.text
        assert ("<html" in answer.text) == (not hx)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/session", {"GET", "POST", "DELETE"}),
        ("/v1/dispatch-rules", {"GET", "POST"}),
        ("/v1/tickets/T1/acts", {"POST"}),
    ],
)
def test_what_can_be_done_at_an_address_is_named_whole(
    client: TestClient, service: _Service, path: str, allowed: set[str]
) -> None:
    answer = client.patch(path, headers=bearer(service, "admin"))
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path", ["/v1/tickets/T1/acts", "/v1/agent/calls/C1/claim", "/v1/callers/missed/done"]
)
def test_an_address_at_which_something_is_done_is_none_to_read(
    client: TestClient, service: _Service, path: str
) -> None:
    answer = client.get(path, headers=bearer(service, "admin"))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/v1/callers/evaluations", {"call": "C1\0", "number": "13800138000", "score": 1}),
        ("/v1/config/reload", {"dry_run": 0}),
        ("/v1/matters", {"text": "路灯坏了", "confidential": 0}),
        ("/v1/knowledge/imports", None),
    ],
)
def test_what_the_document_forbids_is_refused(
    client: TestClient, service: _Service, path: str, given: dict[str, Any] | None
) -> None:
    headers = {**bearer(service, "admin"), "Idempotency-Key": "k1234567"}
    assert client.post(path, headers=headers, json=given).status_code == 422
