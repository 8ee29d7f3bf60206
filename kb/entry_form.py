"""An entry as a form that a person fills in: TOML, one field a line, a list's texts one a line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import date

from kb.entry import Entry, Status
from kb.errors import FormRefused
from kb.headings import headings
from kb.importer import REQUIRED, read_entries

FIELDS: Mapping[str, str] = {
    "question": "问题：群众会问的一句话",
    "variants": "相似问法，一行一个",
    "answer": "答复口径：电话里照着念",
    "keywords": "关键词，一行一个",
    "category": "分类，层级用/隔开",
    "department": "责任部门",
    "region": "地区的区划代码，六位数字；空着是全省",
    "lines": "只给这些被叫号码，一行一个；空着是全部",
    "audience": "面向对象；空着是所有人",
    "safety": "安危：none | ask | handoff",
    "source": "依据",
    "channel": "办理渠道",
    "valid_from": "生效日期",
    "valid_to": "失效日期，当天仍有效",
}
"""What a person writes of an entry, in the order in which he thinks of it."""
_LISTS = ("variants", "keywords", "lines")

Values = dict[str, str | list[str]]


def values_of(entry: Entry) -> Values:
    """The fields of an entry as plain texts and lists of texts."""
    values: Values = {}
    for name in FIELDS:
        value = getattr(entry, name)
        if isinstance(value, tuple):
            values[name] = list(value)
        else:
            values[name] = value.isoformat() if isinstance(value, date) else str(value)
    return values


def blank(today: date) -> Values:
    """What a new entry begins with."""
    empty: Values = {name: [] if name in _LISTS else "" for name in FIELDS}
    return empty | {"safety": "none", "valid_from": today.isoformat()}


def write_form(values: Mapping[str, str | list[str]]) -> str:
    """The form to be filled in."""
    parts = []
    for name, hint in FIELDS.items():
        value = values[name]
        if isinstance(value, str):
            written = _quoted(value)
        else:
            written = "".join(["[\n", *(f"  {_quoted(text)},\n" for text in value), "]"])
        parts.append(f"# {hint}\n{name} = {written}\n")
    return "\n".join(parts)


def read_form(text: str) -> Values:
    """What was filled in.

    Raises:
        FormRefused: no form, a field that there is not, or something other than text in one.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormRefused(f"The form cannot be read: {error}.") from None
    values: Values = {}
    for name, value in found.items():
        if isinstance(value, date):
            value = value.isoformat()
        if (isinstance(value, list) and all(isinstance(item, str) for item in value)) or isinstance(
            value, str
        ):
            values[field(name)] = value
        else:
            raise FormRefused(f"{name}: write a text in quotation marks.")
    return values


def field(name: str) -> str:
    """The field that a name means, its own or one that a file may call it (答案).

    Raises:
        FormRefused: there is none.
    """
    found = headings("entries", REQUIRED).field(name)
    if found is None or found not in FIELDS:
        raise FormRefused(f"{name} is no field of an entry; there are {', '.join(FIELDS)}.")
    return found


def entry_of(name: str, values: Mapping[str, str | list[str]]) -> Entry:
    """The entry that the values make, held to the same rules as a file's.

    Raises:
        FormRefused: one of them cannot be used; the first is told.
    """
    row = {**values, "id": name, "status": Status.DRAFT.value}
    imported = read_entries(json.dumps(row, ensure_ascii=False).encode())
    if imported.errors:
        fault = imported.errors[0]
        raise FormRefused(f"{fault.column or 'entry'}: {fault.reason}.")
    return imported.entries[0]


def _quoted(text: str) -> str:
    """A basic string of TOML; JSON's escapes are among TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
