"""The development speech, as the telephone brings it to the service."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soxr

from asr.audio import read
from asr.hypothesis import Pcm
from asr.segmentation import frame_levels
from benchmarks.scoring import normalise
from telephony.codecs import FRAME_SECONDS, WireFormat
from telephony.resampling import StreamResampler

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
LISTENER = "sherpa-onnx-kws-zipformer-wenetspeech-3.3M-2024-01-01-mobile"
RATE = 16_000


@dataclass(frozen=True)
class Utterance:
    """A recording with what a human wrote of it."""

    path: Path
    source: str
    text: str

    @cached_property
    def pcm(self) -> Pcm:
        """As the service hears it, (samples,) float32 at 16 kHz."""
        return telephone(read(self.path))

    @property
    def seconds(self) -> float:
        return self.pcm.size / RATE


_BELOW_SPEECH_DB = 15.0
_FEWEST_FRAMES = 3  # of 20 ms: a click is no speech


def spoken_extent(pcm: Pcm) -> tuple[float, float] | None:
    """First and last second of plainly audible speech; None where there is none.

    Within 15 dB of the loudest: the recordings have breath and room noise before it.
    """
    levels = frame_levels(pcm)
    if not levels.size:
        return None
    loud = levels > np.percentile(levels, 95) - _BELOW_SPEECH_DB
    runs = np.flatnonzero(np.convolve(loud, np.ones(_FEWEST_FRAMES), "valid") == _FEWEST_FRAMES)
    if not runs.size:
        return None
    return runs[0] * 0.02, (runs[-1] + _FEWEST_FRAMES) * 0.02


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


def load(data: Path, limit: int | None = None) -> list[Utterance]:
    """What humans transcribed, in the order of the list; `limit` of it, spread over all sources."""
    listing = data / "speech" / "dev.jsonl"
    if not listing.exists():
        sys.exit(f"{listing} is not there. Say where the evaluation data is with --data.")
    rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines() if line.strip()]
    human = [
        Utterance(listing.parent / row["path"], row["path"].split("/")[0], row["text"])
        for row in rows
        if str(row.get("reference")).startswith("human") and normalise(row["text"])
    ]
    if limit is not None and limit < len(human):
        return [human[i] for i in np.linspace(0, len(human) - 1, limit).astype(int)]
    return human


def listener_folder(models: Path) -> Path | None:
    """The fetched listener, else the one beside the project; None where there is neither."""
    folders = (models / "listener", SHARED / "models" / LISTENER)
    return next((folder for folder in folders if folder.exists()), None)
