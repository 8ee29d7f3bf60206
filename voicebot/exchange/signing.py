"""Signatures of HTTP requests: RFC 9421 with HMAC-SHA256, the content by RFC 9530.

A signature covers method, authority, path and query, and the content by its digest. It has
a time, a nonce and the tag ``12345-110``, and holds once: a second request with its nonce is a
replay. Every attempt to deliver a message is therefore signed anew.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)
from http_message_signatures.algorithms import HMAC_SHA256

from voicebot.errors import VoicebotError
from voicebot.exchange.keys import Key
from voicebot.exchange.schema import Sender

TAG = "12345-110"
COVERED = ("@method", "@authority", "@path", "@query")
MAX_NONCES = 1_000_000
"""Remembered at most; more requests than that within twice the skew are refused."""
REPLAYED = "This signed request was received before: sign each attempt anew."
_NONCE_LENGTHS = range(16, 129)


class SignatureRefused(VoicebotError):
    """A request is not signed as it must be: answer 401."""

    code = "exchange.signature"


@dataclass(frozen=True, slots=True)
class Verified:
    """Who signed a request."""

    key_id: str
    owner: Sender
    nonce: str
    until: float
    """When its time alone refuses it, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request in the form in which the library takes it."""

    method: str
    url: str
    headers: Any


class Signer:
    """Signs with one of `keys`; thread-safe.

    Parameters:
        tag: what the signature is for; one for another purpose is none.
        label: its name in the headers.
        expires_s: it says itself for how long it holds; None: the receiver goes by its time.
    """

    def __init__(
        self,
        keys: Mapping[str, Key],
        key_id: str,
        *,
        tag: str = TAG,
        label: str = "exchange",
        expires_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key_id, self._clock = key_id, clock
        self._tag, self._label, self._expires_s = tag, label, expires_s
        self._signer = HTTPMessageSigner(
            signature_algorithm=HMAC_SHA256, key_resolver=_Resolver(keys)
        )

    def sign(self, request: httpx.Request) -> None:
        """Add Content-Digest, Signature-Input and Signature to a request with its content."""
        typed = ("content-type",) if "content-type" in request.headers else ()
        created, lasts = int(self._clock()), self._expires_s
        self._signer.sign(
            request,
            key_id=self._key_id,
            created=datetime.fromtimestamp(created, UTC),
            expires=None if lasts is None else datetime.fromtimestamp(created + lasts, UTC),
            nonce=secrets.token_urlsafe(16),
            label=self._label,
            tag=self._tag,
            covered_component_ids=(*COVERED, *typed),
            body=request.content,
        )


class Verifier:
    """Verifies requests, and remembers nonces; one for a service, thread-safe.

    Parameters:
        keys: those that the other side may sign with.
        skew_s: how far the signature's time may be from ours, either way.

    It knows what came to this process since its start; `voicebot.exchange.nonces` knows the rest.
    """

    def __init__(
        self,
        keys: Mapping[str, Key],
        *,
        skew_s: float = 300.0,
        clock: Callable[[], float] = time.time,
        max_nonces: int = MAX_NONCES,
    ) -> None:
        self._keys, self._skew_s, self._clock = dict(keys), skew_s, clock
        self._verifier = _Library(
            signature_algorithm=HMAC_SHA256, key_resolver=_Resolver(self._keys)
        )
        self._seen: dict[tuple[str, str], float] = {}
        self._max_nonces = max_nonces
        self._lock = threading.Lock()

    def verify(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] | Mapping[str, str],
        body: bytes,
    ) -> Verified:
        """Who sent a request.

        Parameters:
            url: absolute, with the authority that the client named (its Host header).
            headers: all lines as they came.
            body: the content as it came, before it is parsed.

        Raises:
            SignatureRefused: it is not signed, by none of the keys, for another request, at
                another time, or was received before.
        """
        try:
            (result,) = self._verifier.verify(
                _Request(method.upper(), url, httpx.Headers(_lines(headers))),
                max_age=None,
                expect_tag=TAG,
                require_components=COVERED,
                body=body,
            )
        except (InvalidSignature, ValueError):
            raise SignatureRefused(
                "The request has no valid signature: RFC 9421, HMAC-SHA256 with a key of this "
                f'exchange, tag "{TAG}", over {", ".join(COVERED)} and, with content, its '
                "content-digest (SHA-256)."
            ) from None
        key = self._keys[str(result.parameters["keyid"])]
        created = int(result.parameters["created"])
        self._in_time(created)
        nonce, until = result.nonce or "", self._clock() + 2 * self._skew_s
        self._once(key, nonce, until)
        return Verified(key.id, key.owner, nonce, until)

    def _in_time(self, created: int) -> None:
        apart = created - self._clock()
        if abs(apart) > self._skew_s:
            raise SignatureRefused(
                f"The signature's time is {apart:+.0f} s from ours, more than the "
                f"{self._skew_s:.0f} s allowed: sign each attempt anew and set the clock by NTP."
            )

    def _once(self, key: Key, nonce: str, until: float) -> None:
        if len(nonce) not in _NONCE_LENGTHS:
            raise SignatureRefused("The signature needs a nonce of 16 to 128 characters.")
        now, name = self._clock(), (key.id, nonce)
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now:
                del self._seen[next(iter(self._seen))]
            if name in self._seen:
                raise SignatureRefused(REPLAYED)
            if len(self._seen) >= self._max_nonces:
                raise SignatureRefused("Too many signed requests within a short time: wait.")
            # By then its time alone refuses it. In the order of coming: the oldest is first.
            self._seen[name] = until


class _Resolver(HTTPSignatureKeyResolver):
    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys

    def resolve_private_key(self, key_id: str) -> bytes:
        return self._keys[key_id].secret

    def resolve_public_key(self, key_id: str) -> bytes | None:
        key = self._keys.get(key_id)
        return key.secret if key is not None else None


class _Library(HTTPMessageVerifier):
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """`Verifier` does it, by its own clock."""
        if type(sig_input.params.get("created")) is not int:
            raise InvalidSignature("no time")


def _lines(headers: Iterable[tuple[str, str]] | Mapping[str, str]) -> list[tuple[str, str]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers)
