"""What schemathesis found is counted, also where it says it only by its exit code."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.api_check import _config, _counted

CLEAN = '<testcase name="GET /health" time="1"/>'
FAILED = '<testcase name="GET /metrics" time="1"><failure type="failure">500</failure></testcase>'
BROKEN = '<testcase name="PUT /x" time="1"><error type="error">timeout</error></testcase>'


def root(*cases: str) -> ElementTree.Element:
    return ElementTree.fromstring(
        f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
    )


def test_failures_and_errors_are_findings() -> None:
    assert _counted(root(CLEAN, FAILED, BROKEN), failed=True) == {"operations": 3, "findings": 2}
    assert _counted(root(CLEAN, CLEAN), failed=False) == {"operations": 2, "findings": 0}


def test_a_run_that_failed_without_saying_where_is_a_finding() -> None:
    assert _counted(root(CLEAN), failed=True)["findings"] == 1


def test_known_ids_are_given_to_every_path() -> None:
    assert '"path.ticket_id" = "T1"' in _config({"ticket_id": "T1"})
    assert "parameters" not in _config({})
