"""The OpenAPI document: what any operation may answer beside what its route says itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import StreamingResponse
from starlette.routing import Route

from voicebot.web.access import COOKIE, CSRF_HEADER, TLS_COOKIE
from voicebot.web.limiting import SIGN_IN, unlimited

_PROBLEM = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "For programs; it does not change."},
        "message": {"type": "string", "description": "For people: what is wrong, what to do."},
    },
}
_PROBLEMS = {
    400: ("bad_request", "The body cannot be read."),
    401: ("wrong_token", "No token or session, or a wrong one."),
    403: ("wrong_role", "This role may not do that."),
    404: ("not_found", "There is nothing of this name."),
    405: ("method_not_allowed", "This cannot be done here; Allow names what can."),
    409: ("conflict", "What is there does not allow it, or not any more."),
    412: ("changed", "It was changed since the version of If-Match was read."),
    413: ("too_large", "The body is too large."),
    422: ("bad_request", "A parameter or a field is not as it must be; the message names it."),
    428: ("no_version", "If-Match is missing."),
    429: ("too_many_requests", "Too many requests: come again after Retry-After seconds."),
    503: ("unavailable", "It cannot be read or written just now; come again."),
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
}


def as_it_happens(media_type: str) -> dict[str, Any]:
    """What a route says of itself whose answer lasts as long as a call, or a page."""
    return {
        "response_class": StreamingResponse,
        "responses": {200: {"content": {media_type: {}}}},
        "openapi_extra": {"x-endless": True},
    }


def problem(status: int) -> dict[str, str]:
    """What is said where an endpoint has not said it itself."""
    code, message = _PROBLEMS.get(status, ("error", "It cannot be done."))
    return {"code": code, "message": message}


def methods_at(app: FastAPI, path: str) -> list[str]:
    """What can be done at a path: of every route of its form, where Starlette names the first's.

    A form that takes in what stands before the end of another is less exact than that one.
    """
    fitting = [
        route
        for route in app.routes
        if isinstance(route, Route) and route.path_regex.match(path) is not None
    ]
    exact = max((len(re.sub(r"{[^}]*}", "", route.path)) for route in fitting), default=0)
    methods = [
        method
        for route in fitting
        if len(re.sub(r"{[^}]*}", "", route.path)) == exact
        for method in route.methods or ()
    ]
    return sorted(set(methods))


def documented(app: FastAPI) -> dict[str, Any]:
    """The document of the application's routes; made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for generated in ("HTTPValidationError", "ValidationError"):
        schemas.pop(generated, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": f"Over TLS {TLS_COOKIE}. What changes anything needs {CSRF_HEADER}.",
        },
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, operation, changes=method not in ("get", "head"))
    return document


def _complete(path: str, operation: dict[str, Any], *, changes: bool) -> None:
    opens = path.startswith(f"{SIGN_IN}/oidc") or (path == SIGN_IN and "requestBody" in operation)
    operation["security"] = [] if opens else [{"token": []}, {"session": []}]
    answers = operation["responses"]
    for status in _usual(path, operation, changes=changes):
        answers.setdefault(str(status), {"description": _PROBLEMS[status][1]})
    for status, answer in answers.items():
        if status.isdecimal() and int(status) >= 400:
            answer["content"] = {
                "application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
    if "429" in answers:
        answers["429"]["headers"] = _RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))


def _usual(path: str, operation: dict[str, Any], *, changes: bool) -> Iterator[int]:
    parameters = operation.get("parameters", ())
    yield from (401, 403, 503)
    if changes:
        yield 409
    if changes or "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from (400, 413)
    if "requestBody" in operation or parameters:
        yield 422
    if any(each["name"].lower() == "if-match" for each in parameters):
        yield from (412, 428)
    if not unlimited(path):
        yield 429
