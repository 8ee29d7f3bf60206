"""Lines and places of the directory as people write them in a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from voicebot.records.duty import region_names

LINES: Mapping[str, str] = {
    "110": "公安110",
    "119": "消防119",
    "120": "急救120",
    "122": "交警122",
    "12395": "海上搜救12395",
    "power": "供电",
    "water": "供水",
    "gas": "燃气",
    "railway": "铁路公安",
    "seat": "人工座席",
}
"""The lines that triage and hand-offs know, with their names for people."""

_OTHER_NAMES = {
    "公安": "110", "消防": "119", "消防救援": "119", "急救": "120", "医疗急救": "120",
    "交警": "122", "海上搜救": "12395", "电力": "power", "电": "power", "95598": "power",
    "水务": "water", "自来水": "water", "水": "water", "气": "gas", "天然气": "gas",
    "铁路": "railway", "020-61330000": "railway", "座席": "seat",
}  # fmt: skip
_READ = {name: line for line, name in LINES.items()} | _OTHER_NAMES

PROVINCE_NAMES = ("", "全省", "海南省", "海南")


def read_line(text: str) -> str | None:
    """``power`` from 供电; None: there is no such line."""
    text = text.strip()
    return text if text in LINES else text.lower() if text.lower() in LINES else _READ.get(text)


def read_region(text: str) -> str | None:
    """GB/T 2260 code from a code or a name (海口市龙华区, 龙华区); "" for the whole province.

    None: there is no such place in Hainan, or the name is of several.
    """
    text = text.strip()
    names = region_names()
    if text in names:
        return text
    if text in PROVINCE_NAMES:
        return ""
    found = [code for code, name in names.items() if name == text] or [
        code for code, name in names.items() if name.endswith(text)
    ]
    return found[0] if len(found) == 1 else None


def write_region(region: str) -> str:
    return region_names().get(region, region) if region else "全省"
