"""Accuracy and cost of recognition by utterance: ours against faster-whisper used plainly.

Both sides use the same Whisper model, beam and threads (the service's) on the same recordings in
one run, in turn. Ours is the shortened window, its guards and the listener's re-ranking, whose
cost is counted; the plain way is the ordinary 30 s window.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from asr.fusion import fused
from asr.hypothesis import Hypothesis, Pcm
from asr.listener import Listener
from asr.whisper import WhisperTranscriber
from benchmarks.scoring import character_error_rate, syllable_error_rate
from benchmarks.speech_data import Utterance
from voicebot.domain_words import domain_words

Recognise = Callable[[Pcm], Hypothesis]


class Side:
    """One way of recognising: what it heard and the processor time it took, all threads."""

    def __init__(self, label: str, recognise: Recognise) -> None:
        self.label, self._recognise = label, recognise
        self.texts: list[str] = []
        self.cpu = 0.0

    def warm_up(self, pcm: Pcm) -> None:
        self._recognise(pcm)

    def hear(self, pcm: Pcm) -> None:
        begun = time.process_time()
        text = self._recognise(pcm).text
        self.cpu += time.process_time() - begun
        self.texts.append(text)

    def result(self, references: Sequence[str], seconds: float) -> dict[str, float]:
        return {
            "cer": round(character_error_rate(references, self.texts), 4),
            "syllable_error": round(syllable_error_rate(references, self.texts), 4),
            "cpu_s_per_audio_s": round(self.cpu / seconds, 4),
        }


def both_ears(model: Path, listener_dir: Path | None, threads: int) -> Recognise:
    """The service's way: Whisper in a window of the utterance's length, the listener's choice and
    the names of places that it bears out."""
    whisper = WhisperTranscriber(model, threads=threads)
    listener = Listener(listener_dir) if listener_dir else None
    words = domain_words()

    def recognise(pcm: Pcm) -> Hypothesis:
        heard = whisper.transcribe(pcm)
        if listener is not None and heard.text:
            heard = fused(heard, listener.transcribe(pcm).syllables, words)
        return heard

    return recognise


def one_ear(model: Path, threads: int, *, beam: int = 5) -> Recognise:
    """Our Whisper without the listener."""
    whisper = WhisperTranscriber(model, threads=threads, beam=beam)
    return whisper.transcribe


def plain(model: Path, threads: int, *, beam: int = 5) -> Recognise:
    """faster-whisper as its README calls it."""
    from faster_whisper import WhisperModel

    whisper: Any = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)

    def recognise(pcm: Pcm) -> Hypothesis:
        segments, _ = whisper.transcribe(pcm, language="zh", beam_size=beam)
        return Hypothesis("faster-whisper", "".join(segment.text for segment in segments))

    return recognise


def compare(
    utterances: Sequence[Utterance], sides: Sequence[Side], console: Console, title: str
) -> dict[str, dict[str, float]]:
    """Every side's errors and cost, by its label; a table on the way."""
    by_source: dict[str, list[int]] = defaultdict(list)
    for index, utterance in enumerate(
        track(utterances, description="recognising", console=console)
    ):
        for side in sides:
            if not index:
                side.warm_up(utterance.pcm)
            side.hear(utterance.pcm)
        by_source[utterance.source].append(index)
    references = [utterance.text for utterance in utterances]
    seconds = sum(utterance.seconds for utterance in utterances)

    table = Table(title=f"{title}: {len(utterances)} utterances, {seconds:.0f} s")
    table.add_column("character error rate")
    for heading in ("utterances", *(side.label for side in sides)):
        table.add_column(heading, justify="right")
    for source, indices in [*sorted(by_source.items()), ("all", list(range(len(references))))]:
        rates = [
            character_error_rate([references[i] for i in indices], [side.texts[i] for i in indices])
            for side in sides
        ]
        table.add_row(source, str(len(indices)), *(f"{rate:.1%}" for rate in rates))
    console.print(table)
    return {side.label: side.result(references, seconds) for side in sides}
