"""server.roles: one process alone, or one of several, which need PostgreSQL and NATS."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.config import ConfigError, load_settings
from voicebot.config_roles import default_node

POSTGRESQL = '[database]\nurl = "postgresql+psycopg://voicebot@/voicebot"\n'
NATS = '[nats]\nservers = ["nats://127.0.0.1:4222"]\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "voicebot.toml"
    file.write_text(text)
    return file


def test_the_default_is_one_command_that_does_everything(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ""))
    assert settings.server.roles == ("media", "web", "worker")
    assert not settings.joins_others


@pytest.mark.parametrize("roles", [["media"], ["web", "worker"], ["media", "web"]])
def test_one_of_several_names_what_it_lacks(tmp_path: Path, roles: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"server\.roles: .*nats\.servers and .*database\.url"):
        load_settings(written(tmp_path, f"[server]\nroles = {roles}\n"))
    with pytest.raises(ConfigError, match=r"set database\.url"):
        load_settings(written(tmp_path, f"[server]\nroles = {roles}\n{NATS}"))
    settings = load_settings(written(tmp_path, f"[server]\nroles = {roles}\n{NATS}{POSTGRESQL}"))
    assert settings.joins_others


def test_recognition_alone_needs_nats_and_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="asr decodes for other processes"):
        load_settings(written(tmp_path, '[server]\nroles = ["asr"]\n'))
    settings = load_settings(written(tmp_path, f'[server]\nroles = ["asr"]\n{NATS}'))
    assert not settings.joins_others


def test_recognition_is_a_process_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a process of its own"):
        load_settings(written(tmp_path, f'[server]\nroles = ["media", "asr"]\n{NATS}{POSTGRESQL}'))


@pytest.mark.parametrize("roles", [["worker"], ["media", "worker"]])
def test_whoever_makes_links_to_pages_knows_where_they_are(
    tmp_path: Path, roles: list[str]
) -> None:
    text = f"[server]\nroles = {roles}\n{NATS}{POSTGRESQL}"
    with pytest.raises(ConfigError, match=r"set notices\.public_url to where the role web"):
        load_settings(written(tmp_path, text))
    public = '[notices]\npublic_url = "https://12345.example"\n'
    assert load_settings(written(tmp_path, text + public)).joins_others


CA = 'nodes_ca = "/etc/voicebot/nodes.pem"\n'


@pytest.mark.parametrize(
    ("server", "nats"),
    [
        ('address = "https://web.example:8445"\n', NATS),
        ("", '[nats]\nservers = ["tls://nats.example:4222"]\n'),
    ],
)
def test_pages_beyond_this_machine_need_an_authority_for_the_nodes(
    tmp_path: Path, server: str, nats: str
) -> None:
    def text(roles: str, more: str = "") -> str:
        return f"[server]\nroles = {roles}\n{server}{more}{nats}{POSTGRESQL}"

    with pytest.raises(ConfigError, match=r"server\.nodes_ca: the role web .*\.example"):
        load_settings(written(tmp_path, text('["web"]')))
    assert load_settings(written(tmp_path, text('["web"]', CA))).joins_others
    assert load_settings(written(tmp_path, text('["media"]'))).joins_others, "it asks no node"


def test_no_role_and_an_unknown_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no role is named"):
        load_settings(written(tmp_path, "[server]\nroles = []\n"))
    with pytest.raises(ConfigError, match="'media', 'web', 'worker' or 'asr'"):
        load_settings(written(tmp_path, '[server]\nroles = ["meida"]\n'))


def test_a_process_is_named_after_its_machine_and_its_roles() -> None:
    assert default_node(("media", "web", "worker"), "haikou.example") == "haikou-example"
    assert default_node(("media",), "haikou.example") == "haikou-example-media"


def test_tokens_and_keys_lie_in_the_state_folder_or_where_all_processes_share_them(
    tmp_path: Path,
) -> None:
    settings = load_settings(written(tmp_path, f'[paths]\nstate = "{tmp_path}/state"\n'))
    assert settings.paths.secrets_folder == tmp_path / "state" / "secrets"
    text = f'[paths]\nstate = "{tmp_path}/state"\nsecrets = "{tmp_path}/shared"\n'
    assert load_settings(written(tmp_path, text)).paths.secrets_folder == tmp_path / "shared"


def test_an_address_that_tokens_may_not_be_sent_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1 alone"):
        load_settings(written(tmp_path, '[server]\naddress = "http://10.0.0.7:8080"\n'))
