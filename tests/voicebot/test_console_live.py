"""Live events: numbered, in order, none lost; who comes back goes on where he was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.call.live import LiveFeed
from voicebot.caller_privacy import HIDDEN
from voicebot.config import Settings
from voicebot.web.api import create_app
from voicebot.web.console.board import MOST, Board
from voicebot.web.console.event_ring import EventRing, written
from voicebot.web.console.live import ConsoleLive, Reader

NOW = 1_790_000_000.0
RING = 60


def all_of_it(data: Any, _: str) -> Any:
    return data


def message(call: str = "C1", kind: str = "say", **rest: Any) -> dict[str, Any]:
    return {"call_id": call, "at": 1.0, "kind": kind, **rest}


# ── the ring ────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.sampled_from("abc"), max_size=40),
    st.integers(1, 20),
    st.integers(0, 45),
    st.sets(st.sampled_from("abc")),
)
def test_whoever_is_reached_misses_nothing(
    topics: list[str], size: int, after: int, wanted: set[str]
) -> None:
    ring = EventRing(1, size)
    for topic in topics:
        ring.add(topic, {}, all_of_it)
    if ring.reaches(after):
        found = [(event.seq, event.topic) for event in ring.after(after, wanted)]
        told = [(n, t) for n, t in enumerate(topics, 1) if n > after and t in wanted]
        assert found == told
    else:
        assert after > ring.newest or after < ring.newest - size


def test_an_event_is_written_once_for_each_role() -> None:
    asked: list[str] = []

    def shown(data: Any, role: str) -> Any:
        asked.append(role)
        return None if role == "agent" else data

    event = EventRing(7, 3).add("calls", {"calls": 1}, shown)
    assert [event.bytes_for("admin") for _ in range(3)] == 3 * [
        b'id: 7\nevent: calls\ndata: {"calls":1}\n\n'
    ]
    assert event.bytes_for("agent") == event.bytes_for("agent") == b""
    assert asked == ["admin", "agent"]


def test_text_with_line_breaks_stays_one_line_of_data() -> None:
    assert written(1, "calls", {"text": "一\n\n二"}).count(b"\n") == 4


# ── the board ───────────────────────────────────────────────────────────────────────


def test_a_row_is_what_is_known_of_a_call_now() -> None:
    board = Board()
    board.take(message(kind="call", state="started", caller="13800138000", did="12345"), NOW)
    board.take(message(kind="say", text="您好"), NOW)
    board.take(
        message(kind="hypothesis", turn=1, ear="listener", text="chu2 fang2", final=False), NOW
    )
    board.take(
        message(kind="hypothesis", turn=1, ear="transcriber", text="厨房着火了", final=False), NOW
    )
    board.take(
        message(kind="hypothesis", turn=1, ear="listener", text="chu2 fang2 zhao2", final=False),
        NOW,
    )
    (row,) = board.rows
    assert (row.caller, row.side, row.text, row.final) == (
        "138****8000", "caller", "厨房着火了", False,
    )  # fmt: skip
    board.take(
        message(kind="handoff", routes=["110-460100", "seat"], reason="danger", region="460106"),
        NOW,
    )
    board.take(
        message(kind="transfer", destination="119", state="confirmed", reason="", line="119"), NOW
    )
    (row,) = board.rows
    assert (row.danger, row.destination, row.leg) == (True, "海口市110", "requested")
    board.take(
        message(kind="transfer", destination="110-460000", state="ringing", reason="", line=""), NOW
    )
    assert (board.rows[0].destination, board.rows[0].leg) == ("海南省110", "ringing")
    board.take(message(kind="call", state="ended", outcome="handed_off"), NOW)
    assert board.rows == []


def test_changes_are_told_once_and_ends_as_well() -> None:
    board = Board()
    assert board.changes() is None
    board.take(message(kind="call", state="started", caller="", did="12345"), NOW)
    told = board.changes()
    assert told is not None
    assert [row["call_id"] for row in told["rows"]] == ["C1"]
    assert board.changes() is None
    board.take(message(kind="say", text="您好"), NOW)
    board.take(message(kind="say", text="您好"), NOW)
    board.take(message(kind="call", state="ended", outcome="answered"), NOW)
    assert board.changes() == {"rows": [], "gone": ["C1"], "calls": 0}


def test_a_call_that_was_there_before_is_a_row_at_its_next_word() -> None:
    board = Board()
    board.take(message(kind="say", text="您好", at=30.0), NOW)
    assert (board.rows[0].since, board.rows[0].text) == (NOW - 30.0, "您好")


def test_who_wants_confidence_is_no_number_and_no_words_on_the_wall() -> None:
    board = Board()
    board.take(message(kind="call", state="started", caller="13800138000", did="12345"), NOW)
    board.take(message(kind="say", text="我姓陈"), NOW)
    board.take(message(kind="ticket", ticket="T1", matter="举报", confidential=True), NOW)
    board.take(
        message(
            kind="hypothesis", turn=2, ear="transcriber", text="别说是我", final=True,
            confidential=True,
        ),
        NOW,
    )  # fmt: skip
    told = json.dumps(board.changes(), ensure_ascii=False)
    assert HIDDEN in told
    for secret in ("138", "8000", "陈", "别说"):
        assert secret not in told


def test_a_word_of_110_about_a_call_that_is_over_makes_no_row() -> None:
    board = Board()
    board.take(message(kind="police_word", what="feedback", who="王警官"), NOW)
    assert (board.rows, board.changes()) == ([], None)


def test_calls_whose_end_was_never_told_do_not_fill_the_memory() -> None:
    board = Board()
    for number in range(MOST + 5):
        board.take(message(f"C{number}", text="您好"), NOW)
    assert len(board) == MOST
    assert board.row("C0") is None


# ── the stream ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Read:
    seq: int
    topic: str
    data: dict[str, Any]


def read(chunk: bytes) -> list[Read]:
    found = []
    for block in chunk.decode().split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in block.splitlines()
            if not line.startswith((":", "retry"))
        )
        if fields:
            found.append(Read(int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


class Follower:
    """Reads a stream until what is waited for has come."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.events: list[Read] = []

    async def until(self, count: int, topic: str = "") -> list[Read]:
        while len(self.of(topic)) < count:
            self.events += read(await asyncio.wait_for(anext(self._chunks), 30))
        return self.of(topic)

    def of(self, topic: str) -> list[Read]:
        return [each for each in self.events if not topic or each.topic == topic]


