"""Why each call went where it went, as it is kept (functions of a session)."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from flows.surge import Decision, Figures, Policy
from flows.surge_wording import explain
from voicebot.surge.tables import SurgeDecisionRow
from voicebot.webhooks.events import surge_changed


def kept(
    decision: Decision, figures: Figures, policy: Policy, call_id: str, line: str, at: float
) -> dict[str, Any]:
    """The arguments of `note_surge_decision`: plain JSON."""
    return {
        "call_id": call_id,
        "line": line,
        "at": at,
        "destination": decision.destination.value,
        "reason": decision.reason.value,
        "mode": decision.mode.value,
        "because": explain(decision, policy),
        "figures": {
            "wait_s": finite(decision.wait_s),
            "outlook_s": finite(decision.outlook_s),
            "region": decision.region,
            "override": asdict(decision.override) if decision.override else None,
            **figure_values(figures),
        },
    }


def figure_values(figures: Figures) -> dict[str, Any]:
    """Figures as JSON; what is infinite or unknown is null."""
    values = asdict(figures)
    values["seats_age_s"] = finite(figures.seats_age_s)
    if figures.seats is not None:
        values["seats"]["patience_s"] = finite(figures.seats.patience_s)
    return values


def finite(number: float | None) -> float | None:
    """Null in JSON for what is infinite; tenths of a second are enough."""
    return None if number is None or math.isinf(number) else round(number, 1)


def note(session: Session, *, was: str = "", node: str = "", **values: Any) -> None:
    """Keep a call's decision; the newest is kept of one that came back from the seats.

    Parameters:
        was: the line's mode before, where the decision has changed it.
        node: the process that has decided so; its mode is of its own calls.
    """
    kept = session.get(SurgeDecisionRow, values["call_id"])
    if kept is None or kept.at < values["at"]:
        session.merge(SurgeDecisionRow(**values))
    if was:
        surge_changed(session, values, was, node)


def decision_of(session: Session, call_id: str) -> dict[str, Any] | None:
    """What was decided for a call, and why; None where surge control had nothing to decide."""
    row = session.get(SurgeDecisionRow, call_id)
    if row is None:
        return None
    return {
        "call_id": row.call_id,
        "line": row.line,
        "at": row.at,
        "destination": row.destination,
        "reason": row.reason,
        "mode": row.mode,
        "because": row.because,
        "figures": row.figures,
    }
