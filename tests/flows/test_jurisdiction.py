"""Places of Hainan named by a caller become GB/T 2260 codes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.phonetics import to_syllables
from flows import gazetteer
from flows.gazetteer import GazetteerError, parse_regions, read_names
from flows.jurisdiction import resolve


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("我在三亚", "460200"),
        ("海口市龙华区这边有人打架", "460106"),
        ("龙华区，就是海口那个", "460106"),
        ("我在儋州那大", "460400"),
        ("东方市八所镇", "469007"),
        ("就在海南大学南门", "460108"),
        ("亚龙湾的沙滩上", "460203"),
        ("琼中县黎母山镇", "469030"),
        ("永兴岛码头", "460321"),
    ],
)
def test_a_named_place_is_resolved_to_the_region_with_a_110_of_its_own(said: str, code: str):
    place = resolve(said)

    assert place is not None
    assert place.code == code


def test_the_last_named_place_wins():
    place = resolve("我刚才讲三亚，讲错了，是万宁")

    assert place is not None
    assert place.code == "469006"


def test_a_place_the_caller_is_not_in_or_came_from_does_not_count():
    assert resolve("我不在海口") is None
    came_from = resolve("我是从三亚过来的，现在在陵水")
    assert came_from is not None
    assert came_from.code == "469028"


def test_a_misheard_place_is_found_by_its_sound():
    place = resolve("我在文仓，快点来")

    assert place is not None
    assert place.name == "文昌市"


def test_the_listeners_syllables_alone_are_enough():
    place = resolve("", to_syllables("在琼海嘉积这边"))

    assert place is not None
    assert place.code == "469002"


@pytest.mark.parametrize("said", ["老城区改造的政策", "东方明珠", "海南的天气", "", "他喝了很多酒"])
def test_everyday_words_and_the_province_are_no_place(said: str):
    assert resolve(said) is None


def test_an_everyday_name_counts_beside_a_word_of_place():
    place = resolve("我在老城这边")

    assert place is not None
    assert place.code == "469023"


def test_every_name_of_the_region_table_resolves_to_its_own_code():
    for region in parse_regions(open_regions()):
        place = resolve(f"我在{region.name}")
        assert region.code == "460000" or (place is not None and place.code == region.code)


def open_regions() -> str:
    return gazetteer.REGIONS.read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("code,name,parent,local_110_extension\n46x,海口,,1\n", "line 2, code"),
        ("code,name,parent,local_110_extension\n460100,,,1\n", "line 2, name"),
        ("code,name,parent,local_110_extension\n460100,海口,460000,1\n", "line 2, parent"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_column(content: str, where: str):
    with pytest.raises(GazetteerError, match=where):
        parse_regions(content)


def test_a_missing_file_of_names_is_named(tmp_path: Path):
    with pytest.raises(GazetteerError, match=r"none\.csv"):
        read_names(tmp_path / "none.csv")


def test_a_call_reads_no_file(monkeypatch: pytest.MonkeyPatch):
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr(Path, "read_text", opened)

    assert resolve("我在定安的南丽湖旁边呢") is not None


@pytest.mark.parametrize(
    "said",
    [
        "五指山南路",
        "就在三亚路",
        "琼海大道这里",
        "保亭一横路",
        "文昌鸡店",
        "万宁药店门口",
        "他是三亚人",
        "司机是文昌的",
    ],
)
def test_a_street_a_dish_or_anothers_origin_is_no_place(said: str):
    assert resolve(said) is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("海口五指山南路", "460100"),
        ("我在海口，就是三亚路那边", "460100"),
        ("我在儋州吃文昌鸡噎住了", "460400"),
        ("我在海口，打我的人是三亚的", "460100"),
        ("我在海口，我是儋州人", "460100"),
        ("我在陵水，他开车往三亚跑了", "469028"),
    ],
)
def test_a_stated_city_wins_over_what_is_only_named_after_or_comes_from_another(
    said: str, code: str
):
    place = resolve(said)

    assert place is not None
    assert place.code == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("三亚的街上", "460200"),
        ("在三亚路边", "460200"),
        ("我是三亚的", "460200"),
        ("出事的地方是三亚的亚龙湾", "460203"),
        ("文昌的一个养鸡场", "469005"),
        ("海口南海大道", "460100"),
    ],
)
def test_a_place_beside_such_words_is_still_one(said: str, code: str):
    place = resolve(said)

    assert place is not None
    assert place.code == code


def test_a_street_that_only_the_listener_heard_is_no_place_either():
    assert resolve("", to_syllables("在五指山南路")) is None
    assert resolve("", to_syllables("吃文昌鸡")) is None


@given(st.text(max_size=80), st.lists(st.text(max_size=6), max_size=10))
def test_nothing_that_is_said_makes_it_fail(text: str, syllables: list[str]):
    resolve(text, tuple(syllables))
