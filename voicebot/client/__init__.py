"""The service's API for Python programs: needs httpx and nothing else of voicebot (docs/api.md).

    from voicebot.client import Client

    with Client("https://hotline.example", token="vb_…") as hotline:
        for ticket in hotline.tickets.search(status="created"):
            hotline.tickets.act(ticket["id"], "dispatch", ticket["version"], department="城管局")

`AsyncClient` is the same to be awaited: ``async for`` over what has pages, ``await`` for the rest.
What is answered are plain dictionaries, typed in `voicebot.client.answers`; an answer that is no
success is raised as an `ApiError` with the API's code.

    connection.py   address, token, certificates; what an answer means
    operation.py    what is asked for, and how the answer is read. Pure
    calls.py tickets.py knowledge.py supervising.py    the operations by area
    events.py       live events: text/event-stream, and going on after a break
    synchronous.py asynchronous.py    the two clients
"""

from voicebot.client.asynchronous import AsyncClient
from voicebot.client.errors import (
    ApiError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    NoToken,
    TooManyRequests,
    Unavailable,
)
from voicebot.client.events import LiveEvent
from voicebot.client.synchronous import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "Invalid",
    "LiveEvent",
    "NoToken",
    "NotAllowed",
    "NotFound",
    "TooManyRequests",
    "Unavailable",
]
