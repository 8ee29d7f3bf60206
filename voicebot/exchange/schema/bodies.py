"""What is told: tickets and police orders, and what becomes of them.

The dossier of a live transfer is `voicebot.exchange.dossier.Dossier`. The titles are the
Chinese names of the items; docs/exchange.md explains each.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voicebot.exchange.dossier import TranscriptTurn
from voicebot.exchange.schema.fields import (
    ClassificationCode,
    DivisionCode,
    Identifier,
    LongText,
    Model,
    OrganisationCode,
    PoliceCategory,
    Sha256,
    ShortText,
    TelephoneNumber,
    Time,
)

Channel = Literal["telephone", "web", "app", "mini_program", "wechat", "letter", "110"]
"""Where a matter came in; ``110``: passed on by the police line."""
State = Literal[
    "registered",
    "dispatched",
    "accepted",
    "working",
    "on_site",
    "returned",
    "rejected",
    "escalated",
    "resolved",
    "closed",
    "reopened",
    "withdrawn",
]
"""已登记, 已派单/已派警, 已签收/已接警, 办理中, 已到场, 已退回, 不予受理, 已转110, 已办结, 已归档,
已重办, 已撤回. Which follows which is each platform's own affair."""


class Person(Model):
    """诉求人 or 报警人: personal data, seen by those who handle the matter alone."""

    name: ShortText = ""
    number: TelephoneNumber = ""
    confidential: bool = False
    """要求保密: name and number are not shown to the unit that handles the matter."""


class Audio(Model):
    """A recording, by reference: it is fetched from its owner by those who may hear it."""

    reference: Identifier
    sha256: Sha256
    media_type: Literal["audio/wav", "audio/ogg", "audio/mpeg"] = "audio/wav"
    seconds: Annotated[float, Field(ge=0)]


class _Matter(Model):
    """What a ticket and a police order have in common."""

    number: Identifier
    """编号, given by the platform that opened it; the envelope's `subject`."""
    created_at: Time
    division: DivisionCode | None = None
    """属地; null: the caller has not said, and nothing else tells."""
    place: LongText = ""
    """地点, in the caller's own words."""
    occurred_at: Time | None = None
    caller: Person = Person()
    call_id: Identifier | None = None
    did: TelephoneNumber = ""
    """The number that was dialled."""
    flags: tuple[ShortText, ...] = ()
    """extremism, revenge, gathering, coerced, child …: as triage names them (R6)."""
    related: tuple[Identifier, ...] = ()
    """Tickets and orders of the same matter."""
    transcript: tuple[TranscriptTurn, ...] = ()
    """Timed turns, seconds since the call was answered."""
    audio: tuple[Audio, ...] = ()


class Ticket(_Matter):
    """工单: a matter for 12345 and the units that handle it."""

    matter: Annotated[LongText, Field(min_length=1)]
    """诉求内容."""
    channel: Channel = "telephone"
    type: Literal["consultation", "help", "complaint", "report", "suggestion", "praise"] = "help"
    """咨询, 求助, 投诉, 举报, 意见建议, 表扬."""
    classification: ClassificationCode | None = None
    department: OrganisationCode | None = None
    """承办单位."""
    state: State = "registered"
    urgent: bool = False
    due_at: Time | None = None
    """办理时限."""


class PoliceOrder(_Matter):
    """警单: a matter for 110."""

    reason: Annotated[LongText, Field(min_length=1)]
    """What it is, as far as is known."""
    category: PoliceCategory | None = None
    interrupted: bool = False
    """中断: the caller was gone before 110 had the emergency; call back."""
    handoff: Identifier | None = None
    """The live transfer that it belongs to."""
    evidence: tuple[LongText, ...] = ()
    lines: tuple[ShortText, ...] = ()
    """Other lines to bring in: 119, 120, 122, 12395, power, water, gas, railway."""
    priority: Literal["ordinary", "urgent", "life"] = "urgent"
    desk: OrganisationCode | None = None
    """The 110 that is asked."""


class Status(Model):
    """办理状态: how far the subject has come."""

    state: State
    at: Time
    organisation: OrganisationCode | None = None
    """Who did it."""
    note: LongText = ""
    due_at: Time | None = None


class Receipt(Model):
    """受理回执: whether a message is taken on as a matter, by a person or a rule.

    That it arrived is said by the HTTP answer; this says what the receiver makes of it.
    """

    message: Identifier
    """The envelope's `id`."""
    content_hash: Sha256
    """Of the message as it was received."""
    result: Literal["accepted", "rejected", "transferred"]
    """受理, 不予受理, 转办."""
    at: Time
    number: Identifier | None = None
    """The receiver's own number for the matter."""
    organisation: OrganisationCode | None = None
    reason: LongText = ""
    """Why it was rejected, or to whom it was transferred."""


class Feedback(Model):
    """办理反馈: what came of the subject."""

    outcome: Literal["resolved", "partly_resolved", "explained", "unresolved", "out_of_scope"]
    """已解决, 部分解决, 已解释说明, 未解决, 不属受理范围."""
    result: Annotated[LongText, Field(min_length=1)]
    """办理结果, fit to be told to the caller."""
    at: Time
    organisation: OrganisationCode | None = None
    caller_told: bool = False
    """已回复诉求人."""
    audio: tuple[Audio, ...] = ()


class Evaluation(Model):
    """满意度评价: what the caller says of it."""

    score: Annotated[int, Field(ge=1, le=5)]
    """5 非常满意 … 1 非常不满意."""
    solved: bool | None = None
    """诉求是否解决; null: not asked or not answered."""
    channel: Literal["key", "voice", "seat", "call_back", "message", "web"]
    at: Time
    comment: LongText = ""


class Supervision(Model):
    """督办: the subject is late, or was handled badly, and is being watched."""

    reason: Literal["due_soon", "overdue", "no_receipt", "dissatisfied", "repeated", "instructed"]
    """即将超期, 已超期, 未签收, 不满意, 重复诉求, 领导批示."""
    level: Annotated[int, Field(ge=1, le=3)] = 1
    """1 提醒, 2 督办, 3 通报."""
    at: Time
    answer_by: Time | None = None
    organisation: OrganisationCode | None = None
    """Who is urged."""
    text: LongText = ""
