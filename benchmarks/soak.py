"""Hours of calls through a real Asterisk: does anything grow, drift or stutter?

    make soak MINUTES=120 CALLS=8

Callers on the carrier's trunk ask questions, listen, and hang up after a minute or so, one
after the other on every line. What is measured, at the telephones' wire and in the
processes: the gaps between frames, the delay from the bot's word to the caller's ear, the
memory and the open descriptors of service and PBX, and the lag of the service's event loop.
The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import descriptors, megabytes
from benchmarks.trial_service import TrialError, TrialService
from benchmarks.voices import render
from tests.asterisk.pbx import CARRIER_PORTS, Pbx, installed
from tests.asterisk.phones import Phone, Step, answered, play, wait

QUESTIONS = (
    "你好，我想问一下社保卡丢了怎么补办？",
    "请问公积金怎么提取，需要带什么材料？",
    "我想问一下居住证在哪里办。",
    "小区里晚上施工噪音很大，应该找谁投诉？",
    "请问新生儿怎么上户口？",
    "我想咨询一下失业金怎么领。",
    "医保异地报销怎么办理？",
    "请问残疾人补贴要怎么申请？",
)

PER_PHONE = 2
"""Calls that one telephone process holds; it can do four."""
SAMPLE_S = 10.0
LATE_S = 0.06


@dataclass
class Measured:
    """Everything that was seen, with monotonic times."""

    gaps_ms: list[float] = field(default_factory=list)
    first_sound_s: list[tuple[float, float]] = field(default_factory=list)
    ear_ms: list[tuple[float, float]] = field(default_factory=list)
    """(when, delay from the bot's first word to the caller's ear)."""
    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    descriptors: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    lag_ms: list[tuple[float, float]] = field(default_factory=list)
    """(when, 99th percentile of the event loop's lag)."""
    calls: int = 0
    unanswered: int = 0
    dropped: int = 0


class Soak:
    """All lines at once, for a while."""

    def __init__(self, folder: Path, calls: int, seed: int) -> None:
        self.folder, self._calls, self._rng = folder, calls, random.Random(seed)
        self.measured = Measured()
        self._lock = threading.Lock()
        self._questions = [
            render(text, folder / f"question-{n}.wav") for n, text in enumerate(QUESTIONS)
        ]
        self.pbx = Pbx().start()
        self.service = TrialService(
            folder,
            {
                "VOICEBOT_ASTERISK__URL": self.pbx.ari_url,
                "VOICEBOT_ASTERISK__PASSWORD_FILE": str(self.pbx.password_file()),
                "VOICEBOT_ADMISSION__CALLS": str(calls),
                "VOICEBOT_HANDOFF__DESK_URL": "trunk:police/{number}",
                "VOICEBOT_HANDOFF__SEAT_URL": "trunk:seats/1001",
            },
        )
        self.service.start()

    def close(self) -> None:
        self.service.close()
        self.pbx.close()

    def run(self, seconds: float) -> None:
        """Until the time is over and the last calls are."""
        ends = time.monotonic() + seconds
        phones = [
            Phone(port, self.folder / f"phone-{port}")
            for port in CARRIER_PORTS[: -(-self._calls // PER_PHONE)]
        ]
        lines = [
            threading.Thread(target=self._line, args=(phones[n // PER_PHONE], n, ends))
            for n in range(self._calls)
        ]
        for line in lines:
            line.start()
        while any(line.is_alive() for line in lines):
            self._sample()
            time.sleep(SAMPLE_S)
            self._show(ends)
        for phone in phones:
            phone.close()

    def _line(self, phone: Phone, number: int, ends: float) -> None:
        time.sleep(number * 0.7)
        while time.monotonic() < ends:
            self._one_call(phone, ends)

    def _one_call(self, phone: Phone, ends: float) -> None:
        with self._lock:
            caller = f"137{self._rng.randrange(10**8):08d}"
            wavs = self._rng.sample(self._questions, 3)
            length = self._rng.uniform(40, 90)
            call = phone.call("12345", caller=caller, steps=_conversation(wavs))
        measured = self.measured
        measured.calls += 1
        try:
            up = phone.wait_for("up", call=call, timeout_s=20).at
        except AssertionError:
            measured.unanswered += 1
            time.sleep(2)
            return
        time.sleep(min(length, max(0.0, ends - time.monotonic())))
        heard = phone.heard(call)
        if phone.seen("ended", call):
            measured.dropped += not self.service.first(up, kind="call", state="ended")
        else:
            phone.hang_up(call)
        with self._lock:
            measured.gaps_ms.extend((1000 * np.diff(heard.times)).round(2).tolist())
            first = heard.first_sound_at(up)
            if first is not None:
                measured.first_sound_s.append((up, first - up))
            measured.ear_ms.extend(self._ear_delays(heard, caller))

    def _ear_delays(self, heard: Any, caller: str) -> list[tuple[float, float]]:
        """From each `say` of this call to the first sound after a quiet moment."""
        told = [each for each in self.service.told if each[1]["kind"] != "hypothesis"]
        ids = {m["call_id"] for _, m in told if m.get("caller", "").endswith(caller[-4:])}
        found = []
        for at, message in told:
            if message["kind"] == "say" and message["call_id"] in ids:
                before = heard.between(at - 0.2, at)
                first = heard.first_sound_at(at)
                if len(before.times) and not before.sounding().any() and first is not None:
                    found.append((at, 1000 * (first - at)))
        return [each for each in found if each[1] < 2000]

    def _sample(self) -> None:
        now = time.monotonic()
        for name, pid in (("service", self.service.pid), ("asterisk", self.pbx.pid)):
            self.measured.memory_mb.setdefault(name, []).append((now, megabytes(pid)))
            self.measured.descriptors.setdefault(name, []).append((now, descriptors(pid)))
        health = self.service.health()
        if "loop_lag_ms" in health:
            self.measured.lag_ms.append((now, health["loop_lag_ms"]["p99"]))

    def _show(self, ends: float) -> None:
        m = self.measured
        memory = "  ".join(
            f"{name} {values[-1][1]:.0f} MB, {m.descriptors[name][-1][1]:.0f} descriptors"
            for name, values in m.memory_mb.items()
        )
        lag = f"{m.lag_ms[-1][1]:.1f} ms" if m.lag_ms else "unknown"
        print(
            f"{max(0, ends - time.monotonic()) / 60:5.1f} min left  calls {m.calls}  "
            f"unanswered {m.unanswered}  dropped {m.dropped}  {memory}  loop lag p99 {lag}",
            flush=True,
        )


def _conversation(wavs: Sequence[Path]) -> tuple[Step, ...]:
    steps: list[Step] = [answered(), wait(7.0)]
    for wav in wavs:
        steps += [play(wav), wait(18.0)]
    return tuple(steps)


def summary(measured: Measured, minutes: float, calls: int, seed: int) -> dict[str, Any]:
    """The figures; growth and drift compare the first and the last quarter of the time."""
    gaps = np.array(measured.gaps_ms or [0.0])
    first, last = _quarters(measured.ear_ms)
    return {
        "minutes": minutes,
        "lines": calls,
        "calls": measured.calls,
        "unanswered": measured.unanswered,
        "dropped": measured.dropped,
        "gap_ms_p50": round(float(np.quantile(gaps, 0.5)), 1),
        "gap_ms_p99": round(float(np.quantile(gaps, 0.99)), 1),
        "gap_ms_max": round(float(gaps.max()), 1),
        "late_frames": int((gaps > 1000 * LATE_S).sum()),
        "frames": len(gaps),
        "ear_ms_first_quarter": first,
        "ear_ms_last_quarter": last,
        "memory_mb": {name: _quarters(each) for name, each in measured.memory_mb.items()},
        "descriptors": {name: _quarters(each) for name, each in measured.descriptors.items()},
        "loop_lag_ms_p99": _quarters(measured.lag_ms),
        "loop_lag_ms_p99_worst": max((lag for _, lag in measured.lag_ms), default=None),
        "seed": seed,
    }


def _quarters(values: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Medians of the first and the last quarter of the time."""
    if not values:
        return None, None
    times = np.array([at for at, _ in values])
    sizes = np.array([size for _, size in values])
    span = times[-1] - times[0]
    early, late = sizes[times <= times[0] + span / 4], sizes[times >= times[-1] - span / 4]
    return round(float(np.median(early)), 1), round(float(np.median(late)), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for what was heard and the logs")
    given = parser.parse_args()
    if not installed():
        sys.exit("Asterisk is not there: run `make asterisk`.")
    if not 1 <= given.calls <= PER_PHONE * len(CARRIER_PORTS):
        sys.exit(f"--calls must be 1 to {PER_PHONE * len(CARRIER_PORTS)}.")
    folder = (given.keep or Path(tempfile.mkdtemp(prefix="soak-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    soak = Soak(folder, given.calls, given.seed)
    try:
        soak.run(60 * given.minutes)
    except TrialError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        soak.close()
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(summary(soak.measured, given.minutes, given.calls, given.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
