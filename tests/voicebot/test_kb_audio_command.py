"""`voicebot kb listen`, `check-audio` and `prune-audio`: answers as callers hear them."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import pytest

from tests.voicebot.conftest import Voicebot, VoicebotHere

HEAD = "id,category,department,question,answer,valid_from,valid_to,status\n"
ROW = "a-1,社保/社保卡,省人社厅,社保卡丢了怎么办,{answer},2026-01-01,2099-12-31,approved\n"
ANSWER = "请打12333挂失，工本费16元，3天内补好。"
READ_OUT = "请打幺二三三三挂失，工本费十六元，三天内补好。"


class Kb:
    """`voicebot kb …` with the plainest voice."""

    def __init__(self, voicebot: Voicebot, folder: Path, models: Path) -> None:
        self.folder, self._voicebot = folder, voicebot
        self._settings = {
            "VOICEBOT_SPEECH__VOICE": "espeak", "VOICEBOT_PATHS__MODELS": str(models),
        }  # fmt: skip

    def __call__(self, *arguments: str, code: int = 0) -> str:
        result = self._voicebot("kb", *arguments, **self._settings)
        assert result.returncode == code, result.stderr
        return str(result.stdout if code == 0 else result.stderr)

    def publish(self, answer: str, *, code: int = 0) -> str:
        (self.folder / "faq.csv").write_text(HEAD + ROW.format(answer=answer), "utf-8")
        return self("publish", "faq.csv", "--reviewed-by", "李主任", code=code)

    def audio(self) -> set[str]:
        return {path.stem for path in (self.folder / "state" / "audio").rglob("*.wav")}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """A folder in which an answer and all prompts are rendered: seconds of work."""
    folder = tmp_path_factory.mktemp("published")
    Kb(VoicebotHere(folder), folder, models_dir).publish(ANSWER)
    return folder


@pytest.fixture
def kb(voicebot_here: VoicebotHere, tmp_path: Path, models_dir: Path, published: Path) -> Kb:
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return Kb(voicebot_here, tmp_path, models_dir)


def test_the_reviewer_sees_and_hears_what_callers_will_hear(kb: Kb) -> None:
    shown = json.loads(kb("listen", "a-1", "--wav", "a-1.wav", "--json"))
    assert shown["spoken"] == READ_OUT
    assert shown["findings"] == []
    assert shown["audio"] in kb.audio()
    with wave.open(str(kb.folder / "a-1.wav")) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(shown["seconds"], abs=0.01)
    assert READ_OUT in kb("show", "a-1", "--spoken")
    assert "no version 7" in kb("listen", "a-1", "--version", "7", code=1)
    assert "There is no entry" in kb("listen", "a-2", code=1)


def test_a_new_wording_is_rendered_when_it_is_published_and_the_old_one_can_go(kb: Kb) -> None:
    before = kb.audio()
    old = json.loads(kb("listen", "a-1", "--json"))["audio"]
    kb.publish("请到社保网点补办。")
    new = json.loads(kb("listen", "a-1", "--json"))["audio"]
    assert new in kb.audio() - before
    assert "2 files would be removed" in kb("prune-audio", "--dry-run")
    assert old in kb.audio()
    kb("prune-audio")
    assert old not in kb.audio()
    assert new in kb.audio()
    assert kb("check-audio") == ""


def test_an_answer_that_is_too_long_to_listen_to_is_named_when_it_is_published(kb: Kb) -> None:
    told = kb.publish("请带好身份证、社保卡和申请表到窗口办理。" * 10, code=1)
    assert "error: a-1" in told
    assert "make it shorter" in told
