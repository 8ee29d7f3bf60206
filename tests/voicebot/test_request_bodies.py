"""A JSON body is taken as it is written, or refused with the name of the field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, ValidationError

from tests.voicebot.test_web import _Service, bearer
from voicebot.exchange.stand_in.app import Push
from voicebot.request_body import FromText, RequestBody, Version
from voicebot.web.parameters import LocalMoment


class _Kind(StrEnum):
    A = "a"


class _Body(RequestBody):
    number: float = 0.0
    whole: int = 0
    flag: bool = False
    kind: FromText[_Kind] = _Kind.A
    call: FromText[UUID] | None = None
    at: LocalMoment | None = None
    version: Version | None = None


def bodies(base: type[RequestBody] = RequestBody) -> Iterator[type[RequestBody]]:
    for each in base.__subclasses__():
        if each.__module__ != __name__:
            yield each
        yield from bodies(each)


def without_bounds(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], where: str
) -> Iterator[str]:
    """Where a schema lets something of any size in."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for each in schema.get("anyOf", ()):
        yield from without_bounds(each, definitions, where)
    if "enum" in schema or "const" in schema:
        return
    match schema.get("type"):
        case "string" if schema.get("format") not in ("uuid", "date-time"):
            if not schema.keys() & {"maxLength", "pattern"}:
                yield where
        case "number" | "integer":
            if not schema.keys() & {"minimum", "exclusiveMinimum"} or "maximum" not in schema:
                yield where
        case "array":
            if "maxItems" not in schema:
                yield where
            yield from without_bounds(schema["items"], definitions, f"{where}[]")
        case "object":
            if schema.get("additionalProperties") is not False:
                yield where
            for name, value in schema.get("properties", {}).items():
                yield from without_bounds(value, definitions, f"{where}.{name}")


def test_no_body_has_a_field_of_any_size() -> None:
    found = list(bodies())
    assert len(found) > 25
    assert Push in found, "what 110's stand-in is asked is one as well"
    for body in found:
        schema = body.model_json_schema()
        unbounded = list(without_bounds(schema, schema.get("$defs", {}), body.__name__))
        assert not unbounded, unbounded


@pytest.mark.parametrize(
    "wrong",
    [
        '{"number": "1"}',
        '{"number": true}',
        '{"number": NaN}',
        '{"number": Infinity}',
        '{"number": 1e999}',
        '{"whole": 1.0}',
        '{"whole": "1"}',
        '{"whole": false}',
        '{"flag": 1}',
        '{"flag": "true"}',
        '{"flag": null}',
        '{"kind": "b"}',
        '{"kind": 1}',
        '{"call": 1}',
        '{"call": "x"}',
        '{"at": 1795500000}',
        '{"at": "1795500000"}',
        '{"at": "0001-01-01T00:00:00+14:00"}',
        '{"version": 0}',
        '{"version": 2147483648}',
        '{"flog": true}',
    ],
)
def test_what_json_does_not_say_is_not_guessed(wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _Body.model_validate(json.loads(wrong))
    assert refused.value.errors()[0]["loc"] == tuple(json.loads(wrong))


def test_what_json_has_no_type_for_is_read_from_its_text() -> None:
    body = _Body.model_validate(
        {
            "number": 1,
            "kind": "a",
            "call": "87068a49-8619-453a-ac24-85ffe15f7d66",
            "at": "2026-11-26T09:30",
        }
    )
    assert (body.number, body.kind) == (1.0, _Kind.A)
    assert body.call == UUID("87068a49-8619-453a-ac24-85ffe15f7d66")
    assert body.at == datetime(2026, 11, 26, 9, 30)


def test_every_json_body_that_a_route_reads_is_one(client: TestClient) -> None:
    """Also those of the pages, which are in no document."""
    read = [
        field.field_info.annotation
        for route in client.app.routes  # type: ignore[attr-defined]
        if hasattr(route, "dependant")
        for field in route.dependant.body_params
    ]
    models = [each for each in read if isinstance(each, type) and issubclass(each, BaseModel)]
    assert len(models) == len(read) > 20
    assert all(issubclass(each, RequestBody) for each in models)


SEATS = {"region": "460100", "staffed": 3, "free": 1}


@pytest.mark.parametrize(
    ("method", "path", "given", "field"),
    [
        (
            "PUT",
            "/v1/surge/figures",
            {"lines": [{"line": "12345", "groups": [SEATS | {"local": "true"}]}]},
            "lines.0.groups.0.local",
        ),
        (
            "PUT",
            "/v1/surge/figures",
            {"lines": [{"line": "12345", "groups": [SEATS | {"free": 1.0}]}]},
            "lines.0.groups.0.free",
        ),
        (
            "PUT",
            "/v1/surge/figures",
            {"lines": [{"line": "12345", "groups": [], "age_s": "3"}]},
            "lines.0.age_s",
        ),
        ("POST", "/v1/surge/override", {"order": "end", "minutes": "60"}, "minutes"),
        ("POST", "/v1/tickets/T1/acts", {"act": "extend", "days": "5"}, "days"),
        ("POST", "/v1/recommend", {"transcript": [], "limit": "3"}, "transcript"),
        (
            "POST",
            "/v1/knowledge/entries/a-1/acts",
            {"act": "withdraw", "at": 1795500000},
            "at",
        ),
        ("POST", "/v1/callers/evaluations", {"score": "1"}, "call"),
        ("POST", "/v1/dispatch-rules", {"words": ["路灯"] * 11}, "words"),
        ("PUT", "/v1/agent/presence", {"presense": "ready"}, "presense"),
    ],
)
def test_the_answer_names_the_field(
    client: TestClient,
    service: _Service,
    method: str,
    path: str,
    given: dict[str, Any],
    field: str,
) -> None:
    headers = {**bearer(service, "admin"), "If-Match": '"1"'}
    answer = client.request(method, path, headers=headers, json=given)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert answer.json()["message"].startswith(f"body.{field}: ")
