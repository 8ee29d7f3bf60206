"""Events and actions of a call ↔ JSON, by class name, for the event log and replay.

Driven by the annotations of the dataclasses themselves, so that a field added to
`flows.events` or `flows.actions` needs nothing here. Sentence embeddings are left
out: they are large, and replay computes them again from the texts.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from flows.actions import Action
from flows.events import Event
from voicebot.records.errors import CodecError

Direction = Literal["in", "out"]

EVENTS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}
ACTIONS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Action)}

_LEFT_OUT = frozenset({"embeddings"})


def direction(item: Event | Action) -> Direction:
    """``in`` for an event, ``out`` for an action."""
    return "in" if type(item).__name__ in EVENTS else "out"


def encode(item: Event | Action) -> tuple[str, dict[str, Any]]:
    """(class name, plain JSON values) of an event or an action."""
    return type(item).__name__, _plain_fields(item)


def decode(kind: str, payload: Mapping[str, Any]) -> Event | Action:
    """The event or action that `encode` made this from.

    Raises:
        CodecError: an unknown kind or field, a missing field, a value of the wrong type.
    """
    target = EVENTS.get(kind) or ACTIONS.get(kind)
    if target is None:
        raise CodecError(f"The event log holds a {kind!r}, which this version does not know.")
    try:
        return cast(Event | Action, _read_fields(target, payload))
    except (TypeError, ValueError, KeyError) as error:
        raise CodecError(f"A logged {kind} cannot be read by this version: {error}.") from None


def decode_event(kind: str, payload: Mapping[str, Any]) -> Event:
    """As `decode`, for what must be an event."""
    if kind not in EVENTS:
        raise CodecError(f"{kind!r} is not an event.")
    return cast(Event, decode(kind, payload))


def _plain_fields(item: Any) -> dict[str, Any]:
    return {
        field.name: _plain(getattr(item, field.name))
        for field in fields(type(item))
        if field.name not in _LEFT_OUT
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return _plain_fields(value)
    return value


def _read_fields(target: type[Any], payload: Mapping[str, Any]) -> Any:
    hints = _hints(target)
    known = {field.name: field for field in fields(target) if field.name not in _LEFT_OUT}
    unknown = payload.keys() - known.keys()
    if unknown:
        raise KeyError(f"unknown field {sorted(unknown)[0]}")
    for name, field in known.items():
        if name not in payload and field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"no {name}")
    return target(**{name: _read(hints[name], value) for name, value in payload.items()})


def _read(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _read(next(each for each in arguments if each is not type(None)), value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"a list is needed, not {value!r}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_read(arguments[0], item) for item in value)
        return tuple(_read(each, item) for each, item in zip(arguments, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {str(key): _read(arguments[1], item) for key, item in dict(value).items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if is_dataclass(hint):
        return _read_fields(cast(type[Any], hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{hint.__name__} is needed, not {value!r}")
    return value


_known_hints: dict[type[Any], dict[str, Any]] = {}


def _hints(target: type[Any]) -> dict[str, Any]:
    if target not in _known_hints:
        _known_hints[target] = get_type_hints(target)
    return _known_hints[target]
