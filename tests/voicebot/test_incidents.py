"""Incidents on record: taken in from the hand-offs, changed by hand, announced by two people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.voicebot.test_landslide import CALLERS, stories
from tests.voicebot.ticket_desk import act, opened
from voicebot.call.audio_library import AudioLibrary
from voicebot.call.voices.sound import Speech
from voicebot.exchange.tables import EnvelopeRow
from voicebot.incidents import acts, announcing, reading
from voicebot.incidents.announcing import LASTS_S, in_force, text_for
from voicebot.incidents.board import load
from voicebot.incidents.errors import AnnouncementRefused, IncidentError, UnknownIncident
from voicebot.incidents.tables import IncidentMemberRow, IncidentRow
from voicebot.incidents.taking_in import BACK_S, OVER_S, close_old, take_in
from voicebot.incidents.watch import IncidentWatch
from voicebot.records.database import open_engine
from voicebot.records.errors import RecordsUnavailable
from voicebot.records.operations import update_dossier, write_dossier
from voicebot.records.store import Records
from voicebot.tickets.states import Act

NOON = 1_795_395_600.0
LANDSLIDE = "山体滑坡了，房子被埋了"
TEXT = "番阳镇的滑坡已经有人去救，您那边有新情况请说。"


def dossier(
    call: str = "c1", words: str = LANDSLIDE, region: str | None = "469001", revision: int = 1
) -> dict[str, Any]:
    turns = [{"side": "caller", "text": words, "start": 1.0, "end": 3.0}] if words else []
    return {
        "handoff": f"{call}-h1",
        "call_id": call,
        "caller": "13800138000",
        "region": region,
        "category": 4,
        "lines": ["119"],
        "flags": [],
        "reason": "danger",
        "evidence": [],
        "transcript": turns,
        "revision": revision,
    }


def handed_off(
    session: Session, call: str = "c1", at: float = NOON, to: str = "110-469001", **values: Any
) -> None:
    write_dossier(session, destination=to, dossier=dossier(call, **values), at=at)


def members(session: Session) -> dict[str, set[str]]:
    return {id_: {each.handoff for each in found.members} for id_, found in load(session).items()}


def the_one(session: Session) -> str:
    (found,) = load(session)
    return found


# ── taken in ──────────────────────────────────────────────────────────────────────


def test_callers_of_one_landslide_are_one_incident_and_each_stays_a_member(desk: Session) -> None:
    for number in range(3):
        handed_off(desk, f"c{number}", NOON + number)
    handed_off(desk, "other", region="469030")
    assert take_in(desk, NOON + 5) == 4
    assert sorted(map(len, members(desk).values())) == [1, 3]
    assert take_in(desk, NOON + 6) == 0, "nothing is new"


def test_risk_to_life_is_kept_with_each_member_and_follows_what_he_says(desk: Session) -> None:
    handed_off(desk, "a", words="山体滑坡了，没有人受伤")
    handed_off(desk, "b", NOON + 1, words="山体滑坡了，有人被埋")

    def risks() -> dict[str, float]:
        return {row.handoff: row.risk for row in desk.scalars(select(IncidentMemberRow))}

    take_in(desk, NOON + 2)
    assert risks()["b-h1"] > risks()["a-h1"] > 0
    words = dossier("a", revision=2, words="山体滑坡了，我爸没有呼吸了")
    update_dossier(desk, handoff="a-h1", dossier=words, at=NOON + 9)
    take_in(desk, NOON + 10)
    assert risks()["a-h1"] > risks()["b-h1"]


def test_a_hand_off_to_a_seat_is_no_incident(desk: Session) -> None:
    handed_off(desk, to="seat")
    assert take_in(desk, NOON) == 0


def test_what_the_caller_goes_on_saying_takes_him_to_his_incident(desk: Session) -> None:
    handed_off(desk, "a")
    handed_off(desk, "b", words="", region=None)
    take_in(desk, NOON)
    assert len(members(desk)) == 2
    update_dossier(desk, handoff="b-h1", dossier=dossier("b", revision=2), at=NOON + 9)
    assert take_in(desk, NOON + 10) == 1
    assert set(members(desk).values().__iter__().__next__()) == {"a-h1", "b-h1"}
    closed = desk.scalars(select(IncidentRow).where(IncidentRow.state == "closed")).all()
    assert len(closed) == 1, "the one that he was alone in"


def test_hand_offs_of_hours_ago_are_left_and_incidents_of_yesterday_are_closed(
    desk: Session,
) -> None:
    handed_off(desk, "a")
    take_in(desk, NOON)
    handed_off(desk, "b", NOON + 60)
    assert take_in(desk, NOON + 61 + BACK_S) == 0
    assert close_old(desk, NOON + OVER_S - 1) == 0
    assert close_old(desk, NOON + OVER_S + 1) == 1
    assert load(desk) == {}


def test_of_two_nodes_one_closes_an_incident_of_yesterday(postgresql_url: str) -> None:
    engine = open_engine(postgresql_url)
    with Session(engine) as first, Session(engine) as second:
        handed_off(first, "a")
        take_in(first, NOON)
        first.commit()
        assert close_old(first, NOON + OVER_S + 1) == 1
        assert close_old(second, NOON + OVER_S + 1) == 0
        second.commit()
        first.commit()
        assert close_old(second, NOON + OVER_S + 1) == 0
    engine.dispose()


def test_200_callers_of_one_landslide_are_one_incident_on_the_desk(desk: Session) -> None:
    for number, story in enumerate(stories()):
        handed_off(desk, f"c{number}", NOON + story.begins_at, words=story.said[0][1])
    assert take_in(desk, NOON + 301) == CALLERS
    (shown,) = reading.open_incidents(desk)
    assert (shown["title"], shown["callers"]) == ("五指山市 山体滑坡", CALLERS)
    whole = reading.incident(desk, shown["incident"])
    assert len({each["call_id"] for each in whole["members"]}) == CALLERS


# ── by hand ───────────────────────────────────────────────────────────────────────


def test_merged_by_hand_everybody_is_there_and_stays(desk: Session) -> None:
    handed_off(desk, "a")
    handed_off(desk, "b", region="469030")
    take_in(desk, NOON)
    one = reading.incident_of_call(desk, "a") or ""
    other = reading.incident_of_call(desk, "b") or ""
    acts.merge(desk, one, other, by="李主管", at=NOON + 1)
    update_dossier(desk, handoff="b-h1", dossier=dossier("b", "涨水了", "469030", 2), at=NOON + 2)
    take_in(desk, NOON + 3)
    assert members(desk) == {one: {"a-h1", "b-h1"}}
    gone = reading.incident(desk, other)
    assert (gone["state"], gone["merged_into"]) == ("closed", one)
    history = reading.incident(desk, one)["history"]
    assert [(each["act"], each["who"]) for each in history] == [
        ("open", "system"),
        ("merge", "李主管"),
    ]


def test_split_by_hand_both_halves_stay_apart(desk: Session) -> None:
    for call in "abc":
        handed_off(desk, call)
    take_in(desk, NOON)
    old = the_one(desk)
    new = acts.split(desk, old, ["b-h1"], by="李主管", at=NOON + 1)
    update_dossier(desk, handoff="b-h1", dossier=dossier("b", revision=2), at=NOON + 2)
    take_in(desk, NOON + 3)
    assert members(desk) == {old: {"a-h1", "c-h1"}, new: {"b-h1"}}
    with pytest.raises(IncidentError, match="not all of them"):
        acts.split(desk, new, ["b-h1"], by="李主管", at=NOON + 4)


def test_a_closed_incident_takes_nobody_and_keeps_those_it_has(desk: Session) -> None:
    handed_off(desk, "a")
    take_in(desk, NOON)
    old = the_one(desk)
    acts.close(desk, old, by="李主管", at=NOON + 1)
    update_dossier(desk, handoff="a-h1", dossier=dossier("a", revision=2), at=NOON + 2)
    handed_off(desk, "b", NOON + 3)
    assert take_in(desk, NOON + 4) == 1
    assert list(members(desk).values()) == [{"b-h1"}]
    kept = desk.get_one(IncidentMemberRow, "a-h1")
    assert kept.incident == old
    with pytest.raises(UnknownIncident, match="incidents list"):
        acts.close(desk, old, by="李主管", at=NOON + 5)


# ── announced ─────────────────────────────────────────────────────────────────────


def proposed(session: Session, **values: Any) -> tuple[str, int]:
    handed_off(session)
    take_in(session, NOON)
    one = the_one(session)
    row = announcing.propose(session, one, TEXT, by="李主管", at=NOON, **values)
    return one, row.id


def test_nothing_is_announced_before_another_person_has_approved_it(desk: Session) -> None:
    one, number = proposed(desk)
    assert in_force(desk, NOON + 1) == ()
    with pytest.raises(AnnouncementRefused, match="another person"):
        announcing.approve(desk, one, number, by="李主管", at=NOON + 1)
    announcing.approve(desk, one, number, by="王主任", at=NOON + 2)
    assert [each.text for each in in_force(desk, NOON + 3)] == [TEXT]
    assert in_force(desk, NOON + 3 + LASTS_S) == (), "it is not true for ever"


def test_it_is_for_the_line_and_the_place_that_it_was_written_for(desk: Session) -> None:
    one, number = proposed(desk, did="12345", region="460100")
    announcing.approve(desk, one, number, by="王主任", at=NOON)
    found = in_force(desk, NOON + 1)
    assert text_for(found, "12345", "460106", NOON + 1) == TEXT
    assert text_for(found, "12345", "469001", NOON + 1) == ""
    assert text_for(found, "12345", None, NOON + 1) == ""
    assert text_for(found, "12333", "460106", NOON + 1) == ""


@pytest.mark.parametrize("end", ["withdraw", "close", "newer"])
def test_it_ends_by_hand_with_its_incident_or_with_a_newer_one(desk: Session, end: str) -> None:
    one, number = proposed(desk)
    announcing.approve(desk, one, number, by="王主任", at=NOON)
    if end == "withdraw":
        announcing.withdraw(desk, one, number, by="李主管", at=NOON + 1)
    elif end == "close":
        acts.close(desk, one, by="李主管", at=NOON + 1)
    else:
        row = announcing.propose(desk, one, "滑坡已经清完了。", by="李主管", at=NOON + 1)
        announcing.approve(desk, one, row.id, by="王主任", at=NOON + 1)
    assert TEXT not in [each.text for each in in_force(desk, NOON + 2)]


@pytest.mark.parametrize("text", ["", "好", "字" * 81, "请打call", "去{place}", "一行\n二行的"])
def test_a_text_that_cannot_be_spoken_is_refused(desk: Session, text: str) -> None:
    one, _ = proposed(desk)
    with pytest.raises(AnnouncementRefused):
        announcing.propose(desk, one, text, by="李主管", at=NOON)


def test_audio_that_is_not_fit_to_be_heard_is_refused(tmp_path: Path) -> None:
    def voice(pcm: Any) -> Any:
        return SimpleNamespace(voice="test", render=lambda text: Speech(pcm, 8000))

    silent = AudioLibrary(tmp_path, voice(np.zeros(8000, np.int16)))
    with pytest.raises(AnnouncementRefused, match="nothing to be heard"):
        announcing.check_audio(silent, TEXT)
    noise = np.random.default_rng(1).uniform(-9000, 9000, 25 * 8000).astype(np.int16)
    with pytest.raises(AnnouncementRefused, match="25 s long"):
        announcing.check_audio(AudioLibrary(tmp_path / "b", voice(noise)), TEXT)
    fit = AudioLibrary(tmp_path / "c", voice(noise[: 5 * 8000]))
    announcing.check_audio(fit, TEXT)
    assert fit.find(TEXT, 8000) is not None, "it is rendered before the first caller"


# ── the service's own work ────────────────────────────────────────────────────────


async def test_the_service_tells_its_calls_their_incident_and_takes_up_what_is_announced(
    records: Records,
) -> None:
    told: list[tuple[str, str, str]] = []
    prepared: list[str] = []
    library: Any = SimpleNamespace(prepare=prepared.extend)
    watch = IncidentWatch(records, library, lambda: ["c1"], lambda *each: told.append(each))
    opened: Mapping[str, Any] = {"destination": "110-469001", "requested_at": NOON}
    for call in ("c1", "c2"):
        await records.open_handoff(opened, dossier(call))
    await watch.look(NOON + 1)
    await watch.look(NOON + 2)
    (one,) = await records.read(reading.open_incidents)
    assert told == [("c1", "c1-h1", one["incident"])], "once, and only of calls that run here"

    now = time.time()

    def announce(session: Session) -> None:
        row = announcing.propose(session, one["incident"], TEXT, by="a", at=now)
        announcing.approve(session, one["incident"], row.id, by="b", at=now)

    assert watch.announcement("12345", None) == ""
    await records.transact(announce)
    await watch.look(now + 1)
    assert watch.announcement("12345", None) == TEXT
    assert prepared == [TEXT]


async def test_what_was_withdrawn_is_silent_although_a_new_text_cannot_be_rendered(
    records: Records,
) -> None:
    broken: list[str] = []

    def prepare(texts: list[str]) -> None:
        if "新的提示" in texts:
            broken.extend(texts)
            raise OSError("no space left")

    watch = IncidentWatch(records, SimpleNamespace(prepare=prepare), list, lambda *_: None)  # type: ignore[arg-type]
    opened: Mapping[str, Any] = {"destination": "110-469001", "requested_at": NOON}
    for call in ("c1", "c2"):
        await records.open_handoff(opened, dossier(call))
    await watch.look(NOON + 1)
    (one,) = await records.read(reading.open_incidents)
    incident = one["incident"]

    def announced(text: str) -> Callable[[Session], int]:
        def announce(session: Session) -> int:
            row = announcing.propose(session, incident, text, by="a", at=NOON + 2)
            announcing.approve(session, incident, row.id, by="b", at=NOON + 2)
            return row.id

        return announce

    number = await records.transact(announced(TEXT))
    await watch.look(NOON + 3)
    assert [each.text for each in watch._announcements] == [TEXT]
    await records.transact(
        lambda session: announcing.withdraw(session, incident, number, by="b", at=NOON + 4)
    )
    await records.transact(announced("新的提示"))
    with pytest.raises(OSError, match="no space"):
        await watch.look(NOON + 5)
    assert broken
    assert watch._announcements == ()


def test_a_police_order_of_a_ticket_carries_the_incident_of_its_call(desk: Session) -> None:
    handed_off(desk, "C1")
    take_in(desk, NOON)
    opened(desk)
    act(desk, Act.DISPATCH)
    act(desk, Act.ESCALATE)
    orders = [
        each for each in desk.scalars(select(EnvelopeRow)) if "order" in each.envelope["kind"]
    ]
    assert [each.envelope["incident"] for each in orders] == [the_one(desk)]


@pytest.mark.leaping_time
async def test_a_database_that_is_away_stops_nothing_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = IncidentWatch(
        SimpleNamespace(),
        SimpleNamespace(),
        list,
        lambda *_: None,  # type: ignore[arg-type]
    )
    looks: list[float] = []

    async def look(_: float) -> None:
        looks.append(asyncio.get_running_loop().time())
        if len(looks) < 3:
            raise RecordsUnavailable("it is away")

    monkeypatch.setattr(watch, "look", look)
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(23.5)
    running.cancel()
    assert looks == [1.0, 11.0, 21.0, 22.0, 23.0]
