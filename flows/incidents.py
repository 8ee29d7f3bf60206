"""Many callers, one event: open hand-offs clustered into incidents by place, time and kind. Pure.

An incident is a view for the desk and no queue: nobody is merged away. Each hand-off stays a
member with its own call, is offered 110 by itself, and keeps its dossier.

A hand-off joins the open incident that it is nearest to, and opens one where none is near. What
its caller goes on saying can take it to another; what a supervisor put somewhere stays there.

* Place: county (GB/T 2260) and town must not contradict each other; a caller of whom no place is
  known joins by like words.
* Kind: of one kind (`incident_kinds`), categories that go together. A kind that strikes a whole
  county needs no more; any other needs the same spot, or like words.
* Time: within `WINDOW_S` of a call of the incident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from flows.incident_kinds import KINDS, Sound, kind_of, likeness, spots, towns
from flows.routes import PROVINCE, areas

WINDOW_S = 3600.0
"""A call joins an incident whose nearest call in time is not farther off."""

ALIKE = 0.5
"""`likeness` of words at which two calls of one county tell of the same, be the kind unknown."""
ALIKE_SOMEWHERE = 0.25
"""The same for a wide kind, where the place of one is not known."""

_TOGETHER = frozenset({4, 5, 6})
"""治安灾害事故, 群众救助服务, 抢险抗灾救援: one event is told as any of them."""

Incidents = Mapping[str, "Incident"]
"""Open incidents by id."""


@dataclass(frozen=True, slots=True)
class Report:
    """One hand-off as far as it is known.

    Parameters:
        at: seconds since the epoch.
        region: GB/T 2260 code, None while unknown.
        category: 1-7 of annex 2, None while unknown.
        words: all that the caller has said.
        risk: to life, 0 to 11 (`flows.waiting_risk`); 0: not looked at.
    """

    handoff: str
    call_id: str
    at: float
    region: str | None = None
    category: int | None = None
    lines: tuple[str, ...] = ()
    words: str = ""
    risk: float = 0.0

    @property
    def kind(self) -> str:
        return kind_of(self.words)

    @property
    def county(self) -> str | None:
        """The region, where it tells more than the province."""
        return None if self.region in (None, "", PROVINCE) else self.region


@dataclass(frozen=True, slots=True)
class Incident:
    """One event and those who called about it."""

    id: str
    members: tuple[Report, ...] = ()
    by_hand: frozenset[str] = frozenset()
    """Hand-offs that a supervisor put here: they stay."""

    @property
    def kind(self) -> str:
        """The most frequent of its members' kinds; of equals the one looked for first."""
        counts = Counter(member.kind for member in self.members if member.kind)
        return max(KINDS, key=lambda kind: counts[kind]) if counts else ""

    @property
    def category(self) -> int | None:
        counts = Counter(each.category for each in self.members if each.category is not None)
        return min(counts, key=lambda code: (-counts[code], code)) if counts else None

    @property
    def regions(self) -> tuple[str, ...]:
        """Known counties of its members, the most frequent first."""
        counts = Counter(member.county for member in self.members if member.county)
        return tuple(sorted(counts, key=lambda code: (-counts[code], code)))

    @property
    def towns(self) -> frozenset[Sound]:
        return frozenset[Sound]().union(*(towns(member.words) for member in self.members))

    @property
    def lines(self) -> tuple[str, ...]:
        """Other lines that its members need."""
        return tuple(dict.fromkeys(line for each in self.members for line in each.lines))

    def without(self, handoffs: Collection[str]) -> Incident:
        members = tuple(each for each in self.members if each.handoff not in handoffs)
        return replace(self, members=members, by_hand=self.by_hand - frozenset(handoffs))

    def having(self, *reports: Report) -> Incident:
        """With these, in the order of their times; newer states take the place of older ones."""
        new = {each.handoff: each for each in (*self.members, *reports)}
        members = tuple(sorted(new.values(), key=lambda each: (each.at, each.handoff)))
        return replace(self, members=members)


@dataclass(frozen=True, slots=True)
class Fit:
    """Why a hand-off belongs to an incident."""

    incident: str
    score: float
    reasons: tuple[str, ...]


def fit(report: Report, incident: Incident) -> Fit | None:
    """How well a hand-off fits the others of an incident; None: it does not belong there."""
    others = incident.without({report.handoff})
    if not others.members or _apart(report, others) > WINDOW_S:
        return None
    place = _place(report, others)
    if place is None or not _go_together(report, others):
        return None
    kind = others.kind
    if report.kind and kind and report.kind != kind:
        return None
    alike = max(likeness(report.words, each.words) for each in others.members)
    spot = any(spots(report.words) & spots(each.words) for each in others.members)
    if not _near(report.kind if kind else "", place, alike, spot=spot):
        return None
    score, where = place
    reasons = [where]
    if report.kind and kind:
        reasons.append(f"都是{KINDS[kind].name}")
        score += 2.0
    if spot:
        reasons.append("同一地点")
        score += 2.0
    if alike >= ALIKE_SOMEWHERE:
        reasons.append(f"说的话相像 {alike:.2f}")
    return Fit(incident.id, score + alike, tuple(reasons))


