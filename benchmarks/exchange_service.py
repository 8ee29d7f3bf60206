"""Both sides of the exchange as the trial's processes; ours can be told to die, and when.

Records, both outboxes, inbox and HTTP are the service's own; models and telephony are left
out. It kills itself (SIGKILL) when it comes to a step for the n-th time. The trial's own
door lets its clock jump and its disk be full. The other side is `voicebot exchange
stand-in`, without its command line.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_real_time = time.time
_clock = SimpleNamespace(ahead=0.0)
# Before anything else takes a reference to it.
time.time = lambda: _real_time() + _clock.ahead

from fastapi import FastAPI, HTTPException  # noqa: E402
from sqlalchemy import text  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

import voicebot.web.exchange as web  # noqa: E402
from telephony.loopback_server import LoopbackServer  # noqa: E402
from voicebot.clock import BEIJING  # noqa: E402
from voicebot.config import Settings, load_settings  # noqa: E402
from voicebot.errors import VoicebotError  # noqa: E402
from voicebot.exchange import due, inbox, sending  # noqa: E402
from voicebot.exchange.dossier import Dossier  # noqa: E402
from voicebot.exchange.keys import read_keys  # noqa: E402
from voicebot.exchange.outbox import OutboxWorker  # noqa: E402
from voicebot.exchange.platform import Platform  # noqa: E402
from voicebot.exchange.schema import Envelope, PoliceOrder, Status  # noqa: E402
from voicebot.exchange.signing import Verifier  # noqa: E402
from voicebot.exchange.stand_in.app import run_stand_in  # noqa: E402
from voicebot.exchange.stand_in.faults import Faults  # noqa: E402
from voicebot.exchange.stand_in.pushing import Hotline  # noqa: E402
from voicebot.exchange.worker import EnvelopeWorker  # noqa: E402
from voicebot.records.store import Records  # noqa: E402

TOKEN, HOTLINE_TOKEN = "stand-in's token", "token of role 110"
DESK = "110-460100"
"""海口's 110 in the duty directory."""
KINDS = (
    "ticket", "police_order", "status", "receipt", "feedback", "evaluation", "supervision",
)  # fmt: skip

STEPS = (
    "writing",  # an order is in the transaction, which is not committed
    "written",  # it is committed, and nobody has been told
    "claiming",  # the outbox has taken it, and that is not committed
    "claimed",  # nothing has been sent
    "posted",  # 110 has answered, and nothing is written down
    "settling",  # the answer is in the transaction
    "receiving",  # 110's message is applied in the transaction
    "received",  # it is committed, and 110 has not been answered
)


