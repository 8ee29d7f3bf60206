"""What a call leaves about its caller: nuisance, missed, content or not, an appeal.

Each is an operation of the records, which may come late, twice, or out of the spool.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable

from flows.actions import AppealLimit, Evaluate
from flows.state import State
from voicebot.callers import missed_rules, nuisance
from voicebot.callers.missed_rules import Missed, Window
from voicebot.records.store import Records


def ended(records: Records, state: State, did: str, window: Window, began: float) -> None:
    """The call is over.

    Parameters:
        did: the number that was dialled.
        began: when it was answered, seconds since the epoch.
    """
    at = time.time()
    if state.calling in ("missed", "danger"):
        records.called_back(state.caller, began, heard=state.heard)
    reason = nuisance.of_call(state)
    if reason is not None:
        records.note_nuisance(state.call_id, state.caller, reason, at)
    missed = missed_rules.of_call(state)
    if missed is not None:
        note_missed(records, missed, state.call_id, state.caller, did, at, window)


def note_missed(
    records: Records,
    missed: Missed,
    call_id: str,
    number: str,
    did: str,
    at: float,
    window: Window,
) -> Awaitable[bool]:
    """Put a call on the list of missed ones."""
    return records.note_missed(
        {
            "call_id": call_id,
            "number": number,
            "did": did,
            "at": at,
            "why": missed.why,
            "danger": missed.danger,
            "next_try_at": missed_rules.first_try(missed, at, window),
        }
    )


def evaluated(records: Records, call_id: str, number: str, action: Evaluate) -> None:
    records.save_evaluation(
        {
            "call_id": call_id,
            "number": number,
            "ticket": action.ticket,
            "at": time.time(),
            "score": action.score,
            "via": action.via,
        }
    )


def appealed(records: Records, number: str, action: AppealLimit) -> None:
    records.appeal_limit(number, action.ticket, action.words, time.time())
