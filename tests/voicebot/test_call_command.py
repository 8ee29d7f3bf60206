"""What the caller measured and what the service wrote come together on one clock."""

import httpx
import pytest

from telephony.call_report import CallReport, HeardUtterance, ReplyLatency
from voicebot import security
from voicebot.commands.call import RecordMissing, _require_closed, api_url, read_record, tokens_for
from voicebot.commands.call_result import merge
from voicebot.commands.session import InputError
from voicebot.config import Settings

REPORT = CallReport(
    call_sid="C1",
    stream_sid="MZ1",
    caller="13800138000",
    did="12345",
    encoding="alaw",
    started_at=1_790_000_000.0,
    seconds=12.5,
    closed_by="service",
    heard=(HeardUtterance("answer", "u2", "rx-001", 5.0, 8.0, 5.1, True),),
    latency=(ReplyLatency(0, "u2", "rx-001", 512.34),),
    decisive_end=4.2,
)

RECORD = {
    "started_at": 1_790_000_000.5,
    "ended_at": 1_790_000_012.0,
    "outcome": "handed_off",
    "turns": [
        {"seq": 0, "side": "caller", "text": "着火了", "start": 3.0, "end": 4.0, "entry": None},
        {"seq": 1, "side": "bot", "text": "答", "start": 4.5, "end": 7.0, "entry": "rx-001"},
    ],
    "handoffs": [
        {
            "id": "H1",
            "destination": "110-460106",
            "region": "460106",
            "category": 4,
            "lines": ["119"],
            "flags": [],
            "reason": "danger",
            "state": "confirmed",
            "requested_at": 4.1,
            "requested_at_epoch": 1_790_000_004.6,
            "connected_at": 7.5,
            "connected_at_epoch": 1_790_000_008.0,
            "caller": "13800138000",
            "transcript": [
                {"side": "caller", "text": "着火了", "start": 3.0, "end": 4.0, "characters": True}
            ],
        }
    ],
    "tickets": [],
    "decisions": [{"at": 4.0, "what": "handoff", "why": "phrase"}],
}


def test_times_are_on_the_callers_clock() -> None:
    merged = merge(REPORT, RECORD)
    assert merged["outcome"] == "handed_off"
    assert merged["turns"] == [
        {"side": "caller", "text": "着火了", "start": 3.5, "end": 4.5},
        {"side": "bot", "text": "答", "start": 5.0, "end": 7.5, "entry": "rx-001"},
    ]
    (handoff,) = merged["handoffs"]
    assert (handoff["decisive_end"], handoff["requested_at"], handoff["connected_at"]) == (
        4.2,
        4.6,
        8.0,
    )
    assert handoff["transcript"] == merged["turns"][:1]
    assert merged["decisions"][0]["at"] == 4.5
    assert merged["latency"] == {"end_of_speech_to_first_audio_ms": [512.3]}


def test_without_a_record_there_is_what_was_heard() -> None:
    merged = merge(REPORT, None)
    assert merged["outcome"] is None
    assert merged["handoffs"] == []
    assert merged["heard"][0]["entry"] == "rx-001"


def test_the_api_is_beside_the_media_socket() -> None:
    assert api_url("ws://127.0.0.1:8445/media") == "http://127.0.0.1:8445"
    assert api_url("wss://bot.example:8443/media?x=1") == "https://bot.example:8443"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with tokens of its own."""
    monkeypatch.setattr(security, "local_token", lambda _, role: f"local-{role}")
    return Settings.model_validate({"server": {"host": "127.0.0.1", "port": 8445}})


@pytest.mark.parametrize(
    "url",
    ["ws://127.0.0.1:8445/media", "ws://localhost:8445/media?x=1", "ws://[::1]:8445/media"],
)
def test_this_machines_tokens_are_for_its_own_service(here: Settings, url: str) -> None:
    assert tokens_for(here, url, "", "") == ("local-media", "local-admin")
    assert tokens_for(here, url, "given", "") == ("given", "local-admin")


@pytest.mark.parametrize(
    "url",
    [
        "wss://bot.example:8445/media",
        "wss://127.0.0.1:8445/media",
        "ws://127.0.0.1:9999/media",
        "ws://127.0.0.1.evil.example:8445/media",
        "ws://127.0.0.1:8445@evil.example/media",
        "ws://evil.example:99999999/media",
    ],
)
@pytest.mark.parametrize("given", [("", ""), ("mine", ""), ("", "mine")])
def test_no_other_address_is_shown_them(here: Settings, url: str, given: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=r"--token .*--api-token") as refused:
        tokens_for(here, url, *given)
    assert "local-" not in str(refused.value)
    assert tokens_for(here, url, "its", "own") == ("its", "own")


def test_a_record_that_was_not_closed_is_missing() -> None:
    _require_closed(RECORD, "C1", "http://127.0.0.1")
    with pytest.raises(RecordMissing, match="had not closed"):
        _require_closed({**RECORD, "ended_at": None}, "C1", "http://127.0.0.1")
    with pytest.raises(RecordMissing, match="could not be read"):
        _require_closed(None, "C1", "http://127.0.0.1")


async def test_a_record_is_asked_for_by_any_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"ended_at": 1.0})

    real = httpx.AsyncClient

    def client(**options: object) -> httpx.AsyncClient:
        return real(transport=httpx.MockTransport(answer), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx, "AsyncClient", client)
    assert await read_record("http://127.0.0.1:1", "a/b?c #d", None) == {"ended_at": 1.0}
    assert asked == ["/api/calls/a%2Fb%3Fc%20%23d"]
