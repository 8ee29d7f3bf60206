"""The wire vocabulary and the opening of a stream, fed with what no carrier would send."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony import messages
from telephony.codecs import WireFormat
from telephony.errors import MediaStreamError
from telephony.messages import Dtmf, Mark, Media, Progress, Unknown, parse_message
from telephony.stream_start import StreamStart, parse_start, receive_start

ALAW = WireFormat.named("alaw")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = ["event", "streamSid", "start", "media", "mark", "dtmf", "dossier", "state", "payload"]
FIELDS += ["name", "digit", "callSid", "mediaFormat", "encoding", "sampleRate", "channels"]
FIELDS += ["customParameters", "caller", "did", "token", "protocol", "track"]
EVENTS = ("connected", "start", "media", "dtmf", "mark", "clear", "stop", "progress", "dossier")
protocol_like = st.dictionaries(
    st.sampled_from(FIELDS),
    json_values
    | st.dictionaries(
        st.sampled_from(FIELDS),
        json_values | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4),
        max_size=6,
    ),
    max_size=6,
).flatmap(lambda d: st.sampled_from(EVENTS).map(lambda e: {**d, "event": e}))


def a_start(**changes):
    body = {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"caller": "13800138000", "did": "12345", "token": "t", "x": "y"},
    }
    body |= changes
    return json.dumps({"event": "start", "streamSid": "MZ1", "start": body})


@given(st.text() | st.binary() | json_values.map(json.dumps) | protocol_like.map(json.dumps))
def test_no_input_raises_anything_but_a_media_stream_error(data):
    with contextlib.suppress(MediaStreamError):
        parse_message(data)


@given(st.lists(protocol_like.map(json.dumps) | st.text(max_size=30), max_size=8))
def test_any_opening_gives_a_start_or_a_clear_error(opening):
    with contextlib.suppress(MediaStreamError):
        start = parse_start(opening)
        assert isinstance(start, StreamStart)
        assert start.stream_sid
        assert start.wire.sample_rate in (8000, 16000)


@given(st.binary(max_size=2000))
def test_audio_survives_the_wire(payload):
    parsed = parse_message(messages.media("MZ1", payload, chunk=3, timestamp_ms=40))
    assert parsed == Media(payload, "inbound")


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=200))
def test_mark_names_survive_the_wire(name):
    assert parse_message(messages.mark("MZ1", name)) == Mark(name)


def test_keys_states_and_newcomers_are_read():
    assert parse_message(messages.dtmf("MZ1", "#")) == Dtmf("#")
    assert parse_message(messages.progress("ringing")) == Progress("ringing")
    assert parse_message('{"event": "weather"}') == Unknown("weather")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        ("[" * 60000, "bad_json"),
        ("[]", "bad_message"),
        ('{"event": 7}', "bad_message"),
        ('{"event": "media", "media": []}', "bad_message"),
        ('{"event": "media", "media": {"payload": "***"}}', "bad_base64"),
        ('{"event": "media", "media": {"payload": "ÄÖ"}}', "bad_base64"),
        ('{"event": "mark", "mark": {"name": "\\ud800"}}', "bad_message"),
        ('{"event": "dtmf", "dtmf": {"digit": "12"}}', "bad_message"),
        (" " * (64 * 1024 + 1), "too_large"),
        ("好" * 30000, "too_large"),
    ],
)
def test_each_fault_has_its_code(data, code):
    with pytest.raises(MediaStreamError) as caught:
        parse_message(data)
    assert caught.value.code == code


def test_a_dossier_that_cannot_be_sent_says_so():
    with pytest.raises(MediaStreamError) as large:
        messages.dossier({"transcript": "话" * 40000})
    with pytest.raises(MediaStreamError) as odd:
        messages.dossier({"x": object()})
    assert (large.value.code, odd.value.code) == ("too_large", "bad_message")
    assert "\ud800" not in messages.dossier({"text": "half \ud800 a pair"})


def test_a_twilio_opening_is_understood():
    start = parse_start([messages.connected(), a_start()])
    assert (start.stream_sid, start.call_sid) == ("MZ1", "CA1")
    assert (start.caller, start.did, start.token) == ("13800138000", "12345", "t")
    assert (start.encoding, start.sample_rate) == ("audio/x-alaw", 8000)
    assert start.custom == {"x": "y"}


def test_personal_data_and_tokens_stay_out_of_reprs():
    start = parse_start([a_start()])
    assert "138" not in repr(start)
    assert "token" not in repr(start)


def test_without_custom_parameters_the_query_names_caller_and_did():
    start = parse_start([a_start(customParameters=None)], {"caller": "1", "did": "2"})
    assert (start.caller, start.did) == ("1", "2")
    start = parse_start([a_start(customParameters={"caller": "9"})], {"caller": "1", "did": "2"})
    assert (start.caller, start.did) == ("9", "2")


def test_our_own_start_message_is_read_back():
    text = messages.start("MZ9", "CA9", WireFormat.named("l16"), {"caller": "1", "lines": "119"})
    start = parse_start([messages.connected(), text])
    assert (start.encoding, start.sample_rate, start.custom) == (
        "audio/l16",
        16000,
        {"lines": "119"},
    )


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        ([], "no_start"),
        ([messages.connected()], "no_start"),
        ([messages.stop("MZ1")], "no_start"),
        ([messages.media("MZ1", b"\xd5" * 160)] * 6 + [a_start()], "late_start"),
        ([a_start(mediaFormat=None)], "bad_start"),
        ([a_start(mediaFormat={"encoding": 5})], "bad_start"),
        ([a_start(mediaFormat={"encoding": "audio/opus"})], "unknown_encoding"),
        ([a_start(mediaFormat={"encoding": "alaw", "sampleRate": 11025})], "unknown_sample_rate"),
        ([a_start(mediaFormat={"encoding": "alaw", "sampleRate": True})], "bad_start"),
        ([a_start(mediaFormat={"encoding": "alaw", "channels": 2})], "bad_start"),
        ([a_start(streamSid=7)], "bad_start"),
        ([a_start(streamSid="")], "bad_start"),
        ([a_start(customParameters=[1])], "bad_start"),
        ([a_start(customParameters={"caller": {"a": 1}})], "bad_start"),
        ([a_start(customParameters={"caller": "1\x00"})], "bad_start"),
        ([a_start(customParameters={"caller": "1" * 65})], "bad_start"),
        (['{"event": "start"}'], "bad_start"),
    ],
)
def test_a_wrong_opening_says_what_is_wrong(opening, code):
    with pytest.raises(MediaStreamError) as caught:
        parse_start(opening)
    assert caught.value.code == code


async def test_a_client_that_says_nothing_is_not_waited_for():
    async def receive():
        await asyncio.Event().wait()

    with pytest.raises(MediaStreamError, match="No start message came"):
        await receive_start(receive, timeout_s=0.05)
