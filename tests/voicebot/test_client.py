"""The Python client, against the application over real HTTP."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tests.voicebot.api_server import Served, on_record, served
from tests.voicebot.certificates import self_signed
from tests.voicebot.ticket_desk import opened
from voicebot.client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    Invalid,
    LiveEvent,
    NotAllowed,
    NotFound,
    NoToken,
    Unavailable,
    answers,
    asynchronous,
    synchronous,
)
from voicebot.clock import now, today
from voicebot.config import Settings, load_settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    file = folder / "voicebot.toml"
    file.write_text(f'[paths]\nstate = "{folder / "state"}"\n[rate_limits]\nenabled = false\n')
    with served(load_settings(file)) as running:
        running.write(on_record)
        yield running


@pytest.fixture
def hotline(server: Served) -> Iterator[Client]:
    with Client(server.url, token=server.token("supervisor")) as client:
        yield client


def as_typed(values: Any, kind: Any) -> bool:
    """The answer has the keys that its type has, and no others."""
    return set(values) == set(get_type_hints(kind))


# ── what can be asked for ─────────────────────────────────────────────────────────


def test_calls_are_found_and_read_with_their_decisions(hotline: Client) -> None:
    rows = list(hotline.calls.search(did="12345"))
    assert [row["call_id"] for row in rows] == ["C/2", "C1"]
    assert as_typed(rows[0], answers.CallRow)
    call = hotline.calls.read("C1")
    assert as_typed(call, answers.Call)
    assert as_typed(call["turns"][0], answers.Turn)
    assert call["decisions"] == [{"at": 3.0, "route": "110_now", "evidence": ["被埋"]}]
    assert [each["kind"] for each in hotline.calls.events("C1")] == ["Decide"]
    why = hotline.calls.why("C1")
    assert as_typed(why, answers.SurgeDecision)
    assert why["because"] == "等候过长"


def test_an_id_may_hold_a_slash(hotline: Client) -> None:
    assert hotline.calls.read("C/2")["caller"] == "13800138000"
    assert hotline.tickets.read("C/2-t1")["call_id"] == "C/2"


def test_filters_that_are_not_given_are_left_out(hotline: Client) -> None:
    assert [row["call_id"] for row in hotline.calls.search(outcome="ticket")] == ["C1"]
    assert list(hotline.calls.search(text="外星人")) == []
    assert len(list(hotline.calls.search(transferred=True))) == 2
    yesterday = (now() - timedelta(days=1)).timestamp()
    assert len(list(hotline.calls.search(since=yesterday))) == 2
    assert list(hotline.calls.search(until=yesterday)) == []


def test_pages_are_walked_to_the_end(hotline: Client, server: Served) -> None:
    def more(session: Any) -> None:
        for number in range(7):
            opened(session, f"P{number}", at=1_795_395_600.0 + number, kind="praise")

    server.write(more)
    found = [ticket["id"] for ticket in hotline.tickets.search(kind="praise", limit=3)]
    assert found == [f"P{number}" for number in reversed(range(7))]


def test_handoffs_are_found_and_read_with_their_dossiers(hotline: Client) -> None:
    rows = list(hotline.handoffs.search(reason="danger"))
    assert {row["id"] for row in rows} == {"H1", "H2"}
    assert as_typed(rows[0], answers.HandoffRow)
    assert hotline.handoffs.read("H1")["dossier"]["evidence"] == ["被埋"]


def test_a_ticket_is_acted_on_as_it_was_read(hotline: Client) -> None:
    ticket = hotline.tickets.read("C1-t1")
    assert as_typed(ticket, answers.TicketDetail)
    row = next(each for each in hotline.tickets.search() if each["id"] == "C1-t1")
    assert as_typed(row, answers.Ticket)
    assert isinstance(hotline.tickets.duplicates("C1-t1"), list)
    done = hotline.tickets.act(
        "C1-t1", "dispatch", ticket["version"], department="市水务局", kind="help"
    )
    assert (done["status"], done["department"]) == ("dispatched", "市水务局")
    with pytest.raises(Conflict) as error:
        hotline.tickets.act("C1-t1", "dispatch", ticket["version"], department="市水务局")
    assert (error.value.code, error.value.status) == ("ticket.changed", 412)
    with pytest.raises(Conflict) as refused:
        hotline.tickets.act("C1-t1", "reopen", done["version"], why="又坏了")
    assert refused.value.status == 409


def test_answers_are_searched_and_recommended(hotline: Client) -> None:
    found = hotline.knowledge.search("社保卡丢了怎么补办")
    assert as_typed(found, answers.Found)
    assert found["candidates"][0]["id"] == "a-1"
    shown = hotline.knowledge.recommend([("caller", "我的社保卡丢了怎么补办")])
    assert as_typed(shown, answers.Recommended)
    assert as_typed(shown["suggestions"][0], answers.Suggestion)
    danger = hotline.knowledge.recommend([("caller", "我家着火了")])["danger"]
    assert danger is not None
    assert danger["level"] == "certain"
    assert list(hotline.knowledge.entries()) == []
    with pytest.raises(NotFound):
        hotline.knowledge.read("zs-1")


def test_surge_control_is_read_and_ordered(hotline: Client, server: Served) -> None:
    status = hotline.surge.status()
    assert as_typed(status, answers.SurgeStatus)
    assert {line["line"] for line in status["lines"]} == {"12345", "12333", "96377"}
    (order,) = hotline.surge.order("bot", "台风", line="12345", minutes=30)
    assert (order["order"], order["why"]) == ("bot", "台风")
    assert hotline.surge.order("end", "过去了", line="12345") == []
    with Client(server.url, token=server.token("acd")) as acd:
        line = {"line": "12345", "groups": [{"region": "460100", "staffed": 9, "free": 2}]}
        assert acd.surge.tell_figures([line]) == {"taken": 1}


def test_an_incident_is_read_split_merged_and_closed(hotline: Client) -> None:
    (row,) = hotline.incidents.open()
    assert as_typed(row, answers.IncidentRow)
    number = row["incident"]
    one = hotline.incidents.read(number)
    assert as_typed(one, answers.Incident)
    assert len(one["members"]) == 2
    other = hotline.incidents.split(number, ["H1"])
    assert [member["handoff"] for member in other["members"]] == ["H1"]
    assert hotline.incidents.merge(number, other["incident"])["callers"] == 2
    told = hotline.incidents.announce(number, "五指山山体滑坡，救援已经出动。")
    assert told == {**told, "approved": False}
    with pytest.raises(Conflict):  # nobody approves what he has written
        hotline.incidents.approve(number, told["announcement"])
    assert hotline.incidents.withdraw(number, told["announcement"])["ended"] is True
    assert hotline.incidents.waiting() == []
    assert len(hotline.incidents.open(least=1)) == 1
    assert hotline.incidents.close(number)["state"] == "closed"


def test_figures_and_topics_are_those_of_days(hotline: Client) -> None:
    found = hotline.figures.read(today(), today(), by="line")
    assert as_typed(found, answers.Figures)
    assert (found["from"], found["by"]) == (today().isoformat(), "line")
    assert hotline.figures.definitions()[0]["name"]
    assert hotline.figures.topics(today()) == []
    with pytest.raises(Invalid) as error:
        hotline.figures.read(today(), today() - timedelta(days=2))
    assert error.value.code == "figures.period"


def test_a_matter_is_submitted_once_and_followed(server: Served) -> None:
    with Client(server.url, token=server.token("channel")) as channel:
        told = channel.matters.submit("web-2026-000001", "小区门口的路灯坏了半个月没有人来修")
        assert as_typed(told, answers.Told)
        again = channel.matters.submit("web-2026-000001", "小区门口的路灯坏了半个月没有人来修")
        assert again == told
        assert as_typed(channel.matters.read("web-2026-000001"), answers.Progress)
        with pytest.raises(Conflict) as error:
            channel.matters.submit("web-2026-000001", "路灯又亮了")
        assert error.value.code == "matter.other_content"


def test_board_and_alarms_tell_what_goes_on(hotline: Client) -> None:
    board = hotline.duty.board()
    assert as_typed(board, answers.Board)
    assert board["calls"] == {"in_use": 0, "room": 8}
    assert all(as_typed(alarm, answers.Alarm) for alarm in hotline.duty.alarms())


# ── what it refuses ───────────────────────────────────────────────────────────────


def test_errors_have_the_code_of_the_api(server: Served, hotline: Client) -> None:
    with pytest.raises(NotFound) as missing:
        hotline.calls.read("C9")
    assert (missing.value.status, missing.value.code) == (404, "not_found")
    assert "not_found: There is no call" in str(missing.value)
    with Client(server.url, token="vb_wrong") as nobody, pytest.raises(NotAllowed) as wrong:
        nobody.duty.board()
    assert wrong.value.code == "wrong_token"
    with Client(server.url, token=server.token("media")) as media, pytest.raises(NotAllowed):
        media.duty.board()
    with pytest.raises(Invalid):
        hotline.calls.search(limit=100_000).__next__()


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with Client("http://127.0.0.1:9", token="t") as client, pytest.raises(Unavailable) as error:
        client.duty.board()
    assert (error.value.code, error.value.status) == ("no_answer", 0)
    assert isinstance(error.value, ApiError)


def test_agents_see_numbers_masked(server: Served) -> None:
    with Client(server.url, token=server.token("agent")) as agent:
        assert {row["caller"] for row in agent.calls.search()} == {"138****8000"}


# ── address and token ─────────────────────────────────────────────────────────────


def test_address_and_token_may_stand_in_the_environment_or_a_file(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, file = server.token("supervisor"), tmp_path / "token"
    file.write_text(f"{token}\n")
    monkeypatch.setenv("VOICEBOT_API_URL", f"{server.url}/")
    with pytest.raises(NoToken, match="VOICEBOT_API_TOKEN"):
        Client()
    with Client(token_file=file) as client:
        assert client.duty.board()
    monkeypatch.setenv("VOICEBOT_API_TOKEN_FILE", str(file))
    with Client() as client:
        assert client.duty.board()
    monkeypatch.setenv("VOICEBOT_API_TOKEN", "vb_other")
    with Client() as client, pytest.raises(NotAllowed):
        client.duty.board()


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_token_file_that_has_none_is_said(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(NoToken, match="token file"):
        Client("https://a.example", token_file=file)


def test_a_token_is_not_sent_in_plain_text_to_another_machine() -> None:
    with pytest.raises(NoToken, match="https"):
        Client("http://hotline.example", token="t")
    assert "secret" not in repr(Client("https://hotline.example", token="secret").__dict__)


def test_a_certificate_of_its_own_is_checked_with_the_one_that_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    file, key = map(str, self_signed(tmp_path))
    with served(settings, ssl_certfile=file, ssl_keyfile=key) as running:
        with Client(running.url, token="t") as client, pytest.raises(Unavailable):
            client.duty.board()
        with Client(running.url, token=running.token("admin"), tls_ca=file) as client:
            assert client.duty.board()
    with pytest.raises((OSError, ssl.SSLError)):
        Client(running.url, token="t", tls_ca=tmp_path / "none.pem")


# ── to be awaited ─────────────────────────────────────────────────────────────────


async def test_the_other_client_is_the_same_to_be_awaited(server: Served) -> None:
    async with AsyncClient(server.url, token=server.token("supervisor")) as hotline:
        rows = [row["call_id"] async for row in hotline.calls.search(limit=1, did="12345")]
        assert rows == ["C/2", "C1"]
        board, alarms = await asyncio.gather(hotline.duty.board(), hotline.duty.alarms())
        assert board["at"] > 0
        assert isinstance(alarms, list)
        with pytest.raises(NotFound):
            await hotline.calls.read("C9")


def test_both_have_the_same_methods() -> None:
    for name, group in vars(synchronous).items():
        if isinstance(group, type) and issubclass(group, synchronous._Group):
            other = getattr(asynchronous, name)
            assert set(vars(group)) == set(vars(other)), name


def test_it_needs_nothing_else_of_this_package() -> None:
    script = (
        "import sys, voicebot.client\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] in"
        " ('voicebot', 'asr', 'kb', 'flows', 'telephony', 'pydantic', 'sqlalchemy', 'numpy')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {name for name in loaded if not name.startswith("voicebot.client")} == {"voicebot"}


# ── what happens, as it happens ───────────────────────────────────────────────────


def said(text: str, call: str = "L1") -> dict[str, Any]:
    return {"call_id": call, "at": 1.0, "kind": "say", "text": text}


def first(events: Iterator[LiveEvent], topic: str) -> LiveEvent:
    return next(event for event in events if event.topic == topic)


def test_events_come_as_they_happen_and_go_on_where_they_broke_off(
    server: Served, hotline: Client
) -> None:
    events = hotline.live("call:L1")
    ready = threading.Timer(0.3, lambda: server.publish(said("您好")))
    ready.start()
    heard = first(events, "call:L1")
    assert heard.data["text"] == "您好"
    events.close()
    server.publish(said("请讲"))
    missed = first(hotline.live("call:L1", after=heard.seq), "call:L1")
    assert missed.data["text"] == "请讲"
    assert missed.seq > heard.seq


def test_a_topic_that_there_is_not_is_refused(hotline: Client) -> None:
    with pytest.raises(Invalid, match="topics"):
        next(hotline.live("weather"))


def test_after_a_restart_it_connects_again_and_says_that_something_was_missed(
    settings: Settings,
) -> None:
    heard: list[LiveEvent] = []
    begun = threading.Event()
    with served(settings) as running:
        client = Client(running.url, token=running.token("supervisor"))
        port = int(running.url.rpartition(":")[2])

        def follow() -> None:
            for event in client.live("call:L1"):
                heard.append(event)
                begun.set()
                if event.topic == "reset":
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        while not begun.wait(0.1):
            running.publish(said("您好"))
    with served(settings, port):
        thread.join(60)
    assert not thread.is_alive()
    assert heard[-1].topic == "reset"
    client.close()


async def test_events_can_be_awaited(server: Served) -> None:
    async with AsyncClient(server.url, token=server.token("supervisor")) as hotline:

        async def speak() -> None:
            while True:
                server.publish(said("您好", "L2"))
                await asyncio.sleep(0.1)

        speaking = asyncio.create_task(speak())
        async with aclosing(hotline.live("call:L2")) as events:
            async for event in events:
                if event.topic == "call:L2":
                    break
        speaking.cancel()
        assert event.data["text"] == "您好"
