"""The dossier (移交材料) that goes with a live call to 110 or to a seat.

One JSON object, typed and versioned (R12): region codes are GB/T 2260, categories those
of annex 2 of 琼政务热线办〔2022〕3号. A dossier grows while the caller goes on talking;
`revision` tells a later state from an earlier one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, computed_field

from voicebot.clock import BEIJING
from voicebot.whole_text import whole

CATEGORY_NAMES = {
    1: "违法犯罪行为",
    2: "群体性事件",
    3: "道路交通安全管理",
    4: "治安灾害事故",
    5: "群众救助服务",
    6: "抢险抗灾救援",
    7: "涉警投诉举报",
}
"""Annex 2: the matters that 110 takes (110受理的事项)."""


Side = Literal["caller", "bot", "110", "seat", "119", "120", "122", "12395"]
"""Who speaks; the parties that a call is handed to by the kind of their number."""


Text = Annotated[str, AfterValidator(whole)]
"""What a switch or an engine sends may end in half a character (a lone surrogate), which no
message can hold; it must not cost the hand-off."""


class TranscriptTurn(BaseModel):
    """One side's speech until its end; times in seconds since the call was answered."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    side: Side
    text: Text
    start: float
    end: float
    entry: Text | None = None
    """The approved entry that was spoken."""
    characters: bool = True
    """False: `text` is from the phonetic ear alone, toned pinyin or hanzi that sound like it."""


class Dossier(BaseModel):
    """All that the receiving desk is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    handoff: Text
    revision: int = Field(ge=1)
    call_id: Text
    caller: Text
    did: Text
    order: Text = ""
    """Number of the police order (警单) that 110 sent the call with."""
    incident: Text = ""
    """The incident (同一件事) that others have called about as well; each has his own dossier."""
    priority: Text = ""
    """``110``: the call came from the police and goes ahead of the queue."""
    region: Text | None = None
    region_name: Text | None = None
    place: Text | None = None
    """Where it is, in the caller's own words."""
    category: int | None = Field(None, ge=1, le=7)
    lines: tuple[Text, ...] = ()
    """Other lines to bring in: 119, 120, 122, 12395, power, water, gas, railway."""
    line_states: dict[Text, Text] = Field(default_factory=dict)
    """How far the call to each of them has come, as `flows.events.LegState` has it."""
    flags: tuple[Text, ...] = ()
    """extremism, revenge, gathering, coerced, child …"""
    reason: Text = ""
    evidence: tuple[Text, ...] = ()
    transcript: tuple[TranscriptTurn, ...] = ()
    omitted_turns: int = 0
    """Oldest turns that a long call's dossier leaves out on the line; over HTTP it has all."""
    notes: tuple[Text, ...] = ()
    created_at: datetime = Field(default_factory=lambda: datetime.now(BEIJING))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def category_name(self) -> str | None:
        return CATEGORY_NAMES.get(self.category) if self.category is not None else None

    @classmethod
    def read(cls, text: str | bytes) -> Dossier:
        """From JSON as sent; half a character (a lone surrogate) is none. Raises ValueError."""
        import json

        values = json.loads(text)
        values.pop("category_name", None)
        return cls.model_validate_json(json.dumps(values))
