"""The duty directory over HTTP.

GET  /v1/duty/now?line=119&region=460106    admin, supervisor, agent: who answers now
POST /v1/duty/receipts/{receipt}            whoever was told, by the one-time token of the
                                            notice; admin, supervisor, agent by their own
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Query, Request

from telephony.access import bearer_token
from voicebot.clock import BEIJING, now
from voicebot.duty.names import LINES, read_line, read_region, write_region
from voicebot.duty.notices.receipts import acknowledge, receipt_of
from voicebot.duty.notices.secret import notice_secret, token_fits
from voicebot.duty.reporting import Answering, answering_now
from voicebot.security import Principal
from voicebot.web.access import WRONG_TOKEN, Refusal, authorise, client_of, require
from voicebot.web.parameters import Moment

if TYPE_CHECKING:
    from voicebot.web.service import Service

STAFF = ("admin", "supervisor", "agent")
Staff = Annotated[Principal, Depends(require(*STAFF))]


def add_duty(app: FastAPI, service: Service) -> None:
    """Adds the endpoints of the duty directory."""
    records = service.records
    secret = notice_secret(service.settings)

    @app.get("/v1/duty/now")
    async def duty_now(
        principal: Staff,
        request: Request,
        line: Annotated[str, Query(max_length=20)],
        region: Annotated[str, Query(max_length=20)] = "",
        at: Moment | None = None,
    ) -> dict[str, Any]:
        """Who answers a line for a place, and who is told after him."""
        known, place = read_line(line), read_region(region)
        if known is None or place is None:
            what = (
                f"line: one of {', '.join(LINES)}" if known is None else "region: a GB/T 2260 code"
            )
            raise Refusal(422, {"code": "bad_request", "message": f"{what} is needed."})
        moment = (at or now()).astimezone(BEIJING)
        found = await records.read(answering_now, known, place, moment)
        _audit(request, principal, "duty.now", f"{known} {place}")
        return answering_values(found)

    @app.post("/v1/duty/receipts/{receipt}")
    async def receipt(receipt: str, request: Request) -> dict[str, Any]:
        """The notice has been seen and is being dealt with; nobody else is told any more."""
        token = bearer_token(request.headers.get("authorization"))
        told = receipt_of(receipt)
        by: str | None = None
        if told is None or not token_fits(secret, receipt, token):
            principal = await authorise(request, records, STAFF)
            by = principal.name
            if told is None:
                raise _unknown()
            _audit(request, principal, "duty.receipt", receipt)
        done = await records.transact(acknowledge, *told, by, time.time())
        if done is None:
            # A token that fits was made for a notice that is there.
            raise _unknown() if by else Refusal(401, WRONG_TOKEN)
        return done

    def _audit(request: Request, who: Principal, action: str, subject: str) -> None:
        records.audit(who, action, subject, client_of(request))


def answering_values(found: Answering) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "line": found.line,
        "region": found.region,
        "place": write_region(found.region),
        "at": found.at.isoformat(),
        "numbers": [
            {"number": each.number, "name": each.name, "region": each.region}
            for each in found.numbers
        ],
        "gap": not found.people,
        "has_rota": found.has_rota,
        "until": found.until.isoformat() if found.until is not None else None,
        "people": [
            {
                "person": each.person,
                "rank": each.rank,
                "region": each.region,
                "phone": each.phone,
                "email": each.email,
                "webhook": each.webhook,
            }
            for each in found.people
        ],
    }


def _unknown() -> Refusal:
    return Refusal(404, {"code": "not_found", "message": "There is no notice of this id."})
