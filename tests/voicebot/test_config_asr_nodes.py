"""asr.engine = "nats" and the role asr: settings that cannot work say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebot.config import ConfigError, Settings, load_settings
from voicebot.recognisers import engine_folders

NATS = '[nats]\nservers = ["nats://127.0.0.1:4222"]\n'


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(text)
    return load_settings(file)


def test_the_shared_transcriber_is_met_where_nats_is(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    settings = load(
        tmp_path,
        f'[asr]\nengine = "nats"\nnode_final_s = 4.0\n{NATS}token_file = "{token}"\n'
        'subject = "hainan"\n',
    )
    nodes = engine_folders(settings).nodes
    assert nodes is not None
    assert nodes.servers.urls == ("nats://127.0.0.1:4222",)
    assert (nodes.servers.token, nodes.servers.subject) == ("secret", "hainan")
    assert (nodes.limits.final_s, nodes.limits.sentinel_s, nodes.limits.partial_s) == (
        4.0,
        3.0,
        2.0,
    )
    assert "secret" not in repr(nodes)


def test_without_nats_there_is_no_shared_transcriber(tmp_path: Path) -> None:
    assert engine_folders(load(tmp_path, "")).nodes is None
    with pytest.raises(ConfigError, match=r"set nats\.servers"):
        load(tmp_path, '[asr]\nengine = "nats"\n')


@pytest.mark.parametrize("engine", ["nats", "none"])
def test_the_role_asr_needs_a_transcriber_of_its_own(tmp_path: Path, engine: str) -> None:
    with pytest.raises(ConfigError, match="auto"):
        load(tmp_path, f'[server]\nroles = ["asr"]\n[asr]\nengine = "{engine}"\n{NATS}')
    load(tmp_path, f'[server]\nroles = ["asr"]\n{NATS}')
