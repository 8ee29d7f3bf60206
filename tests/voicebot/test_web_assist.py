"""POST /v1/recommend and GET /v1/knowledge/audio/{hash}: who may, what comes, and the limits."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from tests.flows.scripted_call import SCRIPTED_TRIAGE
from tests.kb.conftest import LetterEmbedder
from tests.voicebot.test_answer_audio import FakeVoice
from tests.voicebot.test_assist import ENTRIES, PUBLISHED
from tests.voicebot.test_web import _opened, _Service, bearer
from voicebot.call.audio_library import AudioLibrary, audio_folder
from voicebot.config import Settings
from voicebot.knowledge import Knowledge
from voicebot.web import assist
from voicebot.web.api import create_app

RATE = 16_000
ASKED = {"transcript": [{"speaker": "caller", "text": "我的社保卡丢了怎么补办"}]}


@pytest.fixture
def service(settings: Settings) -> _Service:
    made = _Service(settings, asyncio.run(_opened(settings)))
    library = AudioLibrary(audio_folder(settings), FakeVoice())
    library.prepare([ENTRIES[0].answer])
    made.engines = SimpleNamespace(
        knowledge=PUBLISHED, triage=SCRIPTED_TRIAGE, embedder=LetterEmbedder(), library=library
    )
    return made


@pytest.fixture
def client(service: _Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        yield client
        assert client.portal is not None
        client.portal.call(service.records.close)


def ask(client: TestClient, service: _Service, body: Any, role: str = "agent") -> Any:
    return client.post("/v1/recommend", json=body, headers=bearer(service, role))


# ── recommendations ───────────────────────────────────────────────────────────────


def test_an_agent_gets_the_answer_its_reason_and_its_audio(
    client: TestClient, service: _Service
) -> None:
    answer = ask(client, service, ASKED)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert (found["danger"], found["revision"]) == (None, 7)
    first = found["suggestions"][0]
    assert (first["id"], first["safety"]) == ("a-1", "none")
    assert "社保卡丢了怎么补办" in first["reason"]
    assert 0 < first["score"] <= 1
    audio = client.get(first["audio"], headers=bearer(service, "agent"))
    assert audio.headers["content-type"] == "audio/wav"


def test_an_answer_that_is_not_rendered_yet_has_no_audio(
    client: TestClient, service: _Service
) -> None:
    body = {"transcript": [{"speaker": "caller", "text": "身份证到期了怎么换"}]}
    assert ask(client, service, body).json()["suggestions"][0]["audio"] is None


def test_danger_comes_first_and_alone(client: TestClient, service: _Service) -> None:
    turns = [*ASKED["transcript"], {"speaker": "caller", "text": "我家着火了"}]
    found = ask(client, service, {"transcript": turns}).json()
    assert found["suggestions"] == []
    assert found["danger"]["level"] == "certain"
    assert found["danger"]["assessment"]["lines"] == ["119"]
    assert next(iter(found)) == "danger"


@pytest.mark.parametrize("role", ["media", "editor", "reviewer", "desk", "110"])
def test_other_roles_get_no_recommendation(
    client: TestClient, service: _Service, role: str
) -> None:
    answer = ask(client, service, ASKED, role)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")


TURN = {"speaker": "caller", "text": "您好"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"transcript": []},
        {"transcript": [TURN] * (assist.MOST_TURNS + 1)},
        {"transcript": [{**TURN, "text": "长" * (assist.MOST_CHARACTERS + 1)}]},
        {"transcript": [{**TURN, "text": "长" * assist.MOST_CHARACTERS}] * 81},
        {"transcript": [{**TURN, "speaker": "bot"}]},
        {"transcript": [TURN], "region": "海口"},
        {"transcript": [TURN], "line": "1" * 21},
        {"transcript": [TURN], "limit": 0},
        {"transcript": [TURN], "limit": 11},
        {"transcript": [TURN], "more": 1},
        {"transcript": [{**TURN, "text": None}]},
        [],
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_field(
    client: TestClient, service: _Service, body: Any
) -> None:
    answer = ask(client, service, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert "长长" not in answer.text


@pytest.mark.parametrize("character", ["长", "😀"])
def test_the_longest_conversation_within_the_limits_is_answered(
    client: TestClient, service: _Service, character: str
) -> None:
    longest = assist.MOST_IN_ALL // assist.MOST_TURNS
    text = character * longest
    fewest = assist.MOST_IN_ALL // assist.MOST_CHARACTERS
    for turns in (
        [{**TURN, "text": text}] * assist.MOST_TURNS,
        [{**TURN, "text": character * assist.MOST_CHARACTERS}] * fewest,
    ):
        body = json.dumps({"transcript": turns, "region": "460100", "line": "12345"})
        assert "\\u" in body
        answer = client.post(
            "/v1/recommend",
            content=body,
            headers=bearer(service, "agent") | {"Content-Type": "application/json"},
        )
        assert answer.status_code == 200


def test_a_conversation_that_is_too_long_in_all_is_told_what_to_leave_out(
    client: TestClient, service: _Service
) -> None:
    turns = [{**TURN, "text": "长" * assist.MOST_CHARACTERS}] * 81
    answer = ask(client, service, {"transcript": turns})
    assert answer.status_code == 422
    assert "40000 characters in all; leave out the oldest" in answer.json()["message"]


def test_a_body_beyond_the_limit_is_not_read(client: TestClient, service: _Service) -> None:
    answer = client.post(
        "/v1/recommend",
        content=b" " * (assist.MAX_BODY_BYTES + 1),
        headers=bearer(service, "agent") | {"Content-Type": "application/json"},
    )
    assert answer.status_code == 413


def test_one_too_many_at_once_is_told_to_come_again(
    client: TestClient, service: _Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assist, "AT_ONCE", 1)
    at_work, go_on = threading.Event(), threading.Event()

    class Slow(LetterEmbedder):
        def embed(self, texts: Any) -> Any:
            at_work.set()
            assert go_on.wait(60)
            return super().embed(texts)

    service.engines.embedder = Slow()
    headers = bearer(service, "agent")
    codes: list[int] = []
    first = threading.Thread(
        target=lambda: codes.append(
            client.post("/v1/recommend", json=ASKED, headers=headers).status_code
        )
    )
    first.start()
    assert at_work.wait(60)
    answer = client.post("/v1/recommend", json=ASKED, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"] == "1"
    go_on.set()
    first.join()
    assert codes == [200]


def test_without_a_knowledge_base_the_agent_is_told_why(
    client: TestClient, service: _Service
) -> None:
    service.engines.knowledge = Knowledge(None, {}, 0)
    answer = ask(client, service, ASKED)
    assert (answer.status_code, answer.json()["code"]) == (503, "voicebot.knowledge")


def test_no_word_of_the_conversation_is_logged(client: TestClient, service: _Service) -> None:
    with capture_logs() as logs:
        ask(client, service, ASKED)
        ask(client, service, {**ASKED, "limit": 0})
    assert "社保卡" not in repr(logs)


def test_the_description_of_the_endpoints_is_for_those_who_have_a_token(
    client: TestClient, service: _Service
) -> None:
    assert client.get("/v1/openapi.json").status_code == 401
    described = client.get("/v1/openapi.json", headers=bearer(service, "agent")).json()
    assert "post" in described["paths"]["/v1/recommend"]
    assert "206" in described["paths"]["/v1/knowledge/audio/{name}"]["get"]["responses"]


# ── audio ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def path(service: _Service) -> str:
    library = cast(AudioLibrary, service.engines.library)
    return f"/v1/knowledge/audio/{library.name(ENTRIES[0].answer, RATE)}"


@pytest.fixture
def wav(service: _Service, path: str) -> bytes:
    name = path.rsplit("/", 1)[1]
    folder: Path = audio_folder(service.settings)
    return (folder / name[:2] / f"{name}.wav").read_bytes()


def test_the_whole_audio_may_be_kept_for_ever_by_who_may_hear_it(
    client: TestClient, service: _Service, path: str, wav: bytes
) -> None:
    answer = client.get(path, headers=bearer(service, "editor"))
    assert answer.status_code == 200
    assert answer.content == wav
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == '"' + path.rsplit("/", 1)[1] + '"'


def test_head_tells_its_length(
    client: TestClient, service: _Service, path: str, wav: bytes
) -> None:
    answer = client.head(path, headers=bearer(service, "editor"))
    assert (answer.content, answer.headers["content-length"]) == (b"", str(len(wav)))


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("0-43", 0, 44), ("100-", 100, None), ("-50", -50, None)]
)
def test_a_range_of_it(
    client: TestClient,
    service: _Service,
    path: str,
    wav: bytes,
    asked: str,
    start: int,
    end: int | None,
) -> None:
    headers = {**bearer(service, "agent"), "Range": f"bytes={asked}"}
    answer = client.get(path, headers=headers)
    assert answer.status_code == 206
    assert answer.content == wav[start:end]
    assert answer.headers["content-range"].endswith(f"/{len(wav)}")


def test_a_range_beyond_its_end_is_refused(
    client: TestClient, service: _Service, path: str, wav: bytes
) -> None:
    headers = {**bearer(service, "agent"), "Range": f"bytes={len(wav)}-"}
    answer = client.get(path, headers=headers)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(wav)}"


def test_a_range_of_another_version_is_answered_with_the_whole(
    client: TestClient, service: _Service, path: str, wav: bytes
) -> None:
    headers = {**bearer(service, "agent"), "Range": "bytes=0-9", "If-Range": '"another"'}
    assert client.get(path, headers=headers).content == wav


@pytest.mark.parametrize("given", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
def test_who_has_it_already_is_told_so(
    client: TestClient, service: _Service, path: str, given: str
) -> None:
    tag = given.format(tag='"' + path.rsplit("/", 1)[1] + '"')
    answer = client.get(path, headers={**bearer(service, "agent"), "If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["0" * 64, "x", "..%2F..%2Fvoicebot.db", "0" * 63 + "G"])
def test_what_is_not_there_is_not_found(client: TestClient, service: _Service, name: str) -> None:
    answer = client.get(f"/v1/knowledge/audio/{name}", headers=bearer(service, "editor"))
    assert answer.status_code == 404


@pytest.mark.parametrize("role", ["media", "desk", "110"])
def test_other_roles_hear_nothing(
    client: TestClient, service: _Service, path: str, role: str
) -> None:
    assert client.get(path, headers=bearer(service, role)).status_code == 403
