"""Transcripts as files for people: SubRip and WebVTT subtitles, plain text.

Subtitles are to be read while one listens: a long segment becomes several cues of at most two
lines' length, cut where there is punctuation if that is near. The time of a cut is that of the next
word; where words have no times, it is where it would be if the segment were spoken evenly. SubRip
has no specification; WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from math import ceil
from unicodedata import east_asian_width

from asr.hypothesis import Word
from asr.timing import letter_count, letter_times
from asr.transcribe import SegmentResult

_COLUMNS = 72  # two lines of 18 hanzi
_AFTER_PUNCTUATION, _AT_BLANK, _BETWEEN_HANZI, _IN_A_WORD = 0, 8, 24, 60
"""How many columns from the even place a cut may lie before the next worse kind is taken."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen from ``start`` to ``end``, in seconds; ``side`` "" if unknown."""

    start: float
    end: float
    text: str
    side: str


def cues(segments: Sequence[SegmentResult]) -> Iterator[Cue]:
    """Segments in pieces that can be read at a glance; all of their text, in their order."""
    for segment in segments:
        parts = list(_parts(" ".join(_shown(segment).split())))
        times = [segment["start"], *_cuts(segment, parts), segment["end"]]
        for part, (start, end) in zip(parts, pairwise(times), strict=False):
            yield Cue(start, end, part, segment.get("side", ""))


def _cuts(segment: SegmentResult, parts: Sequence[str]) -> list[float]:
    """When each part but the first begins."""
    start, end = segment["start"], segment["end"]
    spoken = [Word(each["word"], each["start"], each["end"]) for each in segment.get("words", ())]
    letters = letter_times(spoken, "".join(parts))
    if letters:
        begins = accumulate(letter_count(part) for part in parts[:-1])
        return [min(end, max(start, letters[min(at, len(letters) - 1)][0])) for at in begins]
    ends = list(accumulate(_width(part) for part in parts))
    return [start + (end - start) * at / ends[-1] for at in ends[:-1]]


def srt(segments: Sequence[SegmentResult]) -> str:
    """A SubRip file (.srt)."""
    return "".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_named(cue)}\n\n"
        for number, cue in enumerate(cues(segments), 1)
    )


def vtt(segments: Sequence[SegmentResult]) -> str:
    """A WebVTT file (.vtt); who speaks is the cue's voice."""
    lines = ["WEBVTT\n\n"]
    for cue in cues(segments):
        voice = f"<v {escape(cue.side, quote=False)}>" if cue.side else ""
        text = escape(cue.text, quote=False)
        lines.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{voice}{text}\n\n")
    return "".join(lines)


def text(segments: Sequence[SegmentResult]) -> str:
    """A line for each segment, who speaks before it where that is known."""
    return "".join(
        f"{segment['side']}: {_shown(segment)}\n" if "side" in segment else f"{_shown(segment)}\n"
        for segment in segments
    )


def _shown(segment: SegmentResult) -> str:
    return segment.get("readable", segment["text"])


def _named(cue: Cue) -> str:
    return f"{cue.side}: {cue.text}" if cue.side else cue.text


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _columns(character: str) -> int:
    return 2 if east_asian_width(character) in "WF" else 1


def _width(text: str) -> int:
    return sum(map(_columns, text))


def _parts(text: str) -> Iterator[str]:
    while (width := _width(text)) > _COLUMNS:
        even = width / ceil(width / _COLUMNS)
        places = enumerate(accumulate(map(_columns, text)), 1)
        fitting = [(index, at) for index, at in places if at <= _COLUMNS]
        cut, _ = min(fitting, key=lambda place: abs(place[1] - even) + _harm(text, place[0]))
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text


def _harm(text: str, cut: int) -> int:
    before, after = text[cut - 1], text[cut]
    if before in "，。！？、；：,.!?;:":
        return _AFTER_PUNCTUATION
    if before.isspace() or after.isspace():
        return _AT_BLANK
    return _BETWEEN_HANZI if _columns(before) == _columns(after) == 2 else _IN_A_WORD