def _near(kind: str, place: tuple[float, str], alike: float, *, spot: bool) -> bool:
    """Whether nothing that contradicts is also enough to belong together."""
    known = place[0] > 0.0
    wide = bool(kind) and KINDS[kind].wide
    if wide:
        return known or spot or alike >= ALIKE_SOMEWHERE
    return spot if not known else spot or alike >= ALIKE


def _apart(report: Report, others: Incident) -> float:
    return min(abs(report.at - each.at) for each in others.members)


def _place(report: Report, others: Incident) -> tuple[float, str] | None:
    """How near the places are, and in words; None: they are different places."""
    regions = others.regions
    if report.county and regions and not any(_touch(report.county, each) for each in regions):
        return None
    own, theirs = towns(report.words), others.towns
    if own and theirs:
        return (3.0, "同一乡镇") if own & theirs else None
    if report.county and regions:
        return (1.0, "同一市县")
    return (0.0, "地点还不知道")


def _touch(one: str, other: str) -> bool:
    """One lies in the other, or is it: 龙华区 in 海口市."""
    return one in _chain(other) or other in _chain(one)


def _chain(code: str) -> tuple[str, ...]:
    return tuple(area for area in areas(code) if area not in ("", PROVINCE))


def _go_together(report: Report, others: Incident) -> bool:
    """Whether the categories can be of one event: triage on the telephone is not always right."""
    known = {each.category for each in others.members if each.category is not None}
    if report.category is None or not known or report.category in known:
        return True
    kind = others.kind
    codes = KINDS[kind].codes if kind and report.kind == kind else _TOGETHER
    return report.category in codes and bool(known & codes)


def home(report: Report, incidents: Incidents) -> Fit | None:
    """The incident that a hand-off is nearest to; None: it is in none, and opens one.

    Where several are equally near it is the oldest.
    """
    fits = [found for each in incidents.values() if (found := fit(report, each)) is not None]

    def first(found: Fit) -> tuple[float, float, str]:
        return (-found.score, incidents[found.incident].members[0].at, found.incident)

    return min(fits, key=first, default=None)


def where(handoff: str, incidents: Incidents) -> Incident | None:
    """The incident that a hand-off is in."""
    return next(
        (
            each
            for each in incidents.values()
            if any(member.handoff == handoff for member in each.members)
        ),
        None,
    )


def take(report: Report, incidents: Incidents, new_id: str) -> tuple[dict[str, Incident], str]:
    """Take a hand-off, or its newer state, into the incident that it belongs to.

    It stays where it is as long as it fits there, or was put there by hand. An incident that its
    only member leaves is gone.

    Parameters:
        new_id: for the incident that it may open.

    Returns:
        The incidents, and the id of the one that it is in now.
    """
    found = dict(incidents)
    now = where(report.handoff, incidents)
    if now is not None:
        if report.handoff in now.by_hand or fit(report, now) is not None:
            found[now.id] = now.having(report)
            return found, now.id
        rest = now.without({report.handoff})
        found[now.id] = rest
        if not rest.members:
            del found[now.id]
    nearest = home(report, found)
    if nearest is not None:
        found[nearest.incident] = found[nearest.incident].having(report)
        return found, nearest.incident
    if now is not None and now.id not in found:  # alone as before
        new_id = now.id
    found[new_id] = Incident(new_id, (report,))
    return found, new_id


def merge(incidents: Incidents, into: str, other: str) -> dict[str, Incident]:
    """By a supervisor's hand: two incidents are one event.

    Raises:
        KeyError: one of them is not open.
        ValueError: they are the same one.
    """
    if into == other:
        raise ValueError("an incident cannot be merged with itself")
    gone, kept = incidents[other], incidents[into]
    moved = frozenset(each.handoff for each in gone.members)
    found = {id_: each for id_, each in incidents.items() if id_ != other}
    found[into] = replace(kept.having(*gone.members), by_hand=kept.by_hand | moved)
    return found


def split(
    incidents: Incidents, one: str, handoffs: Collection[str], new_id: str
) -> dict[str, Incident]:
    """By a supervisor's hand: these hand-offs are another event.

    Raises:
        KeyError: the incident is not open.
        ValueError: they are not all in it, or nobody would be left in it, or none is named.
    """
    old, moved = incidents[one], frozenset(handoffs)
    members = [each for each in old.members if each.handoff in moved]
    if not moved or len(members) != len(moved) or len(members) == len(old.members):
        raise ValueError("name some members of the incident, and not all of them")
    stay = frozenset(each.handoff for each in old.members) - moved
    rest = old.without(moved)
    return {
        **incidents,
        one: replace(rest, by_hand=rest.by_hand | stay),
        new_id: Incident(new_id, tuple(members), moved),
    }
