"""`voicebot duty`: tables in and out, who answers now, gaps, history, notices."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.voicebot.test_duty_files import NUMBERS, ROTA
from voicebot.commands.duty import app


@pytest.fixture
def duty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICEBOT_PATHS__STATE", str(tmp_path / "state"))

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_directory_as_delivered_is_listed_on_a_new_machine(duty: Any) -> None:
    (fire,) = rows(duty("list", "--line", "消防", "--json"))
    assert (fire["号码"], fire["地区"], fire["值班日"]) == ("119", "全省", "每天")


def test_a_rota_is_taken_and_asked_for_by_the_minute(duty: Any) -> None:
    Path("rota.csv").write_bytes(ROTA.encode("gbk"))
    told = duty("import", "rota.csv", "--rota", "--as", "值班长", "--why", "十月").stdout
    assert "3 added" in told
    night = duty(
        "now", "--line", "供电", "--region", "龙华区", "--at", "2026-10-02 03:00", "--json"
    )
    (found,) = rows(night)
    assert [each["person"] for each in found["people"]] == ["李二", "张局"]
    assert found["until"] == "2026-10-02T08:00:00+08:00"
    (entry, *_) = rows(duty("history", "--json"))
    assert (entry["who"], entry["why"]) == ("值班长", "十月")


def test_a_gap_is_said_with_an_exit_code(duty: Any) -> None:
    Path("rota.csv").write_text(ROTA, "utf-8")
    duty("import", "rota.csv", "--rota")
    gap = duty("now", "--line", "power", "--at", "2026-10-09 12:00", code=1)
    assert "无人值班" in gap.stdout
    found = rows(duty("check", "--json", code=1))
    assert {"gap", "no_rota"} <= {each["code"] for each in found}
    assert any(each["line"] == "power" and each["code"] == "gap" for each in found)


def test_a_dry_run_shows_the_difference_and_changes_nothing(duty: Any) -> None:
    Path("numbers.csv").write_text(NUMBERS + "119-460106,119,龙华区,龙华消防,,,,\n", "utf-8")
    (shown,) = rows(duty("import", "numbers.csv", "--dry-run", "--json"))
    assert [(each["key"], each["change"]) for each in shown["changes"]] == [("119-460106", "added")]
    assert len(rows(duty("list", "--line", "119", "--json"))) == 1
    assert rows(duty("history", "--json")) == []


def test_faulty_and_closing_rows_are_named_and_the_others_taken(duty: Any) -> None:
    Path("numbers.csv").write_text(
        NUMBERS
        + "119-460106,119,龙华区,龙华消防,,,,\n"
        + "119-x,119,月球,月球消防,,,,\n"
        + "110-460106,110,龙华区,改名,,,,\n",
        "utf-8",
    )
    told = duty("import", "numbers.csv", code=1)
    assert "line 3, column 地区" in told.output
    assert "line 4: 110-460106" in told.output
    assert "1 added" in told.output
    assert "--confirm" in told.output
    assert "1 changed" in duty("import", "numbers.csv", "--confirm", code=1).output


@pytest.mark.parametrize("name", ["out.xlsx", "out.csv"])
def test_what_is_exported_comes_back_without_a_difference(duty: Any, name: str) -> None:
    Path("rota.csv").write_text(ROTA, "utf-8")
    duty("import", "rota.csv", "--rota")
    for kind in ((), ("--rota",)):
        duty("export", name, *kind)
        assert (
            "0 added, 0 changed, 0 removed, 0 rows left out" in duty("import", name, *kind).stdout
        )
    duty("export", "gbk.csv", "--rota", "--encoding", "gbk")
    assert "王一" in Path("gbk.csv").read_text("gbk")


def test_who_has_a_notice_is_put_on_record(duty: Any) -> None:
    refused = duty("acknowledge", "0123456789abcdef", code=1)
    assert "no notice" in str(refused.exception)
    assert rows(duty("notices", "--json")) == []
    assert duty("webhook-key").stdout.startswith("whsec_")


def test_a_line_or_place_that_there_is_not_is_said_with_those_that_there_are(duty: Any) -> None:
    assert "供电" in str(duty("now", "--line", "水利", code=1).exception)
    assert "GB/T 2260" in str(duty("now", "--line", "119", "--region", "北京", code=1).exception)
