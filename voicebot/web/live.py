"""One call as it happens, a JSON object a line, for whoever reads with a header.

A browser cannot put a token on a WebSocket, but on a request it can.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from voicebot.caller_privacy import live as shown_to
from voicebot.web.service import Live


async def follow(live: Live, call_id: str, role: str) -> AsyncGenerator[str, None]:
    """Lines of JSON until the call has ended, as this role may see them; the first,
    ``{"kind": "watching"}``, says that nothing published from now on is missed.
    """
    # An async generator, whatever the protocol calls it: it is to be closed.
    async with aclosing(live.subscribe()) as messages:  # type: ignore[type-var]
        coming = asyncio.ensure_future(anext(messages))
        try:
            await asyncio.sleep(0)  # it is subscribed once its task has begun
            yield _line({"kind": "watching", "call_id": call_id})
            while True:
                message = await coming
                if message.get("call_id") == call_id:
                    if (shown := shown_to(message, role)) is not None:
                        yield _line(shown)
                    if message["kind"] == "call" and message.get("state") == "ended":
                        return
                coming = asyncio.ensure_future(anext(messages))
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def _line(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False) + "\n"
