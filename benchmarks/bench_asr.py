"""Recognition of telephone speech: accuracy and cost, ours against faster-whisper used plainly.

Both sides use the same Whisper model, beam and threads (the service's) on the same recordings in
one run, utterance by utterance in turn, and hear what the service hears: 8 kHz A-law in frames of
20 ms, through its resampler, as 16-bit samples. Ours is the shortened window, its guards and the
listener's re-ranking, whose cost is counted; the plain way is the ordinary 30 s window.

    python benchmarks/bench_asr.py [--data ../shared/data] [--limit 20] [--threads 1]

The last line on standard output is one JSON object; ``ratio_cpu`` is plain ÷ ours.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soxr

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from asr.audio import read  # noqa: E402
from asr.cleaning import bare, simplify  # noqa: E402
from asr.errors import AsrError  # noqa: E402
from asr.hypothesis import Pcm  # noqa: E402
from asr.listener import Listener  # noqa: E402
from asr.phonetics import read_digits  # noqa: E402
from asr.rerank import rerank  # noqa: E402
from asr.whisper import WhisperTranscriber  # noqa: E402
from telephony.codecs import FRAME_SECONDS, WireFormat  # noqa: E402
from telephony.resampling import StreamResampler  # noqa: E402
from voicebot.config import load_settings  # noqa: E402

RATE = 16_000
LISTENER = "sherpa-onnx-kws-zipformer-wenetspeech-3.3M-2024-01-01-mobile"
_BRACKETS = re.compile(r"[（(【\[][^）)】\]]*[）)】\]]")
_ALIKE = str.maketrans("幺两", "一二")


def telephone(pcm: Pcm) -> Pcm:
    """16 kHz → a trunk's 8 kHz G.711 A-law → 16 kHz as the service makes it of the frames."""
    wire = WireFormat.named("alaw")
    narrow = np.rint(soxr.resample(pcm, RATE, wire.sample_rate).clip(-1, 1) * 32767)
    resampler = StreamResampler(wire.sample_rate, RATE)
    frame = round(wire.sample_rate * FRAME_SECONDS)
    heard = [
        resampler.push(wire.decode(wire.encode(narrow[begin : begin + frame].astype(np.int16))))
        for begin in range(0, narrow.size, frame)
    ]
    return np.concatenate(heard).astype(np.float32) / 32768.0


def normalise(text: str) -> str:
    """Brackets ignored, simplified, figures written out, 幺 = 一, 两 = 二, no punctuation."""
    return bare(read_digits(simplify(_BRACKETS.sub("", text)))).translate(_ALIKE)


class Side:
    """One way of recognising: what it heard and the processor time it took, all threads."""

    def __init__(self, transcribe: Callable[[Pcm], str]) -> None:
        self._transcribe = transcribe
        self.texts: list[str] = []
        self.cpu = 0.0

    def warm_up(self, pcm: Pcm) -> None:
        self._transcribe(pcm)

    def hear(self, pcm: Pcm) -> None:
        begun = time.process_time()
        text = self._transcribe(pcm)
        self.cpu += time.process_time() - begun
        self.texts.append(normalise(text))


def ours(model: Path, listener_dir: Path, threads: int) -> Side:
    whisper = WhisperTranscriber(model, threads=threads)
    listener = Listener(listener_dir) if listener_dir.exists() else None

    def transcribe(pcm: Pcm) -> str:
        heard = whisper.transcribe(pcm)
        if listener is not None and heard.alternatives:
            heard = rerank(heard, listener.transcribe(pcm).syllables)
        return heard.text

    return Side(transcribe)


def plain(model: Path, threads: int) -> Side:
    from faster_whisper import WhisperModel

    whisper: Any = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(pcm: Pcm) -> str:
        segments, _ = whisper.transcribe(pcm, language="zh", beam_size=5)
        return "".join(segment.text for segment in segments)

    return Side(transcribe)


def error_rate(references: list[str], texts: list[str]) -> float:
    import jiwer

    return float(jiwer.cer(references, texts))


def load(data: Path, limit: int | None) -> list[dict[str, Any]]:
    listing = data / "speech" / "dev.jsonl"
    if not listing.exists():
        sys.exit(f"{listing} is not there. Say where the evaluation data is with --data.")
    rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines() if line.strip()]
    human = [
        row
        for row in rows
        if str(row.get("reference")).startswith("human") and normalise(row["text"])
    ]
    if limit is not None and limit < len(human):  # spread over all sources
        human = [human[i] for i in np.linspace(0, len(human) - 1, limit).astype(int)]
    return human


def main() -> None:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models")
    parser.add_argument("--listener", type=Path, help="the listener's model folder")
    parser.add_argument("--limit", type=int, help="only so many utterances, spread over all")
    parser.add_argument("--threads", type=int, help="as configured (asr.threads) unless given")
    options = parser.parse_args()
    threads = options.threads or load_settings().asr.threads

    console = Console(stderr=True)
    rows = load(options.data, options.limit)
    listener_dir = options.listener or options.models / "listener"
    if not listener_dir.exists():
        listener_dir = ROOT.parent / "shared" / "models" / LISTENER
    try:
        model = options.models / "whisper-base"
        sides = {
            "ours": ours(model, listener_dir, threads),
            "plain": plain(model, threads),
        }
    except AsrError as error:
        sys.exit(str(error))

    references, seconds = [], 0.0
    by_source: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(track(rows, description="recognising", console=console)):
        pcm = telephone(read(options.data / "speech" / row["path"]))
        for side in sides.values():
            if not index:
                side.warm_up(pcm)
            side.hear(pcm)
        references.append(normalise(row["text"]))
        by_source[row["path"].split("/")[0]].append(index)
        seconds += pcm.size / RATE

    table = Table(title=f"{len(rows)} utterances, {seconds:.0f} s, 8 kHz A-law, threads {threads}")
    for heading in ("character error rate", "utterances", *sides):
        table.add_column(heading, justify="left" if heading[0] == "c" else "right")
    for source, indices in [*sorted(by_source.items()), ("all", list(range(len(rows))))]:
        rates = [
            error_rate([references[i] for i in indices], [side.texts[i] for i in indices])
            for side in sides.values()
        ]
        table.add_row(source, str(len(indices)), *(f"{rate:.1%}" for rate in rates))
    console.print(table)

    result: dict[str, Any] = {
        name: {
            "cer": round(error_rate(references, side.texts), 4),
            "cpu_s_per_audio_s": round(side.cpu / seconds, 4),
        }
        for name, side in sides.items()
    }
    result["ratio_cpu"] = round(sides["plain"].cpu / sides["ours"].cpu, 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
