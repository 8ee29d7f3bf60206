"""Real telephones: the whole service behind Asterisk and on SIP, judged by what was heard.

What one side heard is recognised again; the recogniser is the service's own transcriber.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from asr.phonetics import similarity, to_syllables
from asr.whisper import WhisperTranscriber
from benchmarks.handoff_trial import OFFICER, Trial, heard_at
from tests.asterisk.conftest import need
from tests.asterisk.pbx import CARRIER_PORTS, POLICE_PORT, installed
from tests.asterisk.phones import RATE, Heard, Phone, answered, play, ring, wait
from tests.asterisk.phones import answer as goes_off_hook
from voicebot.config import load_settings

KNIFE = "国贸路二十八号有人拿着刀在追人，你们快点派人来。"
QUESTION = "请问社保卡丢了怎么补办？"
CALLER = "13876543210"

Recognise = Callable[[Heard], str]


@pytest.fixture(scope="module")
def recognise(models_dir: Path) -> Recognise:
    whisper = WhisperTranscriber(models_dir / "whisper-base", threads=2)

    def recognise(heard: Heard) -> str:
        pcm = heard.samples.astype(np.float32) / 32768
        return whisper.transcribe(soxr.resample(pcm, RATE, 16000)).text

    return recognise


@pytest.fixture(scope="module", params=["asterisk", "sip"])
def lines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trial]:
    """The service, with seats, behind a PBX or without."""
    need(installed(), "Asterisk is not there: run make asterisk.")
    need((load_settings().paths.state / "voicebot.db").exists(), "run make setup.")
    trial = Trial(tmp_path_factory.mktemp("lines"), request.param)
    yield trial
    trial.close()


@pytest.fixture
def caller(lines: Trial, tmp_path: Path) -> Iterator[Phone]:
    with Phone(CARRIER_PORTS[0], tmp_path / "caller") as phone:
        yield phone


@pytest.fixture
def police(lines: Trial, tmp_path: Path) -> Iterator[Phone]:
    with Phone(POLICE_PORT, tmp_path / "110") as phone:
        yield phone


def narrow(path: Path, folder: Path) -> Path:
    """A voice as a telephone plays it: 8 kHz."""
    pcm, rate = sf.read(path, dtype="int16")
    out = folder / f"{path.stem}-8k.wav"
    sf.write(out, soxr.resample(pcm, rate, RATE), RATE, subtype="PCM_16")
    return out


def test_a_question_is_answered_over_the_telephone(
    caller: Phone, speak: Callable[[str], Path], recognise: Recognise, tmp_path: Path
) -> None:
    asked = narrow(speak(QUESTION), tmp_path)
    call = caller.call("12345", caller=CALLER, steps=(answered(), wait(6.0), play(asked)))
    over = caller.wait_for("played", call=call, timeout_s=30).at
    caller.wait_until_heard(
        lambda heard: heard.between(over).sounding().sum() > 300, call=call, timeout_s=20
    )
    said = recognise(caller.heard(call).between(over))
    assert "12333" in said or "挂失" in said or "社保" in said, said
    assert not caller.seen("ended", call)


def test_110_hears_the_caller_and_the_caller_hears_110_who_stay_when_the_service_is_killed(
    lines: Trial,
    caller: Phone,
    police: Phone,
    speak: Callable[[str], Path],
    recognise: Recognise,
    tmp_path: Path,
) -> None:
    officer = lines.wav("officer")
    police.script(ring(0.3), goes_off_hook(), wait(0.3), play(officer))
    words = narrow(speak(KNIFE), tmp_path)
    call = caller.call("12345", caller=CALLER, steps=(answered(), wait(6.0), play(words)))
    incoming = police.wait_for("incoming", timeout_s=40)
    assert CALLER in incoming.headers["p-asserted-identity"]
    assert CALLER in incoming.headers["from"]
    assert incoming.headers["user-to-user"]
    up = police.wait_for("up", timeout_s=20)
    caller.wait_until_heard(
        lambda heard: heard_at(heard.between(up.at), lines.voices["officer"]) is not None,
        call=call,
        timeout_s=10,
    )
    police.wait_for("played", timeout_s=10)
    written = transcribed(lines, "110")
    assert similarity(to_syllables(written), to_syllables(OFFICER)) > 0.5, written

    lines.service.kill()
    killed = time.monotonic()
    caller.then(call, play(words))
    over = caller.wait_for("played", call=call, after=killed, timeout_s=15).at
    heard = police.heard(up.call).between(killed, over + 0.5)
    text = recognise(heard)
    assert "刀" in text or "二十八号" in text or "28号" in text, text
    police.then(up.call, play(officer))
    caller.wait_until_heard(
        lambda heard: heard_at(heard.between(over), lines.voices["officer"]) is not None,
        call=call,
        timeout_s=10,
    )
    assert not caller.seen("ended", call)
    assert not police.seen("ended")
    lines.service.start()


def transcribed(lines: Trial, side: str, timeout_s: float = 10.0) -> str:
    """What the service has written down of a far side, once there is anything."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        told = [message for _, message in lines.service.told if message["kind"] == "far_side"]
        if texts := [message["text"] for message in told if message["side"] == side]:
            return "，".join(texts)
        time.sleep(0.1)
    raise AssertionError(f"nothing that {side} said was written down")