@asynccontextmanager
async def following(
    live: ConsoleLive, topics: tuple[str, ...], role: str = "supervisor", after: int | None = None
) -> AsyncIterator[Follower]:
    async with aclosing(live.stream(Reader(topics, role), after)) as chunks:  # type: ignore[type-var]
        follower = Follower(chunks)
        await follower.until(1, "begin")
        yield follower


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[_Service]:
    made = _Service(settings, await _opened(settings))
    made.live = LiveFeed()  # type: ignore[assignment]
    yield made
    await made.records.close()


@pytest.fixture
async def live(service: _Service) -> AsyncIterator[ConsoleLive]:
    live = ConsoleLive(service, RING)  # type: ignore[arg-type]
    async with live.running():
        await asyncio.sleep(0)  # it is subscribed once its task has begun
        await asyncio.sleep(0)
        yield live


async def test_the_words_of_a_call_come_in_order(live: ConsoleLive, service: _Service) -> None:
    async with following(live, ("call:C1",)) as follower:
        for number in range(5):
            service.live.publish(message(text=str(number)))  # type: ignore[attr-defined]
            service.live.publish(message("C2", text="of another"))  # type: ignore[attr-defined]
        events = await follower.until(5, "call:C1")
    assert [each.data["text"] for each in events] == ["0", "1", "2", "3", "4"]
    assert [each.seq for each in events] == sorted({each.seq for each in events})
    assert not follower.of("call:C2")


