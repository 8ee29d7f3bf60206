"""Keys of a KMS that speaks the HTTP API of HashiCorp Vault's Transit engine (OpenBao does, too).

Each day the service makes a pair of keys of its own (data key), has the secret one encrypted by
the KMS and forgets it: from then on it seals with the public one whether the KMS is there or not,
and only who may decrypt at the KMS opens. The key of the KMS itself never leaves it; when it is
rotated, `rewrapped` brings the data keys under the new version without anybody seeing them.

Its token may encrypt alone: ``path "transit/encrypt/KEY" { capabilities = ["update"] }``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from voicebot.config_recordings import Recordings
from voicebot.recording_keys.files import new_key
from voicebot.recording_keys.provider import (
    Beside,
    KeysUnavailable,
    RecordingVaultError,
    Sealing,
    read_recipient,
)
from voicebot.state_folder import make_private

RENEW_S = 86400.0
TIMEOUT_S = 5.0
KIND = "transit"


def token_of(file: Path | None) -> Callable[[], str]:
    """Reads the token of a file whenever it is needed. Raises KeysUnavailable then."""

    def read() -> str:
        try:
            return file.read_text("ascii").strip() if file is not None else ""
        except (OSError, UnicodeDecodeError):
            raise KeysUnavailable(f"The KMS's token cannot be read from {file}.") from None

    return read


class TransitKeys:
    """Parameters:
    settings: with `kms_url`.
    token: for the KMS, asked for at each request: agents of it renew its file.
    kept: where the data key in use is kept, so that a start without the KMS has one.
    clock: seconds since the epoch.
    """

    name = "kms"

    def __init__(
        self,
        settings: Recordings,
        token: Callable[[], str],
        kept: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._token, self._kept, self._clock = settings, token, kept, clock
        self._sealing: Sealing | None = None
        self._made_at = float("-inf")
        if kept is not None:
            self._recall(kept)

    def sealing(self) -> Sealing | None:
        return self._sealing

    def renew(self) -> None:
        if self._sealing is not None and 0 <= self._clock() - self._made_at < RENEW_S:
            return
        secret, public = new_key()
        beside = {"kms": KIND, "key": self._settings.kms_key, "wrapped": self._wrapped(secret)}
        self._sealing = Sealing((read_recipient(public),), beside)
        self._made_at = self._clock()
        if self._kept is not None:
            self._remember(self._kept, public, beside)

    def identities(self, beside: Beside) -> Sequence[str]:
        found = self._ask("decrypt", beside["key"], {"ciphertext": beside["wrapped"]}, "plaintext")
        try:
            return [base64.b64decode(found, validate=True).decode("ascii")]
        except (binascii.Error, UnicodeDecodeError):
            raise KeysUnavailable("The KMS has decrypted something that is no key.") from None

    def rewrapped(self, beside: Beside) -> Beside:
        given = {"ciphertext": beside["wrapped"]}
        return {**beside, "wrapped": self._ask("rewrap", beside["key"], given, "ciphertext")}

    def _wrapped(self, secret: str) -> str:
        plaintext = base64.b64encode(secret.encode("ascii")).decode("ascii")
        return self._ask("encrypt", self._settings.kms_key, {"plaintext": plaintext}, "ciphertext")

    def _ask(self, act: str, key: str, body: dict[str, str], wanted: str) -> str:
        mount = "/".join(
            quote(part, safe="") for part in self._settings.kms_mount.strip("/").split("/")
        )
        url = f"{self._settings.kms_url.rstrip('/')}/v1/{mount}/{act}/{quote(key, safe='')}"
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        try:
            # A proxy of the environment must not see what is sent.
            tls = ssl.create_default_context(cafile=self._settings.kms_tls_ca or None)
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False, verify=tls) as client:
                answer = client.post(url, headers=headers, json=body)
            answered: Any = answer.json() if answer.content else {}
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise KeysUnavailable(
                f"The KMS at {self._settings.kms_url} cannot be reached: {type(error).__name__}."
            ) from None
        data = answered.get("data") if isinstance(answered, dict) else None
        found = data.get(wanted) if isinstance(data, dict) else None
        if answer.status_code != httpx.codes.OK or not isinstance(found, str):
            raise KeysUnavailable(
                f"The KMS has answered {act} of {key!r} with {answer.status_code}; see that it is "
                "unsealed, has this key, and that the token may do that."
            )
        return found

    def _recall(self, kept: Path) -> None:
        try:
            known = json.loads(kept.read_text("utf-8"))
            beside = {name: str(known[name]) for name in ("kms", "key", "wrapped")}
            public, made_at = read_recipient(known["public"]), float(known["made_at"])
        except (OSError, ValueError, KeyError, TypeError, RecordingVaultError):
            return
        if beside["key"] == self._settings.kms_key:
            self._sealing, self._made_at = Sealing((public,), beside), made_at

    def _remember(self, kept: Path, public: str, beside: Beside) -> None:
        part = kept.with_suffix(".part")
        try:
            make_private(kept.parents[1])
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump({"public": public, "made_at": self._made_at, **beside}, file)
            part.replace(kept)
        except OSError as error:
            raise KeysUnavailable(
                f"The data key cannot be kept in {kept}: {error.strerror}."
            ) from None
