"""A cable between the controller and Asterisk that can be cut, one kind of wire at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from urllib.parse import urlsplit

EVENTS, MEDIA, REST = "events", "media", "rest"


class Cable:
    """Carries TCP to Asterisk's HTTP port; `url` is what the controller uses.

    Parameters:
        url: Asterisk's own.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._wires: dict[asyncio.StreamWriter, str] = {}
        self._down: set[str] = set()

    def __enter__(self) -> Cable:
        self._thread.start()
        serving = asyncio.start_server(self._carry, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(5)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self._path}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.cut(EVENTS, MEDIA, REST)
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self, *kinds: str, stay_down: bool = False) -> int:
        """Breaks such connections, and refuses new ones while it stays down; how many."""

        async def go() -> int:
            if stay_down:
                self._down |= set(kinds)
            broken = [writer for writer, kind in self._wires.items() if kind in kinds]
            for writer in broken:
                writer.transport.abort()
            return len(broken)

        return asyncio.run_coroutine_threadsafe(go(), self._loop).result(5)

    def mend(self) -> None:
        self._down.clear()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        head = await near.readuntil(b"\r\n")
        kind = EVENTS if b"/events?" in head else MEDIA if b"/media/" in head else REST
        if kind in self._down:
            back.transport.abort()
            return
        far, out = await asyncio.open_connection(self._host, self._port)
        out.write(head)
        self._wires |= {back: kind, out: kind}
        try:
            await asyncio.gather(_pump(near, out), _pump(far, back))
        finally:
            for writer in (back, out):
                self._wires.pop(writer, None)
                writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
