"""How states and safety are written in files: in Chinese for people, by value for programs."""

from __future__ import annotations

from kb.entry import Safety, Status

STATUS_NAMES = {
    Status.DRAFT: "草稿",
    Status.IN_REVIEW: "待审",
    Status.APPROVED: "已审",
    Status.PUBLISHED: "已发布",
    Status.EXPIRED: "失效",
    Status.WITHDRAWN: "已撤回",
}
SAFETY_NAMES = {Safety.NONE: "", Safety.ASK: "先问安危", Safety.HANDOFF: "转110"}

STATUSES = {
    **{status.value: status for status in Status},
    **{name: status for status, name in STATUS_NAMES.items()},
    "待审核": Status.IN_REVIEW,
    "已审核": Status.APPROVED,
    "已失效": Status.EXPIRED,
    "已下线": Status.WITHDRAWN,
}
SAFETIES = {
    **{safety.value: safety for safety in Safety},
    **{name: safety for safety, name in SAFETY_NAMES.items()},
    "无": Safety.NONE,
}
