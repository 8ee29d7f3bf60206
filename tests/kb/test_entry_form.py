from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.entry_form import FIELDS, blank, entry_of, read_form, values_of, write_form
from kb.errors import FormRefused
from tests.kb.conftest import make_entry

ENTRY = make_entry("x-1", "怎么办证", variants=("办证找谁", "证在哪办"), lines=("12333",))
texts = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.fixed_dictionaries({name: texts | st.lists(texts, max_size=3) for name in FIELDS})


@given(values)
def test_a_form_is_read_back_as_it_was_written(given_values: dict[str, str | list[str]]) -> None:
    assert read_form(write_form(given_values)) == given_values


@given(st.text())
def test_no_form_crashes_it(form: str) -> None:
    with suppress(FormRefused):
        read_form(form)


def test_an_entry_is_its_own_form() -> None:
    made = entry_of("x-1", read_form(write_form(values_of(ENTRY))))
    assert values_of(made) == values_of(ENTRY)


def test_fields_have_the_names_that_files_give_them() -> None:
    assert read_form('"问题" = "怎么办证"\n"生效日期" = 2026-12-01') == {
        "question": "怎么办证",
        "valid_from": "2026-12-01",
    }


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ('question = "', "cannot be read"),
        ('price = "1"', "no field of an entry"),
        ("question = 1", "quotation marks"),
        ('id = "x-2"', "no field of an entry"),
    ],
)
def test_what_cannot_be_used_is_named(form: str, sentence: str) -> None:
    with pytest.raises(FormRefused, match=sentence):
        read_form(form)


def test_a_form_left_blank_says_what_is_missing() -> None:
    with pytest.raises(FormRefused, match="is empty"):
        entry_of("x-1", blank(date(2026, 12, 1)))
