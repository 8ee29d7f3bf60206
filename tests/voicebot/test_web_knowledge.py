"""/v1/knowledge: an answer from its author by a second person to the callers."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.kb.conftest import make_entry
from tests.voicebot.call_logs import record_in, unanswered
from tests.voicebot.knowledge_room import FIELDS, Room, give_ears, opened
from voicebot import knowledge_following
from voicebot.config import Settings
from voicebot.web.knowledge.desk import AT_LEISURE

FIRST = make_entry("a-1", "社保卡丢了怎么补办", variants=("社会保障卡遗失",))
SECOND = make_entry("a-2", "怎么申请公租房", department="住建厅")
HEAD = "id,category,department,question,answer,valid_from,valid_to,status\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge_following, "KNOWLEDGE_CHECK_S", 0.005)
    monkeypatch.setattr("voicebot.knowledge_desk.publishing.LOOK_S", 0.005)


@pytest.fixture
def room(settings: Settings) -> Iterator[Room]:
    with opened(settings, FIRST, SECOND) as found:
        yield found


def searched(room: Room, query: str, **known: Any) -> dict[str, Any]:
    answer = room.client.post(
        "/v1/knowledge/search", json={"query": query, **known}, headers=room.as_("agent")
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def written(room: Room, who: dict[str, str], **changes: Any) -> str:
    answer = room.client.post("/v1/knowledge/entries", json=FIELDS | changes, headers=who)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def acted(room: Room, name: str, act: str, who: dict[str, str], **more: Any) -> Any:
    return room.client.post(
        f"/v1/knowledge/entries/{name}/acts", json={"act": act, **more}, headers=who
    )


# ── an answer's way ───────────────────────────────────────────────────────────────


def test_an_answer_is_written_reviewed_by_another_published_and_then_given(room: Room) -> None:
    editor, reviewer = room.as_("editor", "小王"), room.as_("reviewer", "李主任")
    assert searched(room, FIELDS["question"])["decision"] != "answer"
    name = written(room, editor, submit=True)

    approved = acted(room, name, "approve", reviewer, version=1)
    assert approved.json() == {"id": name, "version": 1, "status": "approved"}
    assert searched(room, FIELDS["question"])["decision"] != "answer"
    told = room.published(name, reviewer)

    assert (told["state"], told["done"]) == ("done", told["total"])
    found = searched(room, "小区门口的路灯坏了谁来修")
    assert (found["decision"], found["entry"]) == ("answer", name)
    best = found["candidates"][0]
    assert best["nearest"]["text"]["wording"] == "小区门口的路灯坏了谁来修"
    assert best["nearest"]["text"]["kind"] == "variant"
    audio = room.client.get(best["audio"], headers=editor)
    assert audio.headers["content-type"] == "audio/wav"
    detail = room.client.get(f"/v1/knowledge/entries/{name}", headers=editor).json()
    assert detail["spoken_version"] == 1
    assert [step["status"] for step in detail["versions"][0]["steps"]] == [
        "in_review", "approved", "published",
    ]  # fmt: skip
    assert room.audited("kb.add", "小王") == [f"{name} v1"]
    assert room.audited("kb.approve", "李主任") == [f"{name} v1"]
    assert room.audited("kb.publish", "李主任") == [f"{name} v1"]


def test_nobody_approves_what_he_wrote(room: Room) -> None:
    reviewer = room.as_("reviewer", "李主任")
    name = written(room, reviewer, submit=True)
    refused = acted(room, name, "approve", reviewer, version=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "kb.same_person")


@pytest.mark.parametrize("act", ["approve", "reject", "withdraw", "rollback"])
def test_an_editor_decides_nothing(room: Room, act: str) -> None:
    name = written(room, room.as_("editor", "小王"), submit=True)
    refused = acted(room, name, act, room.as_("editor", "小张"), version=1, why="因为")
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")


def test_what_is_sent_back_says_why_and_can_be_handed_in_again(room: Room) -> None:
    editor, reviewer = room.as_("editor", "小王"), room.as_("reviewer", "李主任")
    name = written(room, editor, submit=True)
    assert acted(room, name, "reject", reviewer, version=1).status_code == 409
    assert (
        acted(room, name, "reject", reviewer, version=1, why="少了电话").json()["status"] == "draft"
    )
    assert acted(room, name, "submit", editor).json()["status"] == "in_review"


def test_a_withdrawal_silences_the_answer_and_an_old_version_comes_back(room: Room) -> None:
    reviewer = room.as_("reviewer", "李主任")
    assert acted(room, "a-1", "withdraw", reviewer, why="政策废止").json()["status"] == "withdrawn"
    while searched(room, FIRST.question)["decision"] == "answer":
        pass
    back = acted(room, "a-1", "rollback", reviewer, version=1, why="还有效").json()
    assert back == {"id": "a-1", "version": 2, "status": "published"}


def test_what_is_not_approved_cannot_be_published(room: Room) -> None:
    name = written(room, room.as_("editor"), submit=True)
    for entries, code in (([name], 409), (["nothing"], 404)):
        answer = room.client.post(
            "/v1/knowledge/publications", json={"entries": entries}, headers=room.as_("reviewer")
        )
        assert answer.status_code == code


def test_a_publication_that_fails_says_why_and_changes_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicebot.errors import SpeechUnavailable

    def silent(*_: Any) -> Any:
        raise SpeechUnavailable("There is no voice.")

    reviewer = room.as_("reviewer", "李主任")
    name = written(room, room.as_("editor"), submit=True)
    acted(room, name, "approve", reviewer, version=1)
    monkeypatch.setattr(room.service.engines.library, "prepare", silent)
    told = room.published(name, reviewer)
    assert (told["state"], told["message"]) == ("failed", "There is no voice.")
    detail = room.client.get(f"/v1/knowledge/entries/{name}", headers=reviewer).json()
    assert (detail["spoken_version"], detail["versions"][0]["status"]) == (None, "approved")


def test_a_publication_may_be_planned(room: Room) -> None:
    reviewer = room.as_("reviewer", "李主任")
    name = written(room, room.as_("editor"), submit=True)
    acted(room, name, "approve", reviewer, version=1)
    begun = room.client.post(
        "/v1/knowledge/publications",
        json={"entries": [name], "at": "2099-01-01T08:00"},
        headers=reviewer,
    )
    told = room.over(begun.json()["id"], reviewer)
    assert (told["state"], told["effective_at"]) == ("done", "2099-01-01T00:00:00+00:00")
    assert searched(room, FIELDS["question"])["decision"] != "answer"


# ── two at one entry ──────────────────────────────────────────────────────────────


def test_who_saves_second_sees_what_the_first_has_changed_and_loses_nothing(room: Room) -> None:
    first, second = room.as_("editor", "小王"), room.as_("editor", "小张")
    path = "/v1/knowledge/entries/a-1"
    tag = room.client.get(path, headers=first).headers["etag"]
    given = {**FIELDS, "question": FIRST.question}

    one = {**given, "answer": "先打电话12333挂失。"}
    assert room.client.put(path, json=one, headers=first | {"If-Match": tag}).status_code == 200
    other = {**given, "answer": "先打电话12345挂失。", "source": "通知"}
    refused = room.client.put(path, json=other, headers=second | {"If-Match": tag})

    assert (refused.status_code, refused.json()["code"]) == (412, "kb.outdated")
    told = refused.json()
    assert (told["version"], told["who"]) == (2, "小王")
    assert told["both"] == ["answer", "source"]
    (answer,) = [change for change in told["theirs"] if change["field"] == "answer"]
    assert {"kind": "added", "text": "先打电话12333挂失"} in answer["pieces"]
    assert told["merged"]["answer"] == "先打电话12345挂失。"
    again = room.client.put(path, json=told["merged"], headers=second | {"If-Match": '"2"'})
    assert again.json()["version"] == 3
    versions = room.client.get(path, headers=first).json()["versions"]
    assert [version["who"] for version in versions] == ["小张", "小王", "甲"]


def test_without_the_version_that_was_read_nothing_is_overwritten(room: Room) -> None:
    answer = room.client.put("/v1/knowledge/entries/a-1", json=FIELDS, headers=room.as_("editor"))
    assert (answer.status_code, answer.json()["code"]) == (428, "kb.no_version")


def test_two_versions_are_compared_word_by_word(room: Room) -> None:
    editor = room.as_("editor")
    path = "/v1/knowledge/entries/a-2"
    fields = FIELDS | {"question": SECOND.question, "variants": [], "answer": SECOND.answer + "好"}
    room.client.put(path, json=fields, headers=editor | {"If-Match": '"1"'})
    told = room.client.get(f"{path}/diff", params={"from": 1, "to": 2}, headers=editor).json()
    (answer,) = [change for change in told["changes"] if change["field"] == "answer"]
    assert answer["pieces"] == [
        {"kind": "same", "text": SECOND.answer},
        {"kind": "added", "text": "好"},
    ]


# ── lists and forms ───────────────────────────────────────────────────────────────


def test_lists_are_narrowed_and_go_on_by_pages(room: Room) -> None:
    reader = room.as_("supervisor")
    name = written(room, room.as_("editor"))

    def listed(**params: Any) -> list[str]:
        page = room.client.get("/v1/knowledge/entries", params=params, headers=reader).json()
        return [entry["id"] for entry in page["entries"]]

    assert listed() == [name, "a-2", "a-1"]
    assert listed(status="draft") == [name]
    assert listed(department="住建厅") == ["a-2"]
    assert listed(text="公租房") == ["a-2"]
    assert listed(ended=True) == []
    assert set(listed(ending_days=3660)) == {"a-1", "a-2"}
    page = room.client.get("/v1/knowledge/entries", params={"limit": 1}, headers=reader).json()
    assert listed(limit=1, after=page["next"]) == ["a-2"]
    bad = room.client.get("/v1/knowledge/entries", params={"after": "x"}, headers=reader)
    assert bad.status_code == 422


@pytest.mark.parametrize(
    ("fields", "english", "chinese"),
    [
        ({"answer": "打开WiFi"}, "answer: cannot be spoken", "answer: 读不出来：请把“WiFi”写成"),
        ({"valid_to": "明天"}, "valid_to: '明天' is no date", "valid_to: “明天”不是日期"),
        ({"department": ""}, "department: is empty", "department: 没有填"),
        ({"answer": "好" * 201}, "answer: has 201 characters", "answer: 有201个字，最多200个字"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named_in_the_readers_language(
    room: Room, fields: dict[str, str], english: str, chinese: str
) -> None:
    for language, said in (("en", english), ("zh-CN", chinese)):
        answer = room.client.post(
            "/v1/knowledge/entries",
            json=FIELDS | fields,
            headers=room.as_("editor") | {"Accept-Language": language},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "kb.form_refused")
        assert answer.json()["message"].startswith(said)


# ── search and sound ──────────────────────────────────────────────────────────────


def test_danger_is_told_before_any_answer(room: Room) -> None:
    assert searched(room, "我家着火了")["danger"]["level"] == "certain"
    assert searched(room, FIRST.question)["danger"] is None


def test_thresholds_and_reasons_come_with_the_result(room: Room) -> None:
    found = searched(room, FIRST.question)
    assert found["candidates"][0]["score"] >= found["answer_at"] > 0
    assert set(found["candidates"][0]["nearest"]) == {"text", "sound", "meaning"}
    assert found["encoders"]


def test_an_answer_is_heard_before_it_is_saved(room: Room) -> None:
    editor = room.as_("editor")
    told = room.client.post(
        "/v1/knowledge/spoken", json={"answer": "请打12345。"}, headers=editor
    ).json()
    assert told["reading"] == "请打幺二三四五。"
    assert told["seconds"] > 0
    assert room.client.get(told["audio"], headers=editor).status_code == 200


def test_who_lets_too_much_be_rendered_at_once_is_told_to_come_again(room: Room) -> None:
    """Publications wait in the same two threads."""
    desk, over, editor = room.client.app.state.knowledge_desk, threading.Event(), room.as_("editor")  # type: ignore[attr-defined]
    ask = partial(
        room.client.post, "/v1/knowledge/spoken", json={"answer": "请打12345。"}, headers=editor
    )
    assert room.client.portal is not None
    try:
        for _ in range(AT_LEISURE):
            room.client.portal.start_task_soon(desk.at_leisure, over.wait)
        refused = ask()
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
    finally:
        over.set()
    assert any(ask().status_code == 200 for _ in range(100))


def test_what_nobody_can_say_is_not_rendered(room: Room) -> None:
    for answer in ("", "请打开WiFi", "电话是{没有的空位}", "{", "¶", "。。。", "ก"):
        refused = room.client.post(
            "/v1/knowledge/spoken", json={"answer": answer}, headers=room.as_("editor")
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "kb.form_refused")


def a_recording(seconds: float, rate: int = 48_000, channels: int = 2) -> bytes:
    file = io.BytesIO()
    at = np.arange(round(seconds * rate)) / rate
    tone = np.repeat((0.3 * np.sin(2 * np.pi * 220 * at))[:, None], channels, axis=1)
    soundfile.write(file, tone, rate, format="WAV")
    return file.getvalue()


def heard(room: Room, data: bytes) -> Any:
    return room.client.post("/v1/knowledge/heard", content=data, headers=room.as_("editor"))


def test_a_spoken_question_is_recognised_and_searched_like_a_callers(room: Room) -> None:
    assert room.client.portal is not None
    room.client.portal.call(give_ears, room.service.engines, FIRST.question)
    told = heard(room, a_recording(2.0)).json()
    assert told["heard"]["text"] == FIRST.question
    assert (told["decision"], told["entry"]) == ("answer", "a-1")


@pytest.mark.parametrize("data", [b"", b"RIFF....", a_recording(0.1), a_recording(25.0, 16_000, 1)])
def test_a_recording_that_cannot_be_used_is_told_as_such(room: Room, data: bytes) -> None:
    assert heard(room, data).status_code == 422


def test_without_a_recogniser_one_is_told_to_type(room: Room) -> None:
    refused = heard(room, a_recording(1.0))
    assert (refused.status_code, refused.json()["code"]) == (503, "voicebot.no_recogniser")


# ── files ─────────────────────────────────────────────────────────────────────────

ROWS = (
    "f-1,城管,市政局,井盖丢了找谁,请打12345。,2026-01-01,2099-12-31,已审核\n"
    "f-2,城管,市政局,,请打12345。,2026-01-01,2099-12-31,已审核\n"
    "a-1,测试/分类,测试部门,社保卡丢了怎么补办,换了一种说法。,2026-01-01,2099-12-31,已审核\n"
)


def previewed(room: Room, who: dict[str, str], data: bytes) -> dict[str, Any]:
    answer = room.client.post(
        "/v1/knowledge/imports", params={"name": "口径.csv"}, content=data, headers=who
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk"])
def test_a_file_is_looked_at_before_anything_is_written(room: Room, encoding: str) -> None:
    editor = room.as_("editor", "小王")
    told = previewed(room, editor, (HEAD + ROWS).encode(encoding))
    assert (told["added"], told["changed"], told["left_out"]) == (1, 1, 1)
    assert told["errors"] == [{"line": 3, "column": "question", "reason": "is empty"}]
    assert [each["change"] for each in told["differences"]] == ["added", "changed"]
    assert room.client.get("/v1/knowledge/entries/f-1", headers=editor).status_code == 404

    confirmed = room.client.post(f"/v1/knowledge/imports/{told['id']}/confirm", headers=editor)
    assert confirmed.json() == {"added": ["f-1"], "changed": ["a-1"], "unchanged": []}
    detail = room.client.get("/v1/knowledge/entries/f-1", headers=editor).json()
    assert detail["versions"][0]["status"] == "in_review"
    assert room.audited("kb.import", "小王") == ["口径.csv: 2 entries"]
    again = room.client.post(f"/v1/knowledge/imports/{told['id']}/confirm", headers=editor)
    assert again.status_code == 404


def test_a_preview_that_is_true_no_longer_is_not_done_but_shown_anew(room: Room) -> None:
    editor = room.as_("editor", "小王")
    told = previewed(room, editor, (HEAD + ROWS).encode())
    written(room, room.as_("editor", "小张"), id="f-1")
    path = f"/v1/knowledge/imports/{told['id']}"
    refused = room.client.post(f"{path}/confirm", headers=editor)
    assert (refused.status_code, refused.json()["code"]) == (409, "kb.preview_outdated")
    assert room.client.get(path, headers=editor).json()["added"] == 0
    assert room.client.post(f"{path}/confirm", headers=editor).status_code == 200


def test_a_preview_is_its_makers_alone(room: Room) -> None:
    told = previewed(room, room.as_("editor", "小王"), (HEAD + ROWS).encode())
    other = room.as_("editor", "小张")
    path = f"/v1/knowledge/imports/{told['id']}"
    assert room.client.get(path, headers=other).status_code == 404
    assert room.client.post(f"{path}/confirm", headers=other).status_code == 404


def test_a_file_that_cannot_be_read_says_why(room: Room) -> None:
    told = previewed(room, room.as_("editor"), b"\xff\xfe\x00rubbish\x81")
    assert (told["read"], told["added"]) == (0, 0)
    assert told["errors"]


# ── gaps ──────────────────────────────────────────────────────────────────────────


def test_what_callers_asked_in_vain_is_listed_masked_and_leads_to_an_answer(room: Room) -> None:
    recently = time.time() - 3600
    record_in(
        room.settings.paths.state,
        ("c-1", recently, unanswered(1, "井盖丢了找谁", "a-1"), "460106"),
        ("c-2", recently, unanswered(1, "井盖丢了找谁"), None),
        ("c-3", recently, unanswered(1, "我叫王小明身份证460100199001011234怎么补"), None),
    )
    editor = room.as_("editor", "小王")
    told: dict[str, Any] = {"made_at": None}
    while told["made_at"] is None:
        told = room.client.get("/v1/knowledge/gaps", params={"days": 1}, headers=editor).json()
    first = told["gaps"][0]
    assert (first["question"], first["count"], first["written"]) == ("井盖丢了找谁", 2, "")
    assert (told["calls"], first["regions"]) == (3, {"海口": 1, "未说明": 1})
    assert "460100199001011234" not in str(told)

    name = written(room, editor, question="井盖丢了找谁")
    told = room.client.get("/v1/knowledge/gaps", params={"days": 1}, headers=editor).json()
    assert told["gaps"][0]["written"] == name


def test_the_list_of_known_gaps_is_kept(room: Room) -> None:
    editor = room.as_("editor", "小王")
    path, question = "/v1/knowledge/gaps/known", {"question": "飞机票怎么退"}
    assert room.client.post(path, json=question, headers=editor).json() == {"added": 1}
    assert room.client.get(path, headers=editor).json() == {"questions": ["飞机票怎么退"]}
    assert room.client.post(f"{path}/close", json=question, headers=editor).json() == {"closed": 1}
    assert room.client.post(f"{path}/close", json=question, headers=editor).status_code == 404
    assert room.client.post(path, json={"question": "？"}, headers=editor).status_code == 422
    assert len(room.audited("kb.gaps.add", "小王")) == 1
