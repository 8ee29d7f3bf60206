"""A recording in a file → its text in segments, with memory bounded whatever its length.

The two sides of a call are told apart by the channels of its recording: each is recognised by
itself, and the segments come in the order in which they were spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import numpy as np

from asr.audio import MAX_SECONDS, SAMPLE_RATE, AudioInfo, probe, read_blocks, shown
from asr.domain import NO_WORDS, DomainWords
from asr.errors import AudioError
from asr.fusion import fused
from asr.hypothesis import Hypothesis, Pcm, Recognizer, Word
from asr.listener import Listener
from asr.normalisation import Utterance, punctuated
from asr.segmentation import Segment, Segmenter
from asr.timing import later, retimed

Channels = Literal["split", "mix"]

SIDES = ("caller", "agent")
"""Who speaks in the left and the right channel: as the recordings of calls are made here."""

_SAME = 1e-3  # −60 dBFS: less difference between two channels is no second speaker


class WordResult(TypedDict):
    """A hanzi, or a run of letters and figures; times in seconds from the start of the file."""

    word: str
    start: float
    end: float


class SegmentResult(TypedDict):
    """A stretch of speech; ``start`` and ``end`` in seconds from the start of the file.

    ``channel`` (from 0) and ``side`` are there where the channels were told apart; ``readable``,
    the text with figures and punctuation, where it is Mandarin; ``words``, of ``text``, where the
    engine knows their times.
    """

    start: float
    end: float
    text: str
    alternatives: list[str]
    channel: NotRequired[int]
    side: NotRequired[str]
    readable: NotRequired[str]
    words: NotRequired[list[WordResult]]


class Problem(TypedDict):
    """An error's stable code and its sentence for people."""

    code: str
    message: str


class FileResult(TypedDict):
    """What ``voicebot transcribe --json`` prints, a line a file; ``error`` of a damaged one only,
    whose ``segments`` and ``seconds`` go as far as it could be read. ``engine`` names all that had
    a part in it."""

    path: str
    text: str
    seconds: float
    engine: str
    segments: list[SegmentResult]
    error: NotRequired[Problem]


class _Track:
    """A channel's blocks up to its end or its damage; how much was read, and the damage."""

    def __init__(self, path: str | Path, channel: int | None, max_seconds: float) -> None:
        self.channel = channel
        self.samples = 0
        self.damage: AudioError | None = None
        self._blocks = read_blocks(path, channel=channel, max_seconds=max_seconds)

    def blocks(self, on_block: Callable[[], None]) -> Iterator[Pcm]:
        try:
            for block in self._blocks:
                self.samples += block.size
                yield block
                on_block()
        except AudioError as error:
            if not self.samples:
                raise
            self.damage = error


def transcribe_file(
    path: str | Path,
    engine: Recognizer,
    *,
    listener: Listener | None = None,
    domain: DomainWords = NO_WORDS,
    channels: Channels = "split",
    sides: tuple[str, str] = SIDES,
    max_seconds: float = MAX_SECONDS,
    on_segment: Callable[[SegmentResult, float], None] | None = None,
    on_progress: Callable[[float, float], None] | None = None,
) -> FileResult:
    """Recognise a WAV, FLAC, MP3 or OGG file of any rate.

    Args:
        path: the file.
        engine: as opened by ``open_transcriber``; of a phonetic one the text is its pinyin
            syllables joined by spaces.
        listener: re-ranks and corrects the readings of a text engine by the sounds it hears.
        domain: words that it may correct to.
        channels: "split" recognises two channels each by itself, unless they hold the same sound;
            "mix", and "split" of a file with more than two, hears them all as one.
        sides: names of the two channels.
        max_seconds: longer files are refused before anything is decoded.
        on_segment: called after each segment, in the order of their starts, with it and the length
            of the file in seconds.
        on_progress: called after each second read, with the seconds done and the length.

    Raises:
        AudioError: nothing of the file can be used; the message says why. What was read before
            damage half way is kept, and the damage is in the result.
    """
    info = probe(path)
    split = channels == "split" and info.channels == 2 and not _same_sound(path, max_seconds)
    tracks = [_Track(path, channel, max_seconds) for channel in ((0, 1) if split else (None,))]

    def tell_progress() -> None:
        if on_progress is not None:
            done = sum(track.samples for track in tracks) / len(tracks)
            on_progress(done / SAMPLE_RATE, info.seconds)

    segments: list[SegmentResult] = []
    engines: dict[str, None] = {}
    pieces = [_pieces(track, tell_progress) for track in tracks]
    for piece, channel in merge(*pieces, key=lambda each: each[0].start):
        heard = engine.transcribe(piece.pcm)
        if listener is not None and heard.text:
            heard = fused(heard, listener.transcribe(piece.pcm).syllables, domain)
        if not heard:
            continue
        engines[heard.engine] = None
        segment = SegmentResult(
            start=round(piece.start, 2),
            end=round(piece.end, 2),
            text=_text(heard),
            alternatives=list(heard.alternatives),
        )
        words = _words(heard.words, segment, piece)
        if words:
            segment["words"] = words
        if channel is not None:
            segment["channel"], segment["side"] = channel, sides[channel]
        segments.append(segment)
        if on_segment is not None:
            on_segment(segment, info.seconds)
    return _result(path, info, engine, ", ".join(engines), segments, tracks)


def _words(spoken: Sequence[Word], segment: SegmentResult, piece: Segment) -> list[WordResult]:
    return [
        WordResult(word=word.text, start=round(word.start, 2), end=round(word.end, 2))
        for word in later(retimed(spoken, segment["text"]), piece.start)
    ]


def _same_sound(path: str | Path, max_seconds: float) -> bool:
    """Two channels with one sound in both, as recorders of mono lines make them."""
    left, right = (read_blocks(path, channel=c, max_seconds=max_seconds) for c in (0, 1))
    try:
        return all(
            float(np.abs(one - other).max()) < _SAME for one, other in zip(left, right, strict=True)
        )
    except AudioError:
        return True  # up to the damage


def _pieces(track: _Track, on_block: Callable[[], None]) -> Iterator[tuple[Segment, int | None]]:
    for piece in Segmenter().split(track.blocks(on_block)):
        yield piece, track.channel


def _result(
    path: str | Path,
    info: AudioInfo,
    engine: Recognizer,
    engines: str,
    segments: list[SegmentResult],
    tracks: Sequence[_Track],
) -> FileResult:
    can = engine.capabilities
    mandarin = not can.phonetic and "zh" in can.languages
    glue = "，" if mandarin else " "
    if mandarin:
        _make_readable(segments)
    damage = next((track.damage for track in tracks if track.damage is not None), None)
    seconds = info.seconds
    if damage is not None or not seconds:
        seconds = max(track.samples for track in tracks) / SAMPLE_RATE
    result = FileResult(
        path=shown(path),
        text=glue.join(segment["text"] for segment in segments),
        seconds=round(seconds, 3),
        engine=engines or engine.name,
        segments=segments,
    )
    if damage is not None:
        result["error"] = Problem(code=damage.code, message=str(damage))
    return result


def _make_readable(segments: Sequence[SegmentResult]) -> None:
    """Each side by itself: a mark depends on what its speaker says next."""
    for channel in {segment.get("channel") for segment in segments}:
        own = [segment for segment in segments if segment.get("channel") == channel]
        readable = punctuated([Utterance(each["text"], each["start"], each["end"]) for each in own])
        for segment, written in zip(own, readable, strict=True):
            segment["readable"] = written.text


def _text(hypothesis: Hypothesis) -> str:
    return hypothesis.text or " ".join(hypothesis.syllables)
