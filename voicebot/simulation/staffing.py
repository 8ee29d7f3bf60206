"""How many seats each half-hour needs (R23), with the bot and without: Erlang A.

Each half-hour is taken as a steady state of its own. With the bot in front, seats are
needed for those whom it does not contain. The table goes by expected calls; what bursts,
heavier days, redials and other distributions do to it is found by simulating it.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicebot.simulation.draws import minute_rates
from voicebot.simulation.erlang import seats_for
from voicebot.simulation.scenario import HALF_HOURS, Scenario, half_hour

STRICT = (0.95, 15.0)
"""95 % answered within 15 s (GB/T 33358-2016)."""
USUAL = (0.80, 20.0)
"""80 % within 20 s, as call centres have it."""


@dataclass(frozen=True, slots=True)
class Need:
    """One half-hour.

    Parameters:
        at: when it begins.
        calls: expected.
        strict, usual: seats without the bot, for `STRICT` and `USUAL`.
        strict_bot, usual_bot: seats with it.
    """

    at: str
    calls: float
    strict: int
    usual: int
    strict_bot: int
    usual_bot: int


@dataclass(frozen=True, slots=True)
class Staffing:
    """The table, and what the strict one reaches when it is simulated.

    Parameters:
        seat_hours, seat_hours_bot: of the strict table, a day.
        reached: share of the simulated calls answered within 15 s without the bot.
        reached_bot: with it, share of calls that want a person and have one within 15 s.
        answered_bot: with it, share of calls answered by seat or bot within 15 s.
    """

    needs: tuple[Need, ...]
    seat_hours: float
    seat_hours_bot: float
    reached: float
    reached_bot: float
    answered_bot: float


def needs(scenario: Scenario) -> tuple[Need, ...]:
    """The seats of each half-hour, by closed form."""
    bot, danger = scenario.bot, scenario.callers.danger
    left = (1 - danger) * (1 - bot.contained) + danger * (1 - bot.hears_danger)
    service, patience = scenario.service.mean_s, scenario.callers.patience.mean_s
    found = []
    for n, minutes in enumerate(minute_rates(scenario.arrivals).reshape(HALF_HOURS, -1)):
        per_s = float(minutes.mean()) / 60.0
        seats = [
            seats_for(share, limit_s, rate, service, patience)
            for rate in (per_s, per_s * left)
            for share, limit_s in (STRICT, USUAL)
        ]
        found.append(Need(half_hour(n), round(float(minutes.sum()), 1), *seats))
    return tuple(found)