class Death:
    """Comes at one step."""

    def __init__(self, step: str = "", count: int = 0) -> None:
        self._step, self._left = step, count

    def at(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def after(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = function(*arguments, **named)
            self.at(step)
            return result

        return call

    def around(self, function: Callable[..., Any], before: str, then: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.at(before)
            result = await function(*arguments, **named)
            self.at(then)
            return result

        return call


def effect(session: Session, envelope: Envelope, at: float) -> None:
    """What a message of 110's does here: a row for each time that it is applied."""
    session.execute(text("INSERT INTO trial_effect (id) VALUES (:id)"), {"id": envelope.id})


def write_order(session: Session, order: str, at: float) -> list[str]:
    """A police order, and every third time a state of it; the ids of the messages."""
    moment = datetime.fromtimestamp(at, BEIJING)
    first = sending.send(
        session,
        PoliceOrder(number=order, created_at=moment, reason="有人打架", category=1),
        subject=order,
        at=at,
        id=f"12345:police_order:{order}:1",
    )
    ids = [first.id]
    if int(order.rpartition("-")[2]) % 3 == 0:
        later = Status(state="escalated", at=moment, note="来电人补充情况")
        name = f"12345:status:{order}:2"
        ids.append(sending.send(session, later, subject=order, at=at, id=name).id)
    return ids


async def write_handoff(records: Records, handoff: str, at: float) -> bool:
    """A live transfer, whose dossier grows once."""
    first, second = (
        Dossier(
            handoff=handoff,
            revision=revision,
            call_id=f"C-{handoff}",
            caller="13800138000",
            did="12345",
            category=4,
            created_at=datetime.fromtimestamp(at + revision, BEIJING),
        ).model_dump(mode="json")
        for revision in (1, 2)
    )
    opened = await records.open_handoff({"destination": DESK, "requested_at": at}, first)
    return opened and await records.update_dossier(handoff, second)


def trial_app(settings: Settings, records: Records, death: Death) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.records = records
    web.add_exchange(app, SimpleNamespace(settings=settings, records=records))  # type: ignore[arg-type]

    @app.post("/trial/orders/{order}")
    async def order(order: str) -> list[str]:
        try:
            ids = await records.transact(write_order, order, time.time())
        except VoicebotError as error:
            raise HTTPException(503, str(error)) from None
        death.at("written")
        return ids

    @app.post("/trial/handoffs/{handoff}")
    async def open_handoff(handoff: str, at: float) -> list[str]:
        if not await write_handoff(records, handoff, at):
            raise HTTPException(503, "not written")
        death.at("written")
        return [f"12345:handoff:{handoff}:2"]

    @app.get("/trial/ready")
    async def ready() -> None:
        pass

    @app.post("/trial/clock")
    async def clock(ahead: float) -> None:
        _clock.ahead = ahead

    @app.post("/trial/disk")
    async def disk(full: bool) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else most, most))

    return app


def note_effects() -> None:
    """In this process what 110 sends does nothing but leave its trace."""
    for kind in KINDS:
        inbox.HANDLERS[kind] = effect


def set_traps(death: Death) -> None:
    note_effects()
    sending.send = death.after(sending.send, "writing")
    due.claim = death.after(due.claim, "claiming")
    due.settle = death.after(due.settle, "settling")
    web.receive = death.after(web.receive, "receiving")  # type: ignore[attr-defined]
    answer = web._answer

    def answered(*arguments: Any) -> Any:
        death.at("received")
        return answer(*arguments)

    web._answer = answered
    for worker, name in ((Platform, "post"), (OutboxWorker, "_post")):
        setattr(worker, name, death.around(getattr(worker, name), "claimed", "posted"))


def run_service(config: Path, port: int, step: str, count: int) -> None:
    """The target of our process; dies at `step` for the `count`-th time, or when it is killed."""
    _say_nothing()
    asyncio.run(_serve(load_settings(config), port, Death(step, count)))


async def _serve(settings: Settings, port: int, death: Death) -> None:
    records = await Records.open(settings)
    if await asyncio.to_thread(records.tokens.principal, HOTLINE_TOKEN) is None:
        await asyncio.to_thread(records.tokens.put_on_record, HOTLINE_TOKEN, "110", "110")
    await records.transact(
        lambda session: session.execute(text("CREATE TABLE IF NOT EXISTS trial_effect (id TEXT)"))
    )
    set_traps(death)
    workers = (
        EnvelopeWorker(records, Platform(settings.exchange), alarm_s=3600).run(),
        OutboxWorker(records, TOKEN).run(),
    )
    async with LoopbackServer(trial_app(settings, records, death), port=port):
        await asyncio.gather(*workers)


def run_platform(config: Path, port: int, hotline_port: int, faults: dict[str, Any]) -> None:
    """The target of 110's process."""
    _say_nothing()
    settings = load_settings(config)
    keys = read_keys(settings.exchange.keys)
    ours = {name: key for name, key in keys.items() if key.owner == "12345"}
    theirs = {name: key for name, key in keys.items() if key.owner == "110"}
    run_stand_in(
        settings.paths.state / "110.db",
        port=port,
        token=TOKEN,
        faults=Faults.model_validate(faults),
        hotline=Hotline(f"http://127.0.0.1:{hotline_port}", HOTLINE_TOKEN, theirs),
        verifier=Verifier(ours),
        on_listening=lambda address: None,
    )


def _say_nothing() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
