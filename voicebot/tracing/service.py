"""The tracing of one running service: what makes spans, and where they go."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from voicebot.config_tracing import Tracing as TracingSettings
from voicebot.tracing.call import CallTrace
from voicebot.tracing.exporting import SpanQueue

TIMEOUT_S = 5.0
"""How long the collector may take over one request, further tries included."""


class Tracing:
    """Traces of calls, sent to the collector that the settings name."""

    def __init__(self, settings: TracingSettings) -> None:
        token = settings.token.get_secret_value()
        # What the environment says of proxies and passwords is not for this; a redirect could
        # leave TLS.
        session = requests.Session()
        session.trust_env, session.max_redirects = False, 0
        exporter = OTLPSpanExporter(
            settings.url,
            certificate_file=settings.tls_ca or None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_S,
            compression=Compression.NoCompression,
            session=session,
        )
        # Its own lines come with each try; ours say once that the collector is away.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._queue = SpanQueue(exporter, settings.queue)
        named = {"service.name": settings.name, "service.version": version("voicebot")}
        self._provider = TracerProvider(ALWAYS_ON, Resource(named), shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("voicebot")

    def call(self, call_id: str) -> CallTrace:
        """The trace of a call that begins now."""
        return CallTrace(self._tracer, call_id)

    @property
    def counts(self) -> Mapping[str, int]:
        """Spans by what became of them (`SpanQueue.counts`)."""
        return self._queue.counts

    def close(self) -> None:
        """Sends what waits; may take some seconds."""
        self._provider.shutdown()
