"""How soon danger is handed off within a sentence, on live audio.

    python -m benchmarks.triage_live                   all sentences, about five minutes
    python -m benchmarks.triage_live --limit 6         a quick look
    python -m benchmarks.triage_live | tail -1         for a machine

Callers say sentences of danger that go on for three seconds and more after the decisive words.
They are spoken by the project's voice, telephoned (`benchmarks.triage_speech`), and fed in real
time in frames of 20 ms to the ears of a call, whose hypotheses go through the dialogue core as in
a session; prompts count as played at once and nobody is dialled. The decisive words and the rest
are rendered apart and joined with a breath, so that the end of the decisive words is known to the
sample. Measured is the time from there to the hand-off that the core asks for; it may be negative,
for danger may be plain before the last syllable. The last line on standard output is one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from asr.engines import EngineFolders
from asr.errors import AsrError
from asr.listener import Listener
from benchmarks.asr_calls import FRAME, Open, ours
from benchmarks.speech_data import RATE, listener_folder
from benchmarks.spoken_lines import Speaking, telephoned
from flows import actions as act
from flows import events as ev
from flows.dialogue import Policy, step
from flows.speaking import DANGER
from flows.state import State
from flows.triage import TriageModel
from telephony.codecs import Int16
from voicebot.call.ears import Ears
from voicebot.call.event_queue import EventQueue
from voicebot.call.preparing import Preparer
from voicebot.call.speech import Synthesizer, ZhttsSynthesizer
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.embedder import SentenceEmbedder
from voicebot.errors import VoicebotError
from voicebot.knowledge import open_embedder
from voicebot.recognisers import open_apart

SENTENCES = Path(__file__).with_name("triage_live_sentences.tsv")
PAUSE_S, BREATH_S = 0.2, 0.06
"""Before the decisive words, and after them."""
BEFORE_S, AFTER_S = 0.5, 3.0
REST_S = 3.0
"""How long a sentence goes on, at least, after the decisive words."""
LATE_S = 0.2
"""A frame fed later than this shows that something else kept the machine busy."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a caller in danger says; the middle part is what decides."""

    opening: str
    decisive: str
    rest: str


@dataclass(frozen=True, slots=True)
class Speech:
    """A sentence on the line: (samples,) at 16 kHz, and in seconds where its parts lie."""

    pcm: Int16
    decisive_from: float
    decisive_to: float
    over: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sentence; seconds of its own clock.

    Attributes:
        at: of the hand-off; None where there was none.
        ear: whose words brought it.
        asked: the question about danger was put.
        lateness: by how much a frame was once late.
    """

    speech: Speech
    at: float | None = None
    ear: str = ""
    asked: bool = False
    lateness: float = 0.0

    @property
    def after_s(self) -> float | None:
        """From the end of the decisive words."""
        return None if self.at is None else self.at - self.speech.decisive_to


def sentences(path: Path = SENTENCES) -> list[Sentence]:
    """One a line: opening, decisive words, rest, between tabs."""
    return [Sentence(*line.split("\t")) for line in path.read_text("utf-8").splitlines() if line]


def spoken(voice: Synthesizer, sentence: Sentence) -> Speech:
    """The sentence as the ears get it, in real time."""
    how = Speaking.of("".join((sentence.opening, sentence.decisive, sentence.rest)))
    opening, decisive, rest = (
        voice.render(part) for part in (sentence.opening, sentence.decisive, sentence.rest)
    )
    rate = opening.rate
    parts = [
        _silence(BEFORE_S, rate),
        opening.pcm,
        _silence(PAUSE_S, rate),
        decisive.pcm,
        _silence(BREATH_S, rate),
        rest.pcm,
    ]
    ends = np.cumsum([part.size for part in parts]) / (rate * how.pitch)
    whole = np.concatenate([*parts, _silence(AFTER_S, rate)])
    pcm = (telephoned(whole, rate, how) * 32767).astype(np.int16)
    return Speech(pcm, float(ends[2]), float(ends[3]), float(ends[5]))


def _silence(seconds: float, rate: int) -> Int16:
    return np.zeros(round(seconds * rate), np.int16)


class Call:
    """Ears and dialogue core of one call, joined as the session joins them."""

    def __init__(
        self,
        open_call: Open,
        policy: Policy,
        embedder: SentenceEmbedder,
        work: Executor,
        now: Callable[[], float],
    ) -> None:
        self._policy, self._work, self._now = policy, work, now
        self._state, self._events = State(), EventQueue()
        self._preparer = Preparer(embedder, work, policy, lambda: self._state, self._events.put)
        ears = open_call(self._post, now)
        assert isinstance(ears, Ears)
        self.ears = ears
        self.handed_off: float | None = None
        self.ear, self.asked = "", False

    async def run(self) -> None:
        """Until cancelled."""
        self._post(ev.CallStarted(0.0, "live", "13800138000", "12345"))
        preparing = asyncio.create_task(self._preparer.run())
        loop = asyncio.get_running_loop()
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, ev.Heard):
                    self._state, actions = await loop.run_in_executor(
                        self._work, step, self._state, event, self._policy
                    )
                else:
                    self._state, actions = step(self._state, event, self._policy)
                for action in actions:
                    self._do(action, event)
        finally:
            preparing.cancel()

    def _do(self, action: act.Action, event: ev.Event) -> None:
        match action:
            case act.Handoff() if self.handed_off is None:
                self.handed_off = self._now()
                self.ear = event.ear.value if isinstance(event, ev.Heard) else ""
            case act.Transcribe():
                self.ears.transcribe_now(action.turn)
            case act.Say():
                self.asked = self.asked or action.prompt == DANGER
                self._post(ev.PlaybackStarted(self._now(), action.utterance))
                self._post(ev.PlaybackFinished(self._now(), action.utterance))
            case _:
                pass

    def _post(self, event: ev.Event) -> None:
        if isinstance(event, ev.Heard) and event.ear is ev.Ear.TRANSCRIBER:
            self._preparer.take(event)
        else:
            self._events.put(event)


async def hear(
    speech: Speech,
    open_call: Open,
    policy: Policy,
    embedder: SentenceEmbedder,
    work: Executor,
) -> Outcome:
    """One call in real time, until the hand-off or the end of the sentence."""
    began = time.monotonic()

    def now() -> float:
        return time.monotonic() - began

    call = Call(open_call, policy, embedder, work, now)
    running = asyncio.create_task(call.run())
    fed, lateness = 0, 0.0
    while fed < speech.pcm.size and call.handed_off is None:
        due = min(round(now() * RATE) // FRAME * FRAME, speech.pcm.size)
        if due <= fed:
            await asyncio.sleep(0.02 - now() % 0.02)
            continue
        lateness = max(lateness, (due - fed - FRAME) / RATE)
        await call.ears.feed(speech.pcm[fed:due])
        fed = due
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await call.ears.close()
    return Outcome(speech, call.handed_off, call.ear, call.asked, lateness)


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Pure. Milliseconds from the end of the decisive words, of the sentences handed off."""
    after = [outcome.after_s for outcome in outcomes if outcome.after_s is not None]
    within = [o for o in outcomes if o.at is not None and o.at < o.speech.over]
    return {
        "sentences": len(outcomes),
        "handed_off": len(after),
        "handed_off_share": round(len(after) / len(outcomes), 4),
        "before_the_caller_stopped": round(len(within) / len(outcomes), 4),
        "before_the_decisive_words": sum(
            o.at is not None and o.at < o.speech.decisive_from for o in outcomes
        ),
        "decided_ms_p50": _ms(after, 50),
        "decided_ms_p95": _ms(after, 95),
        "decided_ms_max": _ms(after, 100),
        "rest_s_min": round(min(o.speech.over - o.speech.decisive_to for o in outcomes), 2),
        "asked": sum(o.asked for o in outcomes),
        "by_ear": dict(Counter(o.ear for o in outcomes if o.at is not None)),
        "late_frames": sum(o.lateness > LATE_S for o in outcomes),
        "lateness_s_max": round(max(o.lateness for o in outcomes), 2),
    }


