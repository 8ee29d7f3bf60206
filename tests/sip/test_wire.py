"""The messages between the processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.wire import MAX_MESSAGE, Audio, Clear, Control, WireError, decode, encode

CALLS, LEGS = st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)
VALUES = st.dictionaries(
    st.text(max_size=10),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    max_size=5,
)
MESSAGES = st.one_of(
    st.builds(Control, st.text(max_size=20), CALLS, LEGS, VALUES),
    st.builds(Audio, CALLS, LEGS, st.binary(max_size=700)),
    st.builds(Clear, CALLS, LEGS),
)


@given(MESSAGES)
def test_a_message_comes_out_as_it_went_in(message):
    assert decode(encode(message)) == message


@given(st.binary(max_size=200) | st.builds(lambda b: b"J" + b, st.binary(max_size=200)))
def test_any_bytes_are_a_message_or_an_error(data):
    try:
        message = decode(data)
    except WireError:
        return
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Audio(2**32, 0, b""),
        Audio(0, -1, b""),
        Audio(0, 0, bytes(MAX_MESSAGE)),
        Control("x", values={"a": object()}),
    ],
)
def test_what_cannot_be_written_is_refused(message):
    with pytest.raises(WireError):
        encode(message)
