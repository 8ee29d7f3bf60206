"""deploy/: the units, the containers and the dispatcher call what exists, and agree with the
settings' defaults."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import sqlite3
import subprocess
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import fastjsonschema
import pytest
import typer.main
import yaml
from sqlalchemy import create_engine
from typer.core import TyperGroup

from tests.voicebot.tools import Kamailio, needs
from voicebot.cli import app
from voicebot.config import PREFIX, Settings, load_settings
from voicebot.config_roles import Role

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
HOME = "/opt/voicebot"
BINARY = f"{HOME}/.venv/bin/voicebot"

SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
TIMERS = sorted(path.name for path in SYSTEMD.glob("*.timer"))


class _Section(dict[str, Any]):
    """Keys of a unit may come often; configparser would keep the last."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self and isinstance(value, list):
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    parser = configparser.RawConfigParser(strict=False, dict_type=_Section, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(SYSTEMD / name)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for section in parser.sections():
        for key, value in parser.items(section):
            found[section][key] = value.splitlines()
    return found


def accepts(words: list[str]) -> None:
    """The command line knows these words; nothing is run."""
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        assert words, f"{command.name}: a command is missing"
        name, *words = words
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    command.make_context(command.name, list(words))


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_calls_commands_and_options_that_exist(name: str) -> None:
    for line in unit(name)["Service"]["ExecStart"]:
        program, *words = shlex.split(line)
        if program == BINARY:
            accepts(words)
        else:
            script = ROOT / Path(program).relative_to(HOME)
            assert os.access(script, os.X_OK), script


@pytest.mark.parametrize("words", [["serve", "--fast"], ["server"], ["asr", "serve", "--port"]])
def test_a_command_line_that_does_not_exist_would_be_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, typer.BadParameter.__bases__[0])):
        accepts(words)


@pytest.mark.parametrize("name", SERVICES)
def test_a_units_environment_is_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in unit(name)["Service"]["Environment"]:
        variable, _, value = line.partition("=")
        if variable != "VOICEBOT_CONFIG":
            assert variable.startswith(PREFIX)
            monkeypatch.setenv(variable, value)
    monkeypatch.delenv("VOICEBOT_CONFIG", raising=False)
    load_settings(ROOT / "voicebot.toml.example")


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_may_write_where_its_settings_do_and_nowhere_else(name: str) -> None:
    service = unit(name)["Service"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["NoNewPrivileges"] == ["yes"]
    assert service["CapabilityBoundingSet"] == []
    assert "ReadWritePaths" not in service
    kept = [f"/var/lib/{folder}" for line in service["StateDirectory"] for folder in line.split()]
    state = [line for line in service["Environment"] if line.startswith("VOICEBOT_PATHS__STATE=")]
    assert all(line.partition("=")[2] in kept for line in state)


@pytest.mark.parametrize("name", SERVICES)
def test_no_unit_promises_systemd_a_sign_of_life_that_nothing_sends(name: str) -> None:
    service = unit(name)["Service"]
    assert "WatchdogSec" not in service
    assert service["Type"] in (["exec"], ["oneshot"])


@pytest.mark.parametrize("name", ["voicebot.service", "voicebot@.service", "voicebot-asr.service"])
def test_a_lost_engine_costs_neither_the_service_nor_a_core_with_callers_words(name: str) -> None:
    service = unit(name)["Service"]
    assert service["OOMPolicy"] == ["continue"]
    assert service["LimitCORE"] == ["0"]


def test_the_service_has_the_time_that_its_calls_need_to_end() -> None:
    from voicebot.app import CALLS_END_S, LEAVING_S

    needed = Settings().admission.drain_s + 2 * LEAVING_S + 2 * CALLS_END_S
    for name in ("voicebot.service", "voicebot@.service"):
        (stop,) = unit(name)["Service"]["TimeoutStopSec"]
        assert float(stop) >= needed
    for service in (compose()["services"]["voicebot"], compose("roles.yaml")["services"]["media"]):
        assert float(service["stop_grace_period"].removesuffix("s")) >= needed
    (asr_stop,) = unit("voicebot-asr.service")["Service"]["TimeoutStopSec"]
    assert float(asr_stop) > Settings().asr_service.drain_s


@pytest.mark.parametrize("name", ["voicebot.service", "voicebot@.service"])
def test_media_processes_outlive_the_service_with_their_callers(name: str) -> None:
    service = unit(name)["Service"]
    assert (service["KillMode"], service["LimitRTPRIO"]) == (["process"], ["1"])
    assert "RestrictRealtime" not in service


def test_the_watchdog_is_stopped_by_nothing_that_stops_the_service() -> None:
    watchdog = unit("voicebot-watchdog.service")
    assert not {"Requires", "BindsTo", "PartOf", "Requisite"} & set(watchdog["Unit"])
    (password,) = re.findall(r"--password-file (\S+)", watchdog["Service"]["ExecStart"][0])
    assert Path(password).name in (DEPLOY / "asterisk" / "make-secrets.sh").read_text().replace(
        "$user", "watchdog"
    )


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_has_a_service(name: str) -> None:
    assert name.replace(".timer", ".service") in SERVICES


def test_systemd_itself_takes_the_units(tmp_path: Path) -> None:
    analyze = needs("systemd-analyze", None, "`apt-get install systemd`")
    for path in SYSTEMD.glob("*.*"):
        if path.suffix in (".service", ".timer"):
            # Their home is not on this machine: commands and documents are those of the checkout.
            (tmp_path / path.name).write_text(path.read_text().replace(HOME, str(ROOT)))
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        (analyze, "verify", "--man=no", *units), capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "voicebot" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_calls_the_units_little_exposed(name: str) -> None:
    analyze = needs("systemd-analyze", None, "`apt-get install systemd`")
    done = subprocess.run(
        (analyze, "security", "--offline=yes", "--threshold=30", str(SYSTEMD / name)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1] + done.stderr


COMPOSE = ("compose.yaml", "roles.yaml")


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / name).read_text("utf-8"))
    return found


