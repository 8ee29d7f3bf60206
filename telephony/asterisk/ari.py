"""A small client of the Asterisk REST Interface: requests with deadlines, events, errors.

Only what is called is here, under ARI's own names; the reference is Asterisk's
`rest-api/*.json`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from telephony.asterisk.access import AsteriskAccess
from telephony.errors import TelephonyError

REQUEST_S = 2.0
"""How long one request may take; Asterisk answers in about 2 ms."""

INSIST_S = 5.0
"""How long what must not stay undone is tried again while Asterisk cannot be reached."""

_AGAIN_S = (0.05, 0.5)
"""Pause before it is tried again: at first, and at most."""

Event = dict[str, Any]


class AriError(TelephonyError):
    """A request to Asterisk that was not carried out.

    Codes: `ari_unreachable` (no connection, or it broke), `ari_timeout`,
    `ari_refused` (Asterisk said no: see `status`).
    """

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(code, message)
        self.status = status
        """HTTP status; 0 when there was no answer."""

    @property
    def gone(self) -> bool:
        """What was asked for does not exist, or no longer."""
        return self.status == httpx.codes.NOT_FOUND


class Ari:
    """Requests and events of one Asterisk. Close it with `aclose`."""

    def __init__(self, access: AsteriskAccess, *, timeout_s: float = REQUEST_S) -> None:
        self.access = access
        self.tls = access.tls()
        self._http = httpx.AsyncClient(
            base_url=access.url.rstrip("/") + "/",
            auth=(access.user, access.password),
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            trust_env=False,
            verify=self.tls or True,
        )
        self.problems: Counter[str] = Counter()
        """Events that could not be read, by kind."""

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: str) -> Any:
        """Errors: AriError."""
        return await self._request("GET", path, query)

    async def post(
        self,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        insist_s: float = 0.0,
        **query: str,
    ) -> Any:
        """Errors: AriError.

        Parameters:
            insist_s: how long it is tried again while there is no answer; only for what
                does no harm when it is done twice.
        """
        return await self._insist("POST", path, query, body, insist_s)

    async def delete(self, path: str, **query: str) -> None:
        """Deletes, trying for `INSIST_S`; harmless when it is gone already. Errors: AriError."""
        with contextlib.suppress(_Gone):
            await self._insist("DELETE", path, query, None, INSIST_S)

    async def variable(self, channel: str, name: str) -> str:
        """A channel variable or dialplan function; "" when it has no value. Errors: AriError."""
        try:
            answer = await self.get(f"channels/{channel}/variable", variable=name)
        except _Gone:
            return ""
        return str(answer.get("value", ""))

    async def set_variables(self, channel: str, values: Mapping[str, str]) -> None:
        """Sets channel variables and dialplan functions, in order. Errors: AriError."""
        for name, value in values.items():
            await self.post(
                f"channels/{channel}/variable", insist_s=INSIST_S, variable=name, value=value
            )

    async def proceed(self, channel: str, context: str) -> None:
        """Back to the dialplan, at extension s. Errors: AriError."""
        await self.post(
            f"channels/{channel}/continue",
            insist_s=INSIST_S,
            context=context,
            extension="s",
            priority="1",
        )

    @contextlib.asynccontextmanager
    async def events(self, app: str, *, open_s: float = 2.0) -> AsyncIterator[AriEvents]:
        """Registers the Stasis application and gives its events, until the block ends.

        Errors: AriError when the connection cannot be made.
        """
        access = self.access
        secret = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        try:
            socket = await connect(
                f"{access.events_url}?app={app}",
                additional_headers={"Authorization": f"Basic {secret}"},
                open_timeout=open_s,
                close_timeout=0.5,
                ping_interval=1.0,
                ping_timeout=2.0,
                max_size=1 << 20,
                ssl=self.tls,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise AriError(
                "ari_unreachable",
                f"Asterisk's events cannot be had ({type(error).__name__}); "
                "is it running, with the ARI user of the settings?",
            ) from error
        async with contextlib.aclosing(AriEvents(socket, self.problems)) as events:
            yield events

    async def _insist(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        insist_s: float,
    ) -> Any:
        """The request, again and again while it gets no answer, for so long."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + insist_s
        (pause, longest), again = _AGAIN_S, False
        while True:
            try:
                return await self._request(method, path, query, body)
            except AriError as error:
                if again and error.status == httpx.codes.CONFLICT:
                    return None  # it was done, and only the answer was lost
                if error.status or clock() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause, again = min(2 * pause, longest), True

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            answer = await self._http.request(method, path, params=query, json=body)
        except httpx.TimeoutException as error:
            raise AriError("ari_timeout", "Asterisk did not answer in time.") from error
        except httpx.HTTPError as error:
            raise AriError("ari_unreachable", "Asterisk cannot be reached.") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        # The query is left out of the message: it can hold a telephone number.
        refusal = _Gone if answer.status_code == httpx.codes.NOT_FOUND else AriError
        raise refusal(
            "ari_refused",
            f"Asterisk refused {method} {path.partition('/')[0]} ({answer.status_code}).",
            answer.status_code,
        )


class _Gone(AriError):
    """404."""


class AriEvents(AsyncIterator[Event]):
    """The events of one connection; ends when the connection does."""

    def __init__(self, socket: ClientConnection, problems: Counter[str]) -> None:
        self._socket, self._problems = socket, problems

    async def __anext__(self) -> Event:
        while True:
            try:
                text = await self._socket.recv()
            except ConnectionClosed:
                raise StopAsyncIteration from None
            try:
                event = json.loads(text)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict) and isinstance(event.get("type"), str):
                return event
            self._problems["unreadable_event"] += 1

    async def aclose(self) -> None:
        await self._socket.close()
