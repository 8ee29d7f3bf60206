"""`make api-check`: schemathesis asks the running service for everything, as every role.

    make api-check                               (ARGS="--role agent --examples 200 --seed 7")
    make api-check ARGS=--postgresql             on a server of its own

No answer may be a 5xx, be undocumented or differ from the document, take longer than `SLOW_S`, or
take what the document forbids. Ids of a ticket, an order and a hand-off that exist stand in half
of the runs of supervisors and administrators. What was found stands in var/api-check; the last line
is JSON; exit code 1 for any finding.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.trial_service import ROOT, TrialService
from voicebot.config import load_settings
from voicebot.security import CACHE_S, ROLES, token_store

PROGRAM = ROOT / ".cache" / "api-check-venv" / "bin" / "schemathesis"
OUT = ROOT / "var" / "api-check"
SLOW_S = 10.0
THOROUGH = ("admin", "supervisor")
"""Roles that may do the most: they are asked for more."""
ENDLESS = "x-endless"
"""In the document: an answer that lasts as long as a call."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="make api-check")
    parser.add_argument("--role", action="append", choices=ROLES, help="repeatable; all by default")
    parser.add_argument("--examples", type=int, default=30, help="for each operation")
    parser.add_argument("--seed", type=int, help="repeats the requests of a run")
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit("schemathesis is not there: run `make api-check`.")
    seed = given.seed if given.seed is not None else secrets.randbelow(10**9)
    OUT.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the service is not left behind
    say(f"seed {seed}")
    report: dict[str, Any] = {}
    with _database(given.postgresql) as url, tempfile.TemporaryDirectory() as folder:
        service = TrialService(Path(folder), _variables(url))
        try:
            service.start()
            tokens = _tokens(service.folder / "state", url)
            time.sleep(CACHE_S)  # until then the service goes by the tokens that it has read
            known = _known(service.port, tokens)
            for role in given.role or ROLES:
                thorough = role in THOROUGH
                examples = given.examples if thorough else max(3, given.examples // 5)
                for name, ids in ((role, {}), (f"{role}-known", known))[: 1 + thorough]:
                    began = time.monotonic()
                    found = _ask(service.port, tokens[role], name, ids, examples, seed)
                    report[name] = {"seconds": round(time.monotonic() - began, 1), **found}
                    say(f"{name}: {report[name]}")
            alive = bool(service.health())
        finally:
            (OUT / "service.log").write_bytes(service.log.read_bytes())
            service.close()
    findings = sum(each["findings"] for each in report.values()) + (not alive)
    print(json.dumps({"runs": report, "alive": alive, "findings": findings}), flush=True)
    return 1 if findings else 0


def _variables(url: str) -> dict[str, str]:
    """No limit of requests, which would hide everything else; every endpoint is there."""
    port = secrets.randbelow(20_000) + 40_000
    variables = {
        "VOICEBOT_RATE_LIMITS__ENABLED": "false",
        "VOICEBOT_AUDIO_SOCKET__PORT": str(port),
        "VOICEBOT_LOG__LEVEL": "warning",
    }
    return variables | ({"VOICEBOT_DATABASE__URL": url} if url else {})


@contextlib.contextmanager
def _database(postgresql: bool) -> Iterator[str]:
    """The URL of a PostgreSQL of the run's own; empty for SQLite."""
    if not postgresql:
        yield ""
        return
    from benchmarks.tickets_scale import server

    with server() as url:
        yield url


def _tokens(state: Path, url: str) -> dict[str, str]:
    settings = load_settings()
    settings = settings.model_copy(
        update={
            "paths": settings.paths.model_copy(update={"state": state}),
            "database": settings.database.model_copy(update={"url": url}),
        }
    )
    store = token_store(settings)
    try:
        return {role: store.create(role, f"check {role}") for role in ROLES}
    finally:
        store.close()


def _known(port: int, tokens: Mapping[str, str]) -> dict[str, str]:
    """Ids of what is there, by the name of their parameter."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        headers = {"Authorization": f"Bearer {tokens['channel']}", "Idempotency-Key": "check-0001"}
        answer = client.post(
            "/v1/matters",
            headers=headers,
            json={"text": "海口市龙华区金贸西路路灯坏了", "want": "ticket"},
        )
        answer.raise_for_status()
        number = str(answer.json()["number"])
    return {"ticket_id": number, "key": "check-0001"}


def _ask(
    port: int, token: str, name: str, ids: Mapping[str, str], examples: int, seed: int
) -> dict[str, int]:
    """One run; how many operations were asked for, and what was found."""
    folder = OUT / name
    folder.mkdir(exist_ok=True)
    junit = folder / "junit.xml"
    junit.unlink(missing_ok=True)
    config = folder / "schemathesis.toml"
    config.write_text(_config(ids), "utf-8")
    url = f"http://127.0.0.1:{port}"
    document = httpx.get(
        f"{url}/v1/openapi.json",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    ).json()
    endless = [
        argument
        for path, methods in document["paths"].items()
        if any(ENDLESS in operation for operation in methods.values())
        for argument in ("--exclude-path", path)
    ]
    with (folder / "output.txt").open("w", encoding="utf-8") as out:
        done = subprocess.run(
            [
                str(PROGRAM), "--config-file", str(config), "run", f"{url}/v1/openapi.json",
                "--header", f"Authorization: Bearer {token}", "--phases",
                "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(seed),
                "--continue-on-failure", "--request-timeout", str(2 * SLOW_S),
                "--max-response-time", str(SLOW_S), "--report", "junit", "--report-junit-path",
                str(junit), "--no-color", *endless,
            ],
            cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False,
            env={
                **os.environ,
                "NO_PROXY": "127.0.0.1",
                "SCHEMATHESIS_HOOKS": "benchmarks.api_check_hooks",
                "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
    if done.returncode not in (0, 1) or not junit.exists():
        sys.exit(f"schemathesis did not do its work: {folder / 'output.txt'}")
    return _counted(ElementTree.parse(junit).getroot(), failed=done.returncode == 1)


def _config(ids: Mapping[str, str]) -> str:
    """What schemathesis is to know: a role that may not do a thing rejects it, whatever is sent;
    a state in which an act is not allowed rejects what the document allows."""
    rejected = '["400", "401", "403", "404", "409", "412", "413", "422", "428", "503"]'
    accepted = '["2xx", "401", "403", "404", "409", "412", "422", "428"]'
    lines = [
        "[checks.negative_data_rejection]",
        f"expected-statuses = {rejected}",
        "[checks.positive_data_acceptance]",
        f"expected-statuses = {accepted}",
        "[checks.missing_required_header]",
        f"expected-statuses = {rejected}",
    ]
    if ids:
        lines += ["[parameters]", *(f'"path.{name}" = "{value}"' for name, value in ids.items())]
    return "\n".join(lines) + "\n"


def _counted(root: ElementTree.Element, *, failed: bool) -> dict[str, int]:
    cases = list(root.iter("testcase"))
    found = sum(1 for case in cases if case.find("failure") is not None)
    errors = sum(1 for case in cases if case.find("error") is not None)
    return {"operations": len(cases), "findings": max(found + errors, int(failed))}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