async def test_boards_get_what_has_changed_in_one_event(
    live: ConsoleLive, service: _Service
) -> None:
    async with following(live, ("calls",)) as follower:
        service.live.publish(  # type: ignore[attr-defined]
            message(kind="call", state="started", caller="13800138000", did="12345")
        )
        for text in ("厨", "厨房", "厨房着火了"):
            service.live.publish(message(text=text))  # type: ignore[attr-defined]
        (event,) = await follower.until(1, "calls")
    assert event.data["calls"] == 1
    assert [row["text"] for row in event.data["rows"]] == ["厨房着火了"]


async def test_who_comes_back_goes_on_where_he_was(live: ConsoleLive, service: _Service) -> None:
    async with following(live, ("call:C1",)) as follower:
        service.live.publish(message(text="before"))  # type: ignore[attr-defined]
        (first,) = await follower.until(1, "call:C1")
    service.live.publish(message(text="while away"))  # type: ignore[attr-defined]
    async with following(live, ("call:C1",), after=first.seq) as follower:
        service.live.publish(message(text="after"))  # type: ignore[attr-defined]
        events = await follower.until(2, "call:C1")
    assert [each.data["text"] for each in events] == ["while away", "after"]
    assert not follower.of("reset")


async def test_where_a_node_was_not_heard_every_page_looks_anew_and_the_board_is_put_right(
    live: ConsoleLive, service: _Service
) -> None:
    for call in ("C1", "C2"):
        service.live.publish(message(call, text="before"))  # type: ignore[attr-defined]
    row = {"call_id": "C2", "text": "while not heard", "side": "bot", "since": NOW}
    async with following(live, ("call:C1",)) as follower:
        await asyncio.sleep(0)
        before = live.seq
        service.live.publish(  # type: ignore[attr-defined]
            {"kind": "missed", "call_id": "", "at": 0.0, "gone": ["C1"], "rows": [row]}
        )
        await follower.until(1, "reset")
    assert [(each.call_id, each.text) for each in live.board.rows] == [("C2", "while not heard")]
    async with following(live, ("call:C2",), after=before) as late:
        await late.until(1, "reset")


async def test_who_was_away_too_long_is_told_to_look_anew(
    live: ConsoleLive, service: _Service
) -> None:
    after = live.seq
    for number in range(RING + 1):
        live._take(message(text=str(number)))
    async with following(live, ("call:C1",), after=after) as follower:
        (reset,) = await follower.until(1, "reset")
        assert reset.seq == live.seq
        service.live.publish(message(text="from here on"))  # type: ignore[attr-defined]
        (event,) = await follower.until(1, "call:C1")
    assert event.data["text"] == "from here on"


async def test_numbers_of_an_earlier_process_are_not_taken_for_ours(live: ConsoleLive) -> None:
    for foreign in (0, live.seq - 10**6, live.seq + 10**6):
        async with following(live, ("call:C1",), after=foreign) as follower:
            await follower.until(1, "reset")


async def test_a_reader_that_does_not_read_holds_up_nobody(
    live: ConsoleLive, service: _Service
) -> None:
    async with following(live, ("call:C1",)) as slow, following(live, ("call:C1",)) as quick:
        for number in range(RING + 100):
            live._take(message(text=str(number)))
            if number % 10 == 9:
                await quick.until(number + 1, "call:C1")
        assert [each.data["text"] for each in quick.of("call:C1")] == [
            str(number) for number in range(RING + 100)
        ]
        await slow.until(1, "reset")
    assert slow.of("reset")


async def test_agents_see_nothing_more_of_who_wants_confidence(
    live: ConsoleLive, service: _Service
) -> None:
    async with (
        following(live, ("call:C1",), "agent") as agent,
        following(live, ("call:C1",)) as supervisor,
    ):
        service.live.publish(message(text="您好"))  # type: ignore[attr-defined]
        await agent.until(1, "call:C1")
        service.live.publish(message(text="我姓陈", confidential=True))  # type: ignore[attr-defined]
        service.live.publish(  # type: ignore[attr-defined]
            message(kind="call", state="ended", outcome="ticket", confidential=True)
        )
        assert len(await supervisor.until(3, "call:C1")) == 3
        shown = await agent.until(2, "call:C1")
    assert [each.data["kind"] for each in shown] == ["say", "call"]
    assert "陈" not in json.dumps([each.data for each in shown], ensure_ascii=False)


