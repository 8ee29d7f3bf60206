"""The 110 view: read, acknowledged and answered by its link, and by nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from tests.voicebot.test_access_table import _OverAtOnce
from tests.voicebot.test_agent_web import Session, events
from tests.voicebot.test_web import _Service as Service
from tests.voicebot.ticket_desk import opened
from voicebot.agents.links import open_links
from voicebot.call.live import LiveFeed
from voicebot.config import Settings
from voicebot.exchange.dossier import Dossier, TranscriptTurn
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import finish_call, start_call, write_dossier
from voicebot.records.reading import plain
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, CallRow, HandoffRow, TicketRow
from voicebot.retention.removing import transcripts
from voicebot.web.api import create_app
from voicebot.web.console.police.found import read
from voicebot.web.console.police.view import _follow
from voicebot.web.limiting import ROWS

HANDOFF, CALL, NUMBER = "CA/1-h1", "CA/1", "13812345678"


def dossier() -> dict[str, Any]:
    return Dossier(
        handoff=HANDOFF,
        revision=1,
        call_id=CALL,
        caller=NUMBER,
        did="12345",
        region="460106",
        region_name="龙华区",
        category=1,
        lines=("119",),
        reason="danger",
        evidence=("danger：着火了",),
        transcript=(TranscriptTurn(side="caller", text="我家着火了", start=1, end=2),),
    ).model_dump(mode="json")


class View:
    """The service, asked by a link."""

    def __init__(self, client: TestClient, service: Service, recording: Path) -> None:
        self.client, self.service, self.recording = client, service, recording
        self.links = open_links(service.settings)

    def url(self, rest: str = "", *, handoff: str = HANDOFF, valid_s: float = 3600.0) -> str:
        split = urlsplit(self.links.url(handoff, valid_s=valid_s))
        return f"{split.path}{rest}?{split.query}"

    def rows(self, query: Any) -> list[Any]:
        """What is on record, plain; waits for the first of it."""
        assert self.client.portal is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.client.portal.call(self.service.records.read, _plain, query)
            if found:
                return found
        return []

    def write(self, work: Any, **named: Any) -> None:
        async def transact() -> None:
            await self.service.records.transact(lambda session: work(session, **named) and None)

        assert self.client.portal is not None
        self.client.portal.call(transact)


def _plain(session: Any, query: Any) -> list[Any]:
    return [SimpleNamespace(**plain(row)) for row in session.scalars(query)]


@pytest.fixture
def view(settings: Settings) -> Iterator[View]:
    service = Service(settings, asyncio.run(Records.open(settings)))
    service.live = _Silent()  # type: ignore[assignment]
    recording = settings.paths.state / "recordings" / "call.wav"
    recording.parent.mkdir(exist_ok=True)
    recording.write_bytes(b"RIFF" + bytes(96))
    with TestClient(create_app(service, service.announcements)) as client:
        view = View(client, service, recording)
        view.write(
            start_call,
            call_id=CALL,
            caller=NUMBER,
            did="12345",
            started_at=1e9,
            recording=str(recording),
        )
        view.write(write_dossier, destination="110-460106", dossier=dossier(), at=1e9)
        yield view
        assert client.portal is not None
        client.portal.call(service.records.close)


class _Silent(_OverAtOnce):
    def publish(self, message: dict[str, Any]) -> None:
        self.told = message


def over(view: View) -> None:
    view.write(finish_call, call_id=CALL, ended_at=1e9 + 60, outcome="handed_off", region=None)


def test_who_holds_the_link_reads_the_dossier_without_a_log_in(view: View) -> None:
    page = view.client.get(view.url())
    assert page.status_code == 200
    for words in (NUMBER, "龙华区", "119", "着火了"):
        assert words in page.text
    assert page.headers["referrer-policy"] == "no-referrer", "the link leaks to nobody"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    ((first, snapshot), (last, _)) = events(view.client.get(view.url("/stream")))
    assert (first, last) == ("snapshot", "ended")
    assert snapshot["turns"][0]["text"] == "我家着火了"


@pytest.mark.parametrize("rest", ["", "/stream", "/recording"])
@pytest.mark.parametrize("wrong", ["changed", "other", "expired", "bare"])
def test_a_wrong_link_opens_nothing_and_does_not_say_why(view: View, rest: str, wrong: str) -> None:
    address = {
        "changed": view.url(rest)[:-1] + "_",
        "other": view.url(rest, handoff="CA/1-h2").replace("h2", "h1", 1),
        "expired": view.url(rest, valid_s=-1.0),
        "bare": view.url(rest).partition("?")[0],
    }[wrong]
    answer = view.client.get(address)
    assert answer.status_code == 403
    assert NUMBER not in answer.text
    refused = view.rows(select(AuditRow).where(AuditRow.action == "handoff.link.refused"))
    assert [row.allowed for row in refused] == [False]


def test_nobody_fills_the_audit_with_links_that_are_none(
    view: View,
) -> None:
    bare = view.url().partition("?")[0]
    for _ in range(ROWS.burst + 5):
        assert view.client.get(bare).status_code == 403
    view.client.get(view.url())
    assert view.rows(select(AuditRow).where(AuditRow.action == "handoff.link.read"))
    refused = view.rows(select(AuditRow).where(AuditRow.action == "handoff.link.refused"))
    assert len(refused) <= ROWS.burst + 1


def test_an_agents_token_is_no_link(view: View) -> None:
    token = view.service.records.tokens.create("admin")
    headers = {"Authorization": f"Bearer {token}"}
    address = view.url().partition("?")[0]
    assert view.client.get(address, headers=headers).status_code == 403


def test_110_acknowledges_once(view: View) -> None:
    first = view.client.post(view.url("/acknowledge"), json={"who": "警号0123"})
    assert first.json()["first"] is True
    again = view.client.post(view.url("/acknowledge"), json={"who": "警号0456"})
    assert again.json()["first"] is False
    assert [word["who"] for word in again.json()["words"]] == ["警号0123"]
    assert view.client.post(view.url("/acknowledge"), json={"who": " "}).status_code == 422


@pytest.mark.parametrize("rest", ["/acknowledge", "/feedback"])
def test_nothing_is_said_without_the_link(view: View, rest: str) -> None:
    address = view.url(rest).partition("?")[0]
    answer = view.client.post(address, json={"who": "x", "outcome": "resolved", "text": "y"})
    assert answer.json()["code"] == "handoff_link.refused"


def test_feedback_is_kept_and_told_to_who_follows_the_call(view: View) -> None:
    said = {"who": "警号0123", "outcome": "resolved", "text": "火已扑灭，无人受伤"}
    answer = view.client.post(view.url("/feedback"), json=said)
    assert answer.json()["ticket"] == ""
    assert answer.json()["words"][0]["text"] == said["text"]
    assert view.service.live.told["kind"] == "police_word"  # type: ignore[attr-defined]


def test_what_is_pasted_with_characters_that_no_message_may_have_is_kept_without_them(
    view: View,
) -> None:
    said = {"who": "警号0123", "outcome": "resolved", "text": "火已扑灭\x0b无人受伤\x00"}
    answer = view.client.post(view.url("/feedback"), json=said)
    assert answer.json()["words"][0]["text"] == "火已扑灭 无人受伤"
    said["text"] = "\x0b\x00"
    assert view.client.post(view.url("/feedback"), json=said).status_code == 409


def test_a_matter_that_110_gives_back_is_a_ticket_in_dispute(view: View) -> None:
    said = {"who": "警号0123", "outcome": "out_of_scope", "text": "属城管事项"}
    answer = view.client.post(view.url("/feedback"), json=said)
    (ticket,) = view.rows(select(TicketRow).where(TicketRow.id == answer.json()["ticket"]))
    assert (ticket.status, ticket.matter) == ("disputed", "我家着火了")
    assert ticket.number == NUMBER
    (handoff,) = view.rows(select(HandoffRow))
    assert handoff.returned_at is not None
    again = view.client.post(view.url("/feedback"), json=said)
    assert again.json()["ticket"] == ticket.id, "said twice it is one matter"


def test_a_matter_that_110_gives_back_stays_confidential(view: View) -> None:
    view.write(opened, ticket=f"{CALL}-t1", call_id=CALL, confidential=True)
    said = {"who": "警号0123", "outcome": "out_of_scope", "text": "属城管事项"}
    answer = view.client.post(view.url("/feedback"), json=said)
    (ticket,) = view.rows(select(TicketRow).where(TicketRow.id == answer.json()["ticket"]))
    assert ticket.confidential


def test_feedback_without_words_or_with_an_unknown_outcome_is_refused(view: View) -> None:
    for wrong in ({"outcome": "?", "text": "x"}, {"outcome": "resolved", "text": " "}):
        answer = view.client.post(view.url("/feedback"), json={"who": "x", **wrong})
        assert answer.status_code in (409, 422)


def test_the_recording_is_heard_when_the_call_is_over(view: View) -> None:
    assert view.client.get(view.url("/recording")).json()["code"] == "recording.running"
    over(view)
    heard = view.client.get(view.url("/recording"), headers={"Range": "bytes=0-3"})
    assert (heard.status_code, heard.content) == (206, b"RIFF")
    view.recording.unlink()
    assert view.client.get(view.url("/recording")).json()["code"] == "recording.none"


def test_what_is_seen_and_said_is_in_the_audit(view: View) -> None:
    over(view)
    view.client.get(view.url())
    view.client.get(view.url("/recording"))
    view.client.post(view.url("/acknowledge"), json={"who": "警号0123"})
    for action in ("read", "recording"):
        assert view.rows(select(AuditRow).where(AuditRow.action == f"handoff.link.{action}"))
    (acknowledged,) = view.rows(
        select(AuditRow).where(AuditRow.action == "handoff.link.acknowledge")
    )
    assert (acknowledged.principal, acknowledged.role) == ("链接 警号0123", "110")


def test_a_hand_off_that_is_not_there(view: View) -> None:
    assert view.client.get(view.url(handoff="none")).status_code == 404


async def test_an_officer_follows_words_and_dossier_as_they_grow(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.console.police.view.DOSSIER_EVERY_S", 0.0)
    records = await Records.open(settings)
    feed, session = LiveFeed(), Session()
    service = SimpleNamespace(
        records=records,
        live=feed,
        sessions={CALL: session},
        engines=SimpleNamespace(transcriber=None),
    )
    await records.transact(
        lambda each: write_dossier(each, destination="110-460106", dossier=dossier(), at=1e9)
    )
    found = await records.read(read, HANDOFF)
    assert found is not None
    following = _follow(service, HANDOFF, found, time.time() + 60)  # type: ignore[arg-type]
    try:
        assert (await anext(following)).startswith("event: snapshot")
        said = TranscriptTurn(side="caller", text="三楼还有老人", start=9, end=10)
        session.transcript = (*session.transcript, ("turn9", said))
        message = {"call_id": CALL, "at": 10.0, "turn": 9, "ear": "listener", "final": True}
        feed.publish({**message, "kind": "hypothesis", "text": ""})
        turn = await anext(following)
        assert turn.startswith("event: turn")
        assert "三楼还有老人" in turn
        newer = {**dossier(), "revision": 2, "notes": ["地点：国贸路28号"]}
        await records.transact(
            lambda each: write_dossier(each, destination="", dossier=newer, at=1e9 + 1)
        )
        feed.publish({"call_id": CALL, "at": 11.0, "kind": "decision"})
        async with asyncio.timeout(20):
            while not (event := await anext(following)).startswith("event: dossier"):
                pass
        assert "国贸路28号" in event
        feed.publish({"call_id": CALL, "at": 12.0, "kind": "call", "state": "ended"})
        async with asyncio.timeout(20):
            rest = [each async for each in following]
        assert rest[-1].startswith("event: ended")
    finally:
        await following.aclose()
        await records.close()


async def test_a_database_that_is_away_and_a_message_that_is_lost_do_not_end_it_wrongly(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.web.console.police.view.DOSSIER_EVERY_S", 0.01)
    session = Session()

    async def away(*_: Any) -> None:
        raise RecordsUnavailable("The database cannot be read just now.")

    service = SimpleNamespace(
        records=SimpleNamespace(read=away),
        live=LiveFeed(),
        sessions={CALL: session},
        engines=SimpleNamespace(transcriber=None),
    )
    found = {"call_id": CALL, "dossier": dossier(), "revision": 1, "words": []}
    names = ("state", "destination", "requested_at", "connected_at", "ended_at")
    found |= dict.fromkeys(names)
    following = _follow(service, HANDOFF, found, time.time() + 60)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        assert (await anext(following)).startswith("event: snapshot")
        assert [await anext(following) for _ in range(2)] == [": beat\n\n"] * 2
        del service.sessions[CALL]
        rest = [each async for each in following]
    assert rest[-1].startswith("event: ended")


def test_a_call_whose_node_is_not_seen_is_not_said_to_be_over(view: View) -> None:
    view.service.member = SimpleNamespace()  # type: ignore[assignment]
    ((name, _),) = events(view.client.get(view.url("/stream")))
    assert name == "snapshot"
    over(view)
    assert [name for name, _ in events(view.client.get(view.url("/stream")))][-1] == "ended"


def test_a_call_that_is_not_on_record_any_more_is_over_and_its_dossier_can_be_read(
    view: View,
) -> None:
    view.service.member = SimpleNamespace()  # type: ignore[assignment]
    view.write(_taken_off_record)
    page = view.client.get(view.url())
    assert (page.status_code, "着火了" in page.text) == (200, True)
    assert [name for name, _ in events(view.client.get(view.url("/stream")))][-1] == "ended"
    answer = view.client.get(view.url("/recording"))
    assert (answer.status_code, answer.json()["code"]) == (409, "recording.none")


def test_a_call_that_is_not_on_record_yet_may_still_be_running(view: View) -> None:
    view.service.member = SimpleNamespace()  # type: ignore[assignment]
    view.write(_taken_off_record, requested_at=time.time() - 60)
    assert [name for name, _ in events(view.client.get(view.url("/stream")))] == ["snapshot"]
    answer = view.client.get(view.url("/recording"))
    assert (answer.status_code, answer.json()["code"]) == (409, "recording.running")


def test_a_hand_off_is_read_when_its_call_and_what_was_said_are_gone(view: View) -> None:
    view.write(transcripts, calls=[CALL])
    view.write(_taken_off_record)
    page = view.client.get(view.url())
    assert (page.status_code, "龙华区" in page.text) == (200, True)
    assert NUMBER not in page.text
    token = view.service.records.tokens.create("agent")
    headers = {"Authorization": f"Bearer {token}"}
    (listed,) = view.client.get("/v1/handoffs", headers=headers).json()["handoffs"]
    assert (listed["did"], listed["ended_at"]) == (None, None)
    one = view.client.get(f"/api/handoffs/{HANDOFF}", headers=headers).json()
    assert (one["requested_at"], one["requested_at_epoch"], one["transcript"]) == (None, 1e9, [])


def _taken_off_record(session: Any, *, requested_at: float = 1e9) -> None:
    session.execute(delete(CallRow).where(CallRow.id == CALL))
    session.execute(update(HandoffRow).values(requested_at=requested_at))
