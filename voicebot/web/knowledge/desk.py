"""What the endpoints and pages of the knowledge base share: roles, work in hand, and faults."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request

from asr.errors import AsrError
from kb.errors import FileNotReadable, FormRefused, KbError, Outdated, UnknownEntry
from kb.ledger import Act
from voicebot import security
from voicebot.call.engines import step_back
from voicebot.errors import VoicebotError
from voicebot.knowledge_desk.gaps import GapWatch
from voicebot.knowledge_desk.importing import Imports, PreviewGone
from voicebot.knowledge_desk.publishing import Publications
from voicebot.knowledge_desk.reasons import in_chinese
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.tables import AuditRow
from voicebot.security import Principal
from voicebot.web.access import Refusal, require

if TYPE_CHECKING:
    from voicebot.records.store import Records
    from voicebot.web.service import Service

READERS = ("admin", "supervisor", "agent", *security.EDITORS)
EDITORS = ("admin", *security.EDITORS)
REVIEWERS = ("admin", *security.REVIEWERS)

Reader = Annotated[Principal, Depends(require(*READERS))]
Editor = Annotated[Principal, Depends(require(*EDITORS))]
Reviewer = Annotated[Principal, Depends(require(*REVIEWERS))]

AT_ONCE = 8
"""Searches at work together; one more is told to come again."""
AT_LEISURE = 4
"""The same of what takes seconds: publications wait behind it."""
THREADS = 2
"""For what takes seconds: rendering, reading files, comparing questions."""

_STATUS_OF: dict[type[Exception], int] = {
    UnknownEntry: 404,
    PreviewGone: 404,
    Outdated: 412,
    FileNotReadable: 422,
}
NO_VERSION = {
    "code": "kb.no_version",
    "message": "Send the ETag that you read as If-Match, so that nobody's work is overwritten.",
}
BUSY = {"code": "busy", "message": "Too much is asked for at once; ask again in a second."}

P = ParamSpec("P")
T = TypeVar("T")


class Places:
    """So many are served together; who finds no place is told to come again."""

    def __init__(self, free: int) -> None:
        self._free = free

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for as long as the block lasts.

        Raises:
            Refusal: 503, there is none.
        """
        if not self._free:
            raise Refusal(503, BUSY, {"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Desk:
    """Parameters:
    service: whose knowledge base it is.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        # Its threads let those of the calls go first.
        self._executor = ThreadPoolExecutor(
            THREADS, thread_name_prefix="knowledge-desk", initializer=step_back
        )
        records = service.records
        self.publications = Publications(records, lambda: service.engines, self._executor)
        self.imports = Imports(records, self._executor)
        self.gaps = GapWatch(records, lambda: service.engines, self._executor)
        self._leisure, self._once = Places(AT_LEISURE), Places(AT_ONCE)

    @property
    def records(self) -> Records:
        return self.service.records

    async def at_leisure(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """`work(…)` in a thread that calls go before.

        Raises:
            Refusal: 503, there is too much.
        """
        with self._leisure.one():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(work, *args, **named))

    async def at_once(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """`work(…)` in a thread, for somebody who waits some milliseconds.

        Raises:
            Refusal: 503, there are too many.
        """
        with self._once.one():
            return await asyncio.to_thread(work, *args, **named)

    def audit(self, request: Request, who: Principal, action: str, subject: str = "") -> None:
        """Put on record what was read; acts bring a row of their own."""
        self.records.audit(who, action, subject, client_of(request))


def act_of(who: Principal, why: str) -> Act:
    """What the knowledge base keeps of who does something."""
    return Act(who.name, why, f"{who.role} {who.token_id}"[:100])


def audit_row(request: Request, who: Principal, action: str, subject: str = "") -> AuditRow:
    """For the transaction of the act itself."""
    return security.audit_row(who, action, subject, client_of(request), time.time())


def a_file(*media_types: str) -> dict[str, Any]:
    """What the OpenAPI document says of a body that is a file."""
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}
    return {"requestBody": {"required": True, "content": content}}


def client_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


@contextmanager
def refused(request: Request | None = None) -> Iterator[None]:
    """What the knowledge base complains of becomes an answer with a code and a sentence; why a
    field cannot be used is told in Chinese where `request` asks for it."""
    try:
        yield
    except FormRefused as error:
        field, _, reason = str(error).partition(": ")
        chinese = request is not None and request.headers.get("accept-language", "")[:2] == "zh"
        said = f"{field}: {in_chinese(reason)}" if chinese else str(error)
        raise Refusal(422, {"code": error.code, "message": said}) from None
    except (KbError, AsrError) as error:
        status = next((n for kind, n in _STATUS_OF.items() if isinstance(error, kind)), 409)
        status = 422 if isinstance(error, AsrError) else status
        raise Refusal(status, {"code": error.code, "message": str(error)}) from None
    except RecordsUnavailable:
        raise
    except VoicebotError as error:  # no knowledge base, no embedder, no recogniser, no voice
        raise Refusal(503, {"code": error.code, "message": str(error)}) from None


def seen_version(if_match: str) -> int:
    """The version of a request's If-Match.

    Raises:
        Refusal: 428, there is none.
    """
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', if_match.strip())
    if found is None:
        raise Refusal(428, NO_VERSION)
    return int(found[1])
