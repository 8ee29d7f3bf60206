"""The stand-in's HTTP: the exchange as docs/exchange.md has it, and a door for who runs it.

    POST /v1/exchange/messages, GET /v1/exchange/messages/{id}, GET /v1/exchange/ledger
    POST /dossiers               a hand-off's dossier, as a duty desk takes it
    GET  /admin/figures          what is in the store, and how often each fault fell
    GET  /admin/effects          ids in the order in which they were applied
    PUT  /admin/faults           `Faults` from now on
    POST /admin/push             {"count", "messages"}: matters for 12345, each in so many messages

All of it asks for the stand-in's token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from telephony.access import bearer_token, same_token
from telephony.loopback_server import serve_until_stopped
from voicebot.exchange.dossier import Dossier
from voicebot.exchange.schema import MessageInvalid, read_envelope
from voicebot.exchange.schema.envelope import MAX_BYTES
from voicebot.exchange.signing import SignatureRefused, Verifier
from voicebot.exchange.stand_in.faults import Dice, Faults
from voicebot.exchange.stand_in.pushing import Hotline, push_all
from voicebot.exchange.stand_in.store import Store
from voicebot.request_body import RequestBody


class Push(RequestBody):
    """Matters to pass on."""

    count: Annotated[int, Field(ge=1, le=100_000)] = 1
    messages: Annotated[int, Field(ge=1, le=20)] = 1


def create_stand_in(
    store: Store,
    *,
    token: str,
    faults: Faults,
    hotline: Hotline | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    """The stand-in as an ASGI application.

    Parameters:
        token: bearer token that it asks for.
        hotline: where its own messages go; None: they wait.
        verifier: of 12345's signatures; None: they are not looked at.
    """
    dice = Dice(faults)
    woken = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pushing = asyncio.create_task(push_all(store, dice, hotline, woken)) if hotline else None
        yield
        if pushing is not None:
            pushing.cancel()
            with suppress(asyncio.CancelledError):
                await pushing
        store.close()

    def let_in(request: Request) -> None:
        if not same_token(bearer_token(request.headers.get("authorization")), token):
            raise HTTPException(401, "The stand-in's token is wrong or missing.")

    app = FastAPI(
        title="stand-in for 110's platform",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        dependencies=[Depends(let_in)],
        max_body_size=MAX_BYTES,
    )

    async def as_sent(request: Request) -> bytes:
        """The body of a request that the faults let through."""
        body = await request.body()
        if dice.fall("down"):
            raise HTTPException(503, "down")
        if verifier is not None:
            try:
                verifier.verify(request.method, _url(request), request.headers.items(), body)
            except SignatureRefused as error:
                raise HTTPException(401, str(error)) from None
        return body

    @app.post("/v1/exchange/messages")
    async def take(body: bytes = Depends(as_sent)) -> JSONResponse:
        try:
            envelope = read_envelope(body)
            if envelope.sender != "12345":
                raise MessageInvalid(("sender", "must be 12345"))
        except MessageInvalid as error:
            return JSONResponse({"code": error.code, "fields": error.fields}, 422)
        receipt = {"id": envelope.id, "content_hash": envelope.content_hash, "state": "applied"}
        if dice.fall("lie"):
            return JSONResponse(receipt)
        receipt["state"] = store.take(envelope, time.time())
        woken.set()
        if (lost := await _answer_lost(dice)) is not None:
            return lost
        if receipt["state"] == "conflict":
            return JSONResponse({**receipt, "code": "conflict"}, 409)
        if dice.fall("wrong_receipt"):
            receipt["content_hash"] = "0" * 64
        return JSONResponse(receipt, 200 if receipt["state"] == "applied" else 202)

    @app.post("/dossiers")
    async def take_dossier(request: Request) -> JSONResponse:
        if dice.fall("down"):
            return JSONResponse({}, 503)
        try:
            dossier = Dossier.read(await request.body())
        except (ValidationError, ValueError):
            return JSONResponse({"code": "invalid"}, 422)
        if not dice.fall("lie"):
            store.take_dossier(dossier, time.time())
            if (lost := await _answer_lost(dice)) is not None:
                return lost
        return JSONResponse({"handoff": dossier.handoff, "revision": dossier.revision}, 201)

    @app.get("/v1/exchange/ledger")
    async def ledger(
        day: str,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        _: bytes = Depends(as_sent),
    ) -> dict[str, Any]:
        return store.ledger(day, after, limit)

    @app.get("/v1/exchange/messages/{message_id:path}")
    async def message(message_id: str, _: bytes = Depends(as_sent)) -> JSONResponse:
        found = store.message(message_id)
        return JSONResponse(found or {}, 200 if found else 404)

    @app.get("/admin/figures")
    async def figures() -> dict[str, Any]:
        return {
            **store.figures(),
            "fallen": dict(dice.fallen),
            "faults": dice.faults.model_dump(),
        }

    @app.get("/admin/effects")
    async def effects() -> list[str]:
        return store.effects()

    @app.put("/admin/faults")
    async def set_faults(faults: Faults) -> dict[str, Any]:
        dice.set(faults)
        return faults.model_dump()

    @app.post("/admin/push")
    async def push(wanted: Push) -> list[str]:
        numbers = [store.push(time.time(), wanted.messages) for _ in range(wanted.count)]
        woken.set()
        return numbers

    return app


async def _answer_lost(dice: Dice) -> JSONResponse | None:
    """After something was applied: its answer comes late, or never."""
    if dice.fall("slow"):
        await asyncio.sleep(dice.faults.slow_s)
    return JSONResponse({}, 504) if dice.fall("lose_answer") else None


def _url(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["raw_path"].decode("latin-1")
    return f"http://{request.headers.get('host', '')}{path}{f'?{query}' if query else ''}"


def run_stand_in(
    file: Path,
    *,
    port: int,
    token: str,
    faults: Faults,
    hotline: Hotline | None,
    verifier: Verifier | None,
    on_listening: Callable[[str], None],
) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM; `on_listening` is told the http:// address."""

    def make() -> FastAPI:
        return create_stand_in(
            Store(file), token=token, faults=faults, hotline=hotline, verifier=verifier
        )

    serve_until_stopped(
        make,
        host="127.0.0.1",
        port=port,
        on_listening=lambda address: on_listening(address.replace("ws://", "http://", 1)),
    )
