"""When somebody is reminded of a deadline (督办), and with what words. Pure.

Three levels, as the exchange with 110 counts them (`schema.Supervision`): a reminder as the
last working day begins, supervision at the deadline, and notice to all two working days on.
"""

from __future__ import annotations

from enum import IntEnum

from voicebot.tickets import working_days

NOTICE_AFTER = 2
"""Working days after the deadline."""


class Level(IntEnum):
    REMIND = 1
    SUPERVISE = 2
    NOTICE = 3

    @property
    def chinese(self) -> str:
        return {Level.REMIND: "提醒", Level.SUPERVISE: "督办", Level.NOTICE: "通报"}[self]


def moments(deadline: float) -> tuple[tuple[float, Level], ...]:
    """When each level is due, in order; seconds since the epoch.

    Parameters:
        deadline: a moment of `working_days.end_of`.
    """
    return (
        (working_days.start_of_last(deadline), Level.REMIND),
        (deadline, Level.SUPERVISE),
        (working_days.end_of(deadline - 1.0, NOTICE_AFTER), Level.NOTICE),
    )


def next_after(deadline: float | None, at: float) -> float | None:
    """When the next level is due after `at`; None after the last one, or without a deadline."""
    if deadline is None:
        return None
    return next((moment for moment, _ in moments(deadline) if moment > at), None)


def due(deadline: float, at: float) -> Level | None:
    """The highest level that is due at `at`: one that was slept through is not made up for."""
    reached = [level for moment, level in moments(deadline) if moment <= at]
    return reached[-1] if reached else None


def wording(level: Level, deadline: float, awaited: str, at: float) -> str:
    """What whoever has the ticket reads.

    Parameters:
        awaited: what is to be done: 派单, 答复.
    """
    last = working_days.last_day(deadline)
    day = f"{last.year}年{last.month}月{last.day}日"
    if level is Level.REMIND:
        return f"【提醒】应于{day}前（含当日）{awaited}，请抓紧办理。"
    late = working_days.between(deadline - 1.0, at)
    if level is Level.SUPERVISE:
        return f"【督办】应于{day}前（含当日）{awaited}，已超期，请立即办理并说明原因。"
    return f"【通报】应于{day}前（含当日）{awaited}，已超期{late}个工作日，现予通报。"
