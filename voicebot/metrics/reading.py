"""What GET /metrics answered, read again: for `voicebot top`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from voicebot.metrics.instruments import STAGES

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One scrape: series and their values."""

    series: dict[tuple[str, Labels], float]

    @classmethod
    def of(cls, text: str) -> Reading:
        """Raises ValueError for what is not Prometheus's text format."""
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def value(self, name: str, **labels: str) -> float | None:
        """None where there is no such series."""
        return self.series.get((f"voicebot_{name}", frozenset(labels.items())))

    def count(self, name: str, **labels: str) -> int:
        return int(self.value(name, **labels) or 0)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values by one label, summed over the others."""
        found: Counter[str] = Counter()
        for (series, labels), value in self.series.items():
            if series == f"voicebot_{name}":
                found[dict(labels).get(label, "")] += value  # type: ignore[assignment]
        return dict(found)

    def several(self, name: str) -> list[dict[str, Any]]:
        """Each series as its labels and its ``count``, those of 0 left out."""
        return sorted(
            (
                {**dict(labels), "count": int(value)}
                for (series, labels), value in self.series.items()
                if series == f"voicebot_{name}" and value
            ),
            key=lambda each: sorted(str(part) for part in each.values()),
        )

    def buckets(self, name: str, **labels: str) -> dict[float, float]:
        """Upper bound → how many up to it."""
        wanted = frozenset(labels.items())
        return {
            float(dict(found)["le"]): value
            for (series, found), value in self.series.items()
            if series == f"voicebot_{name}_bucket" and wanted <= found
        }


def quantile(buckets: dict[float, float], share: float) -> float | None:
    """Estimated as Prometheus does: evenly within a bucket; None where nothing was measured."""
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    rank, lower, below = share * total, 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return lower


def summary(now: Reading, before: Reading | None = None) -> dict[str, Any]:
    """What `voicebot top` shows, and prints as JSON.

    Parameters:
        before: an earlier reading of the same process: the stages are of the time since then;
            None: since its start.
    """
    return {
        "calls": {
            "running": now.count("calls"),
            "room": now.count("calls_room"),
            "by_phase": {
                phase: int(count)
                for phase, count in now.by("calls_by_phase", "phase").items()
                if count
            },
            "answered": _whole(now.by("calls_answered_total", "trunk")),
            "refused": _whole(now.by("calls_refused_total", "reason")),
            "ended": _whole(now.by("calls_ended_total", "outcome")),
            "stopping": bool(now.count("stopping")),
        },
        "surge": [line for line, on in now.by("surge", "line").items() if on],
        "stages": {stage: _stage(now, before, stage) for stage in STAGES},
        "searches": _whole(now.by("searches_total", "outcome")),
        "triage": _whole(now.by("triage_calls_total", "route")),
        "recognition": {
            "waiting": {k: int(v) for k, v in now.by("decodes_waiting", "urgency").items()},
            "real_time_factor": now.by("real_time_factor", "urgency"),
            "utilisation": now.value("recogniser_utilisation"),
            "room": now.value("recogniser_room"),
        },
        "handoffs": {
            "open": now.several("handoffs_open"),
            "waiting_for_line": now.count("waiting_for_line"),
            "begun": now.several("handoffs_total"),
            "lines": now.count("outgoing_lines"),
            "lines_room": now.count("outgoing_lines_room"),
        },
        "backlog": {
            queue: {
                "count": int(count),
                "oldest_s": round(now.value("backlog_oldest_seconds", queue=queue) or 0.0, 1),
            }
            for queue, count in now.by("backlog", "queue").items()
        },
        "incidents": now.value("incidents_open"),
        "records_available": bool(now.count("records_available")),
        "loop_lag_ms": {
            name: round(1000 * (now.value("loop_lag_seconds", quantile=share) or 0.0), 1)
            for name, share in (("p50", "0.5"), ("p99", "0.99"), ("max", "1"))
        },
    }


def _stage(now: Reading, before: Reading | None, stage: str) -> dict[str, float | None]:
    buckets = now.buckets("stage_seconds", stage=stage)
    if before is not None:
        old = before.buckets("stage_seconds", stage=stage)
        if old.get(math.inf, 0.0) <= buckets.get(math.inf, 0.0):  # else it was started anew
            buckets = {bound: count - old.get(bound, 0.0) for bound, count in buckets.items()}
    return {
        "count": int(buckets.get(math.inf, 0.0)),
        "p50_s": _rounded(quantile(buckets, 0.5)),
        "p95_s": _rounded(quantile(buckets, 0.95)),
    }


def _whole(counts: dict[str, float]) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items() if count}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
