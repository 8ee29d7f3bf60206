"""The client, to be awaited: for programs that do something else meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import update_wrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from voicebot.client import calls, knowledge, supervising, tickets
from voicebot.client.connection import (
    TIMEOUT_S,
    Connection,
    answer_of,
    no_answer,
    refusal,
    request_of,
)
from voicebot.client.errors import TooManyRequests, Unavailable
from voicebot.client.events import SILENT_S, LiveEvent, Stream
from voicebot.client.operation import Operation, Pages

P = ParamSpec("P")
T = TypeVar("T")


class _Sender:
    """Sends operations over one httpx client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def send(self, operation: Operation[T]) -> T:
        try:
            response = await self._http.request(**request_of(operation))
        except httpx.HTTPError as error:
            raise no_answer(error) from None
        return operation.read(answer_of(response))

    async def rows(self, pages: Pages[T]) -> AsyncIterator[T]:
        operation: Operation[Any] | None = pages.first
        while operation is not None:
            page = await self.send(operation)
            for row in page[pages.rows]:
                yield row
            operation = pages.after(page["next"]) if page["next"] else None


class _Group:
    def __init__(self, sender: _Sender) -> None:
        self._sender = sender


def _sent(
    make: Callable[P, Operation[T]],
) -> Callable[Concatenate[_Group, P], Awaitable[T]]:
    def method(self: _Group, /, *arguments: P.args, **named: P.kwargs) -> Awaitable[T]:
        return self._sender.send(make(*arguments, **named))

    update_wrapper(method, make)
    return method


def _walked(
    make: Callable[P, Pages[T]],
) -> Callable[Concatenate[_Group, P], AsyncIterator[T]]:
    def method(self: _Group, /, *arguments: P.args, **named: P.kwargs) -> AsyncIterator[T]:
        return self._sender.rows(make(*arguments, **named))

    update_wrapper(method, make)
    return method


class Calls(_Group):
    search = _walked(calls.search)
    read = _sent(calls.call)
    events = _sent(calls.call_events)
    why = _sent(calls.why)


class Handoffs(_Group):
    search = _walked(calls.handoffs)
    read = _sent(calls.handoff)


class Matters(_Group):
    submit = _sent(calls.submit_matter)
    read = _sent(calls.matter)


class Tickets(_Group):
    search = _walked(tickets.search)
    read = _sent(tickets.ticket)
    duplicates = _sent(tickets.duplicates)
    act = _sent(tickets.act)


class Knowledge(_Group):
    search = _sent(knowledge.search)
    recommend = _sent(knowledge.recommend)
    entries = _walked(knowledge.entries)
    read = _sent(knowledge.entry)


class Surge(_Group):
    status = _sent(supervising.surge)
    order = _sent(supervising.order)
    tell_figures = _sent(supervising.tell_figures)


class Incidents(_Group):
    open = _sent(supervising.incidents)
    read = _sent(supervising.incident)
    waiting = _sent(supervising.waiting)
    merge = _sent(supervising.merge)
    split = _sent(supervising.split)
    close = _sent(supervising.close)
    announce = _sent(supervising.announce)
    approve = _sent(supervising.approve)
    withdraw = _sent(supervising.withdraw)


class Figures(_Group):
    read = _sent(supervising.figures)
    definitions = _sent(supervising.definitions)
    topics = _sent(supervising.topics)


class Duty(_Group):
    board = _sent(supervising.board)
    alarms = _sent(supervising.alarms)


class AsyncClient:
    """Use with ``async with``, or `close` it. Belongs to one event loop.

    Parameters:
        url: the service's; $VOICEBOT_API_URL; this machine's.
        token: to be shown; else that of `token_file`, of $VOICEBOT_API_TOKEN, or of the file
            $VOICEBOT_API_TOKEN_FILE (its first word).
        tls_ca: certificates (PEM) that its own is checked with; $VOICEBOT_API_TLS_CA; the system's.
        timeout_s: for each step of a request.

    Raises:
        NoToken: there is none.

    Its methods raise `ApiError`.
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        token_file: str | Path = "",
        tls_ca: str | Path = "",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        connection = Connection.of(url, token, token_file, tls_ca, timeout_s)
        self._http = httpx.AsyncClient(**connection.options())
        sender = _Sender(self._http)
        self.calls = Calls(sender)
        self.handoffs = Handoffs(sender)
        self.matters = Matters(sender)
        self.tickets = Tickets(sender)
        self.knowledge = Knowledge(sender)
        self.surge = Surge(sender)
        self.incidents = Incidents(sender)
        self.figures = Figures(sender)
        self.duty = Duty(sender)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def live(
        self, *topics: str, after: int | None = None, reconnect: bool = True
    ) -> AsyncGenerator[LiveEvent, None]:
        """What happens, as it happens; a break is taken up where it was. Ends by `aclose`:
        ``async with aclosing(hotline.live("calls")) as events``.

        Parameters:
            topics: ``calls``, ``call:<id>``, ``handoffs``, ``queue``, ``surge``.
            after: the number of the last event that is known already; None: from now on.
            reconnect: False: it ends with the stream.

        Raises:
            ApiError: the service refuses; without `reconnect` also that it does not answer.
        """
        stream = Stream(topics, after)
        while True:
            try:
                async with aclosing(self._followed(stream)) as events:
                    async for event in events:
                        yield event
            except (Unavailable, TooManyRequests):
                if not reconnect:
                    raise
            if not reconnect:
                return
            await asyncio.sleep(stream.pause_s())

    async def _followed(self, stream: Stream) -> AsyncGenerator[LiveEvent, None]:
        request = request_of(stream.operation())
        try:
            async with self._http.stream(**request, timeout=SILENT_S) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                async for data in response.aiter_bytes():
                    for event in stream.take(data):
                        yield event
        except httpx.HTTPError as error:
            raise no_answer(error) from None
