"""110's platform as we reach it: signed requests over HTTP, and what its answers mean."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote

import httpx

from voicebot.config_exchange import Exchange
from voicebot.errors import VoicebotError
from voicebot.exchange.keys import read_keys
from voicebot.exchange.schema import Envelope, MessageInvalid, canonical_json, read_envelope
from voicebot.exchange.signing import Signer

TIMEOUT_S = 5.0
"""For one request, from its first byte to the last of its answer."""
PAGE = 1000
"""Lines of the ledger that are asked for at a time."""

_FIELD = re.compile(r"[a-z0-9_.]{1,80}")


class PlatformUnavailable(VoicebotError):
    """110's platform does not answer as it should."""

    code = "exchange.platform"


@dataclass(frozen=True, slots=True)
class Posted:
    """What 110's platform made of a message; `applied`: it has confirmed just this content."""

    state: Literal["applied", "waiting", "refused", "conflict", "failed"]
    error: str = ""
    """What was wrong, without personal data."""


class Platform:
    """Use with ``async with``.

    Parameters:
        settings: with `url` and `sign_with`.
        transport: instead of the network, for tests.

    Raises:
        KeyUnusable: a key's file cannot be used.
    """

    def __init__(
        self,
        settings: Exchange,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        token = settings.token.get_secret_value()
        self._signer = Signer(read_keys(settings.keys), settings.sign_with, clock=clock)
        self._client = httpx.AsyncClient(
            base_url=settings.url.rstrip("/") + "/v1/exchange/",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_S,
            transport=transport,
            # A proxy of the environment must not see what is sent.
            trust_env=False,
            verify=_tls(settings),
        )

    async def __aenter__(self) -> Platform:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def post(self, envelope: Mapping[str, Any]) -> Posted:
        """Hand over a message, as it stands in the outbox."""
        try:
            answer = await self._ask(
                "POST",
                "messages",
                content=canonical_json(envelope),
                headers={
                    "Content-Type": "application/json",
                    "Idempotency-Key": envelope["id"],
                },
            )
        except PlatformUnavailable as error:
            return Posted("failed", str(error))
        return _posted(answer, envelope)

    async def message(self, message_id: str) -> Envelope | None:
        """A message that 110's platform has sent or received; None: it has no such.

        Raises:
            PlatformUnavailable: it does not answer, or with something else.
        """
        answer = await self._ask("GET", f"messages/{quote(message_id, safe='')}")
        if answer.status_code == 404:
            return None
        try:
            return read_envelope(_ok(answer).content)
        except MessageInvalid as error:
            raise PlatformUnavailable(f"its message does not follow the schema: {error}") from None

    async def ledger(self, day: date) -> AsyncIterator[dict[str, Any]]:
        """The lines of 110's ledger for the messages sent on a day in Hainan.

        Raises:
            PlatformUnavailable: it does not answer, or with something else.
        """
        after: int | None = 0
        while after is not None:
            query = {"day": day.isoformat(), "after": str(after), "limit": str(PAGE)}
            page = _json(_ok(await self._ask("GET", "ledger", params=query)))
            lines, following = page.get("entries"), page.get("next")
            if not isinstance(lines, list) or not (
                following is None or (isinstance(following, int) and following > after)
            ):
                raise PlatformUnavailable("its ledger is not in pages of entries")
            for line in lines:
                yield line
            after = following

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        request = self._client.build_request(method, path, **options)
        self._signer.sign(request)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._client.send(request)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise PlatformUnavailable(type(error).__name__) from None


def _posted(answer: httpx.Response, envelope: Mapping[str, Any]) -> Posted:
    match answer.status_code:
        case 409:
            return Posted("conflict", "HTTP 409: it has other content under this id or place")
        case 422:
            return Posted("refused", f"HTTP 422{_fields(answer)}")
        case status if not 200 <= status < 300:
            return Posted("failed", f"HTTP {status}")
    try:
        receipt = _json(answer)
    except PlatformUnavailable as error:
        return Posted("failed", str(error))
    if any(receipt.get(name) != envelope[name] for name in ("id", "content_hash")):
        return Posted("failed", "its receipt is for another message or other content")
    if receipt.get("state") == "applied":
        return Posted("applied")
    return Posted("waiting", "it has the message, and has not applied it yet")


def _fields(answer: httpx.Response) -> str:
    """The names of the fields that were refused; nothing else of the answer is kept."""
    try:
        fields = _json(answer).get("fields", [])
    except PlatformUnavailable:
        return ""
    names = [each for each in fields if isinstance(each, str) and _FIELD.fullmatch(each)]
    return f": {', '.join(names[:5])}" if names else ""


def _ok(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != 200:
        raise PlatformUnavailable(f"HTTP {answer.status_code}")
    return answer


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        values = answer.json()
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise PlatformUnavailable("its answer is not a JSON object")
    return values


def _tls(settings: Exchange) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca or None)
    if settings.tls_certificate:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context
