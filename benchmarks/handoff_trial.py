"""Hand-offs over real SIP with faults at random moments: is anybody dropped?

    make handoff-trial N=50                     (ARGS="--seed 7 --keep var/trial" to repeat one)
    make handoff-trial N=20 ARGS="--endpoint sip"       without a PBX

Each run is one call: a person on the carrier's trunk says that the kitchen is on fire, the
real service (recognition, triage, dialogue) hands over to 110's telephone through Asterisk,
and something goes wrong on purpose. What counts is what the caller's telephone heard.

*Dropped* is a caller who was hung up, or who heard no sound for more than 4 s, between
the answer and the hang-up of our own (DESIGN.md, Hand-off). The last line of the output is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from benchmarks.trial_service import TrialError, TrialService
from benchmarks.voices import speak
from tests.asterisk.pbx import (
    CARRIER_PORTS,
    POLICE_PORT,
    SEATS_PORT,
    SIP_PORT,
    Pbx,
    installed,
)
from tests.asterisk.phones import (
    FRAME,
    RATE,
    Heard,
    Phone,
    Step,
    announcement_then_person,
    answered,
    answers,
    busy_notice,
    busy_tone_wav,
    declines,
    hang_up,
    hangs_up_after,
    hangs_up_at_once,
    loop,
    reject,
    rings_for_ever,
    silent_after_answer,
    write_wav,
)

CALLER = "我家厨房着火了，火很大，快派人来，有人被困在里面。"
OFFICER = "你好，海口一一零，请讲，你在什么位置？"
ANNOUNCEMENT = "您好，这里是海口市公安局报警服务台，正在为您转接人工，请稍候。"
AGENT = "您好，一二三四五人工座席为您服务，请问有什么可以帮您？"

DROPPED_S = 4.0
SETTLED_S = 3.0
"""How long caller and desk must hear each other before a run counts as connected."""
PATIENCE_S = 75.0

FAULTS = (
    "none",
    "busy",
    "declines",
    "busy_notice",
    "rings_for_ever",
    "silent_desk",
    "hangs_up_at_once",
    "desk_hangs_up_in_sentence",
    "desk_killed",
    "announcement_then_person",
    "caller_hangs_up",
    "bot_killed",
    "bot_frozen",
    "ari_restarted",
    "media_cut",
)
OF_A_PBX = ("ari_restarted", "media_cut")


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Parameters:
        at_s: when the fault comes, seconds after the answer; the desk's own comes so long
            after it has gone off-hook, or half as long.
    """

    number: int
    fault: str
    at_s: float
    caller: str


@dataclass(slots=True)
class Outcome:
    """What became of one run; times in milliseconds, None where nothing was measured."""

    number: int
    fault: str
    at_s: float
    connected: str = ""
    """``110``, ``human`` or nothing."""
    dropped: str = ""
    """Why the caller counts as dropped."""
    silence_s: float = 0.0
    number_carried: bool | None = None
    ring_ms: float | None = None
    both_hear_ms: float | None = None
    too_early: bool | None = None
    """110 counted as connected before anybody had spoken there."""
    recorded: bool | None = None
    """The recording holds the caller and 110; None where the bot was dead meanwhile."""
    leftovers: list[str] = field(default_factory=list)
    """Channels that outlived the call."""


def plans(count: int, seed: int, kinds: Sequence[str] = FAULTS) -> list[Plan]:
    """Every fault about equally often, in random order, at random moments."""
    rng = random.Random(seed)
    faults = [kinds[n % len(kinds)] for n in range(count)]
    rng.shuffle(faults)
    return [
        Plan(n, fault, round(rng.uniform(0.0, 9.0), 2), f"139{rng.randrange(10**8):08d}")
        for n, fault in enumerate(faults, 1)
    ]


PART = RATE * 4 // 5


