"""Questions that the knowledge base left unanswered or answered badly, as one line a meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kb.clusters import Cluster
from kb.regions import NAMES
from voicebot.asked import Asked
from voicebot.clock import BEIJING
from voicebot.masking import mask_text

EXAMPLES = 3
WHOLE_PROVINCE = "未说明"
"""The region of callers who did not say where they are."""
_REGIONS = {code: name for name, code in reversed(NAMES.items())}


@dataclass(frozen=True, slots=True)
class GapLine:
    """One meaning that callers asked for. Examples are masked, the most frequent first.

    `outcomes`, `regions` and `entries` (what was answered, or nearest) are counts; days are
    Beijing's.
    """

    question: str
    count: int
    outcomes: dict[str, int]
    regions: dict[str, int]
    entries: dict[str, int]
    first: str
    last: str
    examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def gap_lines(asked: Sequence[Asked], clusters: Sequence[Cluster]) -> list[GapLine]:
    """One line a cluster, in their order; `clusters` are places in `asked`."""
    return [_line([asked[number] for number in each.members]) for each in clusters]


def region_name(code: str) -> str:
    """海口 for 460100 and for its districts; the code itself where it has no name here."""
    if not code or code == "460000":
        return WHOLE_PROVINCE
    return _REGIONS.get(code) or _REGIONS.get(f"{code[:4]}00") or code


def _line(asked: Sequence[Asked]) -> GapLine:
    examples = tuple(dict.fromkeys(mask_text(each.query) for each in asked))[:EXAMPLES]
    days = sorted(day_of(each.at) for each in asked)
    return GapLine(
        examples[0],
        len(asked),
        _counts(each.outcome.value for each in asked),
        _counts(region_name(each.region) for each in asked),
        _counts(name for each in asked if (name := each.entry or each.nearest)),
        days[0],
        days[-1],
        examples,
    )


def day_of(at: float) -> str:
    """The day in Beijing of a moment in seconds since the epoch, 2026-11-26."""
    return datetime.fromtimestamp(at, BEIJING).date().isoformat()


def _counts(values: Any) -> dict[str, int]:
    return dict(Counter(values).most_common())
