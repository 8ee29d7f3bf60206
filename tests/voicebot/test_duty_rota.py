"""Who answers now: the rota of a line, by place, kind of day and hour."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.routes import areas
from voicebot.clock import BEIJING
from voicebot.duty.calendar import DayKind, announced, day_kind
from voicebot.duty.hours import Hours, read_clock, read_date, read_days, write_clock, write_days
from voicebot.duty.rota import SUPERIOR, Period, Shift, gaps, on_duty, periods

DAYS = ["daily", "workday", "rest", "holiday", "mon", "sat", "2026-10-01", "2026-10-10"]
REGIONS = ["", "460100", "460106"]
NATIONAL_DAY = date(2026, 10, 1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


def clock(text: str) -> int:
    minutes = read_clock(text)
    assert minutes is not None
    return minutes


def shift(person: str, hours: str = "00:00-24:00", days: str = "daily", **more: object) -> Shift:
    start, _, end = hours.partition("-")
    limits = {name: more.pop(name) for name in ("valid_from", "valid_to") if name in more}
    when = Hours(days, clock(start), clock(end), **limits)  # type: ignore[arg-type]
    return Shift(**{"line": "119", "region": "", "person": person, "hours": when, **more})  # type: ignore[arg-type]


def names(shifts: list[Shift], moment: str, region: str | None = "460106") -> list[str]:
    return [each.person for each in on_duty(shifts, "119", region, at(moment))]


def test_a_night_shift_goes_on_after_midnight() -> None:
    rota = [shift("昼", "08:00-18:00"), shift("夜", "18:00-08:00")]
    for moment, who in [
        ("2026-03-02 07:59", "夜"),
        ("2026-03-02 08:00", "昼"),
        ("2026-03-02 17:59", "昼"),
        ("2026-03-02 18:00", "夜"),
        ("2026-03-03 00:00", "夜"),
    ]:
        assert names(rota, moment) == [who], moment


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    rota = [shift("周一夜", "18:00-08:00", "mon"), shift("平时")]
    assert names(rota, "2026-03-02 17:59") == ["平时"]
    assert names(rota, "2026-03-03 07:59") == ["周一夜"]  # a Tuesday
    assert names(rota, "2026-03-03 18:00") == ["平时"]


def test_a_holiday_has_its_own_rota_and_a_moved_working_day_is_none() -> None:
    rota = [shift("平时", days="workday"), shift("周末", days="rest"), shift("节", days="holiday")]
    assert names(rota, "2026-10-01 12:00") == ["节"]
    assert names(rota, "2026-10-10 12:00") == ["平时"]  # a Saturday that is worked for it
    assert names(rota, "2026-10-11 12:00") == ["周末"]


def test_a_substitute_for_a_date_stands_in_for_one_person_alone() -> None:
    rota = [shift("甲"), shift("乙", rank=2), shift("丙", "08:00-20:00", "2026-10-01")]
    assert names(rota, "2026-10-01 12:00") == ["丙", "乙"]
    assert names(rota, "2026-10-01 20:00") == ["甲", "乙"]


def test_the_county_comes_before_the_city_and_the_province() -> None:
    rota = [shift("省"), shift("市", region="460100"), shift("区", region="460106")]
    assert names(rota, "2026-03-02 12:00") == ["区"]
    assert names(rota, "2026-03-02 12:00", "460107") == ["市"]
    assert names(rota, "2026-03-02 12:00", "469001") == ["省"]
    assert names(rota, "2026-03-02 12:00", None) == ["省"]


def test_the_superior_is_the_last_to_be_told() -> None:
    rota = [shift("带班", rank=SUPERIOR), shift("二", rank=2), shift("一")]
    assert names(rota, "2026-03-02 12:00") == ["一", "二", "带班"]


def test_a_rota_holds_from_its_first_day_to_its_last() -> None:
    rota = [shift("夏", valid_from=date(2026, 6, 1), valid_to=date(2026, 8, 31))]
    assert names(rota, "2026-05-31 23:59") == []
    assert names(rota, "2026-06-01 00:00") == ["夏"]
    assert names(rota, "2026-09-01 00:00") == []


def test_a_gap_is_stated_with_its_minutes() -> None:
    rota = [shift("昼", "08:00-18:00", "workday")]
    found = gaps(rota, "119", None, at("2026-10-09 00:00"), at("2026-10-11 00:00"))
    assert found == [
        Period(at("2026-10-09 00:00"), at("2026-10-09 08:00"), ()),
        Period(at("2026-10-09 18:00"), at("2026-10-10 08:00"), ()),
        Period(at("2026-10-10 18:00"), at("2026-10-11 00:00"), ()),
    ]


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    minutes = st.integers(0, 47).map(lambda half: 30 * half)
    first, last = draw(st.sampled_from([(None, None), (NATIONAL_DAY, None), (None, NATIONAL_DAY)]))
    return Shift(
        "119",
        draw(st.sampled_from(REGIONS)),
        draw(st.sampled_from("甲乙丙")),
        draw(st.sampled_from([1, 2, SUPERIOR])),
        Hours(draw(st.sampled_from(DAYS)), draw(minutes), draw(minutes), first, last),
    )


@given(st.lists(shifts(), max_size=6), st.sampled_from([None, "460106", "469001"]))
def test_every_minute_has_exactly_one_answer_or_a_stated_gap(
    rota: list[Shift], region: str | None
) -> None:
    start, end = at("2026-09-30 17:00"), at("2026-10-02 09:00")
    found = list(periods(rota, "119", region, start, end))
    assert [each.start for each in found] == [start, *(each.end for each in found[:-1])]
    assert found[-1].end == end
    for each in found:
        moment = each.start
        while moment < each.end:
            people = on_duty(rota, "119", region, moment)
            assert people == each.people
            ranks = [person.rank for person in people]
            assert ranks == sorted(set(ranks))  # one a rank
            covering = {
                one.rank
                for one in rota
                if one.region in areas(region) and one.hours.beginning(moment) is not None
            }
            assert set(ranks) == covering  # and nobody who could be there is left out
            moment += timedelta(minutes=30)


@given(st.lists(shifts(), max_size=6), st.randoms())
def test_the_order_of_the_rows_decides_nothing(rota: list[Shift], random: object) -> None:
    mixed = list(rota)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    moment = at("2026-10-01 09:30")
    assert on_duty(rota, "119", "460106", moment) == on_duty(mixed, "119", "460106", moment)


def test_the_calendar_knows_kinds_of_days_and_says_where_it_does_not() -> None:
    assert day_kind(NATIONAL_DAY) is DayKind.HOLIDAY
    assert announced(NATIONAL_DAY)
    assert not announced(date(2031, 10, 1))
    assert day_kind(date(2031, 10, 1)) is DayKind.HOLIDAY
    assert day_kind(date(2031, 10, 11)) is DayKind.REST
    assert day_kind(date(2031, 10, 13)) is DayKind.WORKDAY


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("工作日", "workday"),
        ("周日", "sun"),
        ("星期天", "sun"),
        ("Mon", "mon"),
        ("", "daily"),
        ("2026/10/1", "2026-10-01"),
        ("2026年10月1日", "2026-10-01"),
        ("十一", None),
        ("2026-02-30", None),
    ],
)
def test_days_are_read_as_people_write_them(text: str, days: str | None) -> None:
    assert read_days(text) == days
    if days is not None:
        assert read_days(write_days(days)) == days


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("8:00", 480),
        ("08：30", 510),
        ("18:00:00", 1080),
        ("24:00", 1440),
        ("24:01", None),
        ("8", None),
        ("8:60", None),
    ],
)
def test_clock_times_are_read_as_people_write_them(text: str, minutes: int | None) -> None:
    assert read_clock(text) == minutes
    if minutes is not None:
        assert read_clock(write_clock(minutes)) == minutes


def test_a_day_that_there_is_not_is_no_date() -> None:
    assert read_date("2026-13-01") is None
