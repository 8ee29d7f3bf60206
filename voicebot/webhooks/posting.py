"""One event, signed, to one receiver."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import httpx

from voicebot.config_webhooks import Webhook
from voicebot.exchange.address import unsafe
from voicebot.exchange.keys import Key, read_secret
from voicebot.exchange.signing import Signer

TAG = "voicebot-webhook"
LABEL = "webhook"
EXPIRES_S = 300.0
"""A request that was stolen is of no use after this, to a receiver that checks it …"""
TIMEOUT_S = 10.0
"""… and one may take so long, from its first byte to the head of its answer."""


class Receiver:
    """Use with ``async with``.

    Parameters:
        transport: instead of the network, for tests.
        clock: seconds since the epoch.

    Raises:
        KeyUnusable: the key's file cannot be used.
        OSError: the certificates cannot be read.
    """

    def __init__(
        self,
        webhook: Webhook,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = webhook.url
        key = Key(webhook.name, "12345", read_secret(webhook.secret_file))
        self._signer = Signer(
            {key.id: key}, key.id, tag=TAG, label=LABEL, expires_s=EXPIRES_S, clock=clock
        )
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            transport=transport,
            # A proxy of the environment must not see what happens here.
            trust_env=False,
            verify=ssl.create_default_context(cafile=webhook.tls_ca or None),
        )

    async def __aenter__(self) -> Receiver:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def post(self, event: Mapping[str, Any]) -> str:
        """Empty when the receiver has it (2xx), else what was wrong; of its answer no word."""
        if reason := unsafe(self._url):
            return reason
        request = self._client.build_request(
            "POST",
            self._url,
            content=json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(),
            headers={"Content-Type": "application/json", "Idempotency-Key": str(event["id"])},
        )
        self._signer.sign(request)  # anew for each attempt: a nonce holds once
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return type(error).__name__
        await answer.aclose()  # its content is not read: it may have no end
        return "" if answer.is_success else f"HTTP {answer.status_code}"
