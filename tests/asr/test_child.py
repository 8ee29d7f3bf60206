"""A process of our own is told what it needs and nothing else, and keeps what it hears."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from asr.supervised.child import start

PROGRAM = """
import json, os, resource, signal, socket, sys
from asr.supervised.child import be_silent, begin
number, parent = map(int, sys.argv[1:])
end = socket.socket(fileno=number)
begun = begin(parent)
print("why it does not load", file=sys.stderr, flush=True)
be_silent()
os.write(2, "救命".encode())
end.sendall(json.dumps({
    "begun": begun, "group": os.getpgrp(), "pid": os.getpid(), "core": resource.getrlimit(
    resource.RLIMIT_CORE), "environment": dict(os.environ), "signals": [
    signal.getsignal(each) is signal.SIG_IGN for each in (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]}).encode() + b"\\n")
end.recv(1)
"""


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """What the process says of itself and what it printed; it is started in a folder with a module
    that nobody means."""
    there, elsewhere = tmp_path / "path", tmp_path / "elsewhere"
    for folder in (there, elsewhere):
        folder.mkdir()
    (there / "child_program.py").write_text(PROGRAM)
    (elsewhere / "json.py").write_text("raise SystemExit(1)")
    monkeypatch.syspath_prepend(str(there))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("VOICEBOT_DATABASE__URL", "postgresql://u:secret@127.0.0.1/v")
    ours, end = socket.socketpair()
    with ours:
        ours.settimeout(60)
        process = start("child_program", end)
        with ours.makefile() as lines:
            said: dict[str, Any] = json.loads(lines.readline())
    assert process.wait(60) == 0
    return {**said, "printed": capfd.readouterr().err}


def test_it_is_in_no_group_of_others_and_passes_over_what_stops_a_service(
    told: dict[str, Any],
) -> None:
    assert told["begun"]
    assert told["group"] == told["pid"]
    assert told["signals"] == [True, True, True]


def test_it_knows_none_of_our_settings(told: dict[str, Any]) -> None:
    assert not [name for name in told["environment"] if name.startswith("VOICEBOT_")]
    assert "secret" not in json.dumps(told)
    assert told["environment"]["PATH"] == os.environ["PATH"]


def test_a_crash_leaves_no_core(told: dict[str, Any]) -> None:
    assert told["core"] == [0, 0]


def test_what_it_prints_is_seen_until_it_hears_callers(told: dict[str, Any]) -> None:
    assert told["printed"] == "why it does not load\n"
