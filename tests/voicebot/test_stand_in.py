"""The stand-in for 110's platform keeps to the exchange, and misbehaves as it is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.exchange_messages import AT, message, status, ticket
from tests.voicebot.exchange_sides import TOKEN
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.schema import content_hash
from voicebot.exchange.stand_in.app import create_stand_in
from voicebot.exchange.stand_in.faults import NAMES, Dice, Faults
from voicebot.exchange.stand_in.store import Store

MESSAGES = "/v1/exchange/messages"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = Store(tmp_path / "110.db")
    app = create_stand_in(store, token=TOKEN, faults=Faults())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as opened:
        yield opened
    store.close()


async def ledger(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/v1/exchange/ledger", params={"day": AT.date().isoformat()})
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


@pytest.mark.parametrize("path", ["/admin/figures", "/admin/effects", "/v1/exchange/ledger"])
async def test_everything_asks_for_its_token(client: httpx.AsyncClient, path: str) -> None:
    for header in ("", "Bearer wrong"):
        answer = await client.get(path, headers={"Authorization": header})
        assert answer.status_code == 401


async def test_messages_are_answered_as_the_exchange_says(client: httpx.AsyncClient) -> None:
    first, second = (message("W1", n, sender="12345") for n in (1, 2))
    other = message("W1", 1, ticket("W1", "水管爆了"), sender="12345")
    theirs = message("F1", 1, status())

    async def post(content: str) -> int:
        return (await client.post(MESSAGES, content=content)).status_code

    assert await post(second.to_json()) == 202
    assert await post(first.to_json()) == 200
    assert await post(second.to_json()) == 200
    assert await post(other.to_json()) == 409
    assert await post(theirs.to_json()) == 422
    assert await post("{}") == 422
    figures = (await client.get("/admin/figures")).json()
    assert (figures["in"], figures["effects"], figures["twice"], figures["conflicts"]) == (
        {"applied": 2},
        2,
        [],
        1,
    )


async def test_a_dossier_stands_in_its_ledger_once(client: httpx.AsyncClient) -> None:
    sent = Dossier(
        handoff="H1", revision=3, call_id="C1", caller="", did="12345", category=4, created_at=AT
    )
    for _ in range(2):
        answer = await client.post("/dossiers", content=sent.model_dump_json())
        assert answer.status_code == 201
    (line,) = await ledger(client)
    assert (line["id"], line["subject"], line["sequence"], line["state"]) == (
        "12345:handoff:H1:3",
        "H1",
        3,
        "applied",
    )
    values = sent.model_dump(mode="json", exclude_computed_fields=True)
    assert line["content_hash"] == content_hash(values)


async def test_faults_are_changed_while_it_runs(client: httpx.AsyncClient) -> None:
    sent = message("W1", 1, sender="12345").to_json()
    await client.put("/admin/faults", json={"down": 1.0})
    assert (await client.post(MESSAGES, content=sent)).status_code == 503
    await client.put("/admin/faults", json={"lie": 1.0})
    assert (await client.post(MESSAGES, content=sent)).json()["state"] == "applied"
    assert await ledger(client) == []
    await client.put("/admin/faults", json={"lose_answer": 1.0})
    assert (await client.post(MESSAGES, content=sent)).status_code == 504
    assert [line["state"] for line in await ledger(client)] == ["applied"]
    assert (await client.put("/admin/faults", json={"lie": 2})).status_code == 422


@given(st.integers(0, 2**32), st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES)))
def test_chance_is_reproducible_and_no_fault_changes_another(
    seed: int, name: str, between: list[str]
) -> None:
    faults = Faults(seed=seed, **dict.fromkeys(NAMES, 0.5))  # type: ignore[arg-type]
    alone, among = Dice(faults), Dice(faults)
    for other in between:
        if other != name:
            among.fall(other)
    assert [alone.fall(name) for _ in range(20)] == [among.fall(name) for _ in range(20)]
