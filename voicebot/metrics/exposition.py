"""Everything measured, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from voicebot.metrics.backlog import Backlog
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.standing import Standing, families

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _All:
    """What was counted and what stands, as one collector."""

    def __init__(self, metrics: Metrics, standing: Standing, backlog: Backlog | None) -> None:
        self._parts = metrics, standing, backlog

    def collect(self) -> Iterable[Metric]:
        metrics, standing, backlog = self._parts
        return chain(metrics.registry.collect(), families(standing, backlog))


def exposition(metrics: Metrics, standing: Standing, backlog: Backlog | None) -> bytes:
    """The text format 0.0.4, UTF-8."""
    return generate_latest(_All(metrics, standing, backlog))
