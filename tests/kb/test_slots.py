"""Slots in answers: the most exact valid value, or no answer; files; what is on record."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kb import store
from kb.checks_slots import check_slots
from kb.checks_text import check_texts
from kb.entry_form import entry_of, values_of
from kb.errors import FormRefused, SamePerson
from kb.importer import read_entries
from kb.ledger import Act
from kb.reading import may_read
from kb.search import Searcher
from kb.slot_file import read_slots, write_slots
from kb.slot_store import import_slots, slots
from kb.slots import Slot, fault, fill, names_in, place_for, texts, value
from tests.kb.conftest import NOON, TODAY, LetterEmbedder, make_entry, publish_all

HAIKOU, SANYA, LONGHUA, WENCHANG, PROVINCE = "460100", "460200", "460106", "469005", "460000"
ACT = Act("甲", at=NOON)
ANSWER = "请打{公积金电话}。"


def slot(region: str, value: str, name: str = "公积金电话", **changes: date) -> Slot:
    made = Slot(name, region, value, "官网", date(2026, 1, 1), date(2026, 12, 31))
    return replace(made, **changes)  # type: ignore[arg-type]


EVERYWHERE = (slot("", "12329"), slot(HAIKOU, "66666666"), slot(LONGHUA, "77777777"))

areas = st.sampled_from(["", PROVINCE, HAIKOU, LONGHUA, "460107", SANYA, "460203", WENCHANG])
days = st.dates(date(2026, 11, 20), date(2026, 11, 28))
some_slots = st.lists(
    st.builds(
        lambda name, region, value, first, length: Slot(
            name, region, value, "", first, first + timedelta(length)
        ),
        st.sampled_from(["甲", "乙"]),
        areas,
        st.text("零一二三", min_size=1, max_size=3),
        days,
        st.integers(0, 5),
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (LONGHUA, "77777777"),
        ("460107", "66666666"),
        (HAIKOU, "66666666"),
        (SANYA, "12329"),
        (WENCHANG, "12329"),
        (PROVINCE, "12329"),
    ],
)
def test_the_most_exact_place_wins(place: str, expected: str) -> None:
    assert fill(ANSWER, EVERYWHERE, place, TODAY) == f"请打{expected}。"


def test_a_county_of_its_own_has_no_city() -> None:
    assert value([slot("469000", "1")], "公积金电话", WENCHANG, TODAY) is None


def test_a_value_counts_within_its_validity_and_the_one_that_began_last_replaces_others() -> None:
    old = slot("", "一", valid_to=TODAY)
    new = slot("", "二", valid_from=TODAY)
    tomorrow = TODAY + timedelta(days=1)
    assert value([old], "公积金电话", PROVINCE, tomorrow) is None
    assert value([new], "公积金电话", PROVINCE, TODAY - timedelta(days=1)) is None
    assert value([new, old], "公积金电话", PROVINCE, TODAY) == "二"


def test_an_expired_value_of_the_city_gives_way_to_the_provinces() -> None:
    gone = slot(HAIKOU, "旧", valid_to=TODAY - timedelta(days=1))
    assert value([gone, slot("", "12329")], "公积金电话", HAIKOU, TODAY) == "12329"


def test_who_asks_about_elsewhere_or_from_nowhere_known_gets_the_entrys_own_place() -> None:
    assert place_for(SANYA, HAIKOU) == SANYA
    assert place_for(SANYA, None) == SANYA
    assert place_for(HAIKOU, LONGHUA) == LONGHUA
    assert place_for("", None) == place_for("", PROVINCE) == PROVINCE


@given(st.text("甲乙{}", max_size=12))
def test_braces_are_slots_or_a_fault(answer: str) -> None:
    filled = fill(answer, [slot("", "值", name) for name in names_in(answer)], PROVINCE, TODAY)
    assert filled is not None
    assert bool(fault(answer)) == any(brace in filled for brace in "{}")


@given(some_slots, areas, areas, days, days)
def test_what_is_rendered_is_all_that_can_be_heard(
    known: list[Slot], region: str, place: str, first: date, later: date
) -> None:
    answer = "说{甲}和{乙}"
    heard = fill(answer, known, place_for(region, place), max(first, later))
    assert heard is None or heard in texts(answer, region, known, first)


@pytest.mark.parametrize(
    "answer", ["请打{}。", "请打{phone}。", "请打{电话。", "请打电话}。", "{{电话}}"]
)
def test_braces_that_are_no_slot_are_refused_at_import_and_in_the_form(answer: str) -> None:
    entry = make_entry("a-1", "公积金电话", answer=answer)
    with pytest.raises(FormRefused, match=r"write \{名称\}"):
        entry_of("a-1", values_of(entry))
    head = "id,category,department,question,answer,valid_from,valid_to,status\n"
    row = f"a-1,类,部门,问题,{answer},2026-01-01,2026-12-31,draft\n"
    found = read_entries((head + row).encode())
    assert found.entries == ()
    assert [(e.line, e.column) for e in found.errors] == [(2, "answer")]


def test_an_answer_with_a_slot_is_taken(session: Session) -> None:
    assert entry_of("a-1", values_of(make_entry("a-1", "公积金", answer=ANSWER))).answer == ANSWER


def test_an_entry_is_read_only_where_and_when_its_slots_have_values() -> None:
    entry = make_entry("a-1", "公积金电话是多少", answer=ANSWER, slots=(slot(HAIKOU, "66666666"),))
    assert may_read(entry, NOON, region=LONGHUA)
    assert not may_read(entry, NOON, region=SANYA)
    assert not may_read(entry, NOON, region=None)
    assert not may_read(replace(entry, slots=()), NOON, region=HAIKOU)


def test_the_search_leaves_out_what_cannot_be_filled(embedder: LetterEmbedder) -> None:
    question = "公积金电话是多少"
    entries = [
        make_entry("a-1", question, answer=ANSWER, slots=(slot(HAIKOU, "66666666"),)),
        make_entry("b-1", "怎么办居住证"),
        make_entry("c-1", "公积金热线", answer="请打{没有的}。"),
    ]
    searcher = Searcher.of(entries, embedder)

    def found(region: str) -> set[str]:
        return {c.id for c in searcher.search(question, region=region, on=NOON).candidates}

    assert "a-1" in found(HAIKOU)
    assert "a-1" not in found(SANYA)
    assert "c-1" not in found(HAIKOU) | found(SANYA)


def test_the_store_gives_out_entries_with_their_values_alone(session: Session) -> None:
    publish_all(session, [make_entry("a-1", "公积金", answer=ANSWER), make_entry("b-1", "居住证")])
    import_slots(session, [*EVERYWHERE, slot("", "别的", "别的")], ACT, "乙")
    found = {entry.id: entry.slots for entry in store.published(session, NOON)}
    assert set(found["a-1"]) == set(EVERYWHERE)
    assert found["b-1"] == ()


def test_values_have_a_second_reader_and_move_the_revision_only_where_they_change(
    session: Session,
) -> None:
    with pytest.raises(SamePerson):
        import_slots(session, EVERYWHERE, ACT, " 甲")
    assert slots(session) == []
    assert import_slots(session, EVERYWHERE, ACT, "乙") == 3
    before = store.revision(session)
    assert import_slots(session, EVERYWHERE, ACT, "乙") == 0
    assert store.revision(session) == before
    assert import_slots(session, [slot(HAIKOU, "88888888")], ACT, "乙") == 1
    assert store.revision(session) > before
    assert {s.region: s.value for s in slots(session)}[HAIKOU] == "88888888"


def test_an_empty_value_takes_one_back(session: Session) -> None:
    import_slots(session, EVERYWHERE, ACT, "乙")
    assert import_slots(session, [slot(HAIKOU, "")], ACT, "乙") == 1
    assert HAIKOU not in {s.region for s in slots(session)}
    assert import_slots(session, [slot(SANYA, "")], ACT, "乙") == 0


def test_the_province_is_one_place_however_it_is_written(session: Session) -> None:
    head = "name,region,value,source,valid_from,valid_to\n"
    for region, text in (("460000", "一"), ("", "二")):
        found = read_slots(f"{head}电话,{region},{text},,2026-01-01,2026-12-31\n".encode())
        import_slots(session, found.slots, ACT, "乙")
    assert [(s.region, s.value) for s in slots(session)] == [("", "二")]
    both = f"{head}电话,,一,,2026-01-01,2026-12-31\n电话,460000,二,,2026-01-01,2026-12-31\n"
    assert "already on line 2" in read_slots(both.encode()).errors[0].reason


def test_a_value_of_the_province_from_before_is_replaced_by_one_without_a_region(
    session: Session,
) -> None:
    import_slots(session, [slot(PROVINCE, "一")], ACT, "乙")
    import_slots(session, [slot("", "二")], ACT, "乙")
    assert [(s.region, s.value) for s in slots(session)] == [("", "二")]


@given(some_slots)
def test_a_file_is_read_back_without_a_difference(known: list[Slot]) -> None:
    known = [replace(s, region="") if s.region == PROVINCE else s for s in known]
    unique = list({(s.name, s.region, s.valid_from): s for s in known}.values())
    if unique:
        found = read_slots(write_slots(unique))
        assert found.slots == tuple(unique)
        assert found.errors == ()


@given(st.binary(max_size=200))
def test_whatever_the_file_reading_never_raises(data: bytes) -> None:
    read_slots(data)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("phone,,1,,2026-01-01,2026-12-31", "name"),
        ("电话,海口,1,,2026-01-01,2026-12-31", "region"),
        ("电话,,call me,,2026-01-01,2026-12-31", "value"),
        ("电话,,{别的},,2026-01-01,2026-12-31", "value"),
        ("电话,,1,,2026-13-01,2026-12-31", "valid_from"),
        ("电话,,1,,2026-01-01,2025-12-31", "valid_to"),
    ],
)
def test_a_faulty_row_is_named_and_good_ones_go_through(row: str, column: str) -> None:
    head = "name,region,value,source,valid_from,valid_to"
    good = "地址,460100,海府路一号,官网,2026-01-01,2026-12-31"
    found = read_slots("\n".join([head, row, good]).encode())
    assert [(e.line, e.column) for e in found.errors] == [(2, column)]
    assert [s.name for s in found.slots] == ["地址"]


def test_the_check_names_unfilled_slots_and_unused_values() -> None:
    entries = [
        make_entry("a-1", "一", answer=ANSWER),
        make_entry("b-1", "二", answer="到{地址}办。"),
        make_entry("c-1", "三", answer="到{地址}办。", region=HAIKOU),
    ]
    known = [slot(HAIKOU, "海府路", "地址"), slot("", "零", "无人用")]
    found = [(f.code, f.severity.value, f.entry) for f in check_slots(entries, known, TODAY)]
    assert found == [
        ("unfilled_slot", "error", "a-1"),
        ("unfilled_slot", "warning", "b-1"),
        ("unused_value", "note", ""),
    ]


def test_a_value_of_elsewhere_lets_nobody_hear_an_entry_and_that_is_an_error() -> None:
    entry = make_entry("a-1", "一", answer=ANSWER, region=HAIKOU)
    (found,) = check_slots([entry], [slot(SANYA, "一")], TODAY)
    assert found.severity.value == "error"
    (found,) = check_slots([entry], [slot(LONGHUA, "一")], TODAY)
    assert found.severity.value == "warning"


def test_the_texts_are_checked_as_they_are_heard() -> None:
    entry = make_entry("a-1", "一", answer=ANSWER, source="文件")
    assert not [f for f in check_texts([entry], TODAY) if f.code == "unreadable"]
    long = replace(entry, slots=(slot("", "长" * 160),))
    assert "too_long" in {f.code for f in check_texts([long], TODAY)}
