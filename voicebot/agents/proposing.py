"""The ticket form filled from what the caller says (智能填单, R21). Pure.

What a person has typed goes before everything; this is only what stands in the other fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows import answers, jurisdiction, small_talk
from flows.matter_time import happened
from flows.pending import Ticket
from flows.ticket_slots import confidential
from voicebot.tickets.deadlines import Kind

LEAST_WORDS = 4
"""Characters of a sentence that can be part of a matter."""
LONGEST_MATTER = 500

_KINDS = (
    (Kind.REPORT, "举报|检举"),
    (Kind.COMPLAINT, "投诉|不满意|态度恶劣|乱收费|太差"),
    (Kind.PRAISE, "表扬|感谢你们|点赞"),
    (Kind.SUGGESTION, "建议|希望能够?增"),
    (Kind.CONSULTATION, "请问|咨询|想问|怎么办理?|怎么补办|多少钱|什么时候|能不能|可以吗|吗$"),
)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What the form may say; "" for what nobody has said."""

    matter: str = ""
    place: str = ""
    region: str = ""
    """GB/T 2260 code of `place`, else of the caller."""
    name: str = ""
    happened: str = ""
    kind: str = Kind.HELP.value
    confidential: bool = False


def proposed(
    said: Sequence[str], *, region: str | None = None, today: str = "", ticket: Ticket | None = None
) -> Proposed:
    """From the caller's sentences, in order; what the bot has taken down goes before them.

    Parameters:
        region: where the caller is, as far as is known.
        today: date in Hainan, ISO 8601, that 昨天 is counted from.
        ticket: the bot's own draft.
    """
    told = [words for words in said if _tells(words)]
    matter = ticket.matter if ticket is not None and ticket.matter else "，".join(told)
    place = ticket.place if ticket is not None and ticket.place else _place(told)
    named = jurisdiction.resolve(place) or jurisdiction.resolve("，".join(told))
    when = happened("，".join(told), today) if told and today else None
    return Proposed(
        matter=matter[:LONGEST_MATTER],
        place=place,
        region=(named.code if named is not None else region) or "",
        name=ticket.name if ticket is not None and ticket.name else _name(said),
        happened=(ticket.happened if ticket is not None else "") or (str(when) if when else ""),
        kind=_kind(matter),
        confidential=any(confidential(words) is True for words in said),
    )


def merged(typed: Mapping[str, object], found: Proposed) -> dict[str, object]:
    """The form: what was typed, and the proposals where nothing was."""
    return {
        **{name: getattr(found, name) for name in Proposed.__slots__},
        **{name: value for name, value in typed.items() if name in Proposed.__slots__},
    }


def _tells(words: str) -> bool:
    bare = words.strip("，。？！,.?! ")
    return (
        len(bare) >= LEAST_WORDS
        and not small_talk.courtesy(bare)
        and not small_talk.human_wanted(bare)
        and not small_talk.contentless(bare)
    )


def _place(told: Sequence[str]) -> str:
    """The sentence part that names a place most exactly; the last one wins."""
    parts = [part for words in told for part in re.split("[，。,.？?！!]", words) if part]
    exact = [part for part in parts if answers.precise_place(part)]
    resolved = [part for part in parts if jurisdiction.resolve(part) is not None]
    both = [part for part in exact if part in resolved]
    return (both or exact or resolved or [""])[-1][:60]


def _name(said: Sequence[str]) -> str:
    framed = [words for words in said if answers.framed_name(words.strip("，。"))]
    return answers.name(framed[-1].strip("，。")) if framed else ""


def _kind(matter: str) -> str:
    return next((kind for kind, words in _KINDS if re.search(words, matter)), Kind.HELP).value
