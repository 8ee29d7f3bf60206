"""The test caller against a real WebSocket server, in real time."""

import asyncio
import json

import numpy as np
import pytest
import soundfile
from websockets.asyncio.server import serve

from telephony.caller import place_call
from telephony.errors import CallError, MediaStreamError
from telephony.loopback_server import bind_loopback
from telephony.speech_level import sound_segments

from .conftest import TOKEN, Greeter, serving

QUICK = {"token": TOKEN, "quiet_s": 0.6, "max_s": 15.0}


@pytest.mark.parametrize("encoding", ["alaw", "mulaw", "l16"])
async def test_a_call_is_spoken_heard_measured_and_recorded(encoding, speech, tmp_path):
    greeter = Greeter()
    events = []
    async with serving(greeter) as url:
        report = await place_call(
            url, [speech, speech], "13800138000", "12345", encoding=encoding, decisive=1.0,
            record_dir=tmp_path, call_sid="CA-1", on_event=events.append, **QUICK,
        )  # fmt: skip
    (start,) = greeter.starts
    assert (start.caller, start.did, start.call_sid) == ("13800138000", "12345", "CA-1")
    assert start.encoding.endswith(encoding)
    assert greeter.ends == ["stop"]
    frame = 640 if encoding == "l16" else 160
    assert set(greeter.frames) == {frame}
    assert len(greeter.frames) == pytest.approx(report.seconds / 0.02, abs=2)

    assert report.closed_by == "caller"
    assert [(u.purpose, u.utterance, u.entry, u.complete) for u in report.heard] == [
        ("prompt", "greeting", None, True),
        ("answer", "a1", "KB-1", True),
        ("answer", "a2", "KB-2", True),
    ]
    greeting, first, second = report.heard
    assert greeting.end - greeting.start == pytest.approx(0.4, abs=0.05)
    one, two = report.spoken
    assert greeting.end <= one.start < one.speech_start < one.speech_end < first.start
    assert one.speech_end - one.start == pytest.approx(0.6, abs=0.03)
    assert two.start - first.end == pytest.approx(0.8, abs=0.08)
    assert report.decisive_end == pytest.approx(two.start + 0.2, abs=0.01)
    # Ten silent frames and then a burst: 200 ms, plus the frame in hand on each side.
    assert [each.entry for each in report.latency] == ["KB-1", "KB-2"]
    assert all(180 <= ms <= 200 + 60 + report.worst_lateness_ms for ms in report.latency_ms)
    assert greeter.marks[:2] == ["begin:prompt:greeting", "end:prompt:greeting"]
    assert report.problems == {}
    assert second.end < report.seconds

    recording, rate = soundfile.read(report.recording, dtype="int16")
    assert rate == 8000
    assert len(recording) / rate == pytest.approx(report.seconds, abs=0.05)
    said = sound_segments(np.ascontiguousarray(recording[:, 0]), rate, join_s=0.2)
    heard = sound_segments(np.ascontiguousarray(recording[:, 1]), rate, join_s=0.2)
    assert [s / rate for s, _ in said] == pytest.approx(
        [f.speech_start for f in report.spoken], abs=0.03
    )
    assert [s / rate for s, _ in heard] == pytest.approx(
        [u.sound_start for u in report.heard], abs=0.03
    )
    assert (report.recording.stat().st_mode & 0o077) == 0
    assert [e.kind for e in events[:4]] == ["connected", "heard", "heard_end", "speaking"]
    assert events[-1].kind == "closed"
    assert json.loads(json.dumps(report.as_dict()))["call_sid"] == "CA-1"


async def test_a_burst_is_heard_at_the_speed_of_life_and_clear_takes_back_the_rest(speech):
    greeter = Greeter(answer_s=5.0, interrupt_answer_after_frames=25)
    async with serving(greeter) as url:
        report = await place_call(url, [speech], "1", "2", **QUICK)
    answer = report.heard[1]
    assert not answer.complete
    # Half a second, and what was played until the service's word for it came.
    assert 0.4 < answer.end - answer.start < 0.6 + report.worst_lateness_ms / 1000
    assert "end:answer:a1" in greeter.marks  # sent back when it was cleared, as Twilio does


async def test_keys_are_pressed_after_the_greeting():
    greeter = Greeter()
    async with serving(greeter) as url:
        report = await place_call(url, [], "1", "2", dtmf="w1#", **QUICK)
    assert greeter.keys == ["1", "#"]
    assert [each.key for each in report.keys] == ["1", "#"]
    assert report.keys[0].at >= report.heard[0].end + 0.45


async def test_an_impolite_caller_speaks_over_the_greeting(speech):
    greeter = Greeter(greeting_s=2.0)
    async with serving(greeter) as url:
        report = await place_call(url, [speech], "1", "2", speak="now", **QUICK)
    assert report.spoken[0].start == 0.0


