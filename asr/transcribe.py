"""A recording in a file → its text in segments, with memory bounded whatever its length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from asr.audio import MAX_SECONDS, probe, read_blocks
from asr.hypothesis import Hypothesis, Recognizer
from asr.listener import Listener
from asr.rerank import rerank
from asr.segmentation import Segmenter


class SegmentResult(TypedDict):
    """A stretch of speech; ``start`` and ``end`` in seconds from the start of the file."""

    start: float
    end: float
    text: str
    alternatives: list[str]


class FileResult(TypedDict):
    """What ``voicebot transcribe --json`` prints, a line a file."""

    path: str
    text: str
    seconds: float
    engine: str
    segments: list[SegmentResult]


def transcribe_file(
    path: str | Path,
    engine: Recognizer,
    *,
    listener: Listener | None = None,
    max_seconds: float = MAX_SECONDS,
    on_segment: Callable[[SegmentResult, float], None] | None = None,
) -> FileResult:
    """Recognise a WAV, FLAC, MP3 or OGG file of any rate.

    Args:
        path: the file.
        engine: as opened by ``open_transcriber``; of a phonetic one the text is its pinyin
            syllables joined by spaces.
        listener: re-ranks the readings of a text engine by the sounds it hears.
        max_seconds: longer files are refused before anything is decoded.
        on_segment: called after each segment with it and the length of the file in seconds.

    Raises:
        AudioError: the file cannot be used; the message says why.
    """
    seconds = probe(path).seconds
    segments: list[SegmentResult] = []
    for piece in Segmenter().split(read_blocks(path, max_seconds=max_seconds)):
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
    return FileResult(
        path=str(path),
        text=glue.join(segment["text"] for segment in segments),
        seconds=round(seconds, 3),
        engine=engine.name,
        segments=segments,
    )


def _text(hypothesis: Hypothesis) -> str:
    return hypothesis.text or " ".join(hypothesis.syllables)
