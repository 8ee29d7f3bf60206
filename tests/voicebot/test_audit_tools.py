"""`make audit`: a finding without a reason fails, and so does what was not looked at."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FOUND = {"test": "B608", "file": "voicebot/a.py", "line": 3}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_script", SCRIPTS / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("accepted", "left", "idle"),
    [
        ([], 1, 0),
        ([{"test": "B608", "reason": "x"}], 0, 0),
        ([{"test": "B608", "file": "voicebot/a.py"}], 0, 0),
        ([{"test": "B608", "file": "voicebot/b.py"}], 1, 1),
        ([{"test": "B101"}], 1, 1),
    ],
)
def test_each_finding_needs_a_line_and_each_line_a_finding(
    audit: ModuleType, accepted: list[dict[str, Any]], left: int, idle: int
) -> None:
    found = audit.unanswered([FOUND], accepted, ("test", "file"))
    assert [len(each) for each in found] == [left, idle]


def test_what_is_accepted_says_why_and_where() -> None:
    lines = tomllib.loads((SCRIPTS / "audit-accepted.toml").read_text("utf-8"))
    assert set(lines) <= {"code", "advisory"}
    for line in lines["code"] + lines.get("advisory", []):
        assert len(line["reason"]) > 20
        assert set(line) <= {"test", "file", "package", "id", "reason"}
        if "file" in line:
            assert (SCRIPTS.parent / line["file"]).is_file()


def test_a_package_that_was_passed_over_was_not_found_clean(audit: ModuleType) -> None:
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ]
    }
    found, unknown = audit.advisories(report)
    assert found == [{"package": "a", "version": "1", "id": "PYSEC-1"}]
    assert unknown == ["c"]
