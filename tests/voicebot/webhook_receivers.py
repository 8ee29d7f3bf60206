"""A receiver of webhooks that answers as it is told, over real HTTP; and settings that name it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from voicebot.config_webhooks import Event, Webhook

SECRET = b"s" * 32

Answer = Callable[[dict[str, Any]], int]


class Scripted:
    """What came, in the order of coming; `answer` gives the status of each.

    Parameters:
        url: where it is.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answer: Answer = lambda _: 204
        self.events: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        """Those that were answered with 2xx."""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def subjects(self) -> dict[str, list[str]]:
        """What was taken of each subject, in order."""
        found: dict[str, list[str]] = {}
        for event in self.taken:
            found.setdefault(event["subject"], []).append(event["event"])
        return found


@contextmanager
def receiving() -> Iterator[Scripted]:
    """One that runs until the block ends."""
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            event = json.loads(body)
            scripted.requests.append((self.path, dict(self.headers.items()), body))
            scripted.events.append(event)
            status = scripted.answer(event)
            if 200 <= status < 300:
                scripted.taken.append(event)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scripted.url = f"http://127.0.0.1:{server.server_port}/events"
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def key_file(folder: Path, name: str = "webhook.key", secret: bytes = SECRET) -> Path:
    file = folder / name
    file.write_text(base64.b64encode(secret).decode() + "\n")
    file.chmod(0o600)
    return file


def webhook(folder: Path, url: str, name: str = "dispatch", *events: Event) -> Webhook:
    return Webhook(name=name, url=url, secret_file=key_file(folder), events=events)
