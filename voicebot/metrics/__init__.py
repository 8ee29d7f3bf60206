"""What the service measures of itself, in Prometheus's format (docs/observability.md).

No label says who called or what was said: labels are closed words of the program and the
settings' own lines.
"""
