"""What callers say or write, and numbers as networks signal them."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from flows import jurisdiction, numbers
from flows.matter_time import happened
from flows.satisfaction import score
from flows.ticket_slots import confidential
from telephony.errors import TelephonyError
from telephony.numbers import caller_number
from telephony.trunk_address import check_line_url, trunk_address
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target, tells
from voicebot.duty.hours import read_clock, read_date, read_days
from voicebot.duty.names import read_line, read_region
from voicebot.exchange.address import unsafe
from voicebot.masking import mask_text

_SAID = (
    "我在海口市龙华区金贸西路8号，昨天晚上十一点半有人打架",
    "上个月三十一号，去年二月二十九日，今年13月45日，大前天凌晨",
    "我的电话是一三八零零一二三四五六七，不对，是幺三九，后面八个零",
    "身份证460100199001011234，车牌琼A12345，卡号6222020200112230000",
    "请保密，不要告诉别人，满意，不满意，三分，一点都不满意",
    "百百百十十零零点点半半刻刻年年月月日日前前后后天天",
    "三亚市海棠区湾坡村委会对面，乐东黎族自治县莺歌海镇，西沙永兴岛",
)
_TEXTS = mutated(
    [text.encode() for text in _SAID], (b"\xe5\x8d\x81", b"0" * 40, "十百千万亿".encode())
)
_PHRASES = st.text(
    "零一二三四五六七八九十百千万亿年月日号时点半刻前后天周星期上下午晚凌晨大去今明0123456789、，。",
    max_size=60,
)


def _said(text: str) -> None:
    today = datetime(2028, 2, 29).date().isoformat()
    when = happened(text, today)
    assert when is None or str(when)
    jurisdiction.resolve(text)
    confidential(text)
    score(text)
    dialable = numbers.dialable(text)
    assert numbers.whole(dialable) in (True, False)
    numbers.hopeless(numbers.number(text))
    numbers.spoken(numbers.number(text))
    numbers.runs(text)
    mask_text(text)


def _signalled(text: str) -> None:
    found = caller_number(text)
    assert len(found.number) <= 64
    assert found.number.isprintable()
    trunk_address(text)
    try:
        check_line_url(text)
    except TelephonyError as error:
        tells(error)
    unsafe(text)
    for read in (read_days, read_date, read_clock, read_line, read_region):
        read(text)  # type: ignore[operator]


_NUMBERS = mutated(
    [b"+8613800000000", b"0086-898-66269110", b"sip:0898@x;user=phone", b"trunk:police/{number}",
     b"wss://h:8443/line?transfer=blind", b"https://u:p@h/p", b"2026-10-01,2026-10-02", b"24:00"],
    (b"://", b"[::1]", b"@", b"%00", b"\\", "０８９８".encode(), "²".encode(), "٣".encode()),
)  # fmt: skip


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


TARGETS = (
    Target("callers_words", _TEXTS.map(_text) | _PHRASES | st.text(max_size=60), _said),
    Target("signalled_numbers", _NUMBERS.map(_text) | st.text(max_size=40), _signalled),
)
