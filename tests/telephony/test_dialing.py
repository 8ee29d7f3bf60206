"""The toll fraud lock, and what may be connected to at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.access import bearer_token, check_media_url, is_loopback, same_token
from telephony.dialing import DutyDirectory, DutyNumber
from telephony.errors import NotInDutyDirectory, TelephonyError
from telephony.masking import mask_number

URL = "ws://127.0.0.1:8110/line"
ENTRIES = [
    DutyNumber("110-460100", "110", "460100", URL, "海口市公安局110"),
    DutyNumber("110-460000", "110", "460000", URL, "海南省公安厅110"),
    DutyNumber("seat", "seat", "", URL, "人工坐席"),
]
DIRECTORY = DutyDirectory(ENTRIES)
NUMBERS = [entry.number for entry in ENTRIES]


def test_each_duty_number_resolves_to_itself():
    assert [DIRECTORY.resolve(number) for number in NUMBERS] == ENTRIES
    assert list(DIRECTORY) == ENTRIES
    assert len(DIRECTORY) == 3


near_misses = st.sampled_from(NUMBERS).flatmap(
    lambda n: st.tuples(st.text(max_size=3), st.text(max_size=3)).map(lambda p: p[0] + n + p[1])
) | st.sampled_from(NUMBERS).flatmap(
    lambda n: st.integers(0, len(n) - 1).map(lambda i: n[:i] + n[i + 1 :])
)


@given(st.text() | near_misses)
def test_no_other_string_ever_resolves(number):
    if number in NUMBERS:
        return
    with pytest.raises(NotInDutyDirectory) as caught:
        DIRECTORY.resolve(number)
    assert not number.isdigit() or len(number) < 3 or number not in caught.value.message


@pytest.mark.parametrize(
    "number",
    ["", "110", "110-460100 ", "110-460100\n", "１１０-460100", "SEAT", "+8690011", "0898110", None,
     110, b"seat", ["seat"]],
)  # fmt: skip
def test_lookalikes_and_other_types_do_not_resolve(number):
    with pytest.raises(NotInDutyDirectory):
        DIRECTORY.resolve(number)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (DutyNumber("", "110", "", URL, "甲"), "bad_number"),
        (DutyNumber("1 10", "110", "", URL, "甲"), "bad_number"),
        (DutyNumber("seat", "seat", "", URL, "乙"), "double_number"),
        (DutyNumber("119", "", "", URL, "甲"), "bad_kind"),
        (DutyNumber("119", "119", "", "http://127.0.0.1/", "甲"), "bad_url"),
        (DutyNumber("119", "119", "", "ws://10.0.0.1/line", "甲"), "tls_required"),
    ],
)
def test_a_directory_with_a_wrong_entry_is_refused(entry, code):
    with pytest.raises(TelephonyError) as caught:
        DutyDirectory([*ENTRIES, entry])
    assert caught.value.code == code


@pytest.mark.parametrize(
    "url", ["", "ws://", "ws:///line", "ftp://127.0.0.1/", "ws://[::1", "ws://127.0.0.1:0/"]
)
def test_addresses_that_are_none_are_refused(url):
    with pytest.raises(TelephonyError) as caught:
        check_media_url(url)
    assert caught.value.code == "bad_url"


def test_plain_websockets_stay_on_this_machine():
    check_media_url("ws://localhost:1/media")
    check_media_url("ws://[::1]:1/media")
    check_media_url("wss://desk.example/line")
    for host in ("10.1.2.3", "desk.example", "127.0.0.1.evil.example", "localhost.evil.example"):
        assert not is_loopback(host)
        with pytest.raises(TelephonyError, match="TLS"):
            check_media_url(f"ws://{host}/line")


def test_tokens_are_compared_whole_and_an_empty_one_admits_nobody():
    assert same_token("secret", "secret")
    for given_token in (None, "", "secre", "secret ", "Secret", "ü\ud800"):
        assert not same_token(given_token, "secret")
    assert not same_token("", "")
    assert bearer_token("Bearer  abc ") == "abc"
    assert bearer_token("bearer abc") == "abc"
    for header in (None, "", "Basic abc", "Bearer", "Bearer "):
        assert bearer_token(header) is None


@given(st.text(min_size=3))
def test_masking_hides_most_of_a_number(number):
    masked = mask_number(number)
    assert len(masked) == len(number)
    if "*" not in number:
        assert masked.count("*") >= min(len(number) - 2, 3)
