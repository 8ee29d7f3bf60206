"""Bodies of the knowledge base's endpoints; what a field may hold in detail, `kb.importer` says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from kb.entry_form import Values
from voicebot.knowledge_desk.entries import ActName
from voicebot.knowledge_desk.publishing import MOST_ENTRIES
from voicebot.request_body import RequestBody, Version
from voicebot.web.parameters import LocalMoment

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
Code = Annotated[str, StringConstraints(pattern=r"^([0-9]{6})?$")]
Did = Annotated[str, StringConstraints(pattern=r"^[0-9+*#]{0,32}$")]
Id = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Day = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)]
Lines = Annotated[list[Line], Field(max_length=200)]


class Fields(RequestBody):
    """What somebody writes of an entry (`kb.entry_form.FIELDS`)."""

    question: Line
    variants: Lines = Field(default_factory=list)
    answer: Text
    keywords: Lines = Field(default_factory=list)
    category: Line
    department: Line
    region: Code = ""
    lines: Lines = Field(default_factory=list)
    audience: Line = ""
    safety: Literal["none", "ask", "handoff"] = "none"
    source: Text = ""
    channel: Text = ""
    """办理渠道, or a link."""
    valid_from: Day
    valid_to: Day

    def values(self) -> Values:
        """As the knowledge base's form has them; empty texts of lists are left out."""
        given = self.model_dump(include=set(Fields.model_fields))
        return {
            name: [text for text in value if text] if isinstance(value, list) else str(value)
            for name, value in given.items()
        }


class Change(Fields):
    """A new version of an entry."""

    why: Line = ""
    submit: bool = False
    """Hand it in for review at once."""


class NewEntry(Change):
    """A new entry; without an id it gets one."""

    id: Id = ""


class ActModel(RequestBody):
    """A step with an entry."""

    act: ActName
    version: Version | None = None
    """approve, reject: the one that was read; rollback: the one that is to come back."""
    why: Line = ""
    at: LocalMoment | None = None
    """withdraw, rollback: from which minute on; with its time zone."""


class ToPublish(RequestBody):
    """Entries whose approved version is to be spoken."""

    entries: Annotated[list[Id], Field(min_length=1, max_length=MOST_ENTRIES)]
    at: LocalMoment | None = None
    why: Line = ""


class Asked(RequestBody):
    """A caller's question, and what is known of the caller."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    region: Code = ""
    line: Did = ""


class ToSay(RequestBody):
    """An entry's version, or an answer that is still being written."""

    entry: Id = ""
    version: Version | None = None
    answer: Text = ""
    region: Code = ""


class KnownGap(RequestBody):
    """A question without an entry."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
