"""A spoken question to the words that the bot would search for, by the recognisers of the calls.

Calls go first: the decode is asked for as a partial is, which waits until nobody's turn is over,
and the listener gets the audio in short pieces, between those of the calls.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from asr.errors import AudioEmpty, AudioNotReadable, AudioTooLong
from asr.guards import judged
from asr.hanzi.writing import by_sound
from asr.hypothesis import Hypothesis, Pcm, Recognizer, as_pcm
from asr.urgency import Urgency
from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    from voicebot.call.engines import Engines

RATE = 16_000
LONGEST_S = 20.0
SHORTEST_S = 0.3
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
PIECE = RATE // 5
"""Samples that the listener hears at a time: a few milliseconds of work."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was made of a question: the transcriber's readings, best first, and the listener's
    syllables; `intelligible` is how far it can be taken for what was said, 0..1."""

    text: str
    alternatives: tuple[str, ...]
    syllables: tuple[str, ...]
    intelligible: float


class NoRecogniser(VoicebotError):
    """There is no recogniser on this machine."""

    code = "voicebot.no_recogniser"


class RecogniserBusy(VoicebotError):
    """Calls need the recogniser."""

    code = "voicebot.recogniser_busy"


def read_audio(data: bytes) -> Pcm:
    """Mono float32 at 16 kHz of a file as bytes: WAV, FLAC or OGG.

    Raises:
        AudioNotReadable, AudioEmpty, AudioTooLong: what is wrong with it, in a sentence.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            rate, frames = sound.samplerate, sound.frames
            if not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise AudioNotReadable(f"The recording has {rate} samples a second.")
            if frames > LONGEST_S * rate:
                raise AudioTooLong(f"Say one question, at most {LONGEST_S:.0f} s long.")
            heard = sound.read(dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise AudioNotReadable("The recording is no audio file that can be read.") from error
    if len(heard) < SHORTEST_S * rate:
        raise AudioEmpty("There is hardly any sound in the recording; say it again.")
    return as_pcm(np.asarray(soxr.resample(heard, rate, RATE), np.float32))


async def hear(engines: Engines, pcm: Pcm) -> Words:
    """What both recognisers make of it, fused as in a call.

    Raises:
        NoRecogniser: there is none.
        RecogniserBusy: calls need it just now.
    """
    listener, transcriber = engines.listener, engines.transcriber
    if listener is None and transcriber is None:
        raise NoRecogniser("There is no recogniser on this machine; type the question.")
    syllables = await _listened(engines, listener, pcm) if listener is not None else ()
    if transcriber is None:
        found = by_sound(syllables)
        return Words(found.text, found.alternatives, syllables, found.intelligible)
    transcribed = await engines.pool.decode(
        object(),
        partial(_transcribed, transcriber, pcm),
        Urgency.PARTIAL,
        audio_s=len(pcm) / RATE,
    )
    if transcribed is None:
        raise RecogniserBusy("Calls need the recogniser just now; say it again in a moment.")
    found = transcribed
    if listener is not None:
        found = judged(transcribed, syllables, engines.knowledge.words)
    return Words(found.text, found.alternatives, syllables, found.intelligible)


async def _listened(engines: Engines, listener: Recognizer, pcm: Pcm) -> tuple[str, ...]:
    loop, stream = asyncio.get_running_loop(), listener.stream()
    for start in range(0, len(pcm), PIECE):
        piece = pcm[start : start + PIECE]
        await loop.run_in_executor(engines.far_executor, stream.feed, piece)
        await loop.run_in_executor(engines.far_executor, partial(stream.decode, final=False))
    return (await loop.run_in_executor(engines.far_executor, stream.finish)).syllables


def _transcribed(transcriber: Recognizer, pcm: Pcm) -> Hypothesis:
    stream = transcriber.stream()
    stream.feed(pcm)
    return stream.decode(final=True)
