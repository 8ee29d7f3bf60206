"""Where the service is, what is shown to it, and what its answers mean."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from voicebot.client.errors import ApiError, NoToken, Unavailable, error_class
from voicebot.client.operation import Answer, Operation

URL_VARIABLE = "VOICEBOT_API_URL"
TOKEN_VARIABLE = "VOICEBOT_API_TOKEN"  # noqa: S105 - its name
TOKEN_FILE_VARIABLE = "VOICEBOT_API_TOKEN_FILE"  # noqa: S105 - its name
CA_VARIABLE = "VOICEBOT_API_TLS_CA"
DEFAULT_URL = "http://127.0.0.1:8445"
TIMEOUT_S = 30.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the service is, and what is shown to it."""

    url: str
    token: str = field(repr=False)
    tls_ca: str
    timeout_s: float

    @classmethod
    def of(
        cls, url: str, token: str, token_file: str | Path, tls_ca: str | Path, timeout_s: float
    ) -> Connection:
        """What is given, else what the environment has.

        Raises:
            NoToken: there is none, its file cannot be read, or it would be sent in plain text.
        """
        address = (url or os.environ.get(URL_VARIABLE, "") or DEFAULT_URL).rstrip("/")
        parts = httpx.URL(address)
        if parts.scheme != "https" and parts.host not in LOOPBACK:
            raise NoToken(f"{address}: a token goes over https:// only, but for this machine.")
        return cls(
            address,
            token or _token(token_file),
            str(tls_ca or os.environ.get(CA_VARIABLE, "")),
            timeout_s,
        )

    def options(self) -> dict[str, Any]:
        """For an httpx client. Raises OSError where the certificates cannot be read."""
        return {
            "base_url": self.url,
            "headers": {"Authorization": f"Bearer {self.token}"},
            "timeout": self.timeout_s,
            # A proxy of the environment must not see the token.
            "trust_env": False,
            "verify": ssl.create_default_context(cafile=self.tls_ca or None),
        }


def _token(given: str | Path) -> str:
    if not given and (token := os.environ.get(TOKEN_VARIABLE, "")):
        return token
    file = given or os.environ.get(TOKEN_FILE_VARIABLE, "")
    if not file:
        raise NoToken(
            "There is no token: give token or token_file, or set "
            f"{TOKEN_VARIABLE} or {TOKEN_FILE_VARIABLE}; `voicebot token create` makes one."
        )
    try:
        lines = Path(file).read_text().split()
    except OSError as error:
        raise NoToken(f"The token file {file} cannot be read: {error.strerror}.") from None
    if not lines:
        raise NoToken(f"The token file {file} is empty.")
    return lines[0]


def request_of(operation: Operation[Any]) -> dict[str, Any]:
    """The arguments of an httpx client's `request`."""
    return {
        "method": operation.method,
        "url": operation.path,
        "params": operation.parameters,
        "json": operation.body,
        "headers": dict(operation.headers),
    }


def answer_of(response: httpx.Response) -> Answer:
    """What the service has answered.

    Raises:
        ApiError: it has not done what it was asked.
    """
    if not response.is_success:
        raise refusal(response)
    if not response.content:
        return Answer(None, response.headers)
    if "json" not in response.headers.get("content-type", ""):
        return Answer(response.content, response.headers)
    return Answer(response.json(), response.headers)


def refusal(response: httpx.Response) -> ApiError:
    """An answer that is no success, whose content was read."""
    try:
        said = response.json()
    except ValueError:
        said = None
    values = said if isinstance(said, dict) else {}
    return error_class(response.status_code)(
        response.status_code,
        str(values.get("code", "error")),
        str(values.get("message", f"HTTP {response.status_code}")),
        retry_after_s=_seconds(response.headers),
        details=values,
    )


def no_answer(error: httpx.HTTPError) -> Unavailable:
    return Unavailable(0, "no_answer", f"The service does not answer ({type(error).__name__}).")


def _seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
