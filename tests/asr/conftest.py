"""Loaded engines, shared by the tests of this folder, and a few pieces of audio."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from asr.audio import read
from asr.hypothesis import Pcm
from asr.listener import Listener
from asr.vosk_engine import VoskTranscriber
from asr.whisper import WhisperTranscriber

# Kaldi, CTranslate2 and two ONNX runtimes in one process crash each other now and then while they
# are torn down, after the last test: the engines live until the process ends, and it ends at once.
_LOADED: list[object] = []
_STATUS: list[int] = []


def pytest_sessionfinish(exitstatus: int) -> None:
    _STATUS.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    if _LOADED and _STATUS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_STATUS[-1])


def _missing(message: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def listener(listener_dir: Path) -> Listener:
    _LOADED.append(engine := Listener(listener_dir))
    return engine


@pytest.fixture(scope="session")
def whisper(models_dir: Path) -> WhisperTranscriber:
    folder = models_dir / "whisper-base"
    if not (folder / "model.bin").exists():
        _missing(f"{folder} is not there; run `make setup`.")
    _LOADED.append(engine := WhisperTranscriber(folder))
    return engine


@pytest.fixture(scope="session")
def vosk(models_dir: Path) -> VoskTranscriber:
    folder = models_dir / "vosk-ko"
    if not folder.exists():
        _missing(f"{folder} is not there; run `make setup`.")
    _LOADED.append(engine := VoskTranscriber(folder, languages=("ko",)))
    return engine


@pytest.fixture(scope="session")
def utterance(shared_dir: Path) -> Callable[[str], Pcm]:
    """Read a recording of the evaluation data by its name."""

    def load(name: str) -> Pcm:
        return read(shared_dir / "data" / "speech" / name)

    return load


@pytest.fixture(scope="session")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Pcm:
    """A Korean sentence, spoken by espeak-ng."""
    import shutil
    import subprocess

    if shutil.which("espeak-ng") is None:
        _missing("espeak-ng is not installed.")
    path = tmp_path_factory.mktemp("korean") / "sentence.wav"
    subprocess.run(
        ["espeak-ng", "-v", "ko", "-s", "130", "-w", str(path), "안녕하세요 오늘 날씨가 좋습니다"],
        check=True,
    )
    return read(path)
