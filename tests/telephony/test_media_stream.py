"""The serializer: Twilio's messages to pipecat's frames and back."""

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    TextFrame,
)

from telephony import messages
from telephony.codecs import WireFormat
from telephony.media_stream import MediaStreamSerializer, mark_frame
from telephony.stream_start import parse_start

ENCODINGS = ["alaw", "mulaw", "l16"]


def a_serializer(encoding="alaw", **options):
    wire = WireFormat.named(encoding)
    return MediaStreamSerializer(
        parse_start([messages.start("MZ1", "CA1", wire, {})]), **options
    ), wire


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_audio_passes_both_ways_unchanged_at_the_wires_rate(encoding):
    serializer, wire = a_serializer(encoding)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=wire.sample_rate))
    payload = wire.encode((3000 * np.sin(np.arange(wire.frame_samples) / 5)).astype(np.int16))
    frame = await serializer.deserialize(messages.media("MZ1", payload, chunk=1))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.sample_rate, frame.num_channels) == (wire.sample_rate, 1)
    assert np.array_equal(np.frombuffer(frame.audio, np.int16), wire.decode(payload))
    back = json.loads(
        await serializer.serialize(OutputAudioRawFrame(frame.audio, wire.sample_rate, 1))
    )
    assert back["event"] == "media"
    assert back["streamSid"] == "MZ1"
    assert base64.b64decode(back["media"]["payload"]) == payload


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_audio_is_brought_to_the_pipelines_rate_and_back(encoding):
    serializer, wire = a_serializer(encoding)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=16000))
    silence = wire.encode(np.zeros(wire.frame_samples, np.int16))
    frames = [await serializer.deserialize(messages.media("MZ1", silence)) for _ in range(50)]
    assert all(len(f.audio) == 640 and f.sample_rate == 16000 for f in frames)
    sent = [
        json.loads(await serializer.serialize(OutputAudioRawFrame(b"\0" * 960, 24000, 1)))
        for _ in range(50)
    ]
    total = sum(len(base64.b64decode(each["media"]["payload"])) for each in sent)
    assert total == wire.sample_rate * wire.sample_bytes


async def test_keys_marks_and_stop_reach_the_pipeline():
    serializer, _ = a_serializer()
    key = await serializer.deserialize(messages.dtmf("MZ1", "1"))
    mark = await serializer.deserialize(messages.mark("MZ1", "end:answer:u1"))
    stop = await serializer.deserialize(messages.stop("MZ1"))
    assert isinstance(key, InputDTMFFrame)
    assert key.button.value == "1"
    assert isinstance(mark, InputTransportMessageFrame)
    assert mark.message == {"event": "mark", "mark": {"name": "end:answer:u1"}}
    assert stop.message == {"event": "stop"}


async def test_an_interruption_clears_and_marks_go_out_with_the_streams_id():
    serializer, _ = a_serializer()
    assert json.loads(await serializer.serialize(InterruptionFrame())) == {
        "event": "clear",
        "streamSid": "MZ1",
    }
    for urgent in (False, True):
        sent = json.loads(
            await serializer.serialize(mark_frame("begin:answer:u1:K1", urgent=urgent))
        )
        assert sent == {
            "event": "mark",
            "streamSid": "MZ1",
            "mark": {"name": "begin:answer:u1:K1"},
        }


async def test_frames_without_a_wire_form_are_left_out():
    serializer, _ = a_serializer()
    rtvi = OutputTransportMessageFrame(message={"label": "rtvi-ai", "type": "x"})
    for frame in (EndFrame(), TextFrame("x"), rtvi, OutputTransportMessageFrame(message="text")):
        assert await serializer.serialize(frame) is None
    assert await serializer.serialize(OutputAudioRawFrame(b"", 8000, 1)) is None


async def test_the_other_partys_track_is_not_the_callers_audio():
    serializer, _ = a_serializer()
    text = json.dumps({"event": "media", "media": {"track": "outbound", "payload": "1dXV"}})
    assert await serializer.deserialize(text) is None
    assert not serializer.problems


async def test_faults_are_counted_and_told_in_powers_of_ten():
    told = []
    serializer, _ = a_serializer("l16", on_problem=lambda *each: told.append(each))
    for _ in range(120):
        assert await serializer.deserialize("not json 13800138000") is None
    assert await serializer.deserialize(messages.media("MZ1", b"odd")) is None
    assert await serializer.deserialize("x" * 70000) is None
    assert serializer.problems == {"bad_json": 120, "bad_payload": 1, "too_large": 1}
    assert [(code, count) for code, _, count in told] == [
        ("bad_json", 1),
        ("bad_json", 10),
        ("bad_json", 100),
        ("bad_payload", 1),
        ("too_large", 1),
    ]
    assert not any("138" in message for _, message, _ in told)


@given(st.text() | st.binary())
async def test_nothing_received_ever_raises(data):
    serializer, _ = a_serializer()
    assert await serializer.deserialize(data) is None
