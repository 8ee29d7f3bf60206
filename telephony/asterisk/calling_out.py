"""A call that we make: whoever answers it comes to the application like a caller.

Asterisk puts the channel into our application only once it is answered, with the arguments
`called`, our DID, the caller's reference and the number (`offer`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from math import ceil

from telephony.asterisk.access import CALLED
from telephony.asterisk.ari import Ari, AriError, Event
from telephony.asterisk.causes import BUSY, NO_ANSWER
from telephony.asterisk.dispatch import Dispatch
from telephony.errors import CallError, TelephonyError

ORIGIN = "called"
"""First argument of the StasisStart of a call that we made."""

_SPARE_S = 3.0
"""How much later than Asterisk we give it up ourselves."""


async def call_out(
    ari: Ari,
    dispatch: Dispatch,
    trunk: str,
    number: str,
    did: str,
    reference: str,
    *,
    ring_s: float,
) -> None:
    """See `telephony.call_control.CallControl.call_out`."""
    if trunk not in ari.access.trunks:
        raise TelephonyError(
            "no_such_trunk",
            "The trunk for calls to the public network is not in the Asterisk settings; "
            "add it to trunks there.",
        )
    channel = f"{CALLED}{secrets.token_hex(8)}"
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    dispatch.follow(channel, lambda event: _learn(ended, event))
    try:
        async with asyncio.timeout(ring_s + _SPARE_S):
            await ari.post(
                "channels",
                channelId=channel,
                endpoint=f"PJSIP/{number}@{trunk}",
                app=ari.access.app,
                appArgs=",".join((ORIGIN, did, reference, number)),
                callerId=did,
                timeout=str(ceil(ring_s)),
            )
            cause = await ended
    except BaseException as error:
        if ended.done() and not ended.cancelled() and ended.result() is None:
            # Answered in that very moment: the offer has the call.
            if isinstance(error, TimeoutError):
                return
            raise
        dispatch.forget(channel)
        with contextlib.suppress(AriError):
            await ari.delete(f"channels/{channel}")
        if isinstance(error, TimeoutError):
            raise CallError("no_answer", "Nobody answered.") from None
        if isinstance(error, AriError):
            raise CallError("unreachable", error.message) from error
        raise
    if cause is None:
        return  # the offer follows the channel now
    dispatch.forget(channel)
    if cause in BUSY:
        raise CallError("busy", "The number is busy.")
    if cause in NO_ANSWER:
        raise CallError("no_answer", "Nobody answered.")
    raise CallError("unreachable", "The number could not be reached.")


def _learn(ended: asyncio.Future[int | None], event: Event) -> None:
    """None for answered, else the Q.850 cause of its end."""
    if ended.done():
        return
    if event["type"] == "StasisStart":
        ended.set_result(None)
    elif event["type"] == "ChannelDestroyed":
        cause = event.get("cause")
        ended.set_result(cause if isinstance(cause, int) else 0)
