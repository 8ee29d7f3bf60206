"""A recording in a file → its text in segments, with memory bounded whatever its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NotRequired, TypedDict

from asr.audio import MAX_SECONDS, SAMPLE_RATE, probe, read_blocks, shown
from asr.errors import AudioError
from asr.hypothesis import Hypothesis, Pcm, Recognizer
from asr.listener import Listener
from asr.rerank import rerank
from asr.segmentation import Segmenter


class SegmentResult(TypedDict):
    """A stretch of speech; ``start`` and ``end`` in seconds from the start of the file."""

    start: float
    end: float
    text: str
    alternatives: list[str]


class Problem(TypedDict):
    """An error's stable code and its sentence for people."""

    code: str
    message: str


class FileResult(TypedDict):
    """What ``voicebot transcribe --json`` prints, a line a file; ``error`` of a damaged one only,
    whose ``segments`` and ``seconds`` go as far as it could be read."""

    path: str
    text: str
    seconds: float
    engine: str
    segments: list[SegmentResult]
    error: NotRequired[Problem]


class _Blocks:
    """The blocks of a file up to its end or its damage; how much was read, and the damage."""

    def __init__(self, path: str | Path, max_seconds: float) -> None:
        self._blocks = read_blocks(path, max_seconds=max_seconds)
        self.samples = 0
        self.damage: AudioError | None = None

    def __iter__(self) -> Iterator[Pcm]:
        try:
            for block in self._blocks:
                self.samples += block.size
                yield block
        except AudioError as error:
            if not self.samples:
                raise
            self.damage = error


def transcribe_file(
    path: str | Path,
    engine: Recognizer,
    *,
    listener: Listener | None = None,
    max_seconds: float = MAX_SECONDS,
    on_segment: Callable[[SegmentResult, float], None] | None = None,
    on_progress: Callable[[float, float], None] | None = None,
) -> FileResult:
    """Recognise a WAV, FLAC, MP3 or OGG file of any rate.

    Args:
        path: the file.
        engine: as opened by ``open_transcriber``; of a phonetic one the text is its pinyin
            syllables joined by spaces.
        listener: re-ranks the readings of a text engine by the sounds it hears.
        max_seconds: longer files are refused before anything is decoded.
        on_segment: called after each segment with it and the length of the file in seconds.
        on_progress: called after each second read, with the seconds done and the length.

    Raises:
        AudioError: nothing of the file can be used; the message says why. What was read before
            damage half way is kept, and the damage is in the result.
    """
    seconds = probe(path).seconds
    segments: list[SegmentResult] = []
    blocks = _Blocks(path, max_seconds)
    for piece in Segmenter().split(_reported(blocks, seconds, on_progress)):
        heard = engine.transcribe(piece.pcm)
        if listener is not None and heard.alternatives:
            heard = rerank(heard, listener.transcribe(piece.pcm).syllables)
        if not heard:
            continue
        segment = SegmentResult(
            start=round(piece.start, 2),
            end=round(piece.end, 2),
            text=_text(heard),
            alternatives=list(heard.alternatives),
        )
        segments.append(segment)
        if on_segment is not None:
            on_segment(segment, seconds)
    glue = (
        " " if engine.capabilities.phonetic or "zh" not in engine.capabilities.languages else "，"
    )
    if blocks.damage is not None or not seconds:
        seconds = blocks.samples / SAMPLE_RATE
    result = FileResult(
        path=shown(path),
        text=glue.join(segment["text"] for segment in segments),
        seconds=round(seconds, 3),
        engine=engine.name,
        segments=segments,
    )
    if blocks.damage is not None:
        result["error"] = Problem(code=blocks.damage.code, message=str(blocks.damage))
    return result


def _reported(
    blocks: _Blocks, seconds: float, on_progress: Callable[[float, float], None] | None
) -> Iterator[Pcm]:
    for block in blocks:
        yield block
        if on_progress is not None:
            on_progress(blocks.samples / SAMPLE_RATE, seconds)


def _text(hypothesis: Hypothesis) -> str:
    return hypothesis.text or " ".join(hypothesis.syllables)
