"""Bodies of the knowledge base's endpoints; what a field may hold in detail, `kb.importer` says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from kb.entry_form import Values
from voicebot.knowledge_desk.entries import ActName
from voicebot.knowledge_desk.publishing import MOST_ENTRIES

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]
Code = Annotated[str, StringConstraints(pattern=r"^([0-9]{6})?$")]
Did = Annotated[str, StringConstraints(pattern=r"^[0-9+*#]{0,32}$")]
Id = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Day = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)]
Lines = Annotated[list[Line], Field(max_length=200)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fields(Strict):
    """What somebody writes of an entry (`kb.entry_form.FIELDS`)."""

    question: Line
    variants: Lines = []
    answer: Text
    keywords: Lines = []
    category: Line
    department: Line
    region: Code = ""
    lines: Lines = []
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
    submit: StrictBool = False
    """Hand it in for review at once."""


class NewEntry(Change):
    """A new entry; without an id it gets one."""

    id: Id = ""


class ActModel(Strict):
    """A step with an entry."""

    act: ActName
    version: Annotated[int | None, Field(ge=1)] = None
    """approve, reject: the one that was read; rollback: the one that is to come back."""
    why: Line = ""
    at: datetime | None = None
    """withdraw, rollback: from which minute on; with its time zone."""


class ToPublish(Strict):
    """Entries whose approved version is to be spoken."""

    entries: Annotated[list[Id], Field(min_length=1, max_length=MOST_ENTRIES)]
    at: datetime | None = None
    why: Line = ""


class Asked(Strict):
    """A caller's question, and what is known of the caller."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    region: Code = ""
    line: Did = ""


class ToSay(Strict):
    """An entry's version, or an answer that is still being written."""

    entry: Id = ""
    version: Annotated[int | None, Field(ge=1)] = None
    answer: Text = ""
    region: Code = ""


class KnownGap(Strict):
    """A question without an entry."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
