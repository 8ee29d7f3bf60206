"""Log-ins at a provider of OpenID Connect, without the network: what is asked, what is believed.

The authorization code flow with PKCE. One random secret stays in the browser's cookie between
the two halves of a log-in; state, nonce and code verifier are derived from it, so that what
comes back holds for that browser and that log-in alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from voicebot.accounts.errors import AccountsError, LoginRefused
from voicebot.accounts.names import checked_name
from voicebot.config_accounts import Oidc, is_safe

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures by a key that only the provider has; never one that we could make as well."""
LEEWAY_S = 30
MOST_SUBJECT = 255
"""OpenID Connect Core, section 2."""
HOME = "/console/"
_COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_=-]*)")
_LOCAL = re.compile(r"/(?![/\\])[!-~]*")


@dataclass(frozen=True, slots=True)
class Start:
    """A log-in that has begun.

    Attributes:
        secret: 256 random bits.
        then: the page to go to afterwards, a path of ours.
    """

    secret: str = field(repr=False)
    then: str

    @classmethod
    def fresh(cls, then: str) -> Start:
        """A new one; a `then` that is no page of ours becomes `HOME`."""
        return cls(secrets.token_urlsafe(32), own_path(then))

    @classmethod
    def read(cls, cookie: str) -> Start | None:
        """The one that a browser kept; None for what is none."""
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return None
        try:
            then = base64.urlsafe_b64decode(match[2]).decode()
        except ValueError:
            return None
        return cls(match[1], own_path(then))

    @property
    def cookie(self) -> str:
        return f"{self.secret}.{base64.urlsafe_b64encode(self.then.encode()).decode()}"

    @property
    def state(self) -> str:
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        return self._derived(b"verifier")

    def _derived(self, purpose: bytes) -> str:
        return _base64(hmac.digest(self.secret.encode(), purpose, "sha256"))


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider tells of itself (OpenID Connect Discovery)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has logged in at the provider, and what he is here."""

    issuer: str
    subject: str
    name: str
    role: str


def own_path(path: str) -> str:
    """A path of this service, never an address of another one."""
    return path if _LOCAL.fullmatch(path) else HOME


def metadata_of(document: Any, issuer: str) -> Metadata:
    """The provider's document, checked.

    Raises:
        ValueError: it is another issuer's, or names addresses that are not safe.
    """
    if not isinstance(document, Mapping) or document.get("issuer") != issuer:
        raise ValueError("the document is not this issuer's")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    for name in names:
        if not isinstance(document.get(name), str) or not is_safe(document[name]):
            raise ValueError(f"{name} is no https address")
    return Metadata(*(document[name] for name in names))


def authorization_url(metadata: Metadata, settings: Oidc, start: Start) -> str:
    """Where the browser is sent to log in."""
    challenge = _base64(hashlib.sha256(start.verifier.encode()).digest())
    asked = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": settings.callback,
        "scope": settings.scopes,
        "state": start.state,
        "nonce": start.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{metadata.authorization_endpoint}?{urlencode(asked)}"


def claims_of(id_token: str, jwks: Any, settings: Oidc, start: Start, now: float) -> dict[str, Any]:
    """What the provider says of who logged in, if it is the provider that says so, to us, now,
    and about this log-in.

    Raises:
        LoginRefused: provider_refused.
    """
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(jwks), algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": start.nonce},
        ).validate(token.claims)
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise refused_by_provider(f"its ID token is not valid ({_named(error)})") from None
    audience, party = token.claims["aud"], token.claims.get("azp")
    alone = isinstance(audience, str) or len(audience) == 1
    if (party is not None or not alone) and party != settings.client_id:
        raise refused_by_provider("its ID token is for another service")
    return token.claims


def identity_of(claims: Mapping[str, Any], settings: Oidc) -> Identity:
    """Who that is here.

    Raises:
        LoginRefused: provider_refused: no usable name; no_role: none of his values is a role here.
    """
    subject = claims["sub"]
    if (
        not isinstance(subject, str)
        or not 0 < len(subject) <= MOST_SUBJECT
        or not subject.isprintable()
    ):
        raise refused_by_provider("its name for you is none")
    name, said = claims.get(settings.name_claim), _within(claims, settings.role_claim)
    try:
        called = checked_name(name if isinstance(name, str) else "")
    except AccountsError:
        raise refused_by_provider(f"it tells no name ({settings.name_claim})") from None
    values = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    role = next((ours for value, ours in settings.roles.items() if value in values), None)
    if role is None:
        raise LoginRefused(
            "no_role", f"The log-in provider gives {called} no role here; the administrator can."
        )
    return Identity(settings.issuer, subject, called, role)


def refused_by_provider(why: str) -> LoginRefused:
    return LoginRefused("provider_refused", f"The log-in provider does not let you in: {why}.")


def _within(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _named(error: Exception) -> str:
    """Without values: they may be personal."""
    claim = getattr(error, "claim", "")
    return f"{getattr(error, 'error', type(error).__name__)}{f': {claim}' if claim else ''}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
