"""deploy/observability and docs/observability.md: what they name is measured, and said to be."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from asr.pool import DecodePool
from asr.supervised.supervisor import Counts
from flows.actions import Route
from flows.pending import HandoffState
from flows.state import State
from flows.surge import Decision, Destination, Mode, Reason
from voicebot.ear_process.keeper import Counts as EarCounts
from voicebot.loop_lag import Lag
from voicebot.metrics.backlog import Backlog, Waiting
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import BusStanding, Standing, families

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
QUEUES = ("dossiers", "police_orders", "exchange", "inbox", "webhooks")
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_THE_SCRAPE = {"job", "instance"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
NAME = re.compile(r"\b(?:voicebot|process)_[a-z0-9_]+|\bup(?=[{ ])")


def measured() -> dict[str, set[str]]:
    """Every series that there can be, and its labels."""
    metrics = Metrics()
    metrics.routed("12345", Decision(Destination.BOT, Reason.LONG_WAIT, Mode.SURGE))
    metrics.answered("public")
    metrics.ended("answered", "12345")
    metrics.handed_off("110", "danger")
    metrics.person_heard("110", 3.0)
    metrics.webhook_known("dispatch")
    pool = DecodePool(ThreadPoolExecutor(1)).figures(0.9, 1.5)
    handoff = HandoffState("h1", "danger", (Route("110-460000", "110"),), "")
    standing = Standing(
        1, 8, 0, 16, False, True, replace(pool, room=8), Lag(0.0, 0.0, 0.0),
        states=(State(handoff=handoff),),
        transcriber=asdict(Counts()), modes={"12345": Mode.NORMAL}, traces={"sent": 1},
        bus=BusStanding(True, {"sent": 1, "lost": 0}, {"media": 2}),
        listener=asdict(EarCounts()),
    )  # fmt: skip
    waiting = Backlog(dict.fromkeys(QUEUES, Waiting(0, 0.0)), {"refused": 0, "conflict": 0}, 0)
    found = dict(OF_PROMETHEUS)
    for family in (*metrics.registry.collect(), *families(standing, waiting)):
        labels = {name for sample in family.samples for name in sample.labels}
        for suffix in SUFFIXES[family.type]:
            found[family.name + suffix] = labels | OF_THE_SCRAPE
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))[
        "panels"
    ]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Whose, and the expression."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("whose", "query"), list(queries()))
def test_every_metric_that_a_rule_or_a_panel_names_is_measured(whose: str, query: str) -> None:
    known = measured()
    named = NAME.findall(query)
    assert named
    for name in named:
        assert name in known, f"{whose}: {name}"
    for name, selector in re.findall(r"([a-z0-9_]+)\{([^}]*)\}", query):
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)", selector):
            assert label in known[name], f"{whose}: {name} has no label {label}"


def test_rules_say_in_chinese_what_happened_and_how_urgent_it_is() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.search(r"[\u4e00-\u9fff]", rule["annotations"]["summary"])


def test_panels_have_a_place_of_their_own_each() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_the_document_has_every_alert_and_every_metric() -> None:
    document = (ROOT / "docs" / "observability.md").read_text("utf-8")
    for rule in rules():
        assert f"`{rule['alert']}`" in document, rule["alert"]
    for name in measured():
        if name.startswith("voicebot_"):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            assert f"`{family}`" in document or f"`{family}{{" in document, family


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus's own checker; skips the test, or fails it under CI, where there is none."""
    found = shutil.which("promtool") or shutil.which("promtool", path=ROOT / ".cache" / "promtool")
    if found is None:
        message = "promtool (Prometheus) is not here. Run `scripts/setup.sh --all`."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
)
def test_prometheus_own_tool_takes_them(promtool: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run((promtool, *arguments), cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
