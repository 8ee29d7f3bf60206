"""What a list shows to whoever asks for it, by the one rule (`voicebot.caller_privacy`).

Each but the waiting list may raise RecordsUnavailable: the database cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from voicebot import caller_privacy
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.store import Records
from voicebot.security import Principal
from voicebot.tickets.confidential import (
    confidential_calls,
    confidential_nuisance,
    confidential_tickets,
)

Found = Sequence[Mapping[str, Any]]


async def confidential_among(
    records: Records, who: Principal, calls: Collection[str]
) -> Collection[str]:
    """Those of these calls whose callers want to be kept confidential; not asked for where the
    role may know all.
    """
    if not calls or _knows_all(who):
        return ()
    return await records.read(confidential_calls, calls)


async def calls_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    """Calls, or missed calls."""
    kept = await confidential_among(records, who, {each["call_id"] for each in found})
    return [caller_privacy.call(each, who.role, kept) for each in found]


async def evaluations_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    calls, tickets = ({each[name] for each in found} for name in ("call_id", "ticket"))
    kept = await confidential_among(records, who, calls)
    hidden = () if _knows_all(who) else await records.read(confidential_tickets, tickets - {""})
    return [caller_privacy.evaluation(each, who.role, kept, hidden) for each in found]


async def limits_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    evidence = {call for each in found for call in each["evidence"]}
    kept = await confidential_among(records, who, evidence)
    return [caller_privacy.limit(each, who.role, kept) for each in found]


async def limits_of_number(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    """Those of the number that was asked for: a hidden one would tell that its caller wants to
    be confidential, so it is left out.
    """
    shown = await limits_for(records, who, found)
    return [each for each in shown if each["number"] != caller_privacy.HIDDEN]


async def nuisance_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    hidden = () if _knows_all(who) else await records.read(confidential_nuisance)
    return [caller_privacy.nuisance(each, who.role, hidden) for each in found]


async def members_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    """The hand-offs of an incident."""
    kept = await confidential_among(records, who, {each["call_id"] for each in found})
    return [caller_privacy.member(each, who.role, kept) for each in found]


async def waiting_for(records: Records, who: Principal, found: Found) -> list[dict[str, Any]]:
    """Who waits for a line to 110; without the database as well, and then as if all were
    confidential.
    """
    calls: Collection[str] = {each["call_id"] for each in found}
    with suppress(RecordsUnavailable):
        calls = await confidential_among(records, who, calls)
    return [caller_privacy.waiting(each, who.role, calls) for each in found]


def _knows_all(who: Principal) -> bool:
    return caller_privacy.may_know(who.role, confidential=True)
