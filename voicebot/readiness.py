"""Whether new calls should be sent here, for whoever gives them out: a dispatcher, a balancer.

Alive and ready are two things: a service that lets its last calls finish is well, and must be
left alone; it only takes no new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Why = Literal["", "stopping", "no_endpoint"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Parameters:
    why: why not; "" when it is ready.
    endpoints: whether each telephone endpoint of the settings answers calls.
    """

    why: Why
    endpoints: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        return not self.why


def readiness(*, stopping: bool, endpoints: Mapping[str, bool]) -> Readiness:
    """Pure. Without any telephone endpoint the service answers media WebSockets alone, which are
    up as soon as it can be asked.
    """
    if stopping:
        return Readiness("stopping", endpoints)
    if endpoints and not any(endpoints.values()):
        return Readiness("no_endpoint", endpoints)
    return Readiness("", endpoints)
