"""A speech server by configuration: one line makes it the transcriber, a wrong one is named."""

import json
from pathlib import Path

import pytest

from asr.engines import EngineFolders, RemoteEngine, capability_table, open_transcriber
from asr.errors import ModelMissing, RemoteAddressInvalid, UnknownEngine
from asr.remote.address import RemoteServer
from asr.remote.conversation import Limits
from asr.remote.funasr import FunAsr
from tests.asr.remote_servers import Handler, funasr, serving, spell, vosk_server
from voicebot.config import ConfigError, load_settings
from voicebot.recognisers import engine_folders


@pytest.mark.parametrize(
    ("engine", "handler"), [("funasr", funasr("runtime")), ("vosk-server", vosk_server())]
)
def test_an_engine_and_an_address_are_all_that_is_needed(
    tmp_path: Path, engine: str, handler: Handler
) -> None:
    token, file = tmp_path / "token", tmp_path / "voicebot.toml"
    token.write_text("secret-1\n")
    with serving(handler, token="secret-1") as running:
        file.write_text(
            f"[asr]\nengine = '{engine}'\nurl = '{running.url}'\ntoken_file = '{token}'\n"
            "final_deadline_s = 60.0\n"
        )
        settings = load_settings(file)
        recognizer = open_transcriber(settings.asr.engine, engine_folders(settings))
        assert recognizer.name == engine
        assert recognizer.transcribe(spell("海口市有人打架")).text == "海口市有人打架"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("engine = 'funasr'", "set url"),
        ("engine = 'vosk-server'\nurl = 'ws://192.0.2.7:2700/'", "only over TLS"),
        ("engine = 'funasr'\nurl = 'http://127.0.0.1/'", "wss://"),
        ("engine = 'funasr'\nurl = 'wss://a.example/'\nfunasr_mode = '3pass'", "asr.funasr_mode"),
    ],
)
def test_a_wrong_address_is_named_when_the_settings_are_read(
    tmp_path: Path, lines: str, sentence: str
) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(f"[asr]\n{lines}\n")
    with pytest.raises(ConfigError) as error:
        load_settings(file)
    assert sentence in str(error.value)


@pytest.mark.parametrize(("weight", "expected"), [(30, {"三亚": 30}), (0, {})])
def test_a_funasr_server_is_told_hainans_places_as_hot_words(
    tmp_path: Path, weight: int, expected: dict[str, int]
) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text(
        f"[asr]\nengine = 'funasr'\nurl = 'ws://127.0.0.1:1/'\nfunasr_hot_word_weight = {weight}\n"
    )
    remote = engine_folders(load_settings(file)).remote
    assert remote is not None
    opening = json.loads(FunAsr(remote.funasr_mode, hot_words=remote.hot_words).opening())
    told = json.loads(opening["hotwords"])
    assert expected.items() <= told.items()
    assert bool(told) == bool(weight)


def test_the_table_says_what_servers_can_do() -> None:
    remote = RemoteEngine(RemoteServer("wss://asr.example/"), funasr_mode="offline")
    rows = {row.engine: row for row in capability_table(EngineFolders(remote=remote))}
    assert rows["funasr"].installed
    assert not rows["funasr"].capabilities.streaming
    assert rows["vosk-server"].capabilities.word_times
    assert not {r.engine: r for r in capability_table(EngineFolders())}["funasr"].installed


def test_auto_never_sends_voices_away() -> None:
    remote = RemoteEngine(RemoteServer("wss://asr.example/"), limits=Limits())
    with pytest.raises(ModelMissing):
        open_transcriber("auto", EngineFolders(remote=remote))


def test_a_server_without_an_address_says_which_setting() -> None:
    with pytest.raises(RemoteAddressInvalid, match=r"asr\.url"):
        open_transcriber("funasr")
    with pytest.raises(UnknownEngine, match="funasr, vosk-server"):
        open_transcriber("siri")
