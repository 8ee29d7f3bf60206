"""The dashboard against Grafana's own schema, as its Foundation SDK has it (generated from the
CUE definitions of the release that `schemaVersion` belongs to, Grafana 10.1).

Names that the schema does not have are lost when the SDK reads and writes the file again; values
of another type than it gives for a field are found by walking what was read.
"""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Iterator
from enum import EnumType
from pathlib import Path
from types import UnionType
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard, prometheus, stat, timeseries

FILE = Path(__file__).resolve().parents[2] / "deploy" / "observability" / "dashboard.json"
OF_ITS_KIND = {"timeseries": timeseries.Options, "stat": stat.Options}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    register_default_plugins()


@pytest.fixture
def drawn() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def faults(drawn: dict[str, Any]) -> list[str]:
    """What Grafana's schema does not have, or has otherwise."""
    read = dashboard.Dashboard.from_json(drawn)
    written = json.loads(JSONEncoder().encode(read))
    return [*lost(drawn, written, ""), *wrong(read, dashboard.Dashboard, "")]


def lost(given: Any, written: Any, at: str) -> Iterator[str]:
    """What is not there any more after the SDK has read and written it."""
    if isinstance(given, dict) and isinstance(written, dict):
        for name, value in given.items():
            if name in written:
                yield from lost(value, written[name], f"{at}.{name}")
            elif value is not None:
                yield f"{at}.{name} is not known"
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for n, (ours, theirs) in enumerate(zip(given, written, strict=True)):
            yield from lost(ours, theirs, f"{at}[{n}]")
    elif given != written:
        yield f"{at} is {given!r}, and {written!r} to Grafana"


def wrong(value: Any, kind: Any, at: str) -> Iterator[str]:
    """Values that are not of the type that the schema gives."""
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind in (Any, object) or isinstance(kind, str | typing.TypeVar):
        fits = True
    elif origin in (typing.Union, UnionType):
        tried = [list(wrong(value, each, at)) for each in of]
        yield from min(tried, key=len)
        return
    elif origin is typing.Literal:
        fits = value in of
    elif origin is list:
        fits = isinstance(value, list)
        for n, each in enumerate(value if fits else ()):
            yield from wrong(each, of[0], f"{at}[{n}]")
    elif origin is dict:
        fits = isinstance(value, dict)
        for name, each in (value if fits else {}).items():
            yield from wrong(each, of[1], f"{at}.{name}")
    elif isinstance(kind, EnumType):
        fits = value in {each.value for each in kind}
    elif kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, kind)
    if fits and hasattr(value, "to_json"):  # an object of the SDK, whatever its field says
        for name, each in typing.get_type_hints(type(value)).items():
            yield from wrong(getattr(value, name), each, f"{at}.{name}")
    if not fits:
        yield f"{at} is {value!r}, and no {kind}"


def test_grafana_knows_every_name_and_every_value_of_the_dashboard(drawn: dict[str, Any]) -> None:
    assert faults(drawn) == []


def test_every_panel_is_read_as_what_it_is_and_asks_prometheus(drawn: dict[str, Any]) -> None:
    for panel in dashboard.Dashboard.from_json(drawn).panels or ():
        if isinstance(panel, dashboard.RowPanel):
            continue
        assert isinstance(panel.options, OF_ITS_KIND[panel.type_val]), panel.title
        assert panel.targets
        assert all(isinstance(each, prometheus.Dataquery) for each in panel.targets)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", 1, "options", "colorMod"), "value"),
        (("panels", 1, "options", "colorMode"), 3),
        (("panels", 1, "options", "graphMode"), "graph"),
        (("panels", 1, "fieldConfig", "defaults", "units"), "s"),
        (("panels", 1, "fieldConfig", "defaults", "min"), "0"),
        (("panels", 1, "gridPos", "h"), "4"),
        (("panels", 1, "targets", 0, "expression"), "up"),
        (("templating", "list", 1, "refresh"), "often"),
        (("panelz",), []),
    ],
)
def test_what_grafana_does_not_know_would_be_found(
    drawn: dict[str, Any], path: tuple[str | int, ...], value: Any
) -> None:
    changed: Any = copy.deepcopy(drawn)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert faults(changed)
