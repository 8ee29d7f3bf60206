"""The provider of OpenID Connect, over the network.

Whatever it does, the accounts of this service go on: nothing is asked of it before somebody
logs in there, and every answer has bounds of time and size.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import structlog

from voicebot.accounts.errors import LoginRefused
from voicebot.accounts.id_token import (
    Identity,
    Metadata,
    Start,
    authorization_url,
    claims_of,
    identity_of,
    metadata_of,
    refused_by_provider,
)
from voicebot.config_accounts import Oidc

log = structlog.get_logger()

TIMEOUT_S = 8.0
"""For all that is asked in one half of a log-in."""
MOST_BYTES = 256 * 1024
KEPT_S = 600.0
"""How long what the provider tells of itself is used."""
DISCOVERY = "/.well-known/openid-configuration"


class Provider:
    """The provider of the settings; for the event loop."""

    def __init__(self, settings: Oidc) -> None:
        self._settings = settings
        self._metadata: Metadata | None = None
        self._read_at = float("-inf")
        self._tls: ssl.SSLContext | None = None

    async def begin(self, start: Start) -> str:
        """Where to send the browser.

        Raises:
            LoginRefused: provider_unavailable.
        """
        async with self._client() as client:
            return authorization_url(await self._discovered(client), self._settings, start)

    async def finish(self, start: Start, code: str) -> Identity:
        """Who came back with this code.

        Raises:
            LoginRefused: provider_unavailable, provider_refused, no_role.
        """
        async with self._client() as client:
            metadata = await self._discovered(client)
            answer = await self._exchanged(client, metadata, start, code)
            id_token = answer.get("id_token")
            if not isinstance(id_token, str):
                raise refused_by_provider("it sends no ID token")
            # Fresh each time: a key that was withdrawn holds for nobody any more.
            jwks = await self._json(client, "GET", metadata.jwks_uri)
        return identity_of(
            claims_of(id_token, jwks, self._settings, start, time.time()), self._settings
        )

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        try:
            if self._tls is None:
                self._tls = await asyncio.to_thread(
                    ssl.create_default_context, cafile=self._settings.tls_ca or None
                )
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpx.AsyncClient(verify=self._tls, trust_env=False) as client,
            ):
                yield client
        except TimeoutError:
            raise _unavailable(f"no answer within {TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise _unavailable(f"oidc.tls_ca: {error.strerror or error}") from None

    async def _discovered(self, client: httpx.AsyncClient) -> Metadata:
        if self._metadata is None or time.monotonic() - self._read_at >= KEPT_S:
            issuer = self._settings.issuer
            document = await self._json(client, "GET", issuer.rstrip("/") + DISCOVERY)
            try:
                self._metadata = metadata_of(document, issuer)
            except ValueError as error:
                raise _unavailable(f"{issuer}: {error}") from None
            self._read_at = time.monotonic()
        return self._metadata

    async def _exchanged(
        self, client: httpx.AsyncClient, metadata: Metadata, start: Start, code: str
    ) -> dict[str, Any]:
        """The tokens for a code (RFC 6749, 4.1.3; RFC 7636)."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.callback,
            "client_id": settings.client_id,
            "code_verifier": start.verifier,
        }
        secret = settings.client_secret.get_secret_value()
        auth = httpx.BasicAuth(settings.client_id, secret) if secret else None
        answer = await self._json(
            client, "POST", metadata.token_endpoint, data=form, auth=auth, refusal_is_answer=True
        )
        if "error" in answer:
            raise refused_by_provider("the log-in there is over; begin again")
        return answer

    async def _json(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: str,
        *,
        refusal_is_answer: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """An object of JSON.

        Raises:
            LoginRefused: provider_unavailable.
        """
        try:
            async with client.stream(method, url, **more) as answer:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise _unavailable(f"{url} sends too much")
                refuses = refusal_is_answer and answer.status_code in (400, 401)
                if answer.status_code != 200 and not refuses:
                    raise _unavailable(f"{url} answers {answer.status_code}")
            found = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _unavailable(f"{url}: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise _unavailable(f"{url} sends no object")
        return found


def _unavailable(reason: str) -> LoginRefused:
    log.error("oidc_unavailable", reason=reason)
    return LoginRefused(
        "provider_unavailable",
        "The log-in provider cannot be used just now; accounts of this service can.",
    )
