"""Triage on recognised speech: labelled lines spoken, telephoned and heard by both ears.

    python -m benchmarks.triage_speech LINES.tsv … --out heard.jsonl --lines 600
    python -m benchmarks.triage_speech LINES.tsv … --out heard.jsonl --tsv recognised_train.tsv
    python -m benchmarks.triage_speech --out heard.jsonl            figures of what is there
    voicebot triage evaluate heard.jsonl --heard heard.jsonl        more figures of the same

Each line has a pitch, a pace, a level and noise of its own, drawn by its id, so that a run that
was cut off goes on where it was and two runs make the same. Lines go through the telephone
simulation in A-law, then through the engines and the fusion of the service. Figures are counts
and shares; no line is printed. The last line on standard output is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from asr.errors import AsrError
from asr.guards import judged
from asr.hypothesis import Hypothesis, Pcm
from asr.listener import Listener
from asr.phonetics import parse_tokens, to_syllables
from asr.whisper import WhisperTranscriber
from benchmarks.scoring import normalise, syllable_error_rate
from benchmarks.speech_data import RATE, listener_folder
from flows.triage import TriageModel, Turn
from flows.triage.cases import Case, read_cases
from flows.triage.errors import ExampleError, InputError
from flows.triage.evaluation import Embed
from flows.triage.report import report
from telephony.codecs import Int16
from telephony.line_simulation import NOISES, LineCondition, simulate_line
from telephony.line_simulation import RATE as LINE_RATE
from telephony.resampling import StreamResampler
from voicebot.call.speech import Synthesizer, ZhttsSynthesizer
from voicebot.call.turn_audio import as_float
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.domain_words import domain_words
from voicebot.errors import SpeechUnavailable, VoicebotError
from voicebot.knowledge import open_embedder

PITCHES = (0.88, 1.12)
"""Least and most: the voice played slower and deeper, or faster and higher."""
LEVELS_DBFS = (-34.0, -18.0)
SNRS_DB = (8.0, 30.0)
NOISY = 0.6
"""Share of the lines with noise behind them."""
LOST = 0.5
"""Syllable error above which a line is not trained on: what its label rests on may be gone."""
ROUTES = ("both ears", "listener only", "transcriber only")

_LATIN = re.compile(r"[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Speaking:
    """How one line is said, and over what line."""

    pitch: float
    level_dbfs: float
    noise: str
    snr_db: float
    seed: int

    @classmethod
    def of(cls, id: str) -> Speaking:
        seed = zlib.crc32(id.encode())
        chance = random.Random(seed)
        return cls(
            round(chance.uniform(*PITCHES), 3),
            round(chance.uniform(*LEVELS_DBFS), 1),
            chance.choice(("pink", "white", "hum")) if chance.random() < NOISY else "",
            round(chance.uniform(*SNRS_DB), 1),
            seed,
        )


def telephoned(pcm: Int16, rate: int, how: Speaking) -> Pcm:
    """Speech as the ears get it, (samples,) float32 at 16 kHz; longer where the pitch is lower."""
    line = simulate_line(
        as_float(pcm),
        round(rate * how.pitch),
        LineCondition(
            level_dbfs=how.level_dbfs,
            noise=NOISES[how.noise] if how.noise else None,
            snr_db=how.snr_db,
            seed=how.seed,
        ),
    )
    return as_float(StreamResampler(LINE_RATE, RATE).push(line.pcm))


def said(voice: Synthesizer, text: str, how: Speaking) -> Pcm:
    """A line with half a second of the line's own noise around it."""
    speech = voice.render(text)
    return telephoned(np.pad(speech.pcm, speech.rate // 2), speech.rate, how)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What each ear had, and what the service makes of the two."""

    both: Hypothesis
    transcriber: Hypothesis
    syllables: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """The fields of `flows.triage.cases`, and the transcriber's own words beside them."""
        return {
            "asr_text": self.both.text,
            "alternatives": list(self.both.alternatives),
            "syllables": list(self.syllables),
            "alone": list(self.transcriber.n_best),
        }


class BothEars:
    """The service's engines on finished utterances; one thread."""

    def __init__(self, models: Path, listener: Path) -> None:
        self._whisper = WhisperTranscriber(models / "whisper-base", threads=1)
        self._listener = Listener(listener)
        self._words = domain_words()

    def recognise(self, pcm: Pcm) -> Recognised:
        alone = self._whisper.transcribe(pcm)
        syllables = self._listener.transcribe(pcm).syllables
        return Recognised(judged(alone, syllables, self._words), alone, syllables)


def chosen(paths: Sequence[Path], lines: int | None, seed: int) -> dict[str, Case]:
    """So many lines of all files, by id; a line keeps its id and its chance to be drawn wherever
    it stands. Those with Latin words, which the voice cannot say, are left out."""
    every = [case for path in paths for case in read_cases(path)]
    sayable = [case for case in every if not _LATIN.search(case.turn.text)]
    drawn = sorted(sayable, key=lambda case: _digest(f"{seed} {case.turn.text}"))[:lines]
    return {_digest(case.turn.text): case for case in drawn}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def labels(id: str, case: Case) -> dict[str, Any]:
    """A line of `flows.triage.cases`."""
    return {
        "id": id,
        "text": case.turn.text,
        "route": case.route,
        "accept": sorted(case.accept),
        "category": case.category,
        "lines": sorted(case.lines),
        "tags": sorted(case.tags),
    }


def rows(path: Path) -> list[dict[str, Any]]:
    """What was recognised before; a last line that was cut off does not count."""
    if not path.exists():
        return []
    whole = path.read_text("utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def recognise(wanted: Mapping[str, Case], path: Path, console: Console) -> None:
    """Appends to the file what it lacks; lines that were spoken before get the labels of now."""
    kept = [
        row | labels(row["id"], wanted[row["id"]]) if row["id"] in wanted else row
        for row in rows(path)
    ]
    path.write_text("".join(_line(row) for row in kept), "utf-8")
    known = {row["id"] for row in kept}
    missing = {id: case for id, case in wanted.items() if id not in known}
    if not missing:
        return
    settings = load_settings()
    listener = listener_folder(settings.paths.models)
    if listener is None:
        raise InputError(f"There is no listener in {settings.paths.models}; run `make setup`.")
    voice = ZhttsSynthesizer(settings.paths.models)
    ears = BothEars(settings.paths.models, listener)
    with path.open("a", encoding="utf-8") as out:
        for id, case in track(missing.items(), description="speaking", console=console):
            begun, how = time.perf_counter(), Speaking.of(id)
            try:
                pcm = said(voice, case.turn.text, how)
            except SpeechUnavailable:
                continue  # dots alone, for a caller who says nothing
            row = labels(id, case) | ears.recognise(pcm).row()
            row |= {"audio_s": round(pcm.size / RATE, 2), "noise": how.noise, "snr_db": how.snr_db}
            row["work_s"] = round(time.perf_counter() - begun, 3)
            out.write(_line(row))
            out.flush()


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def heard_by(ears: str, row: Mapping[str, Any]) -> Turn:
    """The turn that triage is given where these ears are there."""
    syllables = parse_tokens(tuple(row["syllables"]))
    if ears == "listener only":
        return Turn("caller", "", (), syllables)
    if ears == "transcriber only":
        first, *others = row["alone"] or [""]
        return Turn("caller", first, tuple(others))
    return Turn("caller", row["asr_text"], tuple(row["alternatives"]), syllables)


def figures(path: Path, embed: Embed) -> dict[str, dict[str, Any]]:
    """Triage on what was recognised, by the ears that were there, and on what was written."""
    kept, cases = rows(path), read_cases(path)
    model = TriageModel.load()
    sides = {"as written": list(cases)} | {
        ears: [
            replace(case, turn=heard_by(ears, row)) for case, row in zip(cases, kept, strict=True)
        ]
        for ears in ROUTES
    }
    turns = [(case.turn,) for side in sides.values() for case in side]
    texts = list(dict.fromkeys(text for turn in turns for text in model.texts(turn)))
    embeddings = dict(zip(texts, embed(texts), strict=True))
    found = {}
    for name, side in sides.items():
        assessed, milliseconds = [], []
        for case in side:
            begun = time.perf_counter()
            assessed.append(model.assess((case.turn,), embeddings))
            milliseconds.append(1000 * (time.perf_counter() - begun))
        found[name] = report(side, assessed, milliseconds).as_dict()
    return found


def recognition(path: Path) -> dict[str, Any]:
    """How well the lines were recognised, and what it cost."""
    kept = rows(path)
    texts = [row["text"] for row in kept]
    return {
        "lines": len(kept),
        "syllable_error_transcriber": round(
            syllable_error_rate(texts, [row["asr_text"] for row in kept]), 4
        ),
        "syllable_error_listener": round(
            syllable_error_rate(texts, [parse_tokens(tuple(row["syllables"])) for row in kept]), 4
        ),
        "audio_s": round(float(np.mean([row["audio_s"] for row in kept])), 2),
        "work_s": round(float(np.mean([row["work_s"] for row in kept])), 3),
    }


def training_lines(kept: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """In the form of ``flows/triage/data/train_*.tsv``, the text as recognised.

    Left out are lines that were recognised as they were written, which teach nothing new, and
    those of which too little was recognised to bear their label.
    """
    for row in kept:
        said, heard = row["text"], row["asr_text"]
        if normalise(heard) in ("", normalise(said)) or not to_syllables(normalise(said)):
            continue
        if syllable_error_rate([said], [heard]) > LOST:
            continue
        also = [route for route in row["accept"] if route != row["route"]]
        yield "\t".join(
            (
                row["route"],
                ",".join(also),
                str(row["category"] or ""),
                ",".join(row["lines"]),
                ",".join(row["tags"]),
                heard,
            )
        )


def show(found: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """For a person; 95 % intervals after Wilson."""
    table = Table(title="triage on recognised speech")
    table.add_column("")
    for heading in ("recall of 110_now", "false alarms", "route", "category", "asked wrongly"):
        table.add_column(heading, justify="right")
    for name, side in found.items():
        table.add_row(
            name,
            _with_interval(side, "recall"),
            _with_interval(side, "false_alarms"),
            f"{side['accuracy']:.1%}",
            f"{side['category']:.1%}",
            f"{side['asked_wrongly']:.1%}",
        )
    console.print(table)
    for name, side in found.items():
        missed = Counter({tag: bad for tag, (bad, _) in side["missed_by_tag"].items() if bad})
        alarmed = Counter({tag: bad for tag, (bad, _) in side["alarmed_by_tag"].items() if bad})
        console.print(f"{name}: missed by tag {dict(missed)}, alarmed by tag {dict(alarmed)}")


def _with_interval(side: Mapping[str, Any], name: str) -> str:
    low, high = side[f"{name}_interval"]
    return f"{side[name]:.1%} ({low:.1%} to {high:.1%})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.triage_speech",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="*", help="labelled lines, .tsv or .jsonl")
    parser.add_argument("--out", type=Path, required=True, help="JSON Lines; what is there is kept")
    parser.add_argument("--lines", type=int, help="so many of the sources' lines; all by default")
    parser.add_argument("--seed", type=int, default=110, help="of the draw (110)")
    parser.add_argument("--tsv", type=Path, help="make training lines, and no figures")
    parser.add_argument("--json", action="store_true", help="the JSON object alone")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    prepare_threads()
    try:
        if options.sources:
            wanted = chosen(options.sources, options.lines, options.seed)
            recognise(wanted, options.out, console)
        kept = rows(options.out)
        if not kept:
            raise InputError(f"There is nothing in {options.out}; name labelled lines to speak.")
        if options.tsv:
            lines = list(training_lines(kept))
            options.tsv.write_text("".join(line + "\n" for line in lines), "utf-8")
            print(json.dumps({"recognition": recognition(options.out), "training": len(lines)}))
            return 0
        found = figures(options.out, open_embedder(load_settings()).embed)
    except (AsrError, ExampleError, InputError, VoicebotError) as error:
        print(error, file=sys.stderr)
        return 1
    show(found, console)
    print(json.dumps({"recognition": recognition(options.out), **found}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
