"""What the stand-in's officers do: they take every order, and pass on what is not theirs."""

from __future__ import annotations

from datetime import datetime

from voicebot.exchange.schema import Body, Envelope, Feedback, Receipt, Status, Ticket

_MATTERS = (
    "小区路灯坏了三天没人修",
    "楼下烧烤摊油烟扰民",
    "自来水停了一天没有通知",
    "公交车站牌被撞倒没人管",
    "工地夜里施工吵得睡不着",
    "想问医保怎么转到海口",
)
"""非警务警情, 三部分第（三）款 of the plan: matters that 110 passes on to 12345."""
_DIVISIONS = ("460105", "460106", "460107", "460108", "460200", "469005")


def answers(envelope: Envelope, at: datetime) -> list[Body]:
    """What is answered to a message that was applied: to an order its receipt, state and end."""
    if envelope.kind != "police_order":
        return []
    receipt = Receipt(
        message=envelope.id,
        content_hash=envelope.content_hash,
        result="accepted",
        at=at,
        number=f"J-{envelope.subject}"[:128],
    )
    return [
        receipt,
        Status(state="on_site", at=at, note="民警已到场"),
        Feedback(outcome="resolved", result="现场已处置完毕", at=at, caller_told=True),
    ]


def matter(number: str, count: int, messages: int, at: datetime) -> list[Body]:
    """The `count`-th matter that is passed on, and what is said about it later."""
    ticket = Ticket(
        number=number,
        created_at=at,
        matter=_MATTERS[count % len(_MATTERS)],
        division=_DIVISIONS[count % len(_DIVISIONS)],
        channel="110",
    )
    later = [
        Status(state="registered", at=at, note=f"报警人第{n}次补充") for n in range(1, messages)
    ]
    return [ticket, *later]
