"""The conversation on ``/v1/stream``: one or two sides, readings as they come."""

from __future__ import annotations

import asyncio
from functools import partial

from asr.service import messages
from asr.service.connection import Connection
from asr.service.errors import GOING_AWAY, Stopping, StreamError
from asr.service.hearing import Hearing, Reading
from asr.service.messages import Start
from asr.service.side import Side
from asr.service.wire import WireAudio
from asr.urgency import Urgency


async def converse(connection: Connection, hearing: Hearing) -> None:
    """Serve one client to its end.

    Raises:
        ConnectionClosed: the client went away before it.
    """
    try:
        start = await _started(connection, hearing)
    except Stopping:
        await connection.close(GOING_AWAY, "The service is being stopped.")
        return
    except StreamError as problem:
        await _refuse(connection, problem)
        return
    partials = Urgency.PARTIAL if start.partials else None
    sides = [
        Side(hearing, partial(_report, connection, start, name), partials=partials)
        for name in start.sides
    ]
    working = [asyncio.create_task(side.run()) for side in sides]
    try:
        await _listen(connection, hearing, start, sides)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _started(connection: Connection, hearing: Hearing) -> Start:
    first = await connection.receive()
    if isinstance(first, bytes):
        raise StreamError("audio_before_start", 'Send {"type": "start"} before any audio.')
    start = messages.read_start(first)
    await connection.send(messages.started(hearing.engine.name, start))
    return start


async def _listen(
    connection: Connection, hearing: Hearing, start: Start, sides: list[Side]
) -> None:
    """Take audio until the end, whoever brings it about; what was said by then is answered."""
    audio = WireAudio(start.encoding, start.rate, len(sides), hearing.new_resampler)
    problem: StreamError | None = None
    stopping = False
    try:
        while True:
            message = await connection.receive()
            if isinstance(message, str):
                messages.read_control(message)
                break
            for side, pcm in zip(sides, audio.take(message), strict=True):
                await side.feed(pcm)
    except StreamError as error:
        problem = error
    except Stopping:
        stopping = True
    await asyncio.gather(*(side.finish() for side in sides))
    if problem is not None:
        await _refuse(connection, problem)
    elif stopping:
        await connection.close(GOING_AWAY, "The service is being stopped.")
    else:
        await connection.send(messages.ended())
        await connection.close()


async def _report(connection: Connection, start: Start, side: str, reading: Reading) -> None:
    if reading.failed:
        await connection.send(messages.lost(reading, side))
    else:
        text = messages.reading(reading, side, alternatives=start.alternatives)
        await connection.send(text)


async def _refuse(connection: Connection, problem: StreamError) -> None:
    await connection.send(messages.error(problem))
    await connection.close(problem.close_code, str(problem))
