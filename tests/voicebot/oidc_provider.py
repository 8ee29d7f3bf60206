"""A provider of OpenID Connect on loopback: authlib's server, real HTTP, real RS256 keys.

Whoever comes to it is logged in as `person`. `spoil` and the other attributes make it say what
no sound provider says.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import uvicorn
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "voicebot", "client secret"


@dataclass
class Provider(ClientMixin, AuthorizationServer):  # type: ignore[misc]
    """The provider and its only client.

    Attributes:
        person: who logs in: ``sub`` and further claims of the ID token.
        spoil: claims that replace those of an ID token.
        signed_with: the key of ID tokens; `keys` are those that it publishes.
        algorithm: of their signature.
        metadata: what replaces parts of the discovery document.
        status: what every answer is; 200: as it should be.
        asked: the paths that were asked for.
    """

    url: str
    redirect_uri: str
    secret: str = SECRET
    person: dict[str, Any] = field(default_factory=dict)
    spoil: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    status: int = 200
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        AuthorizationServer.__init__(self, scopes_supported=["openid", "profile"])
        self.signed_with: RSAKey | OctKey = rsa_key()
        self.keys = [self.signed_with]
        generator = BearerTokenGenerator(lambda **_: secrets.token_urlsafe(16))
        self.register_token_generator("default", generator)
        self.register_grant(Grant, [IdToken(self), CodeChallenge(required=True)])

    # ── the client ────────────────────────────────────────────────────────────────

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("client_secret_basic" if self.secret else "none")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"

    # ── the server ────────────────────────────────────────────────────────────────

    def query_client(self, client_id: str) -> Provider | None:
        return self if client_id == CLIENT else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nobody shows it."""

    def send_signal(self, *_: object, **__: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        content = json.dumps(body) if isinstance(body, dict) else body
        return Response(content, status, dict(headers))

    # ── over HTTP ─────────────────────────────────────────────────────────────────

    def app(self) -> Starlette:
        routes = {
            "/.well-known/openid-configuration": self._discovery,
            "/authorize": self._authorize,
            "/token": self._token,
            "/jwks": self._jwks,
        }
        return Starlette(
            routes=[Route(path, do, methods=["GET", "POST"]) for path, do in routes.items()]
        )

    async def _discovery(self, request: Request) -> Response:
        return self._answer(
            request,
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                **self.metadata,
            },
        )

    async def _jwks(self, request: Request) -> Response:
        return self._answer(request, dict(KeySet(self.keys).as_dict(private=False)))

    async def _authorize(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        asked = await _oauth2(request)
        grant = self.get_consent_grant(asked, end_user=self)
        response: Response = self.create_authorization_response(asked, self, grant)
        return response

    async def _token(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.status != 200:
            return JSONResponse({}, self.status)
        response: Response = self.create_token_response(await _oauth2(request))
        return response

    def _answer(self, request: Request, body: dict[str, Any]) -> Response:
        self.asked.append(request.url.path)
        return JSONResponse(body, self.status)


@dataclass
class Code(AuthorizationCodeMixin):  # type: ignore[misc]
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    get_acr = get_amr = get_auth_time


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        asked = request.payload.data
        names = ("redirect_uri", "scope", "nonce", "code_challenge", "code_challenge_method")
        self.server.codes[code] = Code(code, *(asked[name] for name in names))

    def query_authorization_code(self, code: str, client: Provider) -> Code | None:
        return client.codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> Any:
        return self.server


class IdToken(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self.provider.codes.values())

    def resolve_client_private_key(self, client: Provider) -> RSAKey | OctKey:
        return client.signed_with

    def get_client_algorithm(self, client: Provider) -> str:
        return client.algorithm

    def get_client_claims(self, client: Provider) -> dict[str, Any]:
        return {"iss": client.url, "aud": CLIENT}

    def get_encode_header(self, client: Provider) -> dict[str, Any]:
        return {"alg": client.algorithm, "kid": client.signed_with.kid}

    def generate_user_info(self, user: Provider, scope: str) -> dict[str, Any]:
        return {**user.person, **user.spoil}


async def _oauth2(request: Request) -> OAuth2Request:
    made = OAuth2Request(request.method, str(request.url), headers=request.headers)
    form = dict(parse_qsl((await request.body()).decode()))
    made.payload = BasicOAuth2Payload({**request.query_params, **form})
    made._body = form
    return made


def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # it is on loopback
    with socket.create_server(("127.0.0.1", 0)) as bound:
        made = Provider(
            f"http://127.0.0.1:{bound.getsockname()[1]}",
            "https://testserver/v1/session/oidc/callback",
            person={"sub": "4711", "preferred_username": "王芳", "roles": ["hotline-agents"]},
        )
        server = uvicorn.Server(uvicorn.Config(made.app(), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield made
        server.should_exit = True
        thread.join(30)
