"""What is followed live: so many streams for each account or token, each until its call is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from tests.voicebot.test_agent_web import CALL, Session
from tests.voicebot.test_web import _Service, bearer
from voicebot.call.agent_desks import AgentDesks
from voicebot.call.live import LiveFeed
from voicebot.security import Principal
from voicebot.web import following
from voicebot.web.console.agent import streams
from voicebot.web.following import MOST, FollowedResponse, Following

WHO, OTHER = Principal("王芳", "agent", "u-1"), Principal("李明", "agent", "u-2")


def test_an_account_has_so_many_places_and_each_is_free_again() -> None:
    places = Following()
    taken = [places.place(WHO) for _ in range(MOST)]
    assert [each.__enter__() for each in taken] == [True] * MOST
    with places.place(WHO) as given, places.place(OTHER) as others:
        assert (given, others) == (False, True)
    taken[0].__exit__(None, None, None)
    with places.place(WHO) as given:
        assert given


async def answered(places: Following, parts: Any) -> list[dict[str, Any]]:
    scope = {
        "type": "http",
        "app": SimpleNamespace(state=SimpleNamespace(following=places)),
        "asgi": {"spec_version": "2.4"},
    }
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    await FollowedResponse(Request(scope), WHO, parts)(scope, receive, send)
    return sent


async def test_one_stream_too_many_is_told_so_and_a_stream_that_ends_leaves_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "MOST", 1)
    places = Following()

    async def parts() -> Any:
        (refused, _) = await answered(places, parts())
        assert refused["status"] == 429
        yield "event: end\n\n"

    for _ in range(2):
        begun, *_ = await answered(places, parts())
        assert begun["status"] == 200


def test_a_socket_takes_a_place_as_well(
    client: TestClient,
    service: _Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "MOST", 1)
    agent = bearer(service, "agent")
    with client.websocket_connect("/api/live", headers=agent) as socket:
        assert socket.receive_json()["kind"] == "call"
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/api/live", headers=agent),
        ):
            pass
        assert denied.value.status_code == 429
        assert denied.value.json()["code"] == "too_many_streams"


async def test_an_agent_learns_of_the_end_of_a_call_though_the_message_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.01)
    session: Any = Session()
    running: Any = SimpleNamespace(
        live=LiveFeed(),
        desks=AgentDesks(),
        sessions={CALL: session},
        settings=None,
        engines=SimpleNamespace(transcriber=None),
    )
    monkeypatch.setattr(streams, "standing", lambda *_: {})
    told = streams.call(running, CALL, session, WHO)
    async with asyncio.timeout(20):
        assert (await anext(told)).startswith("event: snapshot")
        assert await anext(told) == ": beat\n\n"
        del running.sessions[CALL]
        rest = [each async for each in told]
    assert rest[-1].startswith("event: ended")
