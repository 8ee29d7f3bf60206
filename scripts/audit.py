"""`make audit`: the code (bandit), the dependencies (pip-audit), and what is in the product (SBOM).

Runs in .cache/audit-venv. Everything is written to var/audit; exit code 1 for a finding that
scripts/audit-accepted.toml does not answer, or where a step could not be done: what was not
looked at is not clean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "var" / "audit"
ACCEPTED = ROOT / "scripts" / "audit-accepted.toml"
PACKAGES = ("voicebot", "asr", "kb", "flows", "telephony")
TOOLS = Path(sys.executable).parent

NOT_CHECKED = (
    "The dependencies were NOT checked: run `make audit` where the advisories can be reached."
)

Rows = list[dict[str, Any]]


def unanswered(found: Rows, accepted: Rows, keys: Iterable[str]) -> tuple[Rows, Rows]:
    """Findings that no accepted line answers, and accepted lines that answer none.

    A line answers a finding if it has the same value for each of `keys` that the line names.
    """
    names = tuple(keys)

    def answers(line: Mapping[str, Any], finding: Mapping[str, Any]) -> bool:
        return all(line[name] == finding[name] for name in names if name in line)

    left = [each for each in found if not any(answers(line, each) for line in accepted)]
    idle = [line for line in accepted if not any(answers(line, each) for each in found)]
    return left, idle


def code(accepted: Rows) -> bool:
    """bandit over the packages."""
    out = OUT / "bandit.json"
    run("bandit", "-q", "-r", *PACKAGES, "-f", "json", "-o", str(out), good=(0, 1))
    results = json.loads(out.read_text("utf-8"))["results"]
    found = [
        {
            "test": each["test_id"],
            "file": each["filename"].removeprefix("./"),
            "line": each["line_number"],
            "severity": each["issue_severity"],
            "text": each["issue_text"],
        }
        for each in results
    ]
    # A kind as a whole may be accepted only where its weight is low.
    kinds = [line for line in accepted if "file" not in line]
    places = [line for line in accepted if "file" in line]
    low = [each for each in found if each["severity"] == "LOW"]
    left, idle = unanswered(low, kinds, ("test",))
    more, unused = unanswered(
        [each for each in found if each not in low] + left, places, ("test", "file")
    )
    for each in more:
        say(f"{each['file']}:{each['line']} {each['test']} {each['severity']}: {each['text']}")
    return told("bandit", len(found), len(more), [*idle, *unused])


def dependencies(accepted: Rows, lock: str) -> bool:
    """pip-audit over the locked versions; its advisories come from the network."""
    out = OUT / "advisories.json"
    out.unlink(missing_ok=True)
    run(
        "pip-audit", "-r", lock, "--no-deps", "--disable-pip", "--progress-spinner", "off",
        "-f", "json", "-o", str(out), good=(0, 1),
    )  # fmt: skip
    if not out.exists():
        raise StepFailed(f"pip-audit could not read the advisories. {NOT_CHECKED}")
    found, unknown = advisories(json.loads(out.read_text("utf-8")))
    if unknown:
        some = ", ".join(unknown[:3]) + (" …" if len(unknown) > 3 else "")
        raise StepFailed(f"There are no advisories for {len(unknown)}: {some}. {NOT_CHECKED}")
    left, idle = unanswered(found, accepted, ("package", "id"))
    for each in left:
        say(f"{each['package']} {each['version']}: {each['id']}")
    return told("pip-audit", len(found), len(left), idle)


def advisories(report: Mapping[str, Any]) -> tuple[Rows, list[str]]:
    """Advisories of pip-audit's report, and the packages that it passed over: where a mirror has
    packages and no advisories it passes over all of them, and calls that clean."""
    found = [
        {"package": each["name"], "version": each["version"], "id": advisory["id"]}
        for each in report["dependencies"]
        for advisory in each.get("vulns", ())
    ]
    return found, [each["name"] for each in report["dependencies"] if "skip_reason" in each]


def materials() -> bool:
    """The SBOM of the product's environment, CycloneDX JSON."""
    out = OUT / "sbom.cdx.json"
    run(
        "cyclonedx-py", "environment", str(ROOT / ".venv" / "bin" / "python"),
        "--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(out),
    )  # fmt: skip
    count = len(json.loads(out.read_text("utf-8"))["components"])
    say(f"SBOM: {count} components in {out.relative_to(ROOT)}")
    return True


class StepFailed(Exception):
    """A tool did not do its work."""


def run(tool: str, *arguments: str, good: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(  # noqa: S603 - tools of scripts/audit-tools.lock
        [str(TOOLS / tool), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode not in good:
        raise StepFailed(f"{tool}: {(done.stderr or done.stdout).strip()[-600:]}")


def told(tool: str, found: int, left: int, idle: Rows) -> bool:
    for line in idle:
        say(f"scripts/audit-accepted.toml accepts what is not found any more: {line}")
    say(f"{tool}: {found} findings, {left} without a reason")
    return not left and not idle


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("code", "dependencies", "materials"))
    parser.add_argument("--lock", default="requirements.lock", help="the versions to look up")
    arguments = parser.parse_args()
    accepted = tomllib.loads(ACCEPTED.read_text("utf-8"))
    OUT.mkdir(parents=True, exist_ok=True)
    steps: dict[str, Callable[[], bool]] = {
        "code": lambda: code(accepted.get("code", [])),
        "dependencies": lambda: dependencies(accepted.get("advisory", []), arguments.lock),
        "materials": materials,
    }
    good = True
    for name, step in steps.items():
        if arguments.only in (None, name):
            try:
                good = step() and good
            except StepFailed as error:
                say(f"FAILED {name}: {error}")
                good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
