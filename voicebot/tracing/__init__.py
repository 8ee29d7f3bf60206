"""OpenTelemetry traces of calls, if the settings name a collector (docs/observability.md).

Nothing of OpenTelemetry is loaded without one. A span says what was done and how long it took,
never who called or what was said.
"""
