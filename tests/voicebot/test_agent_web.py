"""The agent desk over HTTP: who may see what of a caller, what can be done, the form that stays."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from flows.actions import Route
from flows.events import AgentAct, LegState
from flows.pending import HandoffState, Phase, Ticket
from flows.routes import SEAT
from flows.state import State
from telephony.call_control import Capability
from telephony.dialing import DutyDirectory, DutyNumber
from tests.voicebot.test_access_table import _OverAtOnce
from tests.voicebot.test_web import _Service as Service
from tests.voicebot.ticket_desk import opened
from voicebot.agents.tables import AgentDraftRow
from voicebot.call.agent_desks import desk_number
from voicebot.callers.limits import set_limit
from voicebot.config import Settings
from voicebot.exchange.dossier import TranscriptTurn
from voicebot.records.operations import finish_call, start_call
from voicebot.records.reading import plain
from voicebot.records.store import Records
from voicebot.records.tables import AuditRow, TicketRow
from voicebot.security import Principal
from voicebot.tickets.tables import TicketStepRow
from voicebot.web.api import create_app
from voicebot.web.console.agent.standing import row, running
from voicebot.web.console.agent.streams import CallList, Words

CALL, NUMBER = "CA/1", "13812345678"
SAID = ("你好", "海口市龙华区国贸路的路灯坏了三天，一直没人修", "我姓王")


class Session:
    """A running call, as far as the desk needs it."""

    def __init__(self) -> None:
        self.state = State(call_id=CALL, caller=NUMBER, did="12345", started=True, region="460106")
        self.capabilities: frozenset[Capability] = frozenset()
        self.answered_at = 1_790_000_000.0
        self.confidential = False
        self.asked: list[tuple[AgentAct, str, str, str]] = []
        self.unsettled: tuple[tuple[str, TranscriptTurn], ...] = ()
        self.transcript = tuple(
            (f"turn{n}", TranscriptTurn(side="caller", text=text, start=n, end=n + 0.5))
            for n, text in enumerate(SAID)
        )

    def ask(self, act: AgentAct, agent: str, *, destination: str = "", entry: str = "") -> None:
        self.asked.append((act, agent, destination, entry))

    def keep_confidential(self) -> None:
        self.confidential = True


class Web:
    """The application, asked as a role."""

    def __init__(self, client: TestClient, service: Service, session: Session) -> None:
        self.client, self.service, self.session = client, service, session
        self._tokens: dict[str, str] = {}

    def ask(self, method: str, rest: str, role: str = "agent", **given: Any) -> Any:
        path = rest if rest.startswith("/") else f"/v1/agent/calls/{quote(CALL, safe='')}/{rest}"
        return self.client.request(method, path, headers=self.headers(role), **given)

    def headers(self, role: str) -> dict[str, str]:
        if role not in self._tokens:
            name = role.split("-")[0]
            self._tokens[role] = self.service.records.tokens.create(name, role)
        return {"Authorization": f"Bearer {self._tokens[role]}"}

    def who(self, role: str = "agent") -> Principal:
        self.headers(role)
        found = self.service.records.tokens.principal(self._tokens[role])
        assert found is not None
        return found

    def write(self, work: Any, *arguments: Any, **named: Any) -> None:
        async def transact() -> None:
            await self.service.records.transact(
                lambda session: work(session, *arguments, **named) and None
            )

        assert self.client.portal is not None
        self.client.portal.call(transact)

    def rows(self, query: Any) -> list[Any]:
        """What is on record, plain; waits for the first of it."""
        assert self.client.portal is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.client.portal.call(self.service.records.read, _plain, query)
            if found:
                return found
        return []

    def act(self, act: str, role: str = "agent", **given: str) -> Any:
        return self.ask("POST", "acts", role, json={"act": act, **given})


class Knowledge:
    def entry(self, name: str, **_: Any) -> Any:
        return SimpleNamespace(question="路灯坏了找谁", channel="海易办") if name == "a" else None


def _plain(session: Any, query: Any) -> list[Any]:
    return [SimpleNamespace(**plain(row)) for row in session.scalars(query)]


@pytest.fixture
def web(settings: Settings) -> Iterator[Web]:
    service = Service(settings, asyncio.run(Records.open(settings)))
    service.live = _OverAtOnce()  # type: ignore[assignment]
    service.engines = SimpleNamespace(transcriber=None, dispatch=None, knowledge=Knowledge())
    session = Session()
    service.sessions[CALL] = session
    service.directory = DutyDirectory(
        [DutyNumber("seat", SEAT, "", "trunk:seats/8000", "人工座席")]
    )
    with TestClient(create_app(service, service.announcements)) as client:
        web = Web(client, service, session)
        web.write(
            start_call, call_id=CALL, caller=NUMBER, did="12345", started_at=1e9, recording=""
        )
        yield web
        assert client.portal is not None
        client.portal.call(service.records.close)


def mine(web: Web, role: str = "agent") -> None:
    """The agent has the call."""
    web.service.desks.claim(CALL, web.who(role).token_id)


def confidential(web: Web) -> None:
    ticket = Ticket(f"{CALL}-t1", "举报", confidential=True)
    web.session.state = replace(web.session.state, ticket=ticket)


def connected(web: Web) -> None:
    """A person has the call."""
    routes = (Route("seat", SEAT),)
    handoff = HandoffState("h1", "requested_human", routes, "", leg=LegState.CONFIRMED)
    web.session.state = replace(web.session.state, handoff=handoff, phase=Phase.CONNECTED)


def events(answer: Any) -> list[tuple[str, Any]]:
    found = []
    for block in answer.text.split("\n\n"):
        if block.startswith("event: "):
            name, data = block.split("\n", 1)
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


# ── which call ────────────────────────────────────────────────────────────────────


def test_a_call_that_runs_on_record_is_not_said_to_be_over_where_its_node_is_not_seen(
    web: Web,
) -> None:
    del web.service.sessions[CALL]
    assert web.ask("GET", "stream").status_code == 404, "of one process: it has ended"
    web.service.member = SimpleNamespace()  # type: ignore[assignment]
    for answer in (web.ask("GET", "stream"), web.act("police")):
        assert (answer.status_code, answer.json()["code"]) == (503, "node_away")
    web.write(finish_call, call_id=CALL, ended_at=1e9 + 60, outcome="answered", region=None)
    assert web.ask("GET", "stream").status_code == 404


# ── who is calling ────────────────────────────────────────────────────────────────


def test_a_number_is_masked_until_the_agent_has_the_call(web: Web) -> None:
    assert web.ask("GET", "card").json()["number"] == "138******78"
    mine(web)
    assert web.ask("GET", "card").json()["number"] == NUMBER
    assert web.ask("GET", "card", "agent-2").json()["number"] == "138******78"
    assert web.ask("GET", "card", "supervisor").json()["number"] == NUMBER


def test_a_confidential_caller_is_nobody_to_agents(web: Web) -> None:
    confidential(web)
    mine(web)
    card = web.ask("GET", "card").json()
    assert (card["number"], card["calls"], card["tickets"]) == ("保密", [], [])
    assert web.ask("GET", "card", "supervisor").json()["number"] == NUMBER


def test_another_agent_does_not_follow_a_confidential_call(web: Web) -> None:
    confidential(web)
    mine(web)
    assert web.ask("GET", "stream", "agent-2").status_code == 403
    assert web.ask("GET", "draft", "agent-2").status_code == 403
    assert web.ask("GET", "stream").status_code == 200
    refused = web.rows(select(AuditRow).where(AuditRow.allowed.is_(False)))
    assert {row.subject for row in refused} == {CALL}


def test_a_wish_for_confidence_holds_for_the_whole_call(web: Web) -> None:
    web.session.confidential = True  # for a matter before this one
    assert web.session.state.ticket is None
    assert web.ask("GET", "stream", "agent-2").status_code == 403
    assert web.ask("GET", "draft", "agent-2").status_code == 403
    assert web.ask("GET", "card", "agent-2").json()["number"] == "保密"
    (call,) = dict(events(web.ask("GET", "/v1/agent/stream", "agent-2")))["calls"]
    assert (call["number"], call["may_follow"]) == ("保密", False)
    (call,) = dict(events(web.ask("GET", "/v1/agent/stream", "supervisor")))["calls"]
    assert (call["number"], call["may_follow"]) == (NUMBER, True)


def test_the_card_has_earlier_calls_tickets_and_limits_of_the_number(web: Web) -> None:
    for number in range(3):
        web.write(
            start_call,
            call_id=f"old{number}",
            caller=NUMBER,
            did="12345",
            started_at=1e8 + number,
            recording="",
        )
        web.write(
            finish_call, call_id=f"old{number}", ended_at=1e8 + 60, outcome="answered", region=None
        )
    web.write(opened, ticket="T1", number=NUMBER, call_id="old0")
    web.write(opened, ticket="T2", number=NUMBER, call_id="old1", confidential=True)
    web.write(
        set_limit,
        NUMBER,
        reason="harassment",
        evidence=["old0"],
        who="值班长",
        why="反复骚扰",
        at=time.time(),
    )
    card = web.ask("GET", "card").json()
    assert [each["call_id"] for each in card["calls"]] == ["old2", "old0"], "old1 is confidential"
    assert [each["id"] for each in card["tickets"]] == ["T1"]
    assert card["limit"]["state"] == "in_force"
    assert len(web.ask("GET", "card", "supervisor").json()["tickets"]) == 2
    assert web.rows(select(AuditRow).where(AuditRow.action == "agent.card"))


# ── what is followed ──────────────────────────────────────────────────────────────


def test_a_call_is_followed_from_its_first_word(web: Web) -> None:
    ((name, snapshot),) = events(web.ask("GET", "stream"))
    assert name == "snapshot"
    assert [turn["text"] for turn in snapshot["turns"]] == list(SAID)
    assert snapshot["standing"]["number"] == "138******78"
    assert snapshot["standing"]["acts"]["leave"] == "no_agent"
    assert snapshot["standing"]["acts"]["join_police"] == ""


def test_an_agents_own_words_are_partial_until_they_are_settled(web: Web) -> None:
    words = Words(has_transcriber=True)
    saying = TranscriptTurn(side="seat", text="您稍", start=4.0, end=4.5)
    web.session.unsettled = (("seat@4.0", saying),)
    words.heard({"kind": "far_side_hypothesis", "key": "seat@4.0", "at": 4.9})
    ((_, snapshot),) = events(web.ask("GET", "stream"))
    assert [(turn["text"], turn["partial"]) for turn in snapshot["turns"]][-1] == ("您稍", True)

    (partial,) = words.news((), web.session.unsettled)
    assert (partial["text"], partial["partial"], partial["at"]) == ("您稍", True, 4.9)
    assert words.news((), web.session.unsettled) == [], "once"
    settled = TranscriptTurn(side="seat", text="您稍等", start=4.0, end=5.0)
    (final,) = words.news((("seat@4.0", settled),))
    assert (final["key"], final["text"], final["partial"]) == ("seat@4.0", "您稍等", False)


def test_what_was_no_speech_after_all_is_taken_back() -> None:
    words = Words(has_transcriber=True)
    noise = TranscriptTurn(side="seat", text="嗯", start=4.0, end=4.2)
    words.news((), (("seat@4.0", noise),))
    (taken_back,) = words.news(())
    assert (taken_back["key"], taken_back["text"], taken_back["partial"]) == ("seat@4.0", "", False)
    assert words.news(()) == []


def test_the_list_of_calls_and_what_rings(web: Web) -> None:
    found = dict(events(web.ask("GET", "/v1/agent/stream")))
    (call,) = found["calls"]
    assert (call["call_id"], call["number"], call["who"]) == (CALL, "138******78", "bot")
    assert found["offers"] == []
    assert found["presence"]["presence"] == "ready"


def test_a_page_is_told_of_all_calls_once_and_then_of_what_changes(web: Web) -> None:
    who, desks = web.who(), web.service.desks
    known = running(web.service.sessions, web.service.settings, desks)
    lines = CallList(who)
    name, calls = lines.news(known) or ("", [])
    assert (name, [each["call_id"] for each in calls]) == ("calls", [CALL])
    assert lines.news(known) is None
    other = {**known[CALL], "call_id": "CA/2"}
    assert lines.news({**known, "CA/2": other}) == (
        "changes",
        {"rows": [row(other, who)], "gone": []},
    )
    taken = {**known[CALL], "holder": who.token_id}
    assert lines.news({CALL: taken}) == ("changes", {"rows": [row(taken, who)], "gone": ["CA/2"]})


def test_a_call_that_is_not_running_is_not_followed(web: Web) -> None:
    assert web.ask("GET", "/v1/agent/calls/none/stream").status_code == 404


# ── what is done ──────────────────────────────────────────────────────────────────


def test_a_call_is_taken_where_the_agents_desk_is_open(web: Web) -> None:
    closed = web.act("take")
    assert (closed.status_code, closed.json()["code"]) == (409, "agent.desk_closed")
    who = web.who()
    with web.service.desks.open(who.token_id, who.name, lambda: None):
        assert web.act("take").status_code == 202
    assert web.session.asked == [(AgentAct.TAKE, "agent", f"seat@{who.token_id}", "")]


def test_a_call_taken_on_a_telephone_shows_its_number_once_it_is_claimed_there(web: Web) -> None:
    assert web.act("take", by="telephone").status_code == 202
    assert web.session.asked[0][2] == "seat"
    assert web.ask("POST", "claim").json()["code"] == "agent.no_agent", "no seat has answered"
    assert web.ask("GET", "card").json()["number"] == "138******78"
    assert web.ask("GET", "draft").json()["form"]["number"] == ""
    connected(web)
    assert web.ask("POST", "claim").status_code == 200
    assert web.ask("GET", "card").json()["number"] == NUMBER


def test_what_cannot_be_had_says_why(web: Web) -> None:
    left = web.act("leave")
    assert (left.status_code, left.json()["code"]) == (409, "agent.no_agent")
    connected(web)
    assert web.act("leave").json()["code"] == "agent.not_yours", "on a telephone, and unclaimed"
    mine(web)
    held = web.act("hold").json()
    assert held["code"] == "agent.line_cannot_hold"
    assert "mute" in held["message"]
    web.session.capabilities = frozenset({Capability.HOLD})
    assert web.act("hold").status_code == 202
    assert web.session.asked[-1][0] is AgentAct.HOLD


def test_an_agent_does_nothing_with_anothers_call_but_call_110(web: Web) -> None:
    connected(web)
    mine(web)
    assert web.act("leave", "agent-2").json()["code"] == "agent.not_yours"
    assert web.act("join_police", "agent-2").status_code == 202
    assert web.act("leave", "supervisor").status_code == 202


def test_a_colleagues_110_key_leaves_the_agent_on_his_call(web: Web) -> None:
    connected(web)
    mine(web)
    assert web.act("police", "agent-2").json()["act"] == "join_police"
    assert web.session.asked[-1][0] is AgentAct.JOIN_POLICE
    assert web.act("police").json()["act"] == "police", "his own is what he says"


def talking(web: Web, call_id: str, role: str = "agent") -> None:
    """The agent has answered another call in his browser."""
    number = desk_number(f"seat@{web.who(role).token_id}")
    assert number is not None

    async def answers() -> None:
        desks = web.service.desks
        leg = desks.new_leg(number, call_id, answer_timeout_s=60.0)
        with desks.open(web.who(role).token_id, role, lambda: None):
            await leg.connect({})
            assert desks.answer(leg.id, web.who(role).token_id)

    assert web.client.portal is not None
    web.client.portal.call(answers)


def test_who_talks_takes_no_second_call(web: Web) -> None:
    talking(web, "other")
    refused = web.act("take", by="telephone")
    assert (refused.status_code, refused.json()["code"]) == (409, "agent.you_talk")


def test_a_page_that_is_there_says_so_without_a_word_in_the_audit(web: Web) -> None:
    who = web.who()
    with web.service.desks.open(who.token_id, who.name, lambda: None):
        for given in ({"presence": "wrap_up"}, {}):
            answer = web.ask("PUT", "/v1/agent/presence", json=given)
            assert answer.json() == {"presence": "wrap_up"}
    rows = web.rows(select(AuditRow).where(AuditRow.principal == "agent"))
    assert [row.action for row in rows] == ["agent.wrap_up"]


def test_the_bot_says_what_is_published_and_nothing_else(web: Web) -> None:
    assert web.act("say", entry="gone").json()["code"] == "agent.not_published"
    assert web.act("say", entry="a").status_code == 202
    assert web.session.asked == [(AgentAct.SAY, "agent", "", "a")]


def test_a_call_is_passed_on_to_who_is_there(web: Web) -> None:
    connected(web)
    mine(web)
    other = web.who("agent-2")
    assert web.act("transfer", destination="13900000000").json()["code"] == "agent.no_destination"
    assert web.act("transfer", destination="seat").status_code == 202
    with web.service.desks.open(other.token_id, other.name, lambda: None):
        found = web.ask("GET", "/v1/agent/destinations").json()["destinations"]
        assert [each["name"] for each in found] == ["agent-2", "人工座席"]
        mine(web)  # it has come back
        assert web.act("transfer", destination=found[0]["destination"]).status_code == 202
    mine(web)
    gone = web.act("transfer", destination=found[0]["destination"])
    assert gone.json()["code"] == "agent.no_destination"


def test_a_call_on_a_telephone_of_ones_own_is_claimed_once(web: Web) -> None:
    assert web.ask("POST", "claim").json()["code"] == "agent.no_agent"
    connected(web)
    assert web.ask("POST", "claim").status_code == 200
    assert web.ask("POST", "claim", "agent-2").json()["code"] == "agent.not_yours"


def test_what_is_done_is_in_the_audit(web: Web) -> None:
    web.act("join_police")
    (row,) = web.rows(select(AuditRow).where(AuditRow.action == "agent.join_police"))
    assert (row.principal, row.subject) == ("agent", CALL)


def test_a_link_is_sent_only_where_it_can_be(web: Web) -> None:
    answer = web.ask("POST", "link", json={"entry": "a"})
    assert (answer.status_code, answer.json()["code"]) == (409, "agent.no_sms")


# ── the form ──────────────────────────────────────────────────────────────────────


def form(web: Web, **typed: Any) -> Any:
    version = web.ask("GET", "draft").json()["version"]
    return web.ask("PUT", "draft", json={"typed": typed, "version": version})


def test_the_form_is_filled_from_what_was_said(web: Web) -> None:
    shown = web.ask("GET", "draft").json()["form"]
    assert shown["matter"] == SAID[1]
    assert shown["region"] == "460106"
    assert "国贸路" in shown["place"]
    assert shown["name"] == "王"
    assert shown["number"] == "", "not before the agent has the call"
    mine(web)
    assert web.ask("GET", "draft").json()["form"]["number"] == NUMBER


def test_what_was_typed_stays_whatever_is_said_then(web: Web) -> None:
    assert form(web, matter="路灯不亮", place="国贸路28号").json() == {"version": 1}
    web.session.transcript = (
        *web.session.transcript,
        ("turn9", TranscriptTurn(side="caller", text="还有井盖没了很危险", start=9, end=10)),
    )
    shown = web.ask("GET", "draft").json()
    assert (shown["form"]["matter"], shown["form"]["place"]) == ("路灯不亮", "国贸路28号")
    assert "井盖" in shown["proposed"]["matter"]


def test_of_two_pages_the_second_is_told(web: Web) -> None:
    form(web, matter="一")
    late = web.ask("PUT", "draft", json={"typed": {"matter": "二"}, "version": 0})
    assert (late.status_code, late.json()["code"]) == (409, "draft.changed")


def test_a_ticket_is_made_of_the_form_and_takes_in_the_bots_own(web: Web) -> None:
    web.write(opened, ticket=f"{CALL}-t1", call_id=CALL)
    form(web, department="市住建局", note="来电人着急", kind="complaint")
    made = web.ask("POST", "ticket", json={"dispatch": True})
    assert made.json() == {"ticket": f"{CALL}-a1"}
    (ticket,) = web.rows(select(TicketRow).where(TicketRow.id == f"{CALL}-a1"))
    assert (ticket.number, ticket.department, ticket.kind) == (NUMBER, "市住建局", "complaint")
    assert ticket.status == "dispatched"
    (bots,) = web.rows(select(TicketRow).where(TicketRow.id == f"{CALL}-t1"))
    assert (bots.status, bots.main) == ("merged", f"{CALL}-a1")
    steps = web.rows(select(TicketStepRow).where(TicketStepRow.ticket == f"{CALL}-a1"))
    assert [(step.act, step.who) for step in steps] == [
        ("create", "agent"), ("note", "agent"), ("dispatch", "agent"),
    ]  # fmt: skip
    again = web.ask("POST", "ticket", json={"dispatch": False})
    assert again.json() == {"ticket": f"{CALL}-a1"}, "asked for again it is the same"


def test_a_ticket_without_a_matter_says_what_is_missing(web: Web) -> None:
    web.session.transcript = ()
    answer = web.ask("POST", "ticket", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "draft.refused")


def closed(web: Web, disposition: str, role: str = "agent") -> Any:
    version = web.ask("GET", "draft", role).json()["version"]
    return web.ask("POST", "close", role, json={"disposition": disposition, "version": version})


def test_a_call_that_is_over_can_be_finished_and_its_form_stays(web: Web) -> None:
    mine(web)
    form(web, matter="路灯不亮", name="王女士", note="回电13812345678")
    web.service.sessions.clear()
    web.service.desks.leave(CALL)
    assert web.ask("GET", "card").json()["number"] == NUMBER, "it was his"
    typed = {"matter": "路灯不亮", "name": "王女士", "note": "回电13812345678"}
    assert closed(web, "no_matter").json() == {"disposition": "no_matter", "version": 2}
    (row,) = web.rows(select(AgentDraftRow))
    assert (row.disposition, row.typed) == ("no_matter", typed)
    assert closed(web, "?").status_code == 409


def test_a_call_is_not_closed_as_registered_without_its_ticket(web: Web) -> None:
    form(web, matter="路灯不亮")
    refused = closed(web, "ticket")
    assert (refused.status_code, refused.json()["code"]) == (409, "draft.no_ticket")
    assert web.ask("POST", "ticket", json={}).status_code == 200
    assert closed(web, "ticket").status_code == 200


def test_a_colleagues_call_is_not_closed_and_neither_is_a_form_that_has_changed(web: Web) -> None:
    form(web, matter="路灯不亮")
    mine(web)
    for over in (False, True):
        if over:
            web.service.desks.leave(CALL)
        refused = closed(web, "answered", "agent-2")
        assert (refused.status_code, refused.json()["code"]) == (409, "agent.not_yours")
    late = web.ask("POST", "close", json={"disposition": "answered", "version": 0})
    assert (late.status_code, late.json()["code"]) == (409, "draft.changed")
    assert closed(web, "answered", "supervisor").status_code == 200


def test_the_page_is_for_people_of_the_hotline(web: Web) -> None:
    page = web.ask("GET", "/console/agent?call=CA%2F1")
    assert page.status_code == 200
    assert 'data-call="CA/1"' in page.text
    assert NUMBER not in page.text
    assert web.ask("GET", "/console/agent", "auditor").status_code == 403
