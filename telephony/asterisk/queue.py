"""What Asterisk tells of a queue without AMI: dialplan functions on the caller's own channel.

ARI has no resource for queues and sends none of their events. It evaluates functions as
variables of a channel (as global variables it does not: Asterisk 22.10.1 answers ""), and
a channel is there just when the figures are needed: the call that is being offered.
"""

from __future__ import annotations

import asyncio

from telephony.asterisk.ari import Ari
from telephony.call_control import QueueState


async def queue_state(ari: Ari, channel: str, queue: str, trunk: str) -> QueueState | None:
    """The queue as app_queue counts it; None when there is no such queue. Errors: AriError.

    Parameters:
        channel: id of a channel in the application.
        trunk: PJSIP endpoint behind which the seats are. The state of such a member is the
            trunk's, which is in use as soon as one seat is: its channels are counted instead.
    """
    exists, staffed, ready, waiting = await asyncio.gather(
        *(
            ari.variable(channel, name)
            for name in (
                f"QUEUE_EXISTS({queue})",
                f"QUEUE_MEMBER({queue},logged)",
                f"QUEUE_MEMBER({queue},ready)",
                f"QUEUE_WAITING_COUNT({queue})",
            )
        )
    )
    if exists != "1":
        return None
    free = number(ready)
    if trunk:
        endpoint = await ari.get(f"endpoints/PJSIP/{trunk}")
        free = max(0, number(staffed) - len(endpoint["channel_ids"]))
    # A call for which a seat rings is in the count still, and the seat in none: while others
    # are free, a seat rings for each.
    return QueueState(number(staffed), free, 0 if free else number(waiting))


def number(value: str) -> int:
    """A count as Asterisk writes it; 0 for what is none."""
    return int(value) if value.isdecimal() else 0
