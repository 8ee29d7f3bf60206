"""What is followed live takes a place for as long as it lasts: an account or token has so many."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager

from fastapi import Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from voicebot.security import Principal

MOST = 16
"""Streams of one account or token: some pages on some screens."""
RETRY_S = 10

_BODY = {
    "code": "too_many_streams",
    "message": f"This account or token follows {MOST} streams already; close another page.",
}


class Following:
    """The places of one service."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, who: Principal) -> Iterator[bool]:
        """Taken until the block ends; False: there is none left."""
        if self._taken[who.token_id] >= MOST:
            yield False
            return
        self._taken[who.token_id] += 1
        try:
            yield True
        finally:
            self._taken[who.token_id] -= 1
            self._taken += Counter()  # who follows nothing is forgotten


class FollowedResponse(StreamingResponse):
    """`parts` as they come, to somebody who has a place for them; 429 where he has none."""

    def __init__(
        self,
        request: Request,
        who: Principal,
        parts: AsyncIterable[str] | AsyncIterable[bytes],
        media_type: str = "text/event-stream",
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(parts, media_type=media_type, headers=headers)
        self._following: Following = request.app.state.following
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._following.place(self._who) as given:
            if given:
                await super().__call__(scope, receive, send)
            else:
                await too_many_streams()(scope, receive, send)


def too_many_streams() -> JSONResponse:
    """The answer to who has no place left."""
    return JSONResponse(_BODY, 429, {"Retry-After": str(RETRY_S), "Cache-Control": "no-store"})
