"""A receiver of voicebot's events, to begin with (docs/webhooks.md): `python receiver.py KEYFILE`.

It takes each event once, whatever is sent twice, stolen, late or out of place, and writes it into
received.db before it answers. Needs: pip install http-message-signatures. Run it behind a proxy
that speaks TLS and passes Host on unchanged, or on the machine of the service itself.
"""

import base64
import json
import sqlite3
import sys
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)
from http_message_signatures.algorithms import HMAC_SHA256

LASTS_S = 300
LARGEST = 1024 * 1024
COVERED = ("@method", "@authority", "@path", "@query", "content-type", "content-digest")


class Keys(HTTPSignatureKeyResolver):
    """One shared secret; where it changes, add the new one beside the old one by its keyid."""

    def __init__(self, file):
        self._secret = base64.b64decode(Path(file).read_text().strip())

    def resolve_public_key(self, key_id):
        return self._secret


class Store:
    """Nonces and events that were taken; on disk, so that a restart forgets neither."""

    def __init__(self, file="received.db"):
        self._file = file
        with self._open() as database:
            database.executescript("""
                CREATE TABLE IF NOT EXISTS nonce (value TEXT PRIMARY KEY, until REAL);
                CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, body TEXT);
            """)

    def take(self, nonce, event):
        """True: it is new. Raises InvalidSignature where this request was received before."""
        with self._open() as database:  # one transaction
            database.execute("DELETE FROM nonce WHERE until < ?", (time.time(),))
            new = "INSERT OR IGNORE INTO nonce VALUES (?, ?)"
            if not database.execute(new, (nonce, time.time() + 2 * LASTS_S)).rowcount:
                raise InvalidSignature("replayed")
            row = (event["id"], json.dumps(event, ensure_ascii=False))
            return bool(database.execute("INSERT OR IGNORE INTO event VALUES (?, ?)", row).rowcount)

    def _open(self):
        return sqlite3.connect(self._file, timeout=10)


def apply(event):
    """What your system does with it. `subject` is what it is about; `sequence` grows with each
    event of a subject, so that an older one than the last applied is known."""
    print(event["at"], event["event"], event["subject"], event["data"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    verifier: HTTPMessageVerifier
    store: Store

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= LARGEST:
            self.close_connection = True
            self._answer(413)
            return
        body = self.rfile.read(length)
        try:
            event, nonce = self._checked(body)
            if self.store.take(nonce, event):
                apply(event)
        except (InvalidSignature, ValueError, KeyError) as error:
            self._answer(401, str(error))
            return
        self._answer(204)

    def _checked(self, body):
        request = SimpleNamespace(
            method=self.command,
            # The scheme is not signed; host and path are.
            url=f"https://{self.headers['Host']}{self.path}",
            headers=dict(self.headers.items()),
        )
        (verified,) = self.verifier.verify(
            request,
            max_age=timedelta(seconds=LASTS_S),  # `created`; `expires` is looked at as well
            expect_tag="voicebot-webhook",
            require_components=COVERED,
            body=body,
        )
        if not verified.nonce:
            raise InvalidSignature("no nonce")
        return json.loads(body), verified.nonce

    def _answer(self, status, why=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(why.encode())))
        self.end_headers()
        self.wfile.write(why.encode())

    def log_message(self, *_):
        pass


def main(key, port=8090):
    Receiver.verifier = HTTPMessageVerifier(signature_algorithm=HMAC_SHA256, key_resolver=Keys(key))
    Receiver.store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
    print(f"http://127.0.0.1:{server.server_port}/events", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
