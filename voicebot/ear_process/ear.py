"""One caller's ear in a place that may be lost (`voicebot.call.caller_ear.CallerEar`).

Kept here is what another place must hear to go on: the newest audio of the present utterance, a
second before it for the voice detector, and what was asked and not answered. Older words of the
utterance are not heard again, for twenty calls would wait for that: they are put before the new.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from asr.distress import Mark
from telephony.codecs import Int16
from voicebot.call.caller_ear import Listened, ListenerFault, Sensed
from voicebot.call.turn_audio import RATE
from voicebot.ear_process.place import Place, WorkFailed

WARM = RATE
"""Samples before the utterance: the voice detector's memory."""
WORDLESS = 2 * RATE
"""Samples of an utterance without words so far: they come up to a second late."""
AGAIN = round(1.5 * RATE)
"""Newest samples of an utterance; words that were over before them stand."""
CONTEXT = RATE
"""Samples before those that the listener hears again as well: it needs to know what was before."""
ALIKE = 0.1
"""Seconds by which the same syllable may end later when it is heard again."""
LONGEST = 30 * RATE
"""Samples of an utterance that are kept."""
INSIDE = RATE // 2
"""Samples that the listener's encoder still holds where an utterance is cut."""
PIECE = RATE
"""Samples given again in one go: other calls' audio comes between."""


BLOCK = 4096 / RATE
"""Seconds of audio at which distress is looked for at once: where those begin differs by place."""


_NOTHING = Listened((), 0.0)
T = TypeVar("T")


@dataclass(slots=True)
class _Heard:
    """Samples that were given."""

    since: int
    until: int
    answer: asyncio.Future[Sensed]


@dataclass(slots=True)
class _Settled:
    """The utterance was over at sample `until`."""

    until: int
    cut: bool
    answer: asyncio.Future[Listened]


