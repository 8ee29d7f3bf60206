"""The exchange with 110 as HTTP; docs/exchange.md explains it to the other side's engineers.

    POST /v1/exchange/messages          110: a message for us
    GET  /v1/exchange/messages/{id}     110, admin, supervisor: a message of either side
    GET  /v1/exchange/ledger            the same: the messages of a day, for reconciliation
    GET  /v1/exchange/reconciliations               admin, supervisor: the newest ones
    GET  /v1/exchange/reconciliations/{number}.html the same: one of them as a page for people

110's platform shows its token and signs each request (`voicebot.exchange.signing`) as soon
as the settings name a key of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.orm import Session

import voicebot.tickets.exchange  # noqa: F401 - what is done with what comes in
from voicebot.clock import today
from voicebot.exchange import nonces, reading
from voicebot.exchange.inbox import Delivery, receive
from voicebot.exchange.keys import read_keys
from voicebot.exchange.reconciliation import page, queue
from voicebot.exchange.schema import Envelope, MessageInvalid, read_envelope
from voicebot.exchange.schema.envelope import MAX_BYTES
from voicebot.exchange.signing import SignatureRefused, Verified, Verifier
from voicebot.request_body import MOST_ROWS
from voicebot.security import Principal
from voicebot.web.access import Refusal, client_of, require
from voicebot.web.parameters import Day, RowNumber
from voicebot.web.service import Service

log = structlog.get_logger()

MOST_LINES = 5000
"""Of the ledger, in one page."""

Police = Annotated[Principal, Depends(require("110"))]
Supervisor = Annotated[Principal, Depends(require("admin", "supervisor"))]
Reader = Annotated[Principal, Depends(require("110", "admin", "supervisor"))]

_STATUS = {"applied": 200, "waiting": 202, "conflict": 409, "refused": 422}


def add_exchange(app: FastAPI, service: Service) -> None:
    """Adds the endpoints of the exchange.

    Raises:
        KeyUnusable: the file of a key of 110 cannot be used.
    """
    records = service.records
    theirs = {
        name: key for name, key in service.settings.exchange.keys.items() if key.owner == "110"
    }
    verifier = (
        Verifier(read_keys(theirs), skew_s=service.settings.exchange.clock_skew_s)
        if theirs
        else None
    )

    def signed(request: Request, principal: Principal, body: bytes = b"") -> Verified | None:
        if verifier is None or principal.role != "110":
            return None
        return verifier.verify(request.method, _as_sent(request), request.headers.items(), body)

    async def check_signature(request: Request, principal: Principal) -> None:
        """Of what only reads."""
        with refusals(request, principal):
            if (found := signed(request, principal)) is not None:
                await records.transact(nonces.use, found)

    @contextmanager
    def refusals(request: Request, principal: Principal) -> Iterator[None]:
        try:
            yield
        except SignatureRefused as refusal:
            records.audit(
                principal, "exchange.unsigned", request.url.path, client_of(request), allowed=False
            )
            raise Refusal(401, {"code": refusal.code, "message": str(refusal)}) from None

    @app.post(
        "/v1/exchange/messages",
        max_body_size=MAX_BYTES,
        responses={
            200: {"description": "Applied; the same answer each time that it is sent."},
            202: {"description": "Kept; it waits for an earlier one of its subject."},
            409: {"description": "Its id or its place is that of other content."},
            422: {"description": "It does not follow the schema, or cannot be taken."},
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object"}}},
                "description": "An envelope: docs/exchange/*.json.",
            }
        },
    )
    async def take(request: Request, principal: Police) -> JSONResponse:
        """Takes a message of 110's: kept before it is answered, applied once and in order."""
        body = await request.body()
        with refusals(request, principal):
            signature = signed(request, principal, body)
            try:
                envelope = await asyncio.to_thread(read_envelope, body)
                if envelope.sender != "110":
                    raise MessageInvalid(("sender", "must be 110: what we have sent is not for us"))
            except MessageInvalid as error:
                log.warning("exchange_malformed", fields=error.fields)
                return JSONResponse(
                    {"code": error.code, "message": str(error), "fields": error.fields}, 422
                )
            delivery = await records.transact(_take, envelope, signature, at=time.time())
        records.audit(principal, "exchange.receive", envelope.id, client_of(request))
        return _answer(delivery)

    # Before the next, whose id takes in whatever follows.
    @app.get("/v1/exchange/ledger")
    async def ledger(
        request: Request,
        principal: Reader,
        day: Annotated[Day | None, Query(description="In Hainan; today by default.")] = None,
        after: Annotated[
            int, Query(ge=0, le=MOST_ROWS, description="`next` of the page before.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 1000,
    ) -> dict[str, Any]:
        """The messages that either side sent on a day, in pages; it holds no matter itself."""
        await check_signature(request, principal)
        day = day or today()
        found = await records.read(reading.ledger, day, after, limit)
        records.audit(principal, "exchange.ledger.read", day.isoformat(), client_of(request))
        return found

    @app.get("/v1/exchange/messages/{message_id:path}")
    async def message(message_id: str, request: Request, principal: Reader) -> JSONResponse:
        """A message as it was sent, for who has lost it."""
        await check_signature(request, principal)
        found = await records.read(reading.message, message_id)
        records.audit(principal, "exchange.message.read", message_id, client_of(request))
        if found is None:
            raise Refusal(404, {"code": "not_found", "message": "There is no message of this id."})
        return JSONResponse(found)

    @app.get("/v1/exchange/reconciliations")
    async def reconciliations(
        _: Supervisor, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> list[dict[str, Any]]:
        """The newest reconciliations, newest first; times are seconds since the epoch."""
        return await records.read(queue.runs, limit)

    @app.get("/v1/exchange/reconciliations/{number}.html", response_class=HTMLResponse)
    async def reconciliation(
        number: RowNumber, request: Request, principal: Supervisor
    ) -> HTMLResponse:
        """One reconciliation, and what has become of the differences of its days."""
        found = await records.read(page.report, number)
        if found is None:
            raise Refusal(404, {"code": "not_found", "message": f"No reconciliation {number}."})
        records.audit(principal, "exchange.reconciliation.read", str(number), client_of(request))
        return HTMLResponse(found, headers={"Cache-Control": "no-store"})


def _take(
    session: Session, envelope: Envelope, signature: Verified | None, *, at: float
) -> Delivery:
    if signature is not None:
        nonces.use(session, signature)
    return receive(session, envelope, at=at)


def _answer(delivery: Delivery) -> JSONResponse:
    """The receipt, or what is wrong and with which field."""
    receipt = {
        "id": delivery.id,
        "content_hash": delivery.content_hash,
        "state": delivery.state,
        "received_at": delivery.received_at,
    }
    if delivery.state in ("conflict", "refused"):
        receipt |= {
            "code": f"exchange.{delivery.state}",
            "message": delivery.reason,
            "fields": [delivery.reason.partition(":")[0]],
        }
    return JSONResponse(receipt, _STATUS[delivery.state])


def _as_sent(request: Request) -> str:
    """The URL with its path as it was written: the signature covers that."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}{path}{f'?{query}' if query else ''}"
