"""From what happened in a call to its report: pure, on samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from telephony.call_report import HeardUtterance, ReplyLatency, SpokenFile
from telephony.clips import Clip
from telephony.codecs import Int16
from telephony.heard import MarkedSpan, answer_sounds, unmarked_spans
from telephony.speech_level import first_sound


@dataclass(frozen=True, slots=True)
class CallTrace:
    """One call on its own time axis.

    Parameters:
        rate: Hz, of both sides.
        clips: the files to speak.
        begun: sample at which each clip that was spoken began; may be shorter than `clips`.
        heard: everything heard, (n,), silence included; n is the length of the call.
        spans: marked utterances as they were played.
    """

    rate: int
    clips: Sequence[Clip]
    begun: Sequence[int]
    heard: Int16 = field(repr=False)
    spans: Sequence[MarkedSpan]

    @property
    def seconds(self) -> float:
        return len(self.heard) / self.rate

    def spoken(self) -> Iterator[SpokenFile]:
        """The files that were begun, in order."""
        over = len(self.heard)
        for clip, begun in zip(self.clips, self.begun, strict=False):
            yield SpokenFile(
                path=str(clip.path),
                start=begun / self.rate,
                end=min(begun + len(clip.pcm), over) / self.rate,
                speech_start=min(begun + clip.speech[0], over) / self.rate,
                speech_end=min(begun + clip.speech[1], over) / self.rate,
                complete=begun + len(clip.pcm) <= over,
            )

    def utterances(self) -> Iterator[HeardUtterance]:
        """Everything heard, marked or not, in order of its start."""
        everything = [*self.spans, *unmarked_spans(self.spans, self.heard, self.rate)]
        for span in sorted(everything, key=lambda each: each.start):
            onset = first_sound(self.heard[span.start : span.end], self.rate)
            yield HeardUtterance(
                purpose=span.purpose,
                utterance=span.utterance,
                entry=span.entry,
                start=span.start / self.rate,
                end=span.end / self.rate,
                sound_start=None if onset is None else (span.start + onset) / self.rate,
                complete=span.complete,
            )

    def latencies(self) -> Iterator[ReplyLatency]:
        """For each file, the answer that stood, in the order of the files.

        A file is answered between the end of its speech and the end of the next one's: what
        begins before is still about the file before. Of an answer that was taken back (cut
        while the caller was not speaking) the next one counts instead, so that a wrong first
        guess makes no reply faster.
        """
        answers = answer_sounds(self.spans, self.heard, self.rate)
        spoken = [
            (begun + clip.speech[0], begun + clip.speech[1])
            for clip, begun in zip(self.clips, self.begun, strict=False)
        ]
        never = len(self.heard) + 1
        for index, (_, end) in enumerate(spoken):
            begins, until = spoken[index + 1] if index + 1 < len(spoken) else (never, never)
            mine = [each for each in answers if end <= each[1] < until]
            while len(mine) > 1 and not mine[0][0].complete and mine[0][0].end <= begins:
                del mine[0]
            if mine:
                span, onset = mine[0]
                waited = round((onset - end) / self.rate * 1000, 1)
                yield ReplyLatency(index, span.utterance, span.entry, waited)

    def second_of(self, decisive: float) -> float | None:
        """Second of the call at which second `decisive` of the joined files was spoken.

        None when the call was over before.
        """
        for clip, begun in zip(self.clips, self.begun, strict=False):
            if decisive <= clip.seconds:
                at = begun / self.rate + decisive
                return at if at <= self.seconds else None
            decisive -= clip.seconds
        return None