async def test_the_service_may_hang_up(speech):
    async with serving(Greeter(hang_up_after_answer=True)) as url:
        report = await place_call(url, [speech], "1", "2", **QUICK)
    assert (report.closed_by, report.close_code, report.close_reason) == (
        "service", 1000, "goodbye",
    )  # fmt: skip


async def test_the_longest_call_is_limited(speech):
    async with serving(Greeter()) as url:
        report = await place_call(url, [speech], "1", "2", token=TOKEN, max_s=0.5)
    assert report.closed_by == "limit"
    assert report.seconds == pytest.approx(0.5, abs=0.03)


async def test_a_client_that_vanishes_says_no_goodbye(speech):
    greeter = Greeter()
    async with serving(greeter) as url:
        report = await place_call(url, [speech], "1", "2", vanish_after=0.7, **QUICK)
        await asyncio.wait_for(greeter.gone.wait(), 5)
    assert report.closed_by == "vanished"
    assert greeter.ends[0].startswith("disconnect")
    assert not report.spoken[0].complete


async def test_broken_messages_are_counted_and_the_call_goes_on(speech):
    async with serving(Greeter(garbage=True)) as url:
        report = await place_call(url, [speech], "1", "2", **QUICK)
    assert report.problems == {"bad_json": 1, "bad_base64": 1, "too_large": 1}
    assert len(report.latency) == 1


async def test_a_wrong_token_is_said_plainly(speech, tmp_path):
    async with serving(Greeter()) as url:
        with pytest.raises(CallError, match="refused the token") as caught:
            await place_call(url, [speech], "1", "2", token="wrong", record_dir=tmp_path / "r")
    assert caught.value.code == "wrong_token"


async def test_a_refused_number_is_said_with_the_services_reason(speech):
    async with serving(Greeter()) as url:
        with pytest.raises(CallError, match="no such number here") as caught:
            await place_call(url.replace("media", "unknown-did"), [speech], "1", "2", **QUICK)
    assert caught.value.code == "refused"


@pytest.mark.parametrize("path", ["media", "unknown-did"])
async def test_a_call_that_is_refused_overwrites_no_recording(path, speech, tmp_path):
    before = tmp_path / "CA-1.wav"
    before.write_bytes(b"an earlier call")
    async with serving(Greeter()) as url:
        with pytest.raises(CallError):
            await place_call(
                url.replace("media", path), [speech], "1", "2", call_sid="CA-1",
                record_dir=tmp_path, **{**QUICK, "token": "wrong" if path == "media" else TOKEN},
            )  # fmt: skip
    assert before.read_bytes() == b"an earlier call"
    assert [each.name for each in tmp_path.glob("CA*")] == ["CA-1.wav"]


async def test_a_redirect_is_not_followed(speech):
    async with serving(Greeter()) as url:

        def redirect(connection, request):
            response = connection.respond(302, "")
            response.headers["Location"] = url
            return response

        async with serve(lambda _: None, "127.0.0.1", 0, process_request=redirect) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(CallError, match="HTTP 302"):
                await place_call(f"ws://127.0.0.1:{port}/media", [speech], "1", "2", **QUICK)


async def test_a_closed_port_is_unreachable(speech):
    with bind_loopback("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CallError) as caught:
        await place_call(f"ws://127.0.0.1:{port}/media", [speech], "1", "2", **QUICK)
    assert caught.value.code == "unreachable"


@pytest.mark.parametrize(
    ("contents", "code"),
    [(None, "no_audio_file"), (b"this is text", "bad_audio"), (b"RIFF\0\0\0\0WAVE", "bad_audio"),
     (b"", "bad_audio")],
)  # fmt: skip
async def test_audio_that_is_none_is_refused_before_the_call(contents, code, tmp_path):
    path = tmp_path / "bad.wav"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(CallError) as caught:
        await place_call("ws://127.0.0.1:9/media", [path], "1", "2", **QUICK)
    assert caught.value.code == code


async def test_an_eleven_hour_file_is_refused_without_being_read(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, subtype="PCM_U8") as file:
        for _ in range(11):
            file.write(np.zeros(8000 * 3600, np.int16))
    with pytest.raises(CallError, match=r"lasts 11\.0 hours"):
        await place_call("ws://127.0.0.1:9/media", [path], "1", "2", **QUICK)


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"dtmf": "1a"}, CallError, "bad_dtmf"),
        ({"decisive": 9.0}, CallError, "bad_decisive"),
        ({"encoding": "opus"}, MediaStreamError, "unknown_encoding"),
        ({"url": "http://127.0.0.1/media"}, CallError, "bad_url"),
        ({"url": "ws://192.0.2.1/media"}, CallError, "tls_required"),
    ],
)
async def test_wrong_arguments_are_refused(options, error, code, speech):
    arguments = {"url": "ws://127.0.0.1:9/media", "audio": [speech], "caller": "1", "did": "2"}
    with pytest.raises(error) as caught:
        await place_call(**{**arguments, **QUICK, **options})
    assert caught.value.code == code
