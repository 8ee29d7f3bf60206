"""The service on real speech: both protocols, both ears, and as the command runs it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import wave
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from asr.hypothesis import Pcm
from asr.listener import Listener
from asr.phonetics import similarity, to_syllables
from asr.vosk_engine import VoskTranscriber
from asr.whisper import WhisperTranscriber
from telephony.codecs import WireFormat
from tests.asr.service_doubles import serving
from tests.asr.test_service_stream import opened, rest
from tests.asr.test_service_vosk import transcribed
from voicebot.call.voice import VoiceDetector

ROOT = Path(__file__).resolve().parents[2]
RATE = 16_000
CALLER = "aishell1_s0150/BAC009S0150W0141.wav"
AGENT = "aishell1_s0150/BAC009S0150W0012.wav"
Load = Callable[[str], Pcm]


def line(pcm: Pcm) -> Pcm:
    """The recording with silence round it."""
    return np.concatenate([np.zeros(RATE, np.float32), pcm, np.zeros(RATE, np.float32)])


def as_int16(pcm: Pcm) -> Any:
    return (pcm * 32767).astype(np.int16)


def alaw(pcm: Pcm) -> bytes:
    return WireFormat.named("alaw").encode(as_int16(pcm)[::2])


def sounds_like(text: str, other: str) -> bool:
    return similarity(to_syllables(text), to_syllables(other)) > 0.7


async def test_caller_and_agent_are_written_down_apart(
    whisper: WhisperTranscriber, listener: Listener, utterance: Load
) -> None:
    sides = {"caller": line(utterance(CALLER)), "agent": line(utterance(AGENT))}
    expected = {side: whisper.transcribe(pcm).text for side, pcm in sides.items()}
    length = max(pcm.size for pcm in sides.values())
    channels = [np.pad(pcm, (0, length - pcm.size)) for pcm in sides.values()]
    coded = [np.frombuffer(alaw(pcm), np.uint8) for pcm in channels]
    data = np.stack(coded, axis=1).tobytes()
    async with (
        serving(whisper, listener=listener, new_voice=VoiceDetector) as service,
        connect(f"{service.url}/v1/stream") as client,
    ):
        await opened(client, sides=list(sides), encoding="alaw", alternatives=5)
        middle = 2 * 2 * 8000  # two seconds of two sides
        await client.send(data[:middle])
        partial = json.loads(await client.recv())
        await client.send(data[middle:])
        await client.send('{"type": "end"}')
        messages = await rest(client)
    assert partial["type"] == "partial"
    assert partial["text"]
    assert messages[-1] == {"type": "end"}
    for side, text in expected.items():
        finals = [m for m in messages if m["type"] == "final" and m["side"] == side]
        assert sounds_like("".join(m["text"] for m in finals), text)
        assert finals[0]["start"] > 0.9
        assert finals[0]["syllables"]
    assert not sounds_like(*expected.values())


async def test_an_unmodified_vosk_client_reads_whisper(
    whisper: WhisperTranscriber, utterance: Load
) -> None:
    pcm = line(utterance(CALLER))
    async with (
        serving(whisper, new_voice=VoiceDetector) as service,
        connect(service.url) as client,
    ):
        replies = [json.loads(each) for each in await transcribed(client, as_int16(pcm))]
    heard = "".join(reply.get("text", "") for reply in replies)
    assert sounds_like(heard, whisper.transcribe(pcm).text)
    (words,) = [reply["result"] for reply in replies if "result" in reply]
    assert 0 < words[0]["conf"] <= 1
    assert 0.9 < words[0]["start"] < words[0]["end"] < pcm.size / RATE


async def test_vosk_on_a_stream_gives_words_with_times(vosk: VoskTranscriber, korean: Pcm) -> None:
    pcm = line(korean)
    async with (
        serving(vosk, new_voice=VoiceDetector) as service,
        connect(f"{service.url}/v1/stream") as client,
    ):
        await opened(client, rate=RATE, alternatives=3)
        await client.send(as_int16(pcm).tobytes())
        await client.send('{"type": "end"}')
        finals = [m for m in await rest(client) if m["type"] == "final"]
    words = [word for final in finals for word in final["words"]]
    starts = [word["start"] for word in words]
    assert len(words) > 3
    assert starts == sorted(starts)
    assert 0.5 < starts[0] < starts[-1] < pcm.size / RATE


# ── the command ───────────────────────────────────────────────────────────────────


@asynccontextmanager
async def command(folder: Path, *options: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """`voicebot asr serve` on a free port, and the line that says where."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicebot.cli", "asr", "serve", "--port", "0", "--json", *options,
        cwd=folder, stdout=PIPE, stderr=PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "VOICEBOT_PATHS__STATE": str(folder / "state")},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready = await process.stdout.readline()
        if not ready:
            pytest.fail((await process.stderr.read()).decode())
        yield process, json.loads(ready)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def recording(tmp_path: Path, utterance: Load) -> Path:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(as_int16(line(utterance(CALLER))).tobytes())
    return path


async def test_the_client_in_the_manual_works_with_a_token_and_sigterm_ends_the_service(
    tmp_path: Path, recording: Path, whisper: WhisperTranscriber
) -> None:
    manual = (ROOT / "docs" / "asr-service.md").read_text("utf-8")
    (client,) = re.findall(r"```python\n(.*?)```", manual, re.DOTALL)
    async with command(tmp_path, "--engine", "whisper") as (process, ready):
        assert ready["engine"] == "whisper"
        with pytest.raises(InvalidStatus):
            await connect(ready["stream"])
        token = (tmp_path / "state" / "secrets" / "media.token").read_text().strip()
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", client, ready["stream"], str(recording), token, stdout=PIPE
        )
        printed, _ = await running.communicate()
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
        assert process.returncode == 0
    log = "".join(each for each in errors.decode().splitlines() if each.startswith("{"))
    side, text = printed.decode().split()
    assert side == "caller"
    assert sounds_like(text, "要走到一点五倍的可能性几乎不存在")
    assert "connected" in log
    assert text not in log
    assert token not in log


async def test_without_a_token_only_this_machine_is_served(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicebot.cli", "asr", "serve", "--no-token",
        cwd=tmp_path, stdout=PIPE, stderr=PIPE,
        env={
            **os.environ, "PYTHONPATH": str(ROOT),
            "VOICEBOT_ASR_SERVICE__HOST": "0.0.0.0",
            "VOICEBOT_ASR_SERVICE__TLS_CERTIFICATE": "a.pem",
            "VOICEBOT_ASR_SERVICE__TLS_KEY": "b.pem",
        },
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"--no-token is for this machine alone" in said


async def test_beyond_this_machine_there_is_no_service_without_tls(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicebot.cli", "asr", "serve", "--host", "0.0.0.0",
        cwd=tmp_path, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"speaks only TLS beyond this machine" in said
