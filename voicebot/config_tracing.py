"""The settings of OpenTelemetry traces."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from voicebot.config_base import Section
from voicebot.exchange.address import unsafe


class Tracing(Section):
    """[tracing] OpenTelemetry traces of calls (docs/observability.md)."""

    url: str = ""
    """Where a collector takes OTLP over HTTP, such as ``https://otel.example:4318/v1/traces``;
    beyond this machine https only. Empty: no traces."""
    token: SecretStr = SecretStr("")
    """Shown to the collector as a bearer token; empty: none."""
    tls_ca: str = ""
    """Certificates (PEM) that the collector's own is checked with; empty: the system's."""
    name: str = Field(default="voicebot", min_length=1, max_length=64)
    """`service.name` in the traces: where several services send to one collector."""
    queue: int = Field(default=2048, ge=1, le=100_000)
    """Spans that may wait for the collector; what finds no place is dropped and counted."""

    @model_validator(mode="after")
    def _reachable_safely(self) -> Tracing:
        if self.url and unsafe(self.url):
            raise ValueError(
                "tracing.url must be like https://otel.example:4318/v1/traces; http is for "
                "127.0.0.1 alone"
            )
        return self
