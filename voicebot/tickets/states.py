"""The states of a ticket (工单), the acts on it, and which act may be done in which state.

Rule: escalating to 110 and noting are possible in every state (plan 二(二)2; R7).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    CREATED = "created"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    WORKING = "working"
    ANSWERED = "answered"
    CLOSED = "closed"
    RETURNED = "returned"
    DISPUTED = "disputed"
    SUSPENDED = "suspended"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"

    @property
    def chinese(self) -> str:
        return _STATUSES[self]


class Act(StrEnum):
    CREATE = "create"
    DISPATCH = "dispatch"
    ACCEPT = "accept"
    START = "start"
    ANSWER = "answer"
    CLOSE = "close"
    RETURN = "return"
    DISPUTE = "dispute"
    EXTEND = "extend"
    SUSPEND = "suspend"
    RESUME = "resume"
    WITHDRAW = "withdraw"
    REOPEN = "reopen"
    ESCALATE = "escalate"
    LINK = "link"
    UNLINK = "unlink"
    NOTE = "note"
    SUPERVISE = "supervise"
    """By a supervisor's own hand; reminders of deadlines come by themselves."""

    @property
    def chinese(self) -> str:
        return _ACTS[self]


_STATUSES = {
    Status.CREATED: "待派单",
    Status.DISPATCHED: "已派单",
    Status.ACCEPTED: "已签收",
    Status.WORKING: "办理中",
    Status.ANSWERED: "已答复",
    Status.CLOSED: "已办结",
    Status.RETURNED: "已退回",
    Status.DISPUTED: "待会商",
    Status.SUSPENDED: "已挂起",
    Status.MERGED: "已并案",
    Status.WITHDRAWN: "已撤回",
}
_ACTS = {
    Act.CREATE: "登记",
    Act.DISPATCH: "派单",
    Act.ACCEPT: "签收",
    Act.START: "开始办理",
    Act.ANSWER: "答复",
    Act.CLOSE: "办结",
    Act.RETURN: "退回",
    Act.DISPUTE: "提请会商",
    Act.EXTEND: "延期",
    Act.SUSPEND: "挂起",
    Act.RESUME: "恢复办理",
    Act.WITHDRAW: "撤回",
    Act.REOPEN: "重办",
    Act.ESCALATE: "转110",
    Act.LINK: "并案",
    Act.UNLINK: "取消并案",
    Act.NOTE: "备注",
    Act.SUPERVISE: "督办",
}

ALL = frozenset(Status)
FINISHED = frozenset({Status.ANSWERED, Status.CLOSED, Status.WITHDRAWN})
AT_DEPARTMENT = frozenset({Status.DISPATCHED, Status.ACCEPTED, Status.WORKING})
TO_DISPATCH = frozenset({Status.CREATED, Status.RETURNED, Status.DISPUTED})
OPEN = ALL - FINISHED
"""Something is still to be done for the caller."""

FROM: Mapping[Act, frozenset[Status]] = {
    Act.DISPATCH: TO_DISPATCH | AT_DEPARTMENT,
    Act.ACCEPT: frozenset({Status.DISPATCHED}),
    Act.START: frozenset({Status.ACCEPTED}),
    # From created: answered while the caller is on the line (即问即答).
    Act.ANSWER: frozenset({Status.CREATED, Status.ACCEPTED, Status.WORKING}),
    Act.CLOSE: frozenset({Status.ANSWERED}),
    Act.RETURN: AT_DEPARTMENT,
    Act.DISPUTE: AT_DEPARTMENT | {Status.CREATED, Status.RETURNED},
    Act.EXTEND: AT_DEPARTMENT,
    Act.SUSPEND: frozenset({Status.ACCEPTED, Status.WORKING}),
    Act.RESUME: frozenset({Status.SUSPENDED}),
    Act.WITHDRAW: OPEN,
    Act.REOPEN: frozenset({Status.ANSWERED, Status.CLOSED}),
    Act.ESCALATE: ALL,
    Act.LINK: OPEN - {Status.MERGED},
    Act.UNLINK: frozenset({Status.MERGED}),
    Act.NOTE: ALL,
    Act.SUPERVISE: TO_DISPATCH | AT_DEPARTMENT,
}

FOLLOWED: Mapping[Act, frozenset[Status]] = {
    Act.ANSWER: frozenset({Status.MERGED}),
    Act.CLOSE: frozenset({Status.ANSWERED}),
    Act.REOPEN: frozenset({Status.ANSWERED, Status.CLOSED}),
}
"""Acts on a main ticket that are done on those merged into it as well, and from which state."""

NEEDS_REASON = frozenset(
    {
        Act.RETURN,
        Act.DISPUTE,
        Act.EXTEND,
        Act.SUSPEND,
        Act.WITHDRAW,
        Act.REOPEN,
        Act.ESCALATE,
        Act.UNLINK,
        Act.NOTE,
        Act.SUPERVISE,
    }
)
