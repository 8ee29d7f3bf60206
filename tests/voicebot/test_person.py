"""A person on a leg, told from announcements, music and tones, on real audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.engines import EngineFolders, open_transcriber
from asr.hypothesis import Recognizer
from asr.listener import Listener
from asr.pool import DecodePool
from flows.far_side import Verdict, Who
from telephony.codecs import Int16
from tests.voicebot.far_sides import RATE, music, recorded, silence, spoken, tone
from voicebot.call.far_ear import ListeningEar, MakeEar, TranscribingEar
from voicebot.call.person import PersonWatch, Probabilities
from voicebot.call.voice import VoiceDetector

pytestmark = pytest.mark.leaping_time

Say = Callable[[str], Int16]
Told = list[tuple[Verdict, float]]

FRAME = 160


@pytest.fixture(scope="module")
def say(models_dir: Path) -> Say:
    return lambda text: spoken(text, models_dir)


@pytest.fixture(scope="module")
def listener(listener_dir: Path) -> Recognizer:
    return Listener(listener_dir)


@pytest.fixture
def listening(listener: Recognizer) -> MakeEar:
    executor = ThreadPoolExecutor(1)
    return lambda: ListeningEar(listener, executor)


async def by_model() -> Probabilities:
    detector = VoiceDetector()

    async def probabilities(pcm: Int16) -> list[tuple[float, int]]:
        return detector.probabilities(pcm)

    return probabilities


async def heard(
    make_ear: MakeEar,
    *parts: Int16,
    early: Int16 | None = None,
    voice: Callable[[], Any] = by_model,
) -> Told:
    """What the watch tells, and at which second of the audio after answering."""
    told: Told = []
    at = 0.0
    watch = PersonWatch(voice, make_ear, lambda verdict: told.append((verdict, at)))

    async def play(pcm: Int16, *, early: bool) -> None:
        nonlocal at
        for start in range(0, len(pcm) - FRAME + 1, FRAME):
            at += 0 if early else FRAME / RATE
            watch.push(pcm[start : start + FRAME], RATE, early=early)
            await asyncio.sleep(FRAME / RATE)

    if early is not None:
        await play(early, early=True)
    for part in parts:
        await play(part, early=False)
    await asyncio.sleep(0.05)
    watch.close()
    return [(verdict, at) for verdict, at in told if verdict.who is not Who.UNDECIDED]


def who(told: Told) -> list[Who]:
    return [verdict.who for verdict, _ in told]


# ── persons ───────────────────────────────────────────────────────────────────────

GREETINGS = [
    "你好，海口110，请讲。",
    "您好，这里是一一零报警服务台，请讲。",
    "喂，你好。",
    "一一零，什么事？",
    "您好，琼海公安，请问有什么需要帮助？",
    "喂，请说。",
    "你好，我是值班民警，您在什么位置？",
    "三亚市公安局指挥中心。",
]


@pytest.mark.parametrize("text", GREETINGS)
async def test_an_officer_s_greeting_is_a_person_within_a_second(
    say: Say, listening: MakeEar, text: str
) -> None:
    greeting = say(text)
    told = await heard(listening, silence(0.6), greeting, silence(2.0))
    assert who(told) == [Who.PERSON]
    assert told[0][1] <= 0.6 + len(greeting) / RATE + 1.0


async def test_who_speaks_on_is_a_person_before_he_pauses(
    shared_dir: Path, listening: MakeEar
) -> None:
    """Real voices, whatever they say."""
    files = sorted((shared_dir / "data/speech/aishell1_s0150").glob("*.wav"))[:12]
    for path in files:
        told = await heard(listening, silence(0.3), recorded(path), silence(1.5))
        assert who(told) == [Who.PERSON], path.name


# ── announcements ─────────────────────────────────────────────────────────────────

QUEUES = [
    "您好，这里是海口110报警服务台，您的来电已进入排队，请稍候。",
    "您好，这里是海口市公安局110报警服务台，接警员正忙，请不要挂机。",
    "您好，本次通话将被录音。",
    "为了保证服务质量，您的通话可能会被录音，正在为您接通，请稍候。",
    "座席全忙，请耐心等待，前面还有三位用户。",
]
REFUSALS = [
    "对不起，您拨打的用户正忙，请稍后再拨。",
    "您拨打的电话正在通话中，请稍后再拨。",
    "您拨打的电话暂时无法接通，请稍后再拨。",
    "您拨打的号码是空号，请核对后再拨。",
    "您拨打的电话已关机。",
    "对不起，您拨打的电话无人接听，请稍后再拨。",
]


@pytest.mark.parametrize("text", QUEUES)
async def test_a_queue_is_no_person_and_the_officer_after_it_is(
    say: Say, listening: MakeEar, text: str
) -> None:
    queue = say(text)
    before = await heard(listening, queue, silence(2.0), music(6.0), queue, silence(2.0))
    assert Who.PERSON not in who(before)
    assert Who.QUEUE in who(before)
    greeting = say("你好，海口110，请讲。")
    told = await heard(listening, queue, silence(1.2), greeting, silence(1.5))
    assert who(told)[-1] is Who.PERSON
    assert told[-1][1] > len(queue) / RATE + 1.2


@pytest.mark.parametrize("text", REFUSALS)
async def test_a_notice_that_nobody_will_come_is_a_refusal(
    say: Say, listening: MakeEar, text: str
) -> None:
    told = await heard(listening, say(text), silence(1.0))
    assert told[-1][0].who is Who.REFUSED
    assert Who.PERSON not in who(told)


async def test_music_alone_is_nobody(listening: MakeEar) -> None:
    assert Who.PERSON not in who(await heard(listening, music(8.0)))


# ── tones ─────────────────────────────────────────────────────────────────────────


async def no_detector() -> Probabilities:
    raise RuntimeError("no memory")


@pytest.mark.parametrize("voice", [by_model, no_detector], ids=["detector", "loudness"])
@pytest.mark.parametrize("ear", [True, False], ids=["listener", "deaf"])
async def test_a_busy_tone_is_busy_and_never_a_person(
    listening: MakeEar, ear: bool, voice: Callable[[], Any]
) -> None:
    make_ear = listening if ear else lambda: None
    for cadence in ([(0.35, 0.35)], [(0.7, 0.7)]):
        (told,) = await heard(make_ear, silence(0.3), tone(cadence, 5.0), voice=voice)
        assert (told[0], told[1] < 3.2) == (Verdict(Who.REFUSED, "in_band_busy"), True)


@pytest.mark.parametrize("voice", [by_model, no_detector], ids=["detector", "loudness"])
async def test_ringing_in_the_voice_channel_is_still_ringing(voice: Callable[[], Any]) -> None:
    told = await heard(lambda: None, tone([(1.0, 4.0)], 11.0), voice=voice)
    assert {verdict for verdict, _ in told} == {Verdict(Who.QUEUE, "in_band_ringback")}


# ── before it is answered ─────────────────────────────────────────────────────────


async def test_early_media_confirms_nothing_but_may_refuse(say: Say, listening: MakeEar) -> None:
    greeting, notice = say("你好，海口110，请讲。"), say("对不起，您拨打的用户正忙，请稍后再拨。")
    assert await heard(listening, early=np.concatenate([greeting, silence(2.0)])) == []
    assert who(await heard(listening, early=notice)) == [Who.REFUSED]
    busy = tone([(0.35, 0.35)], 3.0)
    assert who(await heard(lambda: None, early=busy)) == [Who.REFUSED]
    assert await heard(lambda: None, early=np.concatenate([greeting, silence(2.0)])) == []


# ── with less to go by ────────────────────────────────────────────────────────────


async def test_without_a_recogniser_voice_is_a_person(shared_dir: Path) -> None:
    path = shared_dir / "data/speech/aishell1_s0150/BAC009S0150W0134.wav"
    told = await heard(lambda: None, recorded(path, 3.0))
    assert told[0][0] == Verdict(Who.PERSON, "voice")


async def test_an_ear_that_fails_leaves_the_voice(shared_dir: Path) -> None:
    class Broken:
        async def hear(self, pcm: Int16, *, voiced: bool) -> tuple[str, ...]:
            raise RuntimeError("no model")

        def renew(self) -> None: ...

    path = shared_dir / "data/speech/aishell1_s0150/BAC009S0150W0134.wav"
    assert who(await heard(Broken, recorded(path, 3.0))) == [Who.PERSON]


@pytest.fixture
async def transcribing(models_dir: Path) -> AsyncIterator[MakeEar]:
    transcriber = open_transcriber(
        "whisper", EngineFolders(whisper=models_dir / "whisper-base", vosk=None), threads=2
    )
    pool = DecodePool(ThreadPoolExecutor(1))
    running = asyncio.create_task(pool.run())
    yield lambda: TranscribingEar(transcriber, pool)
    running.cancel()


async def test_the_transcriber_alone_tells_a_queue_from_an_officer(
    say: Say, transcribing: MakeEar
) -> None:
    queue = await heard(transcribing, say(QUEUES[0]), silence(2.5))
    assert who(queue) in ([Who.QUEUE], [Who.QUEUE] * 2)
    officer = await heard(transcribing, say(GREETINGS[0]), silence(2.5))
    assert who(officer) == [Who.PERSON]