def heard_at(heard: Heard, voice: npt.NDArray[np.int16], likeness: float = 0.4) -> float | None:
    """When `voice` was first heard: the time of its beginning, by correlation.

    G.711 and mixing leave a known voice plain to see in the waveform; 0.8 s of another
    sentence of the same voice stay below the likeness.
    """
    part = voice[:PART].astype(np.float64)
    samples = heard.samples.astype(np.float64)
    if len(samples) < len(part):
        return None
    size = 1 << int(len(samples) + len(part) - 1).bit_length()
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(part, size))
    products = np.fft.irfft(product, size)[: len(samples) - len(part) + 1]
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    under = energy[len(part) :] - energy[: len(samples) - len(part) + 1]
    alike = products / np.sqrt(np.maximum(under, 1.0) * float(np.sum(part**2)))
    found = np.flatnonzero(alike >= likeness)
    return float(heard.times[found[0] // (RATE // 50)]) if len(found) else None


def heard_since(heard: Heard, voice: npt.NDArray[np.int16]) -> float | None:
    """Since when a voice that is played again and again has been heard without a gap.

    Its own pauses are none: what must have been heard at every moment is known from where
    one part of it was found.
    """
    found = [
        (at, part)
        for part in range(0, len(voice) - PART, PART // 2)
        if (at := heard_at(heard, voice[part:])) is not None
    ]
    if not found:
        return None
    at, part = min(found)
    # What must have been heard until the end of that part: the loop, as often as it takes.
    frames = int(np.searchsorted(heard.times, at)) + PART // FRAME
    played = np.concatenate(
        [np.tile(voice, -(-frames * FRAME // len(voice))), voice[: part + PART]]
    )
    due = Heard(played[-frames * FRAME :], heard.times[:frames]).sounding()
    silent = due & ~heard.sounding()[:frames]
    # Three frames together: the edges of a word fall into one frame or the next.
    missed = np.flatnonzero(silent[:-2] & silent[1:-1] & silent[2:])
    return float(heard.times[missed[-1] + 3 if len(missed) else 0])


class Trial:
    """The parties of all runs; one run at a time, since a dead bot is everybody's."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.voices = {name: self._voice(name, text) for name, text in VOICES.items()}
        self.pbx = Pbx().start() if endpoint == "asterisk" else None
        self.service = TrialService(
            folder,
            {
                **(_behind(self.pbx) if self.pbx is not None else _DIRECT),
                "VOICEBOT_HANDOFF__DESK_URL": "trunk:police/{number}",
                "VOICEBOT_HANDOFF__SEAT_URL": "trunk:seats/1001",
                "VOICEBOT_HANDOFF__ANSWER_TIMEOUT_S": "6",
            },
        )
        self.service.start()
        if self.pbx is not None:
            self.service.beside("watchdog")
        self.seats = Phone(SEATS_PORT, folder / "seats")
        self.seats.script(*answers(self.wav("seat")))
        self._callers: set[str] = set()
        """Numbers of the runs before: a desk that was dead gets their INVITEs late."""

    def close(self) -> None:
        self.seats.close()
        self.service.close()
        if self.pbx is not None:
            self.pbx.close()

    def run(self, plan: Plan) -> Outcome:
        """One call from its first ring to the last channel."""
        self.service.start()
        outcome = Outcome(plan.number, plan.fault, plan.at_s)
        folder = self.folder / f"run-{plan.number:03d}"
        with (
            Phone(POLICE_PORT, folder / "110") as police,
            Phone(CARRIER_PORTS[0], folder / "caller") as phone,
        ):
            police.script(*self._desk(plan))
            began = time.monotonic()
            call = phone.call(
                "12345", caller=plan.caller, steps=(answered(), loop(self.wav("caller")))
            )
            up = phone.wait_for("up", call=call, timeout_s=10).at
            try:
                self._go_on(plan, outcome, police, phone, call, up)
            finally:
                self.service.freeze(False)
            hung_up = time.monotonic()
            if phone.seen("ended", call):
                outcome.dropped = "hung up"
            self._judge(outcome, plan, police, phone.heard(call).between(up, hung_up), began)
            phone.then(call, hang_up())
            phone.wait_for("ended", call=call, timeout_s=10)
        if outcome.connected == "110" and plan.fault in ("none", "media_cut", "ari_restarted"):
            outcome.recorded = self._recorded(began)
        outcome.leftovers = self._leftovers()  # desks may have gone on among themselves
        return outcome

    def _desk(self, plan: Plan) -> tuple[Step, ...]:
        script = self._desk_scripts(plan).get(plan.fault)
        return script() if script else answers(self.wav("officer"), after_s=0.6)

    def _desk_scripts(self, plan: Plan) -> dict[str, Callable[[], tuple[Step, ...]]]:
        """What 110's desk does by fault, where the fault is the desk's."""
        wav = self.wav("officer")
        return {
            "busy": lambda: (reject(486),),
            "declines": declines,
            "busy_notice": lambda: busy_notice(busy_tone_wav(self.folder / "busy.wav")),
            "rings_for_ever": rings_for_ever,
            "silent_desk": silent_after_answer,
            "hangs_up_at_once": hangs_up_at_once,
            "desk_hangs_up_in_sentence": lambda: hangs_up_after(wav, 1.0 + plan.at_s / 2),
            "announcement_then_person": lambda: announcement_then_person(
                self.wav("announcement"), wav
            ),
        }

    def _go_on(
        self, plan: Plan, outcome: Outcome, police: Phone, phone: Phone, call: int, up: float
    ) -> None:
        """Until somebody human has had the caller for a while, or patience is over."""
        pending = self._fault(plan, police)
        wav = self.wav("officer")
        rescripted, together_since, party = False, 0.0, ""
        while time.monotonic() - up < PATIENCE_S:
            now = time.monotonic()
            if pending is not None and self._due(plan, police, now - up):
                pending()
                pending = None
                together_since, party = 0.0, ""  # it must hold after the fault
            if plan.fault == "caller_hangs_up" and now - up >= plan.at_s:
                return
            if plan.fault != "desk_killed" and not rescripted and police.seen("incoming"):
                rescripted = True  # the fault is of the first call alone
                police.script(*answers(wav, after_s=0.3))
            if phone.seen("ended", call):
                return
            latest = phone.heard(call).last(2.0)
            found = self._party(latest)
            if not found or found != party:
                party, together_since = found, now if found else 0.0
            steady = now - together_since >= SETTLED_S if together_since else False
            desk_lost = plan.fault == "desk_hangs_up_in_sentence" and not police.seen("ended")
            if steady and pending is None and not desk_lost:
                outcome.connected = party
                return
            time.sleep(0.2)

    @staticmethod
    def _due(plan: Plan, police: Phone, since_up: float) -> bool:
        """The moment of a fault has come."""
        if plan.fault != "desk_killed":
            return since_up >= plan.at_s
        up = police.seen("up")
        return bool(up) and time.monotonic() - up[0].at >= plan.at_s / 2

    def _party(self, heard: Heard) -> str:
        for name, connected in (("officer", "110"), ("seat", "human")):
            if heard_at(heard, self.voices[name]) is not None:
                return connected
            if self._within(heard, self.voices[name]):
                return connected
        return ""

    @staticmethod
    def _within(heard: Heard, voice: npt.NDArray[np.int16]) -> bool:
        """Any part of the voice is heard, not its beginning alone."""
        return any(
            heard_at(heard, voice[at : at + PART]) is not None
            for at in range(PART, len(voice) - PART, PART)
        )

    def _fault(self, plan: Plan, police: Phone) -> Callable[[], object] | None:
        faults: dict[str, Callable[[], object]] = {
            "bot_killed": self.service.kill,
            "bot_frozen": lambda: self.service.freeze(True),
            "desk_killed": police.kill,
        }
        pbx = self.pbx
        if pbx is not None:
            faults["ari_restarted"] = lambda: pbx.cli("module reload http")
            faults["media_cut"] = lambda: _cut_media(pbx)
        return faults.get(plan.fault)

    def _judge(
        self, outcome: Outcome, plan: Plan, police: Phone, heard: Heard, began: float
    ) -> None:
        outcome.silence_s = round(heard.longest_silence_s(), 2)
        if outcome.silence_s > DROPPED_S and plan.fault != "caller_hangs_up":
            outcome.dropped = outcome.dropped or f"{outcome.silence_s:.1f} s of silence"
        if not outcome.connected and plan.fault != "caller_hangs_up":
            outcome.dropped = outcome.dropped or f"nobody in {PATIENCE_S:.0f} s"
        incoming = [
            each
            for each in police.seen("incoming")
            if not any(caller in each.headers.get("from", "") for caller in self._callers)
        ]
        self._callers.add(plan.caller)
        if incoming:
            outcome.number_carried = all(
                plan.caller in each.headers.get(name, "")
                for each in incoming
                for name in ("from", "p-asserted-identity")
            )
            asked = self.service.first(began, kind="transfer", state="requested")
            if asked is not None and asked < incoming[0].at:
                outcome.ring_ms = round(1000 * (incoming[0].at - asked), 1)
        if plan.fault == "announcement_then_person":
            confirmed = self.service.first(began, kind="transfer", state="confirmed")
            spoke = [each.at for each in police.seen("plays") if each.call == 1][1:]
            outcome.too_early = confirmed is not None and not (spoke and spoke[0] <= confirmed)
        if outcome.connected == "110" and plan.fault not in self._desk_scripts(plan):
            outcome.both_hear_ms = self._both_hear(heard, police)

    def _both_hear(self, heard: Heard, police: Phone) -> float | None:
        """From 110's off-hook until caller and desk have both heard the other."""
        answer = police.seen("up")[0]
        # A desk tells that it is off-hook a little after it is.
        caller = heard_since(heard.between(answer.at - 0.1), self.voices["officer"])
        desk = heard_since(police.heard(answer.call), self.voices["caller"])
        if caller is None or desk is None:
            return None
        return round(1000 * (max(caller, desk) - answer.at), 1)

    def _recorded(self, began: float) -> bool:
        """Left is the caller, right everybody else."""
        folder = self.service.folder / "state" / "recordings"
        path = max(folder.glob("*.wav"), key=lambda each: each.stat().st_mtime)
        pcm, rate = sf.read(path, dtype="int16", always_2d=True)
        if rate != RATE or time.time() - path.stat().st_mtime > time.monotonic() - began + 5:
            return False
        frames = len(pcm) // FRAME
        times = np.arange(frames) * FRAME / RATE
        left, right = (
            Heard(np.ascontiguousarray(pcm[: frames * FRAME, side]), times) for side in (0, 1)
        )
        # Somebody else may have spoken at the beginning of either.
        return all(
            heard_at(side, self.voices[name]) is not None or self._within(side, self.voices[name])
            for side, name in ((left, "caller"), (right, "officer"))
        )

    def _leftovers(self) -> list[str]:
        if self.pbx is None:
            return []
        deadline = time.monotonic() + 8
        while (left := self.pbx.channels()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for channel in left:
            self.pbx.cli(f"channel request hangup {channel}")
        return left

    def wav(self, name: str) -> Path:
        """What the caller, the officer or the seat says, as a telephone plays it."""
        return self.folder / f"{name}.wav"

    def _voice(self, name: str, text: str) -> npt.NDArray[np.int16]:
        pcm = speak(text)
        write_wav(self.wav(name), pcm)
        return pcm


def _behind(pbx: Pbx) -> dict[str, str]:
    return {
        "VOICEBOT_ASTERISK__URL": pbx.ari_url,
        "VOICEBOT_ASTERISK__PASSWORD_FILE": str(pbx.password_file()),
    }


_DIRECT = {
    "VOICEBOT_SIP__ENABLED": "true",
    "VOICEBOT_SIP__PORT": str(SIP_PORT),
    "VOICEBOT_SIP__TRUNKS": json.dumps(
        {"police": f"sip:127.0.0.1:{POLICE_PORT}", "seats": f"sip:127.0.0.1:{SEATS_PORT}"}
    ),
    "VOICEBOT_SIP__FALLBACK": "seats/1001",
}


def _cut_media(pbx: Pbx) -> None:
    for channel in pbx.channels():
        if channel.startswith("WebSocket/"):
            pbx.cli(f"channel request hangup {channel}")


VOICES = {"caller": CALLER, "officer": OFFICER, "seat": AGENT, "announcement": ANNOUNCEMENT}


def summary(outcomes: Sequence[Outcome], seed: int) -> dict[str, object]:
    """The JSON line of the contract."""

    def percentile(values: list[float], share: float) -> float | None:
        return round(float(np.quantile(values, share)), 1) if values else None

    rings = [each.ring_ms for each in outcomes if each.ring_ms is not None]
    hears = [each.both_hear_ms for each in outcomes if each.both_hear_ms is not None]
    carried = [each.number_carried for each in outcomes if each.number_carried is not None]
    return {
        "runs": len(outcomes),
        "dropped": sum(bool(each.dropped) for each in outcomes),
        "connected_110": sum(each.connected == "110" for each in outcomes),
        "connected_human": sum(each.connected == "human" for each in outcomes),
        "number_carried": round(sum(carried) / len(carried), 4) if carried else None,
        "ring_ms_p50": percentile(rings, 0.5),
        "ring_ms_p95": percentile(rings, 0.95),
        "both_hear_ms_p95": percentile(hears, 0.95),
        "recorded": sum(bool(each.recorded) for each in outcomes),
        "not_recorded": sum(each.recorded is False for each in outcomes),
        "too_early": sum(bool(each.too_early) for each in outcomes),
        "leftovers": sum(len(each.leftovers) for each in outcomes),
        "seed": seed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="repeats a trial")
    parser.add_argument("--keep", type=Path, help="folder for what was heard and the logs")
    parser.add_argument("--fault", choices=FAULTS, help="this one alone")
    parser.add_argument("--endpoint", choices=("asterisk", "sip"), default="asterisk")
    given = parser.parse_args()
    if given.endpoint == "asterisk" and not installed():
        sys.exit("Asterisk is not there: run `make asterisk`.")
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    folder = (given.keep or Path(tempfile.mkdtemp(prefix="trial-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    possible = [each for each in FAULTS if given.endpoint == "asterisk" or each not in OF_A_PBX]
    planned = plans(given.runs, seed, (given.fault,) if given.fault else possible)
    outcomes: list[Outcome] = []
    trial = Trial(folder, given.endpoint)
    try:
        for plan in planned:
            outcome = trial.run(plan)
            outcomes.append(outcome)
            print(
                f"{plan.number:3d}/{len(planned)}  {plan.fault:26s} at {plan.at_s:4.1f} s  "
                f"{outcome.connected or '-':6s} silence {outcome.silence_s:4.1f} s  "
                f"ring {outcome.ring_ms} ms  hear {outcome.both_hear_ms} ms  "
                f"{'TOO EARLY ' if outcome.too_early else ''}"
                f"{'NOT RECORDED ' if outcome.recorded is False else ''}"
                f"{'DROPPED: ' + outcome.dropped if outcome.dropped else ''}"
                f"{' LEFT: ' + ' '.join(outcome.leftovers) if outcome.leftovers else ''}",
                flush=True,
            )
            with (folder / "runs.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")
    except TrialError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        trial.close()
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    result = summary(outcomes, seed)
    print(json.dumps(result))
    return 0 if not result["dropped"] else 1


if __name__ == "__main__":
    sys.exit(main())