@pytest.mark.parametrize("role", ["agent", "supervisor"])
async def test_who_comes_after_a_wish_for_confidence_reads_nothing_from_before_it(
    live: ConsoleLive, service: _Service, role: str
) -> None:
    topics, after = ("calls", "call:C1"), live.seq
    async with following(live, topics, role) as follower:
        service.live.publish(message(text="我姓陈"))  # type: ignore[attr-defined]
        service.live.publish(message("C2", text="路灯坏了"))  # type: ignore[attr-defined]
        assert "陈" in str(await follower.until(1, "calls"))
        service.live.publish(message(kind="confidential", confidential=True))  # type: ignore[attr-defined]
        service.live.publish(  # type: ignore[attr-defined]
            message(kind="call", state="ended", outcome="ticket", confidential=True)
        )
        await follower.until(2, "calls")
    async with following(live, topics, role, after=after) as late:
        told = await late.until(2, "calls")
        words = str(late.of("call:C1"))
    assert "陈" not in str(told)
    assert "路灯坏了" in str(told)
    assert ("陈" in words) is (role == "supervisor")


async def test_a_message_that_is_not_understood_ends_nothing(
    live: ConsoleLive, service: _Service
) -> None:
    async with following(live, ("call:C1",)) as follower:
        service.live.publish({"call_id": "C1", "kind": "hypothesis"})  # type: ignore[attr-defined]
        service.live.publish(message(text="您好"))  # type: ignore[attr-defined]
        events = await follower.until(1, "call:C1")
    assert events[-1].data["text"] == "您好"


async def test_messages_that_are_not_understood_do_not_fill_the_log(
    live: ConsoleLive, service: _Service
) -> None:
    async with following(live, ("call:C1",)) as follower:
        with structlog.testing.capture_logs() as lines:
            for number in range(200):
                kind = ("hypothesis", "say")[number % 2]
                service.live.publish({"call_id": "C1", "kind": kind})  # type: ignore[attr-defined]
            service.live.publish(message(text="您好"))  # type: ignore[attr-defined]
            await follower.until(1, "call:C1")
    told = [line for line in lines if line["event"] == "live_message_not_taken"]
    assert [(line["kind"], line["exc_info"]) for line in told] == [
        ("hypothesis", None),
        ("say", None),
    ]


async def test_streams_end_with_the_service(service: _Service) -> None:
    live = ConsoleLive(service)  # type: ignore[arg-type]
    async with following(live, ("calls",)) as follower:
        async with live.running():
            await asyncio.sleep(0)
        with pytest.raises(StopAsyncIteration):
            await follower.until(99)


async def test_surge_is_told_where_it_has_changed(service: _Service) -> None:
    live = ConsoleLive(service)  # type: ignore[arg-type]
    before = live.seq
    async with live.running(), following(live, ("surge",), after=before) as follower:
        (event,) = await follower.until(1, "surge")
    assert "12345" in {line["line"] for line in event.data["lines"]}


# ── over HTTP ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def answering(settings: Settings) -> Iterator[tuple[TestClient, _Service]]:
    service = _Service(settings, asyncio.run(_opened(settings)))
    with TestClient(create_app(service, service.announcements)) as client:  # type: ignore[arg-type]
        yield client, service
        assert client.portal is not None
        client.portal.call(service.records.close)


@pytest.mark.parametrize(
    "topics", ["", "nothing", "calls,nothing", ",".join(f"call:{n}" for n in range(17))]
)
def test_only_what_there_is_can_be_followed(
    answering: tuple[TestClient, _Service], topics: str
) -> None:
    client, service = answering
    answer = client.get(
        "/console/live", params={"topics": topics}, headers=bearer(service, "agent")
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_request"


def test_only_staff_follows(answering: tuple[TestClient, _Service]) -> None:
    client, service = answering
    assert client.get("/console/live", params={"topics": "calls"}).status_code == 401
    for role in ("media", "110", "auditor"):
        answer = client.get(
            "/console/live", params={"topics": "calls"}, headers=bearer(service, role)
        )
        assert answer.status_code == 403
