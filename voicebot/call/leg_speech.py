"""The bot's voice to one leg alone, at the speed of speech."""

from __future__ import annotations

import asyncio

from telephony.call_control import Leg
from telephony.codecs import FRAME_SECONDS, Int16


async def say_to(leg: Leg, pcm: Int16, rate: int) -> None:
    """Sends `pcm` to the far side; returns when it was heard to its end."""
    loop = asyncio.get_running_loop()
    frame, due = round(FRAME_SECONDS * rate), loop.time()
    for start in range(0, len(pcm), frame):
        leg.send_audio(pcm[start : start + frame], rate)
        due += FRAME_SECONDS
        await asyncio.sleep(due - loop.time())
