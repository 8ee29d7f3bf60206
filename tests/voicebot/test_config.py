"""Settings say where they came from, and what is wrong with them in one line."""

import dataclasses
from pathlib import Path

import pytest

from flows.dialogue import Limits
from voicebot.config import ConfigError, Dialogue, Settings, explain, load_settings

ROOT = Path(__file__).resolve().parents[2]


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "voicebot.toml"
    file.write_text(text, "utf-8")
    return load_settings(file)


def source(settings: Settings, key: str) -> tuple[str, str]:
    return next((value, source) for name, value, source in explain(settings) if name == key)


def test_dialogue_repeats_the_limits_of_the_core() -> None:
    assert Dialogue.model_validate({}).model_dump() == dataclasses.asdict(Limits())


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.server.port == 8445
    assert settings.paths.state == ROOT / "var"
    assert settings.greetings["12333"] == "greeting_12333"
    assert settings.database_url.endswith("/var/voicebot.db")
    assert {origin for _, _, origin in explain(settings)} == {"default"}


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBOT_SERVER__PORT", "9001")
    settings = settings_of(tmp_path, '[server]\nport = 9000\n[log]\nlevel = "debug"\njson = true')
    assert source(settings, "server.port") == ("9001", "environment VOICEBOT_SERVER__PORT")
    assert source(settings, "log.level") == ("debug", str(tmp_path / "voicebot.toml"))
    assert source(settings, "log.json")[0] == "true"
    assert source(settings, "server.host")[1] == "default"


def test_the_file_is_found_by_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.toml").write_text("[server]\nport = 9000")
    monkeypatch.setenv("VOICEBOT_CONFIG", str(tmp_path / "x.toml"))
    assert load_settings().server.port == 9000


def test_secrets_are_hidden(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        '[database]\nurl = "postgresql://voicebot:geheim@db/x"\n[handoff]\ndesk_token = "geheim"',
    )
    assert "geheim" not in str(explain(settings))
    assert settings.handoff.desk_token.get_secret_value() == "geheim"


def test_lines_are_replaced_as_a_whole(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, '[[lines]]\ndid = "66668888"\nregion = "460100"')
    assert [line.did for line in settings.lines] == ["66668888"]
    found = settings.line("66668888")
    assert found is not None
    assert found.region == "460100"
    assert settings.line("12345") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server", "not valid TOML"),
        ("[servr]\nport = 1", "there is no setting 'servr'"),
        ("[server]\nprt = 1", "there is no setting 'server.prt'; there are address, host"),
        ("[server]\nport = 'x'", "server.port: a whole number is needed, not 'x'"),
        ("[server]\nport = 70000", "server.port"),
        ("[asr]\nengine = 'kaldi'", "asr.engine"),
        ("lines = 3", "a list of tables is needed"),
        ("[[lines]]\nname = 'x'", "lines.0.did: this key is needed"),
        (
            "[[lines]]\ndid = '12333'\ngreeting = 'greting'",
            "lines.0.greeting: line 12333 can greet with greeting, greeting_12333, greeting_96377",
        ),
        ("[[lines]]\ndid = '12333'\ngreeting = 'progress_waiting'", "that has no blanks, not"),
        ("[server]\nhost = '0.0.0.0'", "only TLS"),
        ("[server]\ntls_key = 'x'", "belong together"),
        ("[handoff]\ndesk_url = 'ws://10.0.0.1/line'", "only over TLS"),
        ("[handoff]\nseat_http = 'http://10.0.0.1'", "only over https"),
        ("[handoff]\ndesk_url = 'nonsense'", "not a WebSocket address"),
        (
            "[handoff]\ncall_back_trunk = 'carier'\n"
            "[asterisk]\nurl = 'http://127.0.0.1:8088/ari'\npassword = 'x'\ntrunks = ['carrier']",
            "asterisk: handoff.call_back_trunk is 'carier', which is not among its trunks",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings_of(tmp_path, text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert "voicebot.toml" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VOICEBOT_SERVER__PRT", "1", "there is no setting 'server.prt'"),
        ("VOICEBOT_SERVER__PORT", "x", "a whole number is needed"),
        ("VOICEBOT_LINES", "[{", "lines"),
        ("VOICEBOT_SERVER", "[]", "must be a JSON object"),
    ],
)
def test_mistakes_in_the_environment_name_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as error:
        settings_of(tmp_path, "")
    assert sentence in str(error.value)


def test_files_that_cannot_be_read_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not there"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)


def test_tls_files_allow_another_host(tmp_path: Path) -> None:
    text = "[server]\nhost = '0.0.0.0'\ntls_certificate = 'a.pem'\ntls_key = 'b.pem'"
    assert settings_of(tmp_path, text).server.host == "0.0.0.0"


def test_the_example_names_every_setting_with_its_default(tmp_path: Path) -> None:
    example = load_settings(ROOT / "voicebot.toml.example")
    defaults = settings_of(tmp_path, "")
    assert [row[:2] for row in explain(example)] == [row[:2] for row in explain(defaults)]
    assert "default" not in {
        origin for name, _, origin in explain(example) if name != "paths.listener"
    }
