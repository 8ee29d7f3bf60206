"""What a running service says of surge control, asked for and shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.surge import Force, Mode
from flows.surge_wording import FORCES, MODES, seconds
from voicebot.commands import asking
from voicebot.commands.callers_common import moment
from voicebot.config import Settings

SITUATIONS = {"ordinary": "平日", "holiday": "节假日", "typhoon": "台风"}


def ask(settings: Settings, url: str, token: str) -> dict[str, Any]:
    """GET /v1/surge of the service.

    Raises:
        InputError: it does not answer, or refuses.
    """
    found: dict[str, Any] = asking.ask(settings, url, token, "/v1/surge").json()
    return found


def lines_of(found: dict[str, Any]) -> Iterator[str]:
    """The answer for people, line by line."""
    for line in found["lines"]:
        figures = line["figures"]
        yield (
            f"{line['line']}  {MODES[Mode(line['mode'])]}（自 {moment(line['since'])}）  "
            f"{SITUATIONS[line['situation']]}  "
            f"机器人 {figures['bot_calls']}/{figures['bot_room']}  "
            f"外线 {figures['lines_in_use']}/{figures['lines']}"
        )
        seats = figures["seats"]
        if seats is None:
            asked = "来电时向交换机查询" if line["asked_at_each_call"] else "机器人接所有来电"
            yield f"    坐席数据：从未收到，{asked}"
        else:
            known = line["figures_known"] or line["asked_at_each_call"]
            stale = "" if known else "，已过时：机器人接所有来电"
            yield f"    坐席数据：{seconds(figures['seats_age_s'])}前{stale}"
            for group in seats["groups"]:
                where = "本地" if group["local"] else "异地"
                yield f"    {where} {group['region']}  空闲 {group['free']}/{group['staffed']}"
            yield (
                f"    排队 {seats['waiting']}  最长 {seconds(seats['oldest_wait_s'])}  "
                f"每分钟来电 {seats['arrivals_per_min']:.1f}"
                f"（预计 {figures['expected_per_min']:.1f}）"
            )
        if line["newest"]:
            yield f"    最近一通：{line['newest']['because']}"
    for order in found["orders"]:
        word = order["order"]
        name = FORCES[Force(word)] if word in set(Force) else SITUATIONS[word]
        yield (
            f"手动设定  {order['line'] or '全部线路'}  {name}  至 {moment(order['until_at'])}  "
            f"{order['given_by']}  {order['why']}"
        )