def _chosen(variable: str, value: str) -> str:
    """With what the operator chooses."""
    chosen = "https://12345.example" if variable.endswith("_URL") and value[0] == "$" else "secret"
    return re.sub(r"\$\{[^}]*\}", chosen, value)


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_is_a_container_with_settings_of_its_own(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = compose("roles.yaml")["services"]
    accepts(services[role]["command"])
    for variable, value in services[role]["environment"].items():
        if variable != "VOICEBOT_CONFIG":
            monkeypatch.setenv(variable, _chosen(variable, value))
    monkeypatch.setenv("VOICEBOT_SERVER__ROLES", json.dumps([role]))
    settings = load_settings(DEPLOY / "compose" / "voicebot.toml.sample")
    assert settings.joins_others
    others = [each for name, each in services.items() if name in get_args(Role) and name != role]
    assert settings.server.port not in [
        int(each["environment"]["VOICEBOT_SERVER__PORT"]) for each in others
    ]


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_is_a_unit_of_its_own(role: str) -> None:
    (line,) = unit("voicebot@.service")["Service"]["ExecStart"]
    accepts(shlex.split(line.replace("%i", role))[1:])


def test_the_compose_files_are_some() -> None:
    schema = json.loads((Path(__file__).parent / "compose_schema.json").read_text("utf-8"))
    check = fastjsonschema.compile(schema, use_formats=False)
    for name in COMPOSE:
        check(compose(name))
    with pytest.raises(fastjsonschema.JsonSchemaException):
        check({"services": {"voicebot": {"imag": "voicebot"}}})


def test_the_containers_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = compose()["services"]["voicebot"]["environment"]
    for variable, value in environment.items():
        if variable != "VOICEBOT_CONFIG":
            monkeypatch.setenv(variable, _chosen(variable, value))
    settings = load_settings(DEPLOY / "compose" / "voicebot.toml.sample")
    assert settings.database_url.startswith("postgresql+psycopg://")
    folder = (DEPLOY / "compose" / "Dockerfile").read_text()
    (state,) = re.findall(r"VOICEBOT_PATHS__STATE=(\S+)", folder)
    assert f"state:{state}" in compose()["services"]["voicebot"]["volumes"]


def test_what_the_containers_mount_from_here_is_here_or_the_operators() -> None:
    made_by_the_operator = {"voicebot.toml", "voicebot.token"}
    services = [each for name in COMPOSE for each in compose(name)["services"].values()]
    for service in services:
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith(".") and Path(source).name not in made_by_the_operator:
                assert (DEPLOY / "compose" / source).is_file(), source


def test_the_image_is_made_by_the_set_up_whose_packages_are_known_by_their_hashes() -> None:
    steps = (DEPLOY / "compose" / "Dockerfile").read_text()
    assert "scripts/setup.sh" in steps
    assert "pip install" not in steps
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", ".cache", "var"} <= set(ignored)


def test_ports_agree_with_the_settings() -> None:
    settings = load_settings(ROOT / "voicebot.toml.example")
    scraped = yaml.safe_load((DEPLOY / "observability" / "prometheus.yml").read_text("utf-8"))
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"{settings.server.host}:{settings.server.port}"
    (url,) = re.findall(
        r"url=(http://\S+)$", (DEPLOY / "kamailio" / "rolling-restart.sh").read_text(), re.M
    )
    assert url == f"http://{settings.server.host}:{settings.server.port}"


def test_kamailio_itself_takes_the_dispatchers_configuration(kamailio: Kamailio) -> None:
    file = DEPLOY / "kamailio" / "kamailio.cfg"
    done = subprocess.run(
        (str(kamailio.program), "-c", "-L", str(kamailio.modules), "-f", str(file)),
        capture_output=True,
        text=True,
        env=kamailio.environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "config file ok" in done.stderr


def test_the_dispatcher_has_two_media_nodes_and_a_last_resort() -> None:
    lines = (DEPLOY / "kamailio" / "dispatcher.list").read_text().splitlines()
    sets = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert sets == ["1", "1", "2"]


def backup(folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (str(SYSTEMD / "backup.sh"), str(folder), *more),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
        timeout=60,
    )


def test_a_backup_is_whole_and_only_the_newest_stay(tmp_path: Path) -> None:
    state, kept = tmp_path / "state", tmp_path / "kept"
    state.mkdir()
    with closing(sqlite3.connect(state / "voicebot.db")) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("create table call (id text)")
        database.execute("insert into call values ('C1')")
        database.commit()
        kept.mkdir()
        for day in (1, 2, 3):
            (kept / f"voicebot-2026110{day}T024000Z.db").touch()
        done = backup(kept, "2", VOICEBOT_PATHS__STATE=str(state))
        assert done.returncode == 0, done.stderr
    made = Path(done.stdout.strip())
    assert sorted(path.name for path in kept.iterdir()) == [
        "voicebot-20261103T024000Z.db", made.name,
    ]  # fmt: skip
    with closing(sqlite3.connect(made)) as copy:
        assert copy.execute("select id from call").fetchall() == [("C1",)]


def test_a_backup_that_fails_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = backup(kept, VOICEBOT_PATHS__STATE=str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert done.stderr
    assert list(kept.iterdir()) == []


def test_a_backup_of_either_database_holds_what_the_service_has_written(
    database_url: str, tmp_path: Path
) -> None:
    engine = create_engine(database_url)
    if database_url.startswith("sqlite"):
        Path(engine.url.database or "").parent.mkdir(exist_ok=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table kept_words (word varchar(20))")
        connection.exec_driver_sql("insert into kept_words values ('台风')")
    kept = tmp_path / "kept"
    done = backup(kept, VOICEBOT_DATABASE__URL=database_url)
    assert done.returncode == 0, done.stderr
    copy = Path(done.stdout.strip())
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(copy)) as database:
            assert database.execute("select word from kept_words").fetchall() == [("台风",)]
    else:
        with engine.begin() as connection:
            connection.exec_driver_sql("drop table kept_words")
        plain = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        restore = ("pg_restore", "--clean", "--if-exists", f"--dbname={plain}", str(copy))
        subprocess.run(restore, check=True, capture_output=True, timeout=60)
        with engine.connect() as connection:
            words = connection.exec_driver_sql("select word from kept_words").scalars().all()
        assert words == ["台风"]
    engine.dispose()
