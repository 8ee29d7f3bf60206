"""The records as the application uses them: every write goes through one writer thread.

Each writing method queues its write at once and returns something to await, or to
leave alone: True means that the write is safe in the database or in the spool, False
that it is in neither. Nothing here raises because a disk is full or a database is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from telephony.dialing import DutyDirectory
from voicebot.accounts.sessions import Sessions
from voicebot.config import Settings
from voicebot.records import duty, reading
from voicebot.records.claiming import claim
from voicebot.records.database import migrate, open_engine, reason
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.readdressing import readdress
from voicebot.records.spool import Operation, Spool
from voicebot.records.writer import Write, Writer, confirm
from voicebot.security import Principal, token_store
from voicebot.tracing.current import TRACE
from voicebot.webhooks.telling import subscribe

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

URGENT_DATABASE_S = 0.03
"""A hand-off waits this long for the database before it is kept in the spool as well …"""
URGENT_SPOOL_S = 0.02
"""… and this long more, 50 ms in all (DESIGN.md, Hand-off), before the call goes on."""
ORDINARY_DATABASE_S = 1.0
ORDINARY_SPOOL_S = 1.0
OPEN_TIMEOUT_S = 10.0
TRANSACT_S = 5.0
"""How long an act of a person waits for other writers."""

READERS, COUNTERS, ACTS, CLAIMS, TASKS, PROMPT = 8, 2, 4, 1, 8, 2
"""Threads that read, that count for seconds, that do people's acts, that claim messages of the
outbox, that work for the service's own tasks, of which none waits for another, and that ask what
a call wants to know at once; the connections of their engines suffice."""

ASKED_S = 1.0
"""How long a call that is offered waits for what the database knows of it."""


class Records:
    """Calls, event logs, transcripts, tickets, hand-offs, audit.

    Use ``await Records.open(settings)`` and ``await records.close()``. Writing methods
    must be called from a running event loop; reading ones raise RecordsUnavailable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        urgent_s: tuple[float, float] | None = None,
        run_id: str = "",
    ) -> None:
        self._settings = settings
        self._url = settings.database_url
        self._urgent = urgent_s or (URGENT_DATABASE_S, URGENT_SPOOL_S)
        self._ordinary = (ORDINARY_DATABASE_S, ORDINARY_SPOOL_S)
        self._spool = Spool(settings.paths.state / "spool")
        self._reader = open_engine(self._url)
        self.tokens = token_store(settings)
        self.sessions = Sessions(self, settings.accounts)
        self._writer_engine = open_engine(self._url, writes=True)
        self._transactions = open_engine(self._url, writes=True, patience_s=TRANSACT_S)
        self._writer = Writer(self._writer_engine, self._spool, self._prepare, self._tell_written)
        # Apart from the writer's thread, which a hanging database may hold.
        self._spooler = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="spool-sync")
        self._unkept: deque[Write] = deque()
        # Apart from each other and from the loop's own threads, which name servers may hold: a
        # call waits neither for people's acts and figures nor for the network.
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="records-read")
        self._counting = ThreadPoolExecutor(COUNTERS, thread_name_prefix="records-count")
        self._acting = ThreadPoolExecutor(ACTS, thread_name_prefix="records-act")
        self._claiming = ThreadPoolExecutor(CLAIMS, thread_name_prefix="records-claim")
        self._working = ThreadPoolExecutor(TASKS, thread_name_prefix="records-task")
        self._prompt = ThreadPoolExecutor(PROMPT, thread_name_prefix="records-prompt")
        self._tasks: set[asyncio.Task[bool]] = set()
        self._on_written: list[Callable[[], None]] = []
        self._process = uuid.uuid4().hex
        self.run_id = run_id or self._process
        """Of this process, in the calls that it puts on record."""

    @classmethod
    async def open(cls, settings: Settings, run_id: str = "") -> Records:
        """Bring the database up to date and replay the spool; goes on without either.

        Parameters:
            run_id: of this process among the others; "" makes one.

        Raises:
            RecordsUnavailable: only if database.url itself makes no sense.
        """
        records = cls(settings, run_id=run_id)
        records._writer.start()
        await asyncio.to_thread(records._writer.first_attempt.wait, OPEN_TIMEOUT_S)
        return records

    async def close(self) -> None:
        """Write what is queued and close the database."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._writer.stop)
        self._spooler.shutdown()
        self._syncer.shutdown()
        for threads in (
            self._readers, self._counting, self._acting, self._claiming, self._working,
            self._prompt,
        ):  # fmt: skip
            threads.shutdown(wait=False)
        self._reader.dispose()
        self._transactions.dispose()
        self.tokens.close()

    @property
    def available(self) -> bool:
        """The database takes writes and the spool is empty."""
        return self._writer.available and not self._spool.waiting

    def on_written(self, callback: Callable[[], None]) -> None:
        """Call this as well after each transaction, from whatever thread wrote it."""
        self._on_written.append(callback)

    # ── writing ───────────────────────────────────────────────────────────────────

    def start_call(
        self,
        call_id: str,
        caller: str,
        did: str,
        started_at: float,
        recording: str = "",
        offered_at: float | None = None,
        offer_key: str | None = None,
    ) -> Awaitable[bool]:
        """False as well where another call of this id is on record.

        `offered_at`: when the line rang; `started_at`: when it was answered; `offer_key`: as
        `voicebot.admission.offer_key` has it.
        """
        return self._write(
            "start_call",
            call_id=call_id,
            caller=caller,
            did=did,
            started_at=started_at,
            recording=recording,
            offered_at=offered_at,
            run=self.run_id,
            offer_key=offer_key,
        )

    def refuse_call(
        self, call_id: str, did: str, reason: str, at: float, offer_key: str | None = None
    ) -> Awaitable[bool]:
        """A call that was offered and not answered; it counts in the figures, unless another node
        has answered it (`voicebot.figures.refusals`).
        """
        return self._write(
            "refuse_call", call_id=call_id, did=did, reason=reason, at=at, offer_key=offer_key
        )

    def note_diverted(
        self,
        call_id: str,
        did: str,
        at: float,
        *,
        call_back: bool,
        became: str = "",
        became_at: float | None = None,
    ) -> Awaitable[bool]:
        """A call given to people unanswered, and what became of it (`DivertedCallRow`)."""
        return self._write(
            "note_diverted",
            call_id=call_id,
            did=did,
            at=at,
            call_back=call_back,
            became=became,
            became_at=became_at,
        )

    def finish_call(
        self, call_id: str, outcome: str, ended_at: float, region: str | None = None
    ) -> Awaitable[bool]:
        return self._write(
            "finish_call", call_id=call_id, outcome=outcome, ended_at=ended_at, region=region
        )

    def break_off_call(
        self, call_id: str, at: float, *, call_back_at: float | None = None
    ) -> Awaitable[bool]:
        """The end of a call of this process's that was killed; `at` is now, seconds since the
        epoch (`breaking_off.break_off_call`).
        """
        return self._write("break_off_call", call_id=call_id, at=at, call_back_at=call_back_at)

    def call_goes_on(self, call_id: str, at: float) -> Awaitable[bool]:
        """Another process may have ended this call on record while this one was not heard."""
        return self._write("call_goes_on", call_id=call_id, at=at)

    def append(self, call_id: str, rows: Sequence[Mapping[str, Any]]) -> Awaitable[bool]:
        """Rows of the event log: ``{"seq", "at", "direction", "kind", "payload"}``.

        `kind` and `payload` are as `codec.encode` makes them; `seq` counts up in a call.
        """
        packed = [
            [row["seq"], row["at"], row["direction"], row["kind"], row["payload"]] for row in rows
        ]
        return self._write("append", call_id=call_id, rows=packed)

    def add_turn(self, call_id: str, seq: int, turn: Mapping[str, Any]) -> Awaitable[bool]:
        """A turn or its newer state: ``{"side", "text", "start", "end", "entry"?, "final"?}``."""
        return self._write(
            "add_turn",
            call_id=call_id,
            seq=seq,
            side=turn["side"],
            text=turn["text"],
            start=turn["start"],
            end=turn["end"],
            entry=turn.get("entry"),
            final=turn.get("final", True),
        )

    def open_handoff(
        self, handoff: Mapping[str, Any], dossier: Mapping[str, Any]
    ) -> Awaitable[bool]:
        """The hand-off and the message that announces it, in one transaction; within 50 ms.

        Parameters:
            handoff: ``{"destination", "requested_at", …}``; the rest is read from the dossier.
            dossier: `Dossier.model_dump(mode="json")`.
        """
        return self._write(
            "write_dossier",
            self._urgent,
            destination=handoff["destination"],
            dossier=dict(dossier),
            at=handoff["requested_at"],
        )

    def update_dossier(self, handoff: str, dossier: Mapping[str, Any]) -> Awaitable[bool]:
        """A newer revision; it supersedes what was not delivered yet."""
        return self._write("update_dossier", handoff=handoff, dossier=dict(dossier), at=time.time())

    def handoff_state(
        self, handoff: str, destination: str, state: str, at: float
    ) -> Awaitable[bool]:
        """Progress of a leg, `flows.events.LegState`; `at` in seconds since the epoch."""
        return self._write(
            "handoff_state", handoff=handoff, destination=destination, state=state, at=at
        )

    def handoff_returned(self, handoff: str, at: float) -> Awaitable[bool]:
        """110 has given the caller back; `at` in seconds since the epoch."""
        return self._write("handoff_returned", handoff=handoff, at=at)

    def notify_line(self, line: str, handoff: str, dossier: Mapping[str, Any]) -> Awaitable[bool]:
        """A notice with the dossier to the duty number of another line (119, power …)."""
        return self._write(
            "notify_line", line=line, handoff=handoff, dossier=dict(dossier), at=time.time()
        )

    def save_ticket(self, ticket: Mapping[str, Any]) -> Awaitable[bool]:
        """``{"id", "call_id", "matter", "place", "name", "number", "region", "department"}``."""
        values = {name: value for name, value in ticket.items() if name != "id"}
        return self._write("save_ticket", ticket=ticket["id"], at=time.time(), **values)

    def delivered(self, outbox: int) -> Awaitable[bool]:
        return self._write("delivered", outbox=outbox, at=time.time())

    def delivery_failed(
        self, outbox: int, attempts: int, next_attempt_at: float, error: str
    ) -> Awaitable[bool]:
        return self._write(
            "delivery_failed",
            outbox=outbox,
            attempts=attempts,
            next_attempt_at=next_attempt_at,
            error=error,
        )

    def note_nuisance(self, call_id: str, number: str, reason: str, at: float) -> Awaitable[bool]:
        """A call counts as nuisance (`voicebot.callers.nuisance`)."""
        return self._write("note_nuisance", call_id=call_id, number=number, reason=reason, at=at)

    def note_missed(self, missed: Mapping[str, Any]) -> Awaitable[bool]:
        """``{"call_id", "number", "did", "at", "why", "danger", "next_try_at"}``."""
        return self._write("note_missed", **missed)

    def called_back(self, number: str, at: float, *, heard: bool) -> Awaitable[bool]:
        """A call-back of missed calls, answered at `at` (epoch), is over."""
        return self._write("called_back", number=number, at=at, heard=heard)

    def save_evaluation(self, evaluation: Mapping[str, Any]) -> Awaitable[bool]:
        """``{"call_id", "number", "ticket", "at", "score", "via"}``; without a score: was asked."""
        return self._write("save_evaluation", **evaluation)

    def appeal_limit(self, number: str, ticket: str, words: str, at: float) -> Awaitable[bool]:
        """A limited caller appeals; the words are in the ticket too."""
        return self._write("appeal_limit", number=number, ticket=ticket, words=words, at=at)

    def note_surge_decision(self, decision: Mapping[str, Any]) -> Awaitable[bool]:
        """Why a call went where it went (`voicebot.surge.decisions.kept`)."""
        return self._write("note_surge_decision", **decision)

    def touch_session(self, key: str, at: float) -> Awaitable[bool]:
        """A person was active in a browser's session (`voicebot.accounts.sessions`)."""
        return self._write("touch_session", key=key, at=at)

    def audit(
        self,
        principal: Principal | None,
        action: str,
        subject: str = "",
        client: str = "",
        *,
        allowed: bool = True,
    ) -> Awaitable[bool]:
        """A privileged act, or one that was refused."""
        return self._write(
            "audit",
            at=time.time(),
            principal=principal.name if principal else "",
            role=principal.role if principal else "",
            action=action,
            subject=subject,
            client=client,
            allowed=allowed,
        )

    async def transact(
        self, work: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """`work(session, …)` in one writing transaction; for people's acts, not for a call's.

        What it raises takes everything back and is raised here. Where somebody else made the same
        row at the same moment it is done again, and finds that row.

        Raises:
            RecordsUnavailable: the database could not be written within `TRANSACT_S`.
        """
        done = await self._act(self._acting, work, *arguments, **named)
        self._tell_written()
        return done

    async def in_background(
        self, work: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """As `transact`, for the service's own tasks: no person waits for their threads."""
        done = await self._act(self._working, work, *arguments, **named)
        self._tell_written()
        return done

    async def promptly(
        self, work: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """As `transact`, of what is quick and wanted at once: no other work is ahead of it."""
        return await self._act(self._prompt, work, *arguments, **named)

    # ── reading ───────────────────────────────────────────────────────────────────

    async def read(
        self, query: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """`query(session, …)`, of an area that has tables of its own; it can write nothing."""
        return await self._read(query, *arguments, **named)

    async def count(
        self, query: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """As `read`, of what takes seconds: figures wait for each other, and nothing for them."""
        return await self._in_threads(self._counting, query, *arguments, **named)

    @staticmethod
    async def unless_slow(asked: Awaitable[T], known: T | None) -> T | None:
        """What is asked for; after `ASKED_S` what is known of it already, if anything is."""
        try:
            async with asyncio.timeout(ASKED_S if known is not None else None):
                return await asked
        except TimeoutError:
            return known

    async def call(self, call_id: str) -> dict[str, Any] | None:
        """The complete record of a call (`voicebot.records.reading.call`); None: not known."""
        return await self._read(reading.call, call_id)

    async def known(self, call_id: str) -> bool:
        """A call of this id is on record; False as well when the database is away."""
        try:
            async with asyncio.timeout(ASKED_S):
                return await self._read(reading.known, call_id)
        except (RecordsUnavailable, TimeoutError):
            return False

    async def calls(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest calls, newest first."""
        return await self._read(reading.calls, limit)

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        """The event log in order: ``{"seq", "at", "direction", "kind", "payload"}``."""
        return await self._read(reading.events, call_id)

    async def handoff(self, handoff: str) -> dict[str, Any] | None:
        """A hand-off with its dossier and what became of its messages."""
        return await self._read(reading.handoff, handoff)

    async def last_region(self, caller: str) -> str | None:
        """The last region that this number's caller confirmed; None if unknown or away."""
        try:
            async with asyncio.timeout(ASKED_S):
                return await self._read(reading.last_region, caller)
        except (RecordsUnavailable, TimeoutError):
            return None

    async def outbox(
        self, now: float, *, skip: Collection[int] = (), per_address: int = 8
    ) -> list[dict[str, Any]]:
        """Messages that are due but for those of `skip` (`voicebot.records.reading.outbox`).

        Where processes may share the database, those that are no other's.
        """
        due = await self._read(reading.outbox, now, skip, per_address)
        if not due or self._reader.dialect.name == "sqlite":
            return due
        return await self._act(self._claiming, claim, now, skip, per_address, self._process)

    async def duty_directory(self) -> DutyDirectory:
        """The numbers that may be dialled; as delivered, where the database is away.

        A row that cannot stand is left out and said: one mistake must not close the line.
        """
        try:
            rows = await self.duty_numbers()
        except RecordsUnavailable:
            rows = []
        return DutyDirectory(duty.sound(rows or duty.seed(self._settings.handoff)))

    async def duty_numbers(self) -> list[dict[str, Any]]:
        """The rows of the directory, in force or not."""
        return await self._read(reading.duty_numbers)

    async def principal(self, token: str | None) -> Principal | None:
        """Whose token this is; None for no valid token.

        Of a database that is slow nobody is kept waiting whose token was read before.
        """
        asked = asyncio.get_running_loop().run_in_executor(
            self._readers, self.tokens.principal, token
        )
        return await self.unless_slow(asked, self.tokens.remembered(token))

    async def token_fits(self, token: str, roles: Collection[str]) -> bool:
        """The token is valid and has one of these roles."""
        found = await self.principal(token)
        return found is not None and found.role in roles

    # ── how ───────────────────────────────────────────────────────────────────────

    async def _act(
        self,
        threads: ThreadPoolExecutor,
        work: Callable[Concatenate[Session, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """As `transact`, by one of these threads, and tells nobody."""

        def once() -> T:
            with Session(self._transactions) as session, session.begin():
                return work(session, *arguments, **named)

        def run() -> T:
            try:
                return once()
            except IntegrityError:
                return once()

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, run)
        except SQLAlchemyError as error:
            raise RecordsUnavailable(
                f"The database cannot be written just now: {reason(error)}."
            ) from None

    def _write(
        self, operation: str, patience: tuple[float, float] | None = None, /, **args: Any
    ) -> Awaitable[bool]:
        write = Write({"op": operation, "args": args})
        queued = self._writer.submit(write)
        confirmed = self._confirmed(write, queued, patience or self._ordinary)
        trace = TRACE.get()
        return self._spawn(confirmed if trace is None else trace.writing(operation, confirmed))

    async def _confirmed(self, write: Write, queued: bool, patience: tuple[float, float]) -> bool:
        """True as soon as either the database's thread or the spool has it."""
        waiting: set[asyncio.Future[bool]] = set()
        if queued:
            in_database = asyncio.wrap_future(write.confirmed)
            await asyncio.wait({in_database}, timeout=patience[0])
            if in_database.done():
                return in_database.result()
            waiting.add(in_database)
        waiting.add(asyncio.wrap_future(self._to_spool(write.operation)))
        deadline = time.monotonic() + patience[1]
        while waiting:
            left = max(0.0, deadline - time.monotonic())
            done, waiting = await asyncio.wait(
                waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if any(future.result() for future in done):
                return True
            if not done:
                break
        log.error("write_unconfirmed", operation=write.operation["op"])
        return False

    def _to_spool(self, operation: Operation) -> Future[bool]:
        write = Write(operation)
        self._unkept.append(write)
        self._spooler.submit(self._spool_all)
        return write.confirmed

    def _spool_all(self) -> None:
        """Whatever waits for the spool by now. On a full machine a sync takes long: nothing waits
        with being written for that of others, so that only a power cut can lose it.
        """
        taken: list[Write] = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._unkept.popleft())
        if not taken:
            return
        handle = self._spool.write([write.operation for write in taken])
        if handle is None:
            confirm(taken, False)
        else:
            self._syncer.submit(lambda: confirm(taken, self._spool.sync(handle)))

    def _spawn(self, work: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read(
        self, query: Callable[Concatenate[Session, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        return await self._in_threads(self._readers, query, *arguments, **named)

    async def _in_threads(
        self,
        threads: ThreadPoolExecutor,
        query: Callable[Concatenate[Session, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        def run() -> T:
            with Session(self._reader) as session, session.begin():
                return query(session, *arguments, **named)

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, run)
        except SQLAlchemyError as error:
            raise RecordsUnavailable(
                f"The database cannot be read just now: {reason(error)}."
            ) from None

    def _prepare(self) -> None:
        migrate(self._url)
        with Session(self._writer_engine) as session, session.begin():
            duty.write_seed(session, self._settings.handoff)
            readdress(session, time.time())
            if "worker" in self._settings.server.roles:  # whose settings name the receivers
                subscribe(session, self._settings.webhooks)

    def _tell_written(self) -> None:
        for callback in self._on_written:
            callback()
