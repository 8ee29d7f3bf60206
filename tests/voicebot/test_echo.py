"""The bot does not hear itself; a caller who speaks over it is heard."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr
from numpy.typing import NDArray

from telephony.codecs import Int16, WireFormat
from voicebot.call.echo import EchoGate

RATE = 8000
FRAME = 160
WIRE = WireFormat.named("alaw")


def speech(path: Path, peak: float) -> NDArray[np.float64]:
    pcm, rate = sf.read(path, dtype="float64")
    pcm = soxr.resample(pcm, rate, RATE)
    return pcm / np.abs(pcm).max() * peak


@pytest.fixture(scope="session")
def voices(shared_dir: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(the bot's prompts, some people)."""
    folder = shared_dir / "data/speech"
    bot = [speech(path, 16000) for path in sorted((folder / "tts_prompts").glob("*.wav"))[:6]]
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text("utf-8").splitlines()]
    people = [
        speech(folder / row["path"], 12000)
        for row in rows
        if str(row.get("reference")).startswith("human")
    ][:4]
    return np.concatenate(bot), np.concatenate(people)


def through(
    gate: EchoGate, sent: NDArray[np.float64], heard: NDArray[np.float64], ahead_s: float = 0.06
) -> Int16:
    """Both sides frame by frame in real order, through A-law; what the ears get."""
    out = []
    for begin in range(0, min(len(sent), len(heard)) - FRAME + 1, FRAME):
        gate.sent(sent[begin : begin + FRAME].astype(np.int16), max(0.0, begin / RATE - ahead_s))
        coded = WIRE.encode(heard[begin : begin + FRAME].clip(-32768, 32767).astype(np.int16))
        out.append(gate.heard(WIRE.decode(coded)))
    return np.concatenate(out)


def echo(sent: NDArray[np.float64], delay_s: float, gain: float) -> NDArray[np.float64]:
    response = np.zeros(160)
    response[[0, 7, 31, 80]] = 1, -0.4, 0.25, 0.1
    late = np.concatenate([np.zeros(round(delay_s * RATE)), np.convolve(sent, response)])
    return gain * late[: len(sent)]


def loud(pcm: Int16 | NDArray[np.float64]) -> NDArray[np.bool_]:
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return np.sqrt(np.mean(frames**2, axis=1)) > 100


@pytest.mark.parametrize(("delay_s", "gain"), [(0.0, 0.3), (0.06, 0.1), (0.2, 0.2), (0.4, 0.5)])
def test_an_echo_is_not_heard(
    voices: tuple[NDArray[np.float64], NDArray[np.float64]], delay_s: float, gain: float
) -> None:
    bot, _ = voices
    noise = np.random.default_rng(1).normal(0, 8, len(bot))
    gate = EchoGate(RATE)
    came = echo(bot, delay_s, gain) + noise
    ears = through(gate, bot, came)
    assert gate.path is not None
    begun = 60  # 1.2 s: a line has to be learnt
    assert loud(came)[begun:].sum() > 200
    assert loud(ears)[begun:].sum() < 0.02 * loud(came)[begun:].sum()


def test_a_caller_who_speaks_over_the_bot_is_heard_through_an_echo(
    voices: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    bot, people = voices
    begin = 3 * RATE
    caller = np.zeros(len(bot))
    length = min(len(people), len(bot) - begin)
    caller[begin : begin + length] = people[:length]
    ears = through(EchoGate(RATE), bot, echo(bot, 0.1, 0.2) + caller)
    spoken = loud(caller * 0.2)  # frames that matter
    assert loud(ears)[spoken[: len(loud(ears))]].mean() > 0.85


def test_a_line_without_echo_is_not_touched(
    voices: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    bot, people = voices
    gate = EchoGate(RATE)
    caller = np.resize(people, len(bot))
    ears = through(gate, bot, caller)
    assert gate.path is None
    coded = WIRE.decode(WIRE.encode(caller[: len(ears)].astype(np.int16)))
    assert np.array_equal(ears, coded)


def test_when_the_bot_is_silent_everything_is_heard(
    voices: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    bot, people = voices
    gate = EchoGate(RATE)
    through(gate, bot, echo(bot, 0.1, 0.3))
    gate.heard(np.zeros(2 * RATE, np.int16))
    quiet = (people * 0.05).astype(np.int16)
    assert np.array_equal(gate.heard(quiet), quiet)


def test_an_echo_is_not_heard_after_a_stall_whose_audio_came_late(
    voices: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    bot, _ = voices
    came = echo(bot, 0.2, 0.3)
    gate, ears = EchoGate(RATE), []
    filled = 0.0
    """Silence put in the place of what came after all, seconds: `Intake.ahead_s`."""
    for begin in range(0, len(bot) - FRAME + 1, FRAME):
        now = begin / RATE
        if now >= 3.0 and not filled:
            filled = 0.6
            gate.heard(np.zeros(round(filled * RATE), np.int16))
        gate.sent(bot[begin : begin + FRAME].astype(np.int16), max(0.0, now - 0.06) + filled)
        ears.append(gate.heard(came[begin : begin + FRAME].astype(np.int16)))
    later = round(4.5 * RATE)
    heard, real = loud(np.concatenate(ears)[later:]), loud(came[later:])
    assert real.sum() > 100
    assert heard.sum() < 0.02 * real.sum()
