"""How surge control stands, line by line, as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from flows.surge_wording import explain
from voicebot.cluster.nodes import SurgeLine
from voicebot.surge import orders
from voicebot.surge.control import SurgeControl
from voicebot.surge.decisions import figure_values, finite


def status_values(control: SurgeControl, lines: list[str]) -> dict[str, Any]:
    """What GET /v1/surge answers, and `voicebot surge status --json` prints."""
    at = time.time()
    found = []
    for line in lines:
        policy, state, newest = control.policy(line), control.state(line), control.newest(line)
        figures = control.figures(line, at)
        fresh = figures.seats is not None and figures.seats_age_s <= policy.stale_after_s
        found.append(
            {
                "line": line,
                "mode": state.mode.value,
                "since": state.since,
                "figures_known": fresh,
                "asked_at_each_call": control.asks_queues(line),
                "figures": figure_values(figures),
                "situation": control.situation(line, at).value,
                "newest": newest
                and {
                    "destination": newest.destination.value,
                    "reason": newest.reason.value,
                    "wait_s": finite(newest.wait_s),
                    "outlook_s": finite(newest.outlook_s),
                    "because": explain(newest, policy),
                },
                "policy": asdict(policy),
            }
        )
    return {
        "at": at,
        "lines": found,
        "orders": [orders.values(each) for each in control.orders if at < each.until_at],
    }


OF_CALLS = ("mode", "since", "newest")
"""What is known where the calls are: the others show it as it is told."""


def told(control: SurgeControl, lines: Iterable[str]) -> tuple[SurgeLine, ...]:
    """What a node with calls tells of its lines."""
    return tuple(
        SurgeLine(line=of["line"], mode=of["mode"], since=of["since"], newest=of["newest"])
        for of in status_values(control, sorted(lines))["lines"]
    )


def with_nodes_lines(
    status: dict[str, Any], nodes: Iterable[Iterable[Mapping[str, Any]]]
) -> dict[str, Any]:
    """A status with what nodes with calls have told of their lines: a line is in surge where it is
    so on one of them, and the newest decision is that of the node whose mode is shown. Pure.
    """
    by_line: dict[str, list[Mapping[str, Any]]] = {}
    for each in (line for node in nodes for line in node):
        by_line.setdefault(each["line"], []).append(each)
    shown = []
    for line in status["lines"]:
        known = [*by_line.get(line["line"], ()), line]
        first = max(
            known,
            key=lambda each: (
                each["mode"] == "surge",
                each["newest"] is not None,
                each["since"],
            ),
        )
        shown.append({**line, **{name: first[name] for name in OF_CALLS}})
    return {**status, "lines": shown}
