"""What a call's two recordings say. Pure but for the clock's offset."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.chaos.judging import Span, Told, longest_silence
from benchmarks.cluster_trial.callers import Attempt
from benchmarks.cluster_trial.sound import FRAME, STEP_S
from benchmarks.handoff_trial import PART, heard_at
from telephony.codecs import Int16
from telephony.speech_level import window_is_loud
from tests.asterisk.phones import RATE, Heard

GREETED_S = 7.0
"""After so long the greeting has been heard."""
SENTENCE_ENDS = 50
"""Windows without sound after which a sentence is over: a second."""
LOOK_S = 10.0
"""How long a desk's voice is looked for from its answer on."""


def with_people(
    pcm: Int16, began: float, spans: Sequence[Span], voices: Sequence[Int16]
) -> list[Span]:
    """The spans in which a desk was not only off-hook, but its voice is found in what was heard.

    Parameters:
        pcm: 8 kHz, from `began` on, what a caller heard.
        spans: when a desk was off-hook.
        voices: what desks say, again and again.
    """
    found = []
    for start, end in spans:
        first = max(0, int((start - began) / STEP_S) - 25)
        last = int((min(end, start + LOOK_S) - began) / STEP_S)
        part = pcm[first * FRAME : max(first, last) * FRAME]
        whole = len(part) // FRAME
        heard = Heard(part[: whole * FRAME], np.arange(whole, dtype=np.float64) * STEP_S)
        if any(
            heard_at(heard, voice[at : at + PART]) is not None
            for voice in voices
            for at in range(0, len(voice) - PART, PART)
        ):
            found.append((start, end))
    return found


def reply_times(said: NDArray[np.bool_], heard: NDArray[np.bool_], until: int) -> tuple[float, ...]:
    """Seconds from the end of each sentence of the caller's to the first sound after it. Pure.

    Parameters:
        said, heard: for each window of `STEP_S`, whether there was sound.
        until: windows, after which a person is there.
    """
    times = []
    loud = np.flatnonzero(said)
    for last in loud[np.diff(loud, append=len(said) + SENTENCE_ENDS) >= SENTENCE_ENDS]:
        if last >= until or heard[last : last + 2].any():  # talked over
            continue
        came = np.flatnonzero(heard[last:until])
        if len(came):
            times.append(round(float(came[0]) * STEP_S, 2))
    return tuple(times)


def told_by(
    attempt: Attempt,
    call: str,
    spans: Sequence[Span],
    voices: Sequence[Int16],
    excused: Sequence[Span],
) -> tuple[Told, tuple[float, ...]]:
    """What was heard in a call, and how fast the bot replied (`reply_times`).

    Parameters:
        call: its id on record.
        spans: when a desk was with its caller, monotonic seconds.
        excused: spans of monotonic time in which nobody can be heard.
    """
    line, sound = attempt.line, attempt.line.sound
    if not attempt.answered:
        return Told(call, attempt.role, answered=False), ()
    epoch = time.time() - time.monotonic()
    pcm = sound.heard_pcm()
    people = with_people(pcm, sound.began, spans, voices)
    person_at = min((start for start, _ in spans), default=line.over_at)
    greeted = sound.began + GREETED_S
    heard: NDArray[np.bool_] = window_is_loud(pcm, RATE)
    said = sound.said_windows()
    told = Told(
        call,
        attempt.role,
        answered=True,
        broke=attempt.closed in ("far", "gone"),
        ended_at=epoch + line.over_at,
        spoke_until=epoch + attempt.words_end if attempt.words_end is not None else None,
        utterances=(epoch + greeted,) if greeted < min(person_at, line.over_at) else (),
        person_s=len(people) * PART / RATE,
        silence_s=round(
            longest_silence(
                said,
                heard,
                excused=[
                    (start - sound.began, end - sound.began) for start, end in (*excused, *people)
                ],
            ),
            2,
        ),
    )
    talked = int((person_at - sound.began) / STEP_S)
    return told, reply_times(said[: len(heard)], heard, min(talked, len(heard)))