class ApartEar:
    """Belongs to one event loop. Without a place what is asked waits.

    Parameters:
        closed: told when the call is over.
        failed: told when something of ours raised in its place; True: it has another one.
    """

    def __init__(
        self, closed: Callable[[ApartEar], None], failed: Callable[[ApartEar], bool]
    ) -> None:
        self._on_close, self._on_failure = closed, failed
        self._loop = asyncio.get_running_loop()
        self.place: Place | None = None
        self.listens = True
        self.blamed = 0
        """Processes in a row that were lost at its audio."""
        self._audio: deque[Int16] = deque()
        self._first = 0
        """Sample of the call at which the kept audio begins."""
        self._given = self._answered = 0
        """Samples of the call."""
        self._asked: deque[_Heard | _Settled] = deque()
        self._listen_from = 0
        """Sample at which the present utterance begins, as far as it is kept."""
        self._known = self._standing = _NOTHING
        """Words of the present utterance; those of them that no place is told the audio of."""
        self._fault: ListenerFault | None = None
        """Yet to be told."""
        self._judged = self._window = 0
        """Sample up to which it is known where there is a voice, and samples looked at at once."""
        # Of the present place: where its audio and its listener's begin, and how far it has judged.
        self._base = self._listen_base = self._here_judged = 0
        self._early: tuple[Mark, ...] = ()
        """Marks of distress in audio that was given again."""

    def hear(self, pcm: Int16) -> asyncio.Future[Sensed]:
        """The next audio; answered by whichever place hears it.

        Raises:
            WorkFailed: something of ours raised.
        """
        asked = _Heard(self._given, self._given + len(pcm), self._loop.create_future())
        self._given = asked.until
        self._audio.append(pcm)
        self._asked.append(asked)
        if self.place is not None:
            self.place.hear(pcm, self.listens, self._sensed)
        return asked.answer

    def settle(self, cut: bool) -> asyncio.Future[Listened]:
        """The utterance is over: its last syllables.

        Raises:
            ListenerFault: as it says.
        """
        asked = _Settled(self._given, cut, self._loop.create_future())
        if not self.listens:
            asked.answer.set_exception(ListenerFault("none"))
            return asked.answer
        self._asked.append(asked)
        if self.place is not None:
            self.place.settle(cut, self._settled)
        return asked.answer

    def close(self) -> None:
        """The call is over."""
        if self.place is not None:
            self.place.close()
            self.place = None
        self._on_close(self)

    # ── places ────────────────────────────────────────────────────────────────────

    def place_in(self, place: Place) -> None:
        """Another place goes on: it is told what it has to know, and asked what is open."""
        self.place = place
        self._stand()
        begin = max(self._first, min(self._listen_from, self._answered - WARM))
        # The voice detector's windows go on where they were, so that each sample is judged once.
        begin -= (begin - self._judged) % self._window if self._window else 0
        pad = max(0, self._first - begin)
        audio = np.concatenate([np.zeros(pad, np.int16), *self._audio])
        audio = audio[begin + pad - self._first :]
        self._base = self._here_judged = begin
        self._listen_base, self._early = self._listen_from, ()
        at = self._base
        while at < self._answered:
            heard = at >= self._listen_from
            until = min(at + PIECE, self._answered if heard else self._listen_from)
            piece = audio[at - self._base : until - self._base]
            place.hear(piece, self.listens and heard, self._sensed_again)
            at = until
        for asked in self._asked:
            if isinstance(asked, _Settled):
                place.settle(asked.cut, self._settled)
            else:
                piece = audio[asked.since - self._base : asked.until - self._base]
                place.hear(piece, self.listens, self._sensed)

    def _stand(self) -> None:
        """Words that were over long ago need not be heard again."""
        syllables, start, ends = self._known
        over = bisect_right(ends, (self._answered - AGAIN) / RATE)
        self._standing = Listened(syllables[:over], start, ends[:over])
        if over:
            since = round(ends[over - 1] * RATE) - CONTEXT
            self._listen_from = max(self._listen_from, since)

    def deafen(self) -> None:
        """From now on without the listener, wherever it is placed."""
        self.listens, self._fault = False, ListenerFault("EngineLost")
        for asked in list(self._asked):
            if isinstance(asked, _Settled):
                self._asked.remove(asked)
                _tell(asked.answer, self._fault)

    # ── answers ───────────────────────────────────────────────────────────────────

    def _sensed(self, sensed: Sensed | WorkFailed) -> None:
        if self.place is None:
            return
        if isinstance(sensed, WorkFailed) and self._on_failure(self):
            return
        asked = self._asked.popleft()
        assert isinstance(asked, _Heard)
        self._answered = asked.until
        if not isinstance(sensed, WorkFailed):
            self.blamed = 0
            sensed = self._in_call(sensed)
        self._forget()
        _tell(asked.answer, sensed)

    def _in_call(self, sensed: Sensed) -> Sensed:
        """With the call's times, and without what was known already."""
        frames, marks, listened = sensed
        for _, samples in frames:
            self._here_judged += samples
            self._window = samples
        if self._here_judged > self._judged:
            self._judged = self._here_judged
        if marks or self._early:
            marks, self._early = (*self._early, *self._moved(marks)), ()
        if isinstance(listened, Listened):
            listened = self._known = self._of_call(listened)
        elif listened is not None:
            self.listens = False
        if self._fault is not None:
            listened, self._fault = self._fault, None
        return Sensed(frames, marks, listened)

    def _sensed_again(self, sensed: Sensed | WorkFailed) -> None:
        """Audio that was heard before, in another place."""
        if self.place is None or isinstance(sensed, WorkFailed):
            return  # of the latter what comes next will say so, too
        self._here_judged += sum(samples for _, samples in sensed.frames)
        ended = self._answered / RATE - BLOCK
        self._early += tuple(mark for mark in self._moved(sensed.marks) if mark.end > ended)
        if isinstance(sensed.listened, ListenerFault):
            self.listens, self._fault = False, sensed.listened

    def _settled(self, settled: Listened | ListenerFault | WorkFailed) -> None:
        if self.place is None:
            return
        if isinstance(settled, WorkFailed) and self._on_failure(self):
            return
        asked = self._asked.popleft()
        assert isinstance(asked, _Settled)
        began = asked.until - INSIDE if asked.cut else asked.until
        if isinstance(settled, WorkFailed):
            settled = ListenerFault(str(settled))
        elif isinstance(settled, Listened):
            settled = self._of_call(settled)
        self._listen_from = max(self._listen_from, began)
        self._known = self._standing = _NOTHING
        self._forget()
        if isinstance(settled, ListenerFault) and not asked.answer.done():
            self.listens = False
        _tell(asked.answer, settled)

    def _of_call(self, listened: Listened) -> Listened:
        if not self._listen_base:
            return listened
        by = self._listen_base / RATE
        ends = tuple(round(end + by, 3) for end in listened.ends)
        if not self._standing.syllables:
            return Listened(listened.syllables, round(listened.start + by, 3), ends)
        syllables, start, over = self._standing
        known = bisect_right(ends, over[-1] + ALIKE)
        return Listened((*syllables, *listened.syllables[known:]), start, (*over, *ends[known:]))

    def _moved(self, marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
        by = self._base / RATE
        return tuple(
            replace(mark, start=max(0.0, mark.start + by), end=mark.end + by) for mark in marks
        )

    def _forget(self) -> None:
        """What no place needs to be told any more."""
        longest = LONGEST if self._known.syllables else WORDLESS
        self._listen_from = max(self._listen_from, self._answered - longest)
        kept = min(self._listen_from, self._answered - WARM)
        while self._audio and self._first + len(self._audio[0]) <= kept:
            self._first += len(self._audio.popleft())


def _tell(waiting: asyncio.Future[T], answer: T | Exception) -> None:
    if waiting.done():  # nobody waits any more
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
