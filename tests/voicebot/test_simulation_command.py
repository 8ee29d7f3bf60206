"""`voicebot simulate`, its scenario files and what it writes."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from voicebot.cli import app
from voicebot.simulation.charts import PICTURES, series
from voicebot.simulation.runs import simulate
from voicebot.simulation.scenario_file import ScenarioError, delivered, find, parse, read

SMALL = """title: 小镇
about: 一条小线路。
sources: [试验]
arrivals:
  calls_per_day: 600
  half_hours: [%s]
callers: {patience: {mean_s: 60}, redial: {share: 0.5}, danger: 0.05}
seats:
  - region: "460100"
    staffed: {00:00: 1, 10:30: 2}
service: {kind: lognormal, mean_s: 120, cv: 1}
bot:
  room: 5
  contained: 0.5
  contained_time: {mean_s: 60}
  leaving_time: {mean_s: 30}
trunks: 20
lines: 8
police: {seats: 2}
policy: {enter_wait_s: 15}
""" % ", ".join(["1"] * 48)  # noqa: UP031 - braces are YAML's


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_every_delivered_scenario_can_be_read_and_says_what_is_known_and_what_assumed() -> None:
    assert {"haikou-1x", "haikou-3x", "haikou-10x", "hainan-typhoon"} <= set(delivered())
    for path in delivered().values():
        scenario = read(path)
        assert scenario.sources
        assert scenario.assumptions


def test_the_scenarios_of_haikou_differ_in_volume_and_room_alone() -> None:
    once, three, ten = (read(find(f"haikou-{n}x")) for n in (1, 3, 10))
    assert [each.arrivals.factor for each in (once, three, ten)] == [1, 3, 10]
    for other in (three, ten):
        assert other.seats == once.seats
        assert other.service == once.service
        assert other.callers == once.callers


def test_times_of_day_need_no_quotes(file: Path) -> None:
    """YAML 1.1 reads 10:30 as the number 630."""
    assert read(file).seats[0].by_half_hour() == [1] * 21 + [2] * 27


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "contained: 0.5",
            "contained: 1.5",
            14,
            "bot.contained: Input should be less than or equal",
        ),
        ("trunks: 20", "trunks: many", 17, "trunks: Input should be a valid integer"),
        ("trunks: 20", "trunk: 20", 17, "trunk: Extra inputs are not permitted"),
        ("enter_wait_s", "enter_wait", 20, "policy: enter_wait is none of bot_first"),
        ("{enter_wait_s: 15}", "{enter_wait_s: 3}", 20, "leave_wait_s < enter_wait_s"),
        ("10:30: 2", "10:15: 2", 10, "seats.0.staffed.10:15"),
        ("cv: 1}", "}", 11, "service: cv belongs to lognormal"),
        ("about: 一条小线路。\n", "", 1, "about: Field required"),
        ("trunks: 20", "trunks: 20\ntrunks: 30", 18, "trunks is given twice"),
        ("trunks: 20", "trunks: [20", 18, "no YAML"),
    ],
)
def test_a_fault_is_told_with_its_line(old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(SMALL.replace(old, new), "small.yaml")
    assert f"small.yaml, line {line}: " in str(caught.value)
    assert said in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    text = SMALL.replace("contained: 0.5", "contained: 2").replace("lines: 8", "lines: -8")
    with pytest.raises(ScenarioError) as caught:
        parse(text, "small.yaml")
    assert str(caught.value).count("small.yaml, line") == 2


@pytest.mark.parametrize("text", ["", "- a\n", "just words"])
def test_what_is_no_scenario_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ScenarioError, match="line 1: a scenario is a mapping"):
        parse(text, "x.yaml")


def test_json_has_exactly_the_figures_of_the_pictures(file: Path, tmp_path: Path) -> None:
    done = ran(
        "--scenario", str(file), "--runs", "2", "--seed", "3", "--json", "--out", str(tmp_path)
    )
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    result = simulate("small", read(file), 2, 3, processes=1)
    assert printed == json.loads(json.dumps(asdict(result)))
    for picture in PICTURES:
        for name, side in (("with_bot", result.with_bot), ("without_bot", result.without_bot)):
            drawn = series(side, picture)
            field = {"queue": "queue", "wait": "wait_s", "abandonment": "abandoned"}.get(
                picture.name, "contained"
            )
            scale = 1 if picture.name in ("queue", "wait") else 100
            told = [half[field] * scale for half in printed[name]["half_hours"]]
            assert drawn == pytest.approx(told)
    assert json.loads((tmp_path / "figures.json").read_text("utf-8")) == printed


def test_pictures_page_and_tables_are_written(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    assert ran("--scenario", str(file), "--runs", "1", "--out", str(out)).exit_code == 0
    for picture in PICTURES:
        assert (out / f"{picture.name}.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "index.html").read_text("utf-8")
    assert page.count("<svg") == len(PICTURES)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "小镇" in page
    seats = (out / "seats.csv").read_text("utf-8-sig").splitlines()
    assert len(seats) == 49


def test_without_json_a_table_is_shown(file: Path) -> None:
    done = ran("--scenario", str(file), "--runs", "1")
    assert done.exit_code == 0
    assert "接通率" in done.stdout
    assert "各时段所需坐席" in done.stdout


def test_the_delivered_scenarios_are_listed() -> None:
    assert "haikou-10x" in ran("--list").stdout
    assert {each["name"] for each in json.loads(ran("--list", "--json").stdout)} == set(delivered())


def test_an_unknown_scenario_is_said_to_be_none(tmp_path: Path) -> None:
    assert "haikou-1x" in str(ran("--scenario", "nowhere").exception)
    assert "--scenario" in str(ran().exception)
