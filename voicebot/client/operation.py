"""What is asked of the service, and how its answer is read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

T = TypeVar("T")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 2xx; `values`: its JSON."""

    values: Any
    headers: Mapping[str, str]


def whole(answer: Answer) -> Any:
    """The answer itself is what was asked for."""
    return answer.values


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request.

    Parameters:
        query: what is None or "" is left out.
        body: JSON; None: none.
        read: the answer as the client gives it.
    """

    method: str
    path: str
    query: Values = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[Answer], T] = whole

    @property
    def parameters(self) -> dict[str, str]:
        """The query as it stands in the address."""
        return {name: _text(each) for name, each in self.query.items() if each not in (None, "")}


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A list in pages.

    Parameters:
        first: asks for the first page.
        rows: where the rows stand in the answer; beside them ``next`` is the key of the next page.
    """

    first: Operation[Any]
    rows: str

    def after(self, key: str) -> Operation[Any]:
        """Asks for the page of this key."""
        return replace(self.first, query={**self.first.query, "after": key})


def read(path: str, query: Values | None = None) -> Operation[Any]:
    return Operation("GET", path, query or {})


def post(path: str, body: Any, headers: Mapping[str, str] | None = None) -> Operation[Any]:
    return Operation("POST", path, {}, body, headers or {})


def named(text: str) -> str:
    """An id in a path: carriers' may hold ``/``."""
    return quote(text, safe="")


def given(**values: Any) -> dict[str, Any]:
    """The fields of a body that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
