"""Several calls at once on one Whisper model."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from asr.hypothesis import Hypothesis, Pcm
from asr.pool import open_pool
from asr.urgency import Urgency
from asr.whisper import WhisperTranscriber

RATE = 16_000
NAMES = (
    "aishell1_s0150/BAC009S0150W0001.wav",
    "aishell1_s0150/BAC009S0150W0005.wav",
    "aishell1_s0150/BAC009S0150W0003.wav",
)


async def test_calls_that_share_a_model_hear_what_each_would_hear_alone(
    whisper: WhisperTranscriber, utterance: Callable[[str], Pcm]
) -> None:
    async def call(pcm: Pcm) -> Hypothesis | None:
        stream = whisper.stream()
        stream.feed(pcm[:RATE])
        early = asyncio.create_task(
            pool.decode(stream, partial(stream.decode, final=False), Urgency.PARTIAL, audio_s=1.0)
        )
        await asyncio.sleep(0)
        stream.feed(pcm[RATE:])
        final = await pool.decode(
            stream, partial(stream.decode, final=True), Urgency.FINAL, audio_s=len(pcm) / RATE
        )
        await early
        return final

    pcms = [utterance(name) for name in NAMES]
    with ThreadPoolExecutor(1) as executor:
        pool = open_pool(whisper, executor)
        working = asyncio.create_task(pool.run())
        finals = await asyncio.gather(*map(call, pcms))
        figures = pool.figures(0.9, 1.5)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert [final and final.text for final in finals] == [
        whisper.transcribe(pcm).text for pcm in pcms
    ]
    assert figures.final.done == len(pcms)
    assert figures.final.real_time_factor > 0
