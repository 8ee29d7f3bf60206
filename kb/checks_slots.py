"""What is wrong with slots: answers that cannot be filled, values that nothing uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from kb.checks import Finding, Severity
from kb.entry import Entry
from kb.regions import PROVINCE, covers
from kb.slots import Slot, names_in, value


def check_slots(entries: Sequence[Entry], slots: Sequence[Slot], on: date) -> Iterator[Finding]:
    """Findings of the answers' slots against all values; those of unused ones name no entry."""
    for entry in entries:
        for name in names_in(entry.answer):
            if value(slots, name, entry.region or PROVINCE, on) is None:
                yield _unfilled(entry, name, slots, on)
    used = {name for entry in entries for name in names_in(entry.answer)}
    for name in dict.fromkeys(slot.name for slot in slots if slot.name not in used):
        yield Finding(
            "unused_value",
            Severity.NOTE,
            "",
            f"空位“{name}”有取值，但没有口径用到",
            "核对名称写得对不对；不用了就导入空的取值把它撤下",
        )


def _unfilled(entry: Entry, name: str, slots: Sequence[Slot], on: date) -> Finding:
    places = {
        s.region
        for s in slots
        if covers(entry.region, s.region) and value((s,), name, s.region or PROVINCE, on)
    }
    if not places:
        return Finding(
            "unfilled_slot",
            Severity.ERROR,
            entry.id,
            f"空位“{name}”现在没有取值，来电人听不到这条答复",
            "用 voicebot kb slots import 导入取值",
        )
    return Finding(
        "unfilled_slot",
        Severity.WARNING,
        entry.id,
        f"空位“{name}”只在 {'、'.join(sorted(places))} 有取值，其他地区和地区不明的来电人听不到",
        "补上其余地区的取值，或者补一个全省的",
    )
