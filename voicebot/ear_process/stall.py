"""When a process that gives no answer hangs, and when the machine has no processor for it. Pure."""

from __future__ import annotations

HANGS_S = 1.5
"""Without any progress while there is work. A piece of it takes 40 ms at most."""
STARVED_S = 4.0
"""The same where it would run if it got a processor: `voicebot.call.intake` keeps 5 s."""
_GOT_NONE = 0.1
"""Share of that time in which it ran, below which it was starved: an endless loop runs."""


def hangs(still_s: float, state: str, ran_s: float) -> bool:
    """Parameters:
    still_s: time without progress.
    state: of its thread, as in proc(5); "" where that isn't known.
    ran_s: processor time it got meanwhile.
    """
    wants_to_run = state in ("R", "D")  # D: it waits for memory or a disk
    starved = wants_to_run and ran_s < _GOT_NONE * still_s
    return still_s >= (STARVED_S if starved else HANGS_S)
