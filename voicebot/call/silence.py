"""When the caller has heard nothing for a while. Pure."""

from __future__ import annotations

from flows.events import Silence

FIRST_S = 2.4
STEP_S = 0.6


class SilenceWatch:
    """Silence is told first at 2.4 s, then every 0.6 s, as long as it lasts.

    Nobody's sound at all, and nobody's but the caller's own voice, are told apart.
    """

    def __init__(self) -> None:
        self._spoke_at = 0.0
        self._told = {False: 0.0, True: 0.0}

    def look(
        self, now: float, *, speaking: bool, voiced_at: float, far_side_at: float
    ) -> Silence | None:
        """What there is to tell at this moment.

        Parameters:
            now: seconds since the call was answered, as all times here.
            speaking: the bot is, or is about to.
            voiced_at: when the caller's voice was last heard.
            far_side_at: when anybody on the far side was.
        """
        if speaking:
            self._spoke_at = now
        heard_at = max(self._spoke_at, far_side_at)
        talking = voiced_at > heard_at and now - voiced_at < FIRST_S
        quiet = now - (heard_at if talking else max(heard_at, voiced_at))
        self._told[not talking] = 0.0
        told = self._told[talking] if quiet >= FIRST_S else 0.0
        self._told[talking] = told
        due = told + STEP_S if told else FIRST_S
        if quiet < due:
            return None
        self._told[talking] = due
        return Silence(now, round(quiet, 2), talking)
