"""What new callers are told about an incident: written by one person, approved by another.

Nothing is announced by itself. A text is spoken from the moment that somebody else has approved it
(its audio is checked then) until it is withdrawn, its time is over, or the incident is closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from flows.routes import areas
from voicebot.call.audio_check import findings
from voicebot.call.audio_library import AudioLibrary
from voicebot.incidents.board import keep_step, lock
from voicebot.incidents.errors import AnnouncementRefused, UnknownIncident
from voicebot.incidents.tables import AnnouncementRow, IncidentRow

MOST_CHARACTERS = 80
"""About 16 s: a caller in need does not listen longer."""

LASTS_S = 6 * 3600.0
"""An announcement that nobody ends is over by then: what it says is not true for ever."""

LONGEST_S = 20.0

_LATIN = re.compile(r"[A-Za-z]")
_BRACES = re.compile(r"\{|\}")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One that is in force."""

    incident: str
    text: str
    did: str
    region: str
    approved_at: float


def propose(
    session: Session,
    incident: str,
    text: str,
    *,
    did: str = "",
    region: str = "",
    by: str,
    at: float,
) -> AnnouncementRow:
    """Put a text up for approval; nobody hears it yet.

    Parameters:
        did: only for those who dial this number.
        region: GB/T 2260 code; only for those who are known to be there.

    Raises:
        UnknownIncident: there is no such incident that is open.
        AnnouncementRefused: the text cannot be spoken.
    """
    _open(session, incident)
    text = text.strip()
    if not 4 <= len(text) <= MOST_CHARACTERS:
        raise AnnouncementRefused(
            f"The text has {len(text)} characters; 4 to {MOST_CHARACTERS} can be announced."
        )
    if _LATIN.search(text) or _BRACES.search(text) or not text.isprintable():
        raise AnnouncementRefused(
            "The text has Latin letters, braces or line breaks in it, which would be heard; "
            "write it in plain Chinese, on one line."
        )
    row = AnnouncementRow(
        incident=incident, text=text, did=did, region=region, proposed_by=by[:100], proposed_at=at
    )
    session.add(row)
    session.flush()
    keep_step(session, incident, "announce", by, at, announcement=row.id, text=text)
    return row


def check_audio(library: AudioLibrary, text: str) -> None:
    """Render the text, for every caller to come, and see that it is fit to be heard. Blocking.

    Raises:
        AnnouncementRefused: it is not.
        SpeechUnavailable: there is no voice for it.
    """
    library.prepare([text])
    speech = library.get(text)
    errors = [each.message for each in findings(speech, text) if each.level == "error"]
    if speech.seconds > LONGEST_S:
        errors.append(f"{speech.seconds:.0f} s long, at most {LONGEST_S:.0f}")
    if errors:
        raise AnnouncementRefused(f"The audio is not fit to be heard: {'; '.join(errors)}.")


def waiting_for_approval(session: Session, incident: str, announcement: int) -> AnnouncementRow:
    """A text that was proposed and neither approved nor ended.

    Raises:
        UnknownIncident: there is no such incident that is open.
        AnnouncementRefused: there is no such text.
    """
    _open(session, incident)
    row = session.get(AnnouncementRow, announcement)
    if row is None or row.incident != incident or row.approved_at or row.ended_at:
        raise AnnouncementRefused(
            f"Announcement {announcement} of {incident} does not wait for approval; "
            f"`voicebot incidents show {incident}` lists them."
        )
    return row


def approve(session: Session, incident: str, announcement: int, *, by: str, at: float) -> None:
    """Another person lets it be spoken; what was announced to the same callers before is over.

    Raises:
        UnknownIncident: there is no such incident that is open.
        AnnouncementRefused: there is no such text, or it is one's own.
    """
    lock(session)
    row = waiting_for_approval(session, incident, announcement)
    if row.proposed_by == by[:100]:
        raise AnnouncementRefused(
            "Nobody approves the announcement that he has written; another person has to."
        )
    for old in session.scalars(
        select(AnnouncementRow).where(
            AnnouncementRow.did == row.did,
            AnnouncementRow.region == row.region,
            AnnouncementRow.approved_at.is_not(None),
            AnnouncementRow.ended_at.is_(None),
        )
    ):
        old.ended_by, old.ended_at = by[:100], at
    row.approved_by, row.approved_at = by[:100], at
    keep_step(session, incident, "approve", by, at, announcement=row.id)


def withdraw(session: Session, incident: str, announcement: int, *, by: str, at: float) -> None:
    """It is not spoken any more, or will never be; anybody who may announce may do this.

    Raises:
        AnnouncementRefused: there is none that is not over.
    """
    row = session.get(AnnouncementRow, announcement)
    if row is None or row.incident != incident or row.ended_at is not None:
        raise AnnouncementRefused(f"There is no announcement {announcement} of {incident} to end.")
    row.ended_by, row.ended_at = by[:100], at
    keep_step(session, incident, "withdraw", by, at, announcement=row.id)


def end_all(session: Session, incident: str, *, by: str, at: float) -> None:
    """The incident is over, and so is what was said about it."""
    for row in session.scalars(
        select(AnnouncementRow).where(
            AnnouncementRow.incident == incident, AnnouncementRow.ended_at.is_(None)
        )
    ):
        row.ended_by, row.ended_at = by[:100], at


def in_force(session: Session, at: float) -> tuple[Announcement, ...]:
    """What is spoken now, the newest first."""
    rows = session.scalars(
        select(AnnouncementRow)
        .where(
            AnnouncementRow.approved_at > at - LASTS_S,
            AnnouncementRow.approved_at <= at,
            AnnouncementRow.ended_at.is_(None),
        )
        .order_by(AnnouncementRow.approved_at.desc(), AnnouncementRow.id.desc())
    )
    return tuple(
        Announcement(row.incident, row.text, row.did, row.region, row.approved_at or 0.0)
        for row in rows
    )


def text_for(
    announcements: tuple[Announcement, ...], did: str, region: str | None, at: float
) -> str:
    """What a new caller of `did` in `region` is told; "" for nothing."""
    return next(
        (
            each.text
            for each in announcements
            if each.did in ("", did)
            and (not each.region or each.region in areas(region))
            and at < each.approved_at + LASTS_S
        ),
        "",
    )


def _open(session: Session, incident: str) -> None:
    row = session.get(IncidentRow, incident)
    if row is None or row.state != "open":
        raise UnknownIncident(incident)
