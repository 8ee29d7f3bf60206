"""Calling numbers come in one form, whichever way a trunk writes them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony.numbers import MOST_DIGITS, CallerNumber, NumberKind, caller_number


@pytest.mark.parametrize(
    ("signalled", "number", "kind"),
    [
        ("13800138000", "13800138000", NumberKind.MOBILE),
        ("+86 138 0013 8000", "13800138000", NumberKind.MOBILE),
        ("+8613800138000", "13800138000", NumberKind.MOBILE),
        ("008613800138000", "13800138000", NumberKind.MOBILE),
        ("8613800138000", "13800138000", NumberKind.MOBILE),
        ("013800138000", "13800138000", NumberKind.MOBILE),
        ("0898-68836903", "089868836903", NumberKind.FIXED),
        ("(0898)68836903", "089868836903", NumberKind.FIXED),
        ("68836903", "089868836903", NumberKind.FIXED),
        ("+86898 68836903", "089868836903", NumberKind.FIXED),
        ("01068836903", "01068836903", NumberKind.FIXED),
        ("4008001234", "4008001234", NumberKind.FIXED),
        ("+852 2345 6789", "+85223456789", NumberKind.ABROAD),
        ("0085223456789", "+85223456789", NumberKind.ABROAD),
        ("110", "110", NumberKind.SHORT),
        ("12345", "12345", NumberKind.SHORT),
        ("95598", "95598", NumberKind.SHORT),
        ("anonymous", "", NumberKind.WITHHELD),
        ("Restricted", "", NumberKind.WITHHELD),
        ("", "", NumberKind.WITHHELD),
        ("1380013800", "1380013800", NumberKind.OTHER),
        ("softphone", "softphone", NumberKind.OTHER),
    ],
)
def test_numbers_are_brought_into_the_form_that_can_be_dialled_back(
    signalled: str, number: str, kind: NumberKind
) -> None:
    assert caller_number(signalled) == CallerNumber(number, kind)


mobiles = st.tuples(st.sampled_from("3456789"), st.text("0123456789", min_size=9, max_size=9)).map(
    lambda parts: "1" + "".join(parts)
)


@given(mobiles, st.sampled_from(["", "0", "+86", "0086", "86", "+86 "]))
def test_a_mobile_number_ends_up_the_same_with_every_prefix(mobile: str, prefix: str) -> None:
    plain, prefixed = caller_number(mobile), caller_number(prefix + mobile)
    if plain.kind is NumberKind.MOBILE:  # not every range is in use
        assert prefixed == plain


@given(st.text(max_size=200) | st.text("0+8613.-() x\x00", max_size=20))
@example("0:.")
@example("+8613800138000\x00")
def test_whatever_is_signalled_gives_something_short_without_control_characters(text: str) -> None:
    found = caller_number(text)
    assert len(found.number) <= max(MOST_DIGITS, 64)
    assert found.number.isprintable()
    assert caller_number(found.number).number == found.number