def _ms(seconds: Sequence[float], percentile: float) -> float | None:
    return round(1000 * float(np.percentile(seconds, percentile)), 1) if seconds else None


async def measure(limit: int | None, console: Console) -> list[tuple[Sentence, Outcome]]:
    """All sentences, one call each; the first is heard once more before and not counted."""
    settings = load_settings()
    models = settings.paths.models
    listener, voice = listener_folder(models), ZhttsSynthesizer(models)
    whisper = open_apart(
        settings,
        "whisper",
        EngineFolders(whisper=models / "whisper-base"),
        threads=settings.asr.threads,
    )
    embedder, policy = open_embedder(settings), Policy(TriageModel.load())
    embedder.embed(["您好"])
    found = []
    with (
        ThreadPoolExecutor(2) as work,
        ours(
            whisper,
            Listener(listener) if listener else None,
            partial_every_s=settings.asr.partial_every_s,
        ) as open_call,
    ):
        chosen = sentences()[:limit]
        await hear(spoken(voice, chosen[0]), open_call, policy, embedder, work)
        for sentence in track(chosen, description="calls", console=console):
            speech = spoken(voice, sentence)
            outcome = await hear(speech, open_call, policy, embedder, work)
            found.append((sentence, outcome))
    return found


def show(found: Sequence[tuple[Sentence, Outcome]], console: Console) -> None:
    """One line a sentence, for a person."""
    table = Table(title="end of the decisive words → hand-off requested")
    for heading in ("decisive words", "ms", "went on for", "by", ""):
        table.add_column(heading)
    for sentence, outcome in found:
        after, speech = outcome.after_s, outcome.speech
        notes = ["asked"] * outcome.asked
        notes += ["after the sentence"] * (outcome.at is not None and outcome.at >= speech.over)
        table.add_row(
            sentence.decisive,
            "none" if after is None else f"{1000 * after:.0f}",
            f"{speech.over - speech.decisive_to:.1f} s",
            outcome.ear,
            ", ".join(notes),
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.triage_live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--limit", type=int, help="the first so many sentences; all by default")
    parser.add_argument("--json", action="store_true", help="the JSON object alone")
    options = parser.parse_args()
    console = Console(stderr=True, quiet=options.json)
    prepare_threads()
    try:
        found = asyncio.run(measure(options.limit, console))
    except (AsrError, VoicebotError) as error:
        print(error, file=sys.stderr)
        return 1
    show(found, console)
    result = figures([outcome for _, outcome in found])
    if result["late_frames"]:
        console.print(f"In {result['late_frames']} calls something else kept the machine busy.")
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
