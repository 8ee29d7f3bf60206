"""Files that operators write: the settings (TOML), scenarios of the simulation (YAML), keys."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from hypothesis import strategies as st

from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target, case_file, tells
from voicebot.auditing.checking import AuditError, check_file, read_anchors
from voicebot.config import ConfigError, explain, load_settings
from voicebot.config_exchange import ExchangeKey
from voicebot.exchange.keys import KeyUnusable, read_keys
from voicebot.records.spool import read_operations
from voicebot.simulation.scenario_file import ScenarioError, delivered, parse
from voicebot.token_memory import recall

ROOT = Path(__file__).resolve().parents[2]

EXAMPLE = (ROOT / "voicebot.toml.example").read_bytes()
SECTIONS = tuple(b"[" + part for part in EXAMPLE.split(b"\n[") if part)
_WORDS = (
    b"[[lines]]\n", b"[", b"]]\n", b" = ", b"true", b"-1", b"1e400", b"nan", b"inf", b"'''", b'"""',
    b"[server]\nport = 99999\n", b"{ a = 1 }", b"1979-05-27T07:32:00Z", b"\\u0000", b"\\UD8000000",
    b"0x", b"1_0", b"a.b.c = 1\n", b"../../etc/passwd", b"http://", b"wss://[", b"#",
)  # fmt: skip


def _settings(data: bytes) -> None:
    with mock.patch.dict(os.environ, clear=False):
        for name in [each for each in os.environ if each.startswith("VOICEBOT_")]:
            del os.environ[name]
        try:
            settings = load_settings(case_file("case", data))
        except ConfigError as error:
            tells(error)
            return
    for row in explain(settings):
        assert len(row) == 3


def _variable(value: str) -> None:
    """A setting in the environment, which holds no NUL."""
    with mock.patch.dict(os.environ, {"VOICEBOT_SERVER": value, "VOICEBOT_LINES": value}):
        try:
            load_settings(case_file("case", b""))
        except ConfigError as error:
            tells(error)


def _scenario(data: bytes) -> None:
    try:
        parse(data.decode("utf-8", "replace"), "case")
    except ScenarioError as error:
        tells(error, "case")


def _key(data: bytes) -> None:
    path = case_file("case", data)
    path.chmod(0o600)
    try:
        read_keys({"k": ExchangeKey(file=path, owner="110")})
    except KeyUnusable as error:
        tells(error, str(path))


def _state(data: bytes) -> None:
    """Files of our own that a crash or a full disk has spoilt."""
    path = case_file("case", data)
    recall(path)
    for operation in read_operations(path):
        assert isinstance(operation["args"], dict)
    for read in (read_anchors, check_file):
        try:
            read(path)
        except AuditError as error:
            tells(error, str(path))


_STATE = (
    b'[{"name": "a", "role": "agent", "token_id": "1", "hash": "00"}]',
    b'{"op": "audit", "args": {"at": 1.0}}\n{"op": "turn", "args": {}}\n{"op": "au',
    b'{"id": 1, "hash": "00", "at": 1.0}\n',
    b'{"id": 1, "at": 1.0, "principal": "a", "role": "agent", "action": "x", "subject": "", '
    b'"client": "", "allowed": true, "previous": "00", "hash": "00"}\n',
)
_SCENARIOS = [path.read_bytes() for path in delivered().values()]
_NO_NUL = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")

TARGETS = (
    Target("settings_toml", mutated([EXAMPLE, *SECTIONS], _WORDS), _settings),
    Target(
        "settings_environment",
        mutated([b'{"port": 8445, "host": "127.0.0.1"}', b'[{"did": "1", "name": "n"}]']).map(
            lambda data: data.decode("utf-8", "ignore").replace("\0", "")
        )
        | st.text(_NO_NUL, max_size=30),
        _variable,
    ),
    Target(
        "scenarios_yaml",
        mutated(_SCENARIOS, (b"- ", b": ", b"&a", b"*a", b"!!python/object:x", b"<<: ", b"|\n")),
        _scenario,
    ),
    Target(
        "signing_keys",
        mutated([b"A" * 44, b"cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ=\n"]),
        _key,
    ),
    Target("state_files", mutated(_STATE) | st.just(b"[" * 50_000), _state),
)
