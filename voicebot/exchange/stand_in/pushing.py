"""What the stand-in sends to 12345: until each message is confirmed, with the faults it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from voicebot.exchange.keys import Key
from voicebot.exchange.schema import Envelope
from voicebot.exchange.signing import Signer
from voicebot.exchange.stand_in.faults import Dice
from voicebot.exchange.stand_in.store import Store

TIMEOUT_S = 5.0
AT_ONCE = 8
"""Matters that are sent together; the messages about one go one after the other."""
PAUSE_S = 0.2
"""Between two rounds, while something is not confirmed."""
IDLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Hotline:
    """Where 12345 takes messages."""

    url: str
    token: str
    keys: Mapping[str, Key]
    """Keys of 110; the first one signs. None: nothing is signed."""


async def push_all(store: Store, dice: Dice, hotline: Hotline, woken: asyncio.Event) -> None:
    """Sends what waits, until it is cancelled."""
    key_id = next(iter(hotline.keys), None)
    signer = Signer(hotline.keys, key_id) if key_id is not None else None
    async with httpx.AsyncClient(
        base_url=hotline.url.rstrip("/"),
        headers={"Authorization": f"Bearer {hotline.token}"},
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        while True:
            left = await _round(store, dice, client, signer)
            if left:
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                async with asyncio.timeout(IDLE_S):
                    await woken.wait()
            except TimeoutError:
                pass
            woken.clear()


async def _round(
    store: Store, dice: Dice, client: httpx.AsyncClient, signer: Signer | None
) -> bool:
    """One look at all that waits; whether something was not confirmed."""
    subjects: dict[str, list[Envelope]] = {}
    for envelope in _ordered(store.waiting(), dice):
        subjects.setdefault(envelope.subject, []).append(envelope)
    places = asyncio.Semaphore(AT_ONCE)

    async def push(envelopes: list[Envelope]) -> None:
        async with places:
            for envelope in envelopes:
                state = ""
                for _ in range(2 if dice.fall("duplicate") else 1):
                    state = await _post(client, signer, envelope)
                if state in ("applied", "refused", "conflict"):
                    store.confirmed(envelope.id, state)
                elif state != "waiting":  # what is kept there and waits holds up nothing
                    return

    async with asyncio.TaskGroup() as pushing:
        for envelopes in subjects.values():
            pushing.create_task(push(envelopes))
    return bool(store.waiting())


def _ordered(envelopes: list[Envelope], dice: Dice) -> list[Envelope]:
    """As they stand, but for messages that overtake the one of their subject before them."""
    ordered: list[Envelope] = []
    for envelope in envelopes:
        before = next(
            (n for n, each in enumerate(ordered) if each.subject == envelope.subject), None
        )
        if before is not None and dice.fall("reorder"):
            ordered.insert(before, envelope)
        else:
            ordered.append(envelope)
    return ordered


async def _post(client: httpx.AsyncClient, signer: Signer | None, envelope: Envelope) -> str:
    """The state that 12345 confirms; empty where it confirms nothing."""
    request = client.build_request(
        "POST",
        "/v1/exchange/messages",
        content=envelope.to_json(),
        headers={"Content-Type": "application/json", "Idempotency-Key": envelope.id},
    )
    if signer is not None:
        signer.sign(request)
    try:
        answer = await client.send(request)
        receipt = answer.json()
    except (httpx.HTTPError, ValueError):
        return ""
    if (receipt.get("id"), receipt.get("content_hash")) != (envelope.id, envelope.content_hash):
        return ""
    return str(receipt.get("state", ""))
