"""A server with the part of HashiCorp Vault's HTTP API that the Transit engine has, for tests.

It is written by the published description of that API (paths, fields, statuses, ``vault:v1:…``)
and encrypts with AES-256-GCM under versions of a key, as Vault's default key type does. It is not
Vault: neither Vault nor OpenBao is to be had as a Debian or PyPI package.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class _Wrong(Exception):
    def __init__(self, status: int, error: str) -> None:
        self.status, self.error = status, error


@dataclass
class Transit:
    """Keys by name, each a list of versions; what each token may do: ``encrypt/NAME``."""

    tokens: dict[str, set[str]]
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    sealed: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def rotate(self, name: str) -> None:
        self.keys.setdefault(name, []).append(AESGCM.generate_key(256))

    def answer(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.sealed:
            raise _Wrong(503, "Vault is sealed")
        act, _, name = path.removeprefix("/v1/transit/").partition("/")
        if f"{act}/{name}" not in self.tokens.get(token, set()):
            raise _Wrong(403, "1 error occurred:\n\t* permission denied\n\n")
        if name not in self.keys:
            raise _Wrong(400, "encryption key not found")
        self.asked.append(act)
        match act:
            case "encrypt":
                return self._encrypted(name, base64.b64decode(body["plaintext"], validate=True))
            case "decrypt":
                plain = self._decrypted(name, body["ciphertext"])
                return {"plaintext": base64.b64encode(plain).decode()}
            case "rewrap":
                return self._encrypted(name, self._decrypted(name, body["ciphertext"]))
        raise _Wrong(404, "unsupported path")

    def _encrypted(self, name: str, plain: bytes) -> dict[str, Any]:
        versions, nonce = self.keys[name], os.urandom(12)
        data = nonce + AESGCM(versions[-1]).encrypt(nonce, plain, None)
        written = f"vault:v{len(versions)}:{base64.b64encode(data).decode()}"
        return {"ciphertext": written, "key_version": len(versions)}

    def _decrypted(self, name: str, ciphertext: str) -> bytes:
        try:
            mark, version, data = ciphertext.split(":")
            key = self.keys[name][int(version.removeprefix("v")) - 1]
            raw = base64.b64decode(data, validate=True)
            assert mark == "vault"
            return AESGCM(key).decrypt(raw[:12], raw[12:], None)
        except (ValueError, IndexError, AssertionError, InvalidTag):
            raise _Wrong(400, "cipher: message authentication failed") from None


@contextmanager
def serving(transit: Transit) -> Iterator[Transit]:
    """At `transit.url`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(
                self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
            )
            try:
                told: dict[str, Any] = {
                    "data": transit.answer(self.path, self.headers.get("X-Vault-Token", ""), body)
                }
                status = 200
            except _Wrong as wrong:
                status, told = wrong.status, {"errors": [wrong.error]}
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_PUT = do_POST

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    transit.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield transit
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
