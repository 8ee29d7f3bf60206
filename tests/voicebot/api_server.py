"""The application over real HTTP, with a call, a hand-off, tickets and an incident on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import uvicorn
from sqlalchemy.orm import Session

from tests.flows.scripted_call import SCRIPTED_TRIAGE
from tests.kb.conftest import LetterEmbedder
from tests.voicebot.test_answer_audio import FakeVoice
from tests.voicebot.test_assist import ENTRIES, PUBLISHED
from tests.voicebot.test_web import _Service
from tests.voicebot.ticket_desk import opened
from voicebot.call.audio_library import AudioLibrary, audio_folder
from voicebot.call.live import LiveFeed
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.incidents.taking_in import take_in
from voicebot.records import operations
from voicebot.records.store import Records
from voicebot.web.api import create_app

Role = str


class Served:
    """Parameters:
    url: where it is.
    """

    def __init__(self, url: str, service: _Service, loop: asyncio.AbstractEventLoop) -> None:
        self.url, self.service, self._loop = url, service, loop
        self._tokens: dict[Role, str] = {}

    def token(self, role: Role) -> str:
        if role not in self._tokens:
            self._tokens[role] = self.service.records.tokens.create(role, role)  # type: ignore[arg-type]
        return self._tokens[role]

    def publish(self, message: dict[str, Any]) -> None:
        """Something has happened in a call."""
        self._loop.call_soon_threadsafe(self.service.live.publish, message)

    def write(self, work: Callable[[Session], Any]) -> None:
        async def done() -> None:
            await self.service.records.transact(lambda session: work(session) and None)

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)


@contextmanager
def served(settings: Settings, port: int = 0, **tls: str) -> Iterator[Served]:
    """Runs until the block ends.

    Parameters:
        tls: `ssl_certfile` and `ssl_keyfile`.
    """
    ready, found = Event(), []

    async def serve() -> None:
        service = _Service(settings, await Records.open(settings))
        service.live = LiveFeed()  # type: ignore[assignment]
        library = AudioLibrary(audio_folder(settings), FakeVoice())
        library.prepare([ENTRIES[0].answer])
        service.engines = SimpleNamespace(
            knowledge=PUBLISHED,
            triage=SCRIPTED_TRIAGE,
            embedder=LetterEmbedder(),
            library=library,
            dispatch=None,
        )
        config = uvicorn.Config(
            create_app(service),
            host="127.0.0.1",
            port=port,
            log_config=None,
            timeout_graceful_shutdown=1,
            **tls,  # type: ignore[arg-type]
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has nothing else to wait for
            await asyncio.sleep(0.01)
        at = server.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if tls else "http"
        found.append((f"{scheme}://127.0.0.1:{at}", service, asyncio.get_running_loop(), server))
        ready.set()
        await running
        await service.records.close()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    url, service, loop, server = found[0]
    try:
        yield Served(url, service, loop)
    finally:
        server.should_exit = True
        thread.join(60)


def on_record(session: Session) -> None:
    """Two callers of one landslide, each with a hand-off and a ticket."""
    at = now().timestamp() - 60
    for number, call in enumerate(("C1", "C/2")):
        operations.start_call(
            session,
            call_id=call,
            caller="13800138000",
            did="12345",
            started_at=at + number,
            recording="",
        )
        operations.add_turn(
            session, call_id=call, seq=1, side="caller", text="山体滑坡了，有人被埋", start=1.0,
            end=3.0, entry=None, final=True,
        )  # fmt: skip
        operations.append(
            session,
            call_id=call,
            rows=[[1, 3.0, "out", "Decide", {"route": "110_now", "evidence": ["被埋"]}]],
        )
        operations.write_dossier(
            session,
            destination="110-469001",
            dossier={
                "handoff": f"H{number + 1}",
                "call_id": call,
                "revision": 1,
                "caller": "13800138000",
                "region": "469001",
                "category": 3,
                "lines": ["110"],
                "flags": [],
                "reason": "danger",
                "evidence": ["被埋"],
                "notes": [],
                "transcript": [
                    {"side": "caller", "text": "山体滑坡了，有人被埋", "start": 1.0, "end": 3.0}
                ],
            },
            at=at + number + 4,
        )
        opened(session, f"{call}-t1", at=at + 10, call_id=call)
    operations.finish_call(
        session, call_id="C1", ended_at=at + 30, outcome="ticket", region="469001"
    )
    decision = {
        "line": "12345",
        "at": at,
        "destination": "bot",
        "reason": "long_wait",
        "mode": "surge",
        "because": "等候过长",
        "figures": {},
    }
    operations.note_surge_decision(session, call_id="C1", **decision)
    take_in(session, at + 50)
