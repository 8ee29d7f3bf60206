"""The ears of the service: which process a recogniser is in, and what a lost process costs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import numpy as np
import pytest

from asr.engines import EngineFolders, open_transcriber
from asr.remote.transcriber import RemoteTranscriber
from asr.supervised.transcriber import SupervisedTranscriber
from asr.supervised.wear import Limits
from asr.whisper import WhisperTranscriber
from flows.events import Ear
from telephony.scripted import ScriptedLine
from tests.asr.supervised_doubles import Faults, faulty
from tests.voicebot.sentences import sentences
from tests.voicebot.test_session import (
    CountingListener,
    called,
    offered,
    scripted_engines,
    service,  # noqa: F401 - fixture
    until,
)
from voicebot.app import Service
from voicebot.call.engines import Engines, open_ear_processes, open_ears
from voicebot.config import Settings, load_settings
from voicebot.recognisers import DECODING_NICENESS


def settings_with(folder: Path, models: Path, asr: str) -> Settings:
    file = folder / "voicebot.toml"
    file.write_text(
        f'[paths]\nstate = "{folder}"\nmodels = "{models}"\nshared = "{folder}"\n[asr]\n{asr}\n'
    )
    return load_settings(file)


def test_a_local_engine_is_in_a_process_of_its_own_that_gives_way_to_calls(
    tmp_path: Path, models_dir: Path
) -> None:
    settings = settings_with(tmp_path, models_dir, "workers = 1")
    with ThreadPoolExecutor(1) as executor:
        _, transcriber = open_ears(settings, executor)
    assert isinstance(transcriber, SupervisedTranscriber)
    (pid,) = transcriber.pids
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.nice(0) + DECODING_NICENESS)
    transcriber.close()


def test_a_local_engine_may_be_in_the_process_of_the_service(
    tmp_path: Path, models_dir: Path
) -> None:
    settings = settings_with(tmp_path, models_dir, "process = false")
    with ThreadPoolExecutor(1) as executor:
        assert isinstance(open_ears(settings, executor)[1], WhisperTranscriber)


def test_a_service_at_an_address_needs_no_process(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, tmp_path, 'engine = "funasr"\nurl = "ws://127.0.0.1:1"')
    with ThreadPoolExecutor(1) as executor:
        assert isinstance(open_ears(settings, executor)[1], RemoteTranscriber)


def test_without_a_model_there_is_no_transcriber(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        assert open_ears(settings_with(tmp_path, tmp_path, ""), executor) == (None, None)


async def test_callers_ears_give_way_when_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "listener").mkdir()
    asr = "listener_process = true\nprocess_hours = 2.0\nprocess_growth_mb = 64"
    processes = Mock(return_value=Mock(start=AsyncMock()))
    monkeypatch.setattr("voicebot.call.engines.EarProcesses", processes)
    engines = scripted_engines(tmp_path, listener=CountingListener())
    await open_ear_processes(settings_with(tmp_path, tmp_path, asr), engines)
    assert processes.call_args.kwargs["limits"] == Limits(hours=2.0, growth_bytes=64 << 20)


async def test_a_far_side_that_takes_long_leaves_the_callers_ears_alone(tmp_path: Path) -> None:
    engines = scripted_engines(tmp_path, listener=CountingListener())
    far, hearing = engines.far_ear(), engines.hearing()
    assert far is not None
    assert hearing is not None
    held = threading.Event()
    engines.ear_executor.submit(held.wait)
    await far.hear(np.zeros(320, np.int16), voiced=False)
    assert hearing.executor is not engines.ear_executor
    held.set()


# ── a whole call ──────────────────────────────────────────────────────────────────

SENTENCES = 3
PATIENT = Limits(deadline_s=100.0)


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults")


@pytest.fixture
def whisper(models_dir: Path, faults: Faults) -> Iterator[SupervisedTranscriber]:
    opens = partial(open_transcriber, "whisper", EngineFolders(models_dir / "whisper-base"))
    engine = SupervisedTranscriber(
        partial(faulty, faults.folder, opens), limits=PATIENT, spare=False
    )
    yield engine
    engine.close()


@pytest.fixture
def engines(whisper: SupervisedTranscriber, tmp_path: Path) -> Engines:
    return scripted_engines(tmp_path, transcriber=whisper)


@pytest.mark.leaping_time
async def test_a_call_goes_on_and_its_transcript_is_whole_when_the_engine_is_killed_in_it(
    service: Service,  # noqa: F811
    whisper: SupervisedTranscriber,
    faults: Faults,
    shared_dir: Path,
) -> None:
    async def heard(call_id: str, *, killed: bool) -> list[str]:
        line = ScriptedLine(offered(call_id))
        call = await called(service, line)
        for number, pcm in enumerate(sentences(shared_dir, SENTENCES)):
            if killed and number == 0:
                faults.add("is killed")  # in a decode
            half = len(pcm) // 2
            await line.say(pcm[:half])
            if killed and number == 1:  # between two decodes of an utterance
                os.kill(whisper.pids[0], signal.SIGKILL)
            await line.say(pcm[half:])
        record = await call.hung_up()
        failed = [each["why"] for each in record["decisions"] if each["what"] == "engine_failed"]
        assert not [why for why in failed if why.startswith(Ear.TRANSCRIBER)]
        return [turn["text"] for turn in record["turns"] if turn["side"] == "caller"]

    undisturbed = await heard("c-1", killed=False)
    assert len(undisturbed) >= SENTENCES
    assert all(undisturbed)
    assert whisper.counts["restarts"] == 0
    assert await heard("c-2", killed=True) == undisturbed
    await until(lambda: faults.left == 0)
    assert service.engines.transcriber_counts["restarts"] == 2
