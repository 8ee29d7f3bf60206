"""What the caller measured and what the service wrote come together on one clock."""

from telephony.call_report import CallReport, HeardUtterance, ReplyLatency
from voicebot.commands.call import api_url, merge

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
            "transcript": [{"side": "caller", "text": "着火了"}],
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
    assert handoff["transcript"][0]["text"] == "着火了"
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
