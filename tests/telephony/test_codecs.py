"""G.711, L16, framing and resampling: what goes in comes out, within the codec's bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from telephony.codecs import Encoding, Framer, WireFormat
from telephony.errors import MediaStreamError
from telephony.resampling import StreamResampler

ALAW = WireFormat.named("alaw")
MULAW = WireFormat.named("mulaw")
L16 = WireFormat.named("l16")

pcm = arrays(np.int16, st.integers(0, 2000), elements=st.integers(-32768, 32767))


@given(st.binary(max_size=500))
def test_every_g711_byte_survives_decoding_and_encoding(payload):
    for wire in (ALAW, MULAW):
        again = wire.decode(wire.encode(wire.decode(payload)))
        assert np.array_equal(again, wire.decode(payload))


@given(pcm)
def test_l16_is_lossless_and_big_endian(samples):
    payload = L16.encode(samples)
    assert np.array_equal(L16.decode(payload), samples)
    assert payload == samples.astype(">i2").tobytes()


@pytest.mark.parametrize("wire", [ALAW, MULAW])
def test_companding_error_stays_within_half_a_step(wire):
    samples = np.arange(-32768, 32768).astype(np.int16)
    level = np.abs(samples.astype(int))
    error = np.abs(wire.decode(wire.encode(samples)).astype(int) - samples.astype(int))
    # G.711: 16 steps a chord, so half a step is 1/32 of the level; the coder sees 13 (A-law) or
    # 14 bits (µ-law), which adds up to 8; the lowest A-law step is 16.
    assert (error <= np.maximum(16, (level + 132) / 32 + 8)).all()


def test_silence_is_the_byte_that_telephones_send():
    silence = np.zeros(3, np.int16)
    assert ALAW.encode(silence) == b"\xd5" * 3
    assert MULAW.encode(silence) == b"\xff" * 3


@given(pcm)
def test_one_sample_one_code(samples):
    for wire in (ALAW, MULAW, L16):
        assert len(wire.encode(samples)) == len(samples) * wire.sample_bytes


def test_half_a_sample_is_refused():
    with pytest.raises(MediaStreamError, match="odd number") as caught:
        L16.decode(b"\x00\x01\x02")
    assert caught.value.code == "bad_payload"


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [
        ("audio/x-alaw", Encoding.ALAW, 8000),
        ("PCMU", Encoding.MULAW, 8000),
        (" Audio/L16 ", Encoding.L16, 16000),
    ],
)
def test_usual_spellings_of_encodings_are_known(name, encoding, rate):
    assert WireFormat.named(name) == WireFormat(encoding, rate)


@pytest.mark.parametrize(
    ("name", "rate", "code"),
    [
        ("audio/opus", None, "unknown_encoding"),
        ("", None, "unknown_encoding"),
        ("alaw", 16000, "unknown_sample_rate"),
        ("l16", 44100, "unknown_sample_rate"),
    ],
)
def test_unknown_formats_say_what_is_known(name, rate, code):
    with pytest.raises(MediaStreamError, match="use ") as caught:
        WireFormat.named(name, rate)
    assert caught.value.code == code


@given(st.lists(pcm, max_size=6), st.integers(1, 700))
def test_framing_never_loses_a_sample(chunks, size):
    framer = Framer(size)
    frames = [frame for chunk in chunks for frame in framer.push(chunk)]
    left = framer.pending
    last = framer.flush()
    frames += [] if last is None else [last]
    sent = np.concatenate([*chunks, np.zeros(0, np.int16)])
    joined = np.concatenate([*frames, np.zeros(0, np.int16)])
    assert all(len(frame) == size for frame in frames)
    assert np.array_equal(joined[: len(sent)], sent)
    assert not joined[len(sent) :].any()
    assert left < size
    assert framer.flush() is None


rates = st.sampled_from([8000, 16000, 22050, 24000, 48000])


@given(st.lists(pcm, max_size=5), rates, rates)
def test_resampling_in_chunks_is_resampling_at_once(chunks, rate_in, rate_out):
    whole = np.concatenate([*chunks, np.zeros(0, np.int16)])
    piecewise = StreamResampler(rate_in, rate_out)
    parts = [piecewise.push(chunk) for chunk in chunks]
    joined = np.concatenate([*parts, np.zeros(0, np.int16)])
    at_once = StreamResampler(rate_in, rate_out).push(whole)
    assert len(joined) == -(-len(whole) * rate_out // rate_in)
    assert np.abs(joined.astype(int) - at_once.astype(int)).max(initial=0) <= 1


@pytest.mark.parametrize(("rate_in", "rate_out"), [(8000, 16000), (16000, 8000), (24000, 8000)])
def test_resampling_keeps_speech_and_removes_images(rate_in, rate_out):
    time = np.arange(rate_in) / rate_in
    tone = (12000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    out = StreamResampler(rate_in, rate_out).push(tone).astype(float)[rate_out // 4 :]
    spectrum = np.abs(np.fft.rfft(out * np.blackman(len(out))))
    frequency = np.fft.rfftfreq(len(out), 1 / rate_out)
    signal = spectrum[np.abs(frequency - 1000) < 30].max()
    other = spectrum[np.abs(frequency - 1000) > 60].max()
    assert 20 * np.log10(signal / other) > 60
    assert abs(np.sqrt((out**2).mean()) - 12000 / np.sqrt(2)) < 100


def test_resampling_delays_by_less_than_two_milliseconds():
    resampler = StreamResampler(8000, 16000)
    click = np.zeros(400, np.int16)
    click[100] = 20000
    out = np.concatenate([resampler.push(click), resampler.flush()])
    assert abs(int(np.argmax(np.abs(out))) / 16000 - 100 / 8000) < 0.002
    assert resampler.delay_seconds < 0.002
