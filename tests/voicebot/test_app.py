"""The service takes each call once, and starts whatever it is designed to survive."""

import asyncio
import gc
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from asr.pool import DecodePool
from kb.entry import Entry
from telephony.call_control import CallInfo, IncomingCall
from voicebot.app import Service, settle
from voicebot.clock import now
from voicebot.config import Settings
from voicebot.figures.tables import RefusedCallRow
from voicebot.knowledge import Knowledge, KnowledgeError, unreadable
from voicebot.knowledge_following import follow_knowledge, published_or_none
from voicebot.records.store import Records

pytestmark = pytest.mark.leaping_time


class Socket:
    """A media socket that has sent its start message."""

    query_params: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, call_id: str) -> None:
        start = {
            "streamSid": "MZ1",
            "callSid": call_id,
            "mediaFormat": {"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"caller": "13800138000", "did": "12345"},
        }
        self._messages = [{"event": "start", "streamSid": "MZ1", "start": start}]
        self.closed = ""

    async def receive(self) -> dict[str, Any]:
        return {"type": "websocket.receive", "text": json.dumps(self._messages.pop(0))}

    async def close(self, code: int, reason: str) -> None:
        self.closed = reason


class Engines:
    triage = None
    prompts: ClassVar[dict[str, Any]] = {}
    library: Any = None
    listener: Any = None
    ear_processes: Any = None

    def __init__(self) -> None:
        self.pool = DecodePool(ThreadPoolExecutor(1))


@pytest.fixture
def service(settings: Settings, records: Records, monkeypatch: pytest.MonkeyPatch) -> Service:
    async def serve(self: Service, call: IncomingCall, info: CallInfo, *_: float) -> None:
        answered.append(info.call_id)
        await asyncio.sleep(0.05)

    answered: list[str] = []
    monkeypatch.setattr(Service, "_serve", serve)
    made = Service(settings, Engines(), records, None, None)  # type: ignore[arg-type]
    made.answered = answered  # type: ignore[attr-defined]
    return made


async def test_of_calls_with_one_id_at_one_moment_one_is_answered(service: Service) -> None:
    sockets = [Socket("CA1") for _ in range(3)]
    await asyncio.gather(
        *(service.handle_media(socket, authorised=True) for socket in sockets)  # type: ignore[arg-type]
    )
    assert service.answered == ["CA1"]  # type: ignore[attr-defined]
    assert sorted(socket.closed for socket in sockets) == [
        "",
        *["A call with this id is in progress or on record already."] * 2,
    ]
    assert service.calls_in_progress == 0


async def test_one_number_has_only_so_many_calls_at_a_time(service: Service) -> None:
    sockets = [Socket(f"CA{number}") for number in range(4)]
    await asyncio.gather(
        *(service.handle_media(socket, authorised=True) for socket in sockets)  # type: ignore[arg-type]
    )
    assert len(service.answered) == service.settings.admission.per_number  # type: ignore[attr-defined]
    assert sockets[-1].closed == "Too many calls of this number are in progress."
    await service.records.audit(None, "written after it")
    refused = await service.records.read(
        lambda session: session.query(RefusedCallRow.call_id, RefusedCallRow.reason).all()
    )
    assert refused == [("CA3", "too_many")], "it counts in the connection rate"


async def test_a_service_that_is_being_stopped_lets_calls_finish_and_takes_none(
    service: Service,
) -> None:
    running, late = Socket("CA1"), Socket("CA2")
    call = asyncio.create_task(service.handle_media(running, authorised=True))  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    draining = asyncio.create_task(service.drain())
    await asyncio.sleep(0)
    await service.handle_media(late, authorised=True)  # type: ignore[arg-type]
    await draining
    assert call.done()
    assert running.closed == ""
    assert late.closed == "The service is being stopped."


async def test_an_id_that_is_on_record_is_refused_and_given_free(
    service: Service, records: Records
) -> None:
    await records.start_call("CA1", "13800138000", "12345", 1.0)
    for _ in range(2):
        socket = Socket("CA1")
        await service.handle_media(socket, authorised=True)  # type: ignore[arg-type]
        assert "on record already" in socket.closed
    assert service.calls_in_progress == 0


class Base:
    """A knowledge base that cannot be read for a while."""

    def __init__(self, failures: int) -> None:
        self.failures, self.reads = failures, 0

    def open(self, _: Any) -> Knowledge:
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise OperationalError("select", {}, Exception("no such table"))
        return Knowledge(None, {}, 7)

    def changed(self) -> dict[str, Entry]:
        return {}


def test_without_a_knowledge_base_every_search_fails_and_nothing_else() -> None:
    knowledge = published_or_none(Base(1), None)  # type: ignore[arg-type]
    with pytest.raises(KnowledgeError):
        knowledge.search("社保卡丢了", at=now())
    assert knowledge.entry("rx-001", at=now()) is None


async def test_a_knowledge_base_that_comes_back_is_taken_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicebot.knowledge_following.KNOWLEDGE_CHECK_S", 0.01)
    engines = SimpleNamespace(embedder=None, knowledge=unreadable())
    following = asyncio.create_task(follow_knowledge(Base(3), engines))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while engines.knowledge.revision != 7:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    following.cancel()


def test_the_collector_leaves_alone_what_was_loaded_and_finds_what_comes_after() -> None:
    loaded = [[n] for n in range(1000)]
    settle()
    try:
        young = [[0]]
        looked_at = {id(each) for each in gc.get_objects()}
        assert id(young) in looked_at
        assert looked_at.isdisjoint(map(id, loaded))
    finally:
        gc.unfreeze()
