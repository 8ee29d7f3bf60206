"""One call on a page: its story with the reasons on record, its words in time, its sound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.config import Settings
from voicebot.web.api import create_app
from voicebot.web.console.calls.sound import sound
from voicebot.web.console.calls.story import Evidence, evidence_of, story
from voicebot.web.console.calls.word_times import anchors_by_turn, begins

CALL, NUMBER = "C/1", "13800138000"
seconds = st.floats(0, 100, allow_nan=False)


# ── when a word was said ────────────────────────────────────────────────────────────


@given(
    st.integers(0, 60),
    seconds,
    seconds,
    st.lists(st.tuples(st.floats(-5, 80, allow_nan=False), st.floats(-5, 120, allow_nan=False))),
)
def test_every_character_begins_within_its_turn_and_none_before_the_last(
    length: int, start: float, lasts: float, anchors: list[tuple[float, float]]
) -> None:
    times = begins(length, start, start + lasts, anchors)
    assert len(times) == length
    assert times == sorted(times)
    assert all(start - 0.01 <= at <= start + lasts + 0.01 for at in times)


def test_what_the_listener_had_heard_by_when_places_the_words() -> None:
    assert begins(4, 0.0, 4.0) == [0.0, 1.0, 2.0, 3.0]
    assert begins(4, 0.0, 10.0, [(2, 1.0), (3, 9.0)]) == [0.0, 0.5, 1.0, 9.0]


def test_anchors_are_shares_of_what_was_heard_in_the_end() -> None:
    def heard(turn: int, syllables: int, end: float) -> dict[str, Any]:
        payload = {"turn": turn, "syllables": syllables * ["a1"], "end": end}
        return {"kind": "Heard", "payload": payload}

    events = [heard(1, 1, 0.5), heard(1, 2, 0.9), heard(2, 4, 3.0), heard(1, 0, 1.0)]
    assert anchors_by_turn(events) == {1: [(0.5, 0.5), (1.0, 0.9)], 2: [(1.0, 3.0)]}


# ── the story ───────────────────────────────────────────────────────────────────────


def event(at: float, kind: str, **payload: Any) -> dict[str, Any]:
    return {"at": at, "direction": "in", "kind": kind, "payload": payload}


EVENTS = [
    event(3.0, "Heard", turn=1, syllables=("chu2", "fang2"), start=2.0, end=3.0),
    event(4.0, "TransferProgress", handoff="H1", destination="110-460100", state="ringing"),
    event(6.0, "KeyPressed", key="1"),
    event(9.0, "HungUp", by="caller"),
]
WHY = "danger：着火了（听音）；classifier：110_now 0.87"
RECORD: dict[str, Any] = {
    "call_id": CALL,
    "turns": [
        {"side": "bot", "text": "您好", "start": 0.0, "end": 1.0, "entry": None, "final": True},
        {"side": "caller", "text": "厨房着火了", "start": 2.0, "end": 5.0, "final": True},
        {"side": "bot", "text": "条目", "start": 6.0, "end": 7.0, "entry": "E1", "final": True},
    ],
    "decisions": [
        {"at": 3.5, "what": "hand_off_110", "why": WHY},
        {"at": 3.4, "what": "place", "why": "来电人所在地：海口市（460100）"},
    ],
    "handoffs": [
        {
            "id": "H1", "reason": "danger", "destination": "110-460100", "state": "confirmed",
            "category": 4, "lines": ["119"], "region": "460106", "requested_at": 3.5,
            "connected_at": 8.6, "connected_to": "110-460100", "returned_at": None,
            "evidence": ["danger：着火了（听音）", "classifier：110_now 0.87"],
        }
    ],
}  # fmt: skip


def test_the_story_goes_in_the_order_of_time() -> None:
    told = story(RECORD, EVENTS)
    assert [(each.kind, each.what) for each in told.moments] == [
        ("turn", "bot"),
        ("turn", "caller"),
        ("decision", "place"),
        ("decision", "hand_off_110"),
        ("leg", "ringing"),
        ("turn", "bot"),
        ("key", "1"),
        ("end", "caller"),
    ]


def test_the_turn_in_which_danger_was_heard_is_marked_and_no_other() -> None:
    told = story(RECORD, EVENTS)
    assert [each.text for each in told.moments if each.kind == "turn" and each.danger] == [
        "厨房着火了"
    ]


def test_a_turn_of_the_callers_has_the_number_that_live_words_have() -> None:
    turns = [each for each in story(RECORD, EVENTS).moments if each.kind == "turn"]
    assert [each.number for each in turns] == [None, 1, None]


def test_a_transfer_says_why_by_what_and_how_it_went() -> None:
    (transfer,) = story(RECORD, EVENTS).transfers
    assert transfer.danger
    assert transfer.waited_s == pytest.approx(5.1)
    assert transfer.evidence == (
        Evidence("danger", "着火了", "听音"),
        Evidence("classifier", "110_now", "", 0.87),
    )
    assert transfer.legs == ((4.0, "110-460100", "ringing"),)


def test_only_what_the_call_came_to_is_a_key_decision() -> None:
    assert [each.what for each in story(RECORD, EVENTS).key_decisions] == ["hand_off_110"]


@given(st.text(max_size=40))
def test_whatever_is_on_record_as_evidence_can_be_shown(text: str) -> None:
    found = evidence_of(text)
    assert found.kind or found.detail == text


# ── its sound ───────────────────────────────────────────────────────────────────────


def test_a_recording_is_heard_where_it_is_plain_and_the_call_is_over(tmp_path: Path) -> None:
    file = tmp_path / "C1.wav"
    moved = "/elsewhere/recordings/C1.wav"
    assert sound("", tmp_path, ended=True, may_listen=True).state == "none"
    assert sound(moved, tmp_path, ended=True, may_listen=True).state == "gone"
    file.write_bytes(b"RIFF")
    assert sound(moved, tmp_path, ended=True, may_listen=True).file == file
    assert sound(moved, tmp_path, ended=False, may_listen=True).state == "running"
    closed = sound(moved, tmp_path, ended=True, may_listen=False)
    assert (closed.state, closed.file) == ("closed", None)
    file.rename(tmp_path / "C1.wav.age")
    for kept_as in (moved, f"{moved}.age"):
        assert sound(kept_as, tmp_path, ended=True, may_listen=True).state == "sealed"


def test_no_file_outside_of_the_recordings_is_ever_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "recordings").mkdir()
    for name in ("../secret", "/etc/passwd", str(tmp_path / "secret")):
        found = sound(name, tmp_path / "recordings", ended=True, may_listen=True)
        assert found.file is None


# ── the page ────────────────────────────────────────────────────────────────────────


async def _call(settings: Settings, *, confidential: bool) -> _Service:
    records = await _opened(settings)
    file = settings.paths.state / "recordings" / "C1.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"RIFF" + bytes(96))
    began = time.time() - 60
    await records.start_call(CALL, NUMBER, "12345", began, str(file))
    turn = {"side": "caller", "text": f"我的电话是{NUMBER}，厨房着火了", "start": 2.0, "end": 5.0}
    await records.add_turn(CALL, 0, turn)
    row = {"seq": 1, "at": 3.5, "direction": "out", "kind": "Decide"}
    await records.append(CALL, [{**row, "payload": RECORD["decisions"][0]}])
    await records.save_ticket(
        {
            "id": "T1", "call_id": CALL, "matter": "消防", "place": "", "name": "陈",
            "number": NUMBER, "region": None, "department": None, "confidential": confidential,
        }
    )  # fmt: skip
    await records.finish_call(CALL, "handed_off", began + 53)
    return _Service(settings, records)


@pytest.fixture(params=[False])
def service(settings: Settings, request: pytest.FixtureRequest) -> _Service:
    return asyncio.run(_call(settings, confidential=request.param))


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    app = create_app(service, service.announcements)  # type: ignore[arg-type]
    with TestClient(app, headers={"Accept": "text/html"}) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


PAGE = "/console/calls/C%2F1"


def test_a_supervisor_reads_all_and_hears_it(client: TestClient, service: _Service) -> None:
    supervisor = bearer(service, "supervisor")
    page = client.get(PAGE, headers=supervisor).text
    assert NUMBER in page
    assert "转110" in page
    assert "立即转110" in page
    assert f'src="{PAGE}/recording"' in page
    part = client.get(f"{PAGE}/recording", headers={**supervisor, "Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")


def test_an_agent_reads_no_number_and_hears_nothing(client: TestClient, service: _Service) -> None:
    agent = bearer(service, "agent")
    page = client.get(PAGE, headers=agent)
    assert page.status_code == 200
    assert NUMBER not in page.text
    assert "厨房着火了" in page.text
    assert "值班长可以听" in page.text
    assert client.get(f"{PAGE}/recording", headers=agent).status_code == 403


@pytest.mark.parametrize("service", [True], indirect=True)
def test_a_confidential_call_is_for_supervisors_alone(
    client: TestClient, service: _Service
) -> None:
    answer = client.get(PAGE, headers=bearer(service, "agent"))
    assert answer.status_code == 403
    assert "来电人要求保密" in answer.text
    assert NUMBER not in answer.text
    assert client.get(PAGE, headers=bearer(service, "supervisor")).status_code == 200


def test_a_call_that_is_not_known_is_not_found(client: TestClient, service: _Service) -> None:
    answer = client.get("/console/calls/none", headers=bearer(service, "agent"))
    assert answer.status_code == 404
    assert "没有找到" in answer.text


def test_views_and_listening_are_on_record(client: TestClient, service: _Service) -> None:
    supervisor = bearer(service, "supervisor")
    client.get(PAGE, headers=supervisor)
    client.get(f"{PAGE}/recording", headers=supervisor)
    headers = {**bearer(service, "auditor"), "Accept": "application/json"}
    rows = client.get("/v1/audit", headers=headers).json()["acts"]
    assert {("call.read", CALL), ("recording.play", CALL)} <= {
        (each["action"], each["subject"]) for each in rows
    }
