"""Spans on their way to the collector: a bounded queue, and a thread that empties it.

No call waits for the collector. While it is away or slow the queue fills; what finds no place
is dropped and counted (`voicebot_trace_spans_total`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from voicebot.tracing.masking import masked

log = structlog.get_logger()

EVERY_S = 1.0
"""How often the queue is emptied."""
MOST = 512
"""Spans in one request."""
CLOSE_S = 2.0
"""How long the last spans may take when the service stops."""


class SpanQueue(SpanProcessor):
    """Takes ended spans without waiting, masks them, hands them to the exporter.

    Parameters:
        exporter: called in a thread of its own, one batch at a time.
        room: spans that may wait.
    """

    def __init__(self, exporter: SpanExporter, room: int) -> None:
        self._exporter = exporter
        self._waiting: queue.SimpleQueue[ReadableSpan] = queue.SimpleQueue()
        self._room = room
        self._sent = self._failed = self._dropped = 0
        self._away = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Mapping[str, int]:
        """Spans so far: taken by the collector, refused or lost on the way, without a place."""
        return {"sent": self._sent, "failed": self._failed, "dropped": self._dropped}

    def on_end(self, span: ReadableSpan) -> None:
        if self._waiting.qsize() < self._room and not self._stopping.is_set():
            self._waiting.put(span)
        else:
            self._dropped += 1

    def shutdown(self) -> None:
        """Sends what waits, as far as that goes within `CLOSE_S`."""
        self._stopping.set()
        self._thread.join(CLOSE_S)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self._empty()
        self._empty()

    def _empty(self) -> None:
        while batch := self._batch():
            self._export(batch)

    def _batch(self) -> list[ReadableSpan]:
        found: list[ReadableSpan] = []
        try:
            while len(found) < MOST:
                found.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return found

    def _export(self, batch: list[ReadableSpan]) -> None:
        try:
            taken = self._exporter.export([masked(span) for span in batch])
        except Exception as error:
            log.error("traces_failed", reason=type(error).__name__)
            taken = SpanExportResult.FAILURE
        away = taken is not SpanExportResult.SUCCESS
        if away:
            self._failed += len(batch)
        else:
            self._sent += len(batch)
        if away is not self._away:
            self._away = away
            if away:
                log.warning("traces_not_sent")
            else:
                log.info("traces_sent_again")
