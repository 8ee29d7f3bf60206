"""Why a row or a field cannot be used, in Chinese: the importer tells programs and people alike in
English sentences. Pure."""

from __future__ import annotations

import re

_REASONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        (r"is empty", "没有填"),
        (r"has (\d+) characters, at most (\d+)", r"有\1个字，最多\2个字"),
        (r"holds no words", "没有文字"),
        (r"cannot be spoken: write '?([^']+)'? in Chinese", r"读不出来：请把“\1”写成中文"),
        (r"cannot be spoken: character '?(.+?)'?", r"读不出来：有不能念的字符“\1”"),
        (r"holds the control character (.+)", r"含有控制字符\1"),
        (r"'?(.*?)'? is no date such as (\S+)", r"“\1”不是日期，请写成\2"),
        (r"(\S+) is before valid_from, (\S+)", r"失效日期\1早于生效日期\2"),
        (r"(\S+) is before (\d+)", r"\1早于\2年"),
        (r"'?(.*?)'? is no code of six digits \(GB/T 2260\)", r"“\1”不是六位区划代码"),
        (r"'?(.*?)'? is no dialled number \(DID\)", r"“\1”不是被叫号码"),
        (r"'?(.*?)'? is no id: .*", r"“\1”不能作编号：只用字母、数字和 - _ .，最多64个"),
        (r"(\S+) was already on line (\d+)", r"\1在第\2行已经有了"),
        (r"asks the same as (\S+) for that region", r"和\1问的是同一件事，地区也相同"),
        (r"(\S+) will be spelt out", r"“\1”会按字母逐个念"),
        (r"was already given", "前面已经有了"),
        (r"unknown column, not read", "不认识这一列，没有读"),
        (r"means the same as (.+)", r"和“\1”是同一列"),
        (r"the head lacks the column\(s\) (.+)", r"表头缺少这些列：\1"),
        (r"(\d+) cells where the head has (\d+)", r"这一行有\1格，表头有\2格"),
        (r"the file is empty", "文件是空的"),
        (r"the encoding is not known.*", "认不出文件的编码，请另存为 UTF-8 或 GBK（中文 CSV）"),
        (r"'?(.*?)'? is none of (.+)", r"“\1”不在可选值里（\2）"),
        (r"has braces that are no slot near (.+?): .*", r"大括号用错了（\1附近），请写成{名称}"),
        (r"a slot in it has no value for this place, .*", "空位在这个地区没有内容，没有人听得到"),
        (r"not readable as JSON.*", "不是能读的 JSON"),
    )
)  # fmt: skip


def in_chinese(reason: str) -> str:
    """The reason in Chinese; one that is not known stays as it is."""
    plain = reason.strip().rstrip(".")
    for pattern, chinese in _REASONS:
        match = pattern.fullmatch(plain)
        if match is not None:
            return match.expand(chinese)
    return reason
