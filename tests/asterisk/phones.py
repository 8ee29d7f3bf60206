"""Telephones on the other side of Asterisk: callers, 110's desk (接警台), seats (坐席).

Each is a process with a SIP stack of its own (PJSUA2), follows a script, and keeps what it
hears with the time of every frame, so that tests judge by what a person would have heard.

    with Phone(POLICE_PORT, tmp_path / "110") as desk, Phone(5090, tmp_path / "caller") as caller:
        desk.script(*answers(person_wav))
        call = caller.call("12345", caller="13800138000", steps=(answered(), play(wav)))
        desk.wait_for("incoming").headers["p-asserted-identity"]
        caller.heard(call).has_tone(440)
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.asterisk.pbx import SIP_PORT

RATE = 8000
FRAME = 160
SILENT_DBFS = -45.0
PATIENCE = 1.0
"""How much longer than it says a wait is on this machine; tests/asterisk sets it."""

Step = tuple[str, Any]


def ring(seconds: float) -> Step:
    return ("ring", seconds)


def early(wav: Path) -> Step:
    """183 with early media: `wav` again and again."""
    return ("early", str(wav))


def reject(code: int) -> Step:
    return ("reject", code)


def answer() -> Step:
    return ("answer", None)


def answered() -> Step:
    """For callers: waits until the call is up."""
    return ("answered", None)


def play(wav: Path) -> Step:
    return ("play", str(wav))


def loop(wav: Path) -> Step:
    return ("loop", str(wav))


def wait(seconds: float) -> Step:
    return ("wait", seconds)


def keys(digits: str) -> Step:
    return ("keys", digits)


def refer(uri: str) -> Step:
    return ("refer", uri)


def hold() -> Step:
    """Holds the call (re-INVITE)."""
    return ("hold", None)


def hang_up() -> Step:
    return ("hang_up", None)


# What a desk may do with a call. After its steps it stays in the call, silent.


def answers(wav: Path, after_s: float = 0.3) -> tuple[Step, ...]:
    """A person who speaks until the call ends."""
    return (ring(after_s), answer(), loop(wav))


def busy() -> tuple[Step, ...]:
    return (reject(486),)


def declines() -> tuple[Step, ...]:
    return (ring(0.1), reject(603))


def silent_after_answer() -> tuple[Step, ...]:
    return (ring(0.1), answer())


def rings_for_ever() -> tuple[Step, ...]:
    return (ring(3600),)


def hangs_up_at_once() -> tuple[Step, ...]:
    return (ring(0.1), answer(), hang_up())


def hangs_up_after(wav: Path, seconds: float) -> tuple[Step, ...]:
    """Speaks, and is gone in the middle of a sentence."""
    return (ring(0.1), answer(), loop(wav), wait(seconds), hang_up())


def busy_notice(wav: Path, seconds: float = 2.0) -> tuple[Step, ...]:
    """183 with a notice or a busy tone in the early media, then 486."""
    return (early(wav), wait(seconds), reject(486))


def announcement_then_person(announcement: Path, person: Path) -> tuple[Step, ...]:
    """An ACD: answers, its announcement plays, then somebody speaks."""
    return (ring(0.1), answer(), play(announcement), wait(0.5), loop(person))


@dataclass(frozen=True, slots=True)
class Event:
    """What a telephone tells.

    Parameters:
        at: time.monotonic() of this machine.
        name: ready, obeyed, dials, incoming, rings, early, up, plays, played, key, request,
            hangs_up, ended.
        call: number of the call in this telephone, from 1; 0 for none.
        data: the rest, such as `code` and `reason` of `ended`, `headers` of `incoming`.
    """

    at: float
    name: str
    call: int
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> Mapping[str, str]:
        """SIP headers by name in small letters."""
        headers: Mapping[str, str] = self.data["headers"]
        return headers

    @property
    def code(self) -> int:
        """SIP status that the call ended with: 200 for BYE."""
        return int(self.data["code"])


@dataclass(frozen=True, slots=True)
class Heard:
    """What arrived at a telephone in one call.

    Parameters:
        samples: at 8 kHz, 160 for each frame.
        times: when each frame came (monotonic seconds).
        end: until when it listened: the end of the call, or now. A frame that is missing,
            the last one too, is silence.
    """

    samples: npt.NDArray[np.int16]
    times: npt.NDArray[np.float64]
    end: float = 0.0

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def between(self, start: float, end: float = float("inf")) -> Heard:
        """The part that was heard from `start` to `end` (monotonic seconds)."""
        kept = (self.times >= start) & (self.times < end)
        return Heard(self._frames()[kept].reshape(-1), self.times[kept], min(end, self.end))

    def last(self, seconds: float) -> Heard:
        return self.between(self.end - seconds)

    def sounding(self) -> npt.NDArray[np.bool_]:
        """For each frame, whether it is louder than silence."""
        power = np.mean(self._frames().astype(np.float64) ** 2, axis=1)
        return np.asarray(10 * np.log10(power / 32768**2 + 1e-12) > SILENT_DBFS)

    def first_sound_at(self, after: float = 0.0) -> float | None:
        """When it first heard something; None for never."""
        found = np.flatnonzero(self.sounding() & (self.times >= after))
        return float(self.times[found[0]]) if len(found) else None

    def longest_silence_s(self) -> float:
        """The longest time without a sound, from the first frame to `end`."""
        if not len(self.times):
            return 0.0
        sounds = self.times[self.sounding()]
        return float(np.max(np.diff([self.times[0], *sounds, max(self.end, self.times[-1])])))

    def tone_share(self, hertz: float) -> float:
        """Which share of the energy lies within 15 Hz of `hertz`."""
        if not len(self.samples):
            return 0.0
        window = np.hanning(len(self.samples))
        power = np.abs(np.fft.rfft(self.samples * window)) ** 2
        near = np.abs(np.fft.rfftfreq(len(self.samples), 1 / RATE) - hertz) < 15
        total = float(power.sum())
        return float(power[near].sum()) / total if total else 0.0

    def has_tone(self, hertz: float, share: float = 0.2) -> bool:
        return self.tone_share(hertz) >= share

    def write_wav(self, path: Path) -> Path:
        return write_wav(path, self.samples)

    def _frames(self) -> npt.NDArray[np.int16]:
        return self.samples[: len(self.times) * FRAME].reshape(-1, FRAME)


def write_wav(path: Path, samples: npt.NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def tone_wav(path: Path, hertz: float, seconds: float = 1.0) -> Path:
    """A tone by which a party is known; whole periods, so that it may be looped."""
    count = round(seconds * RATE)
    hertz = round(hertz * seconds) / seconds
    wave_ = 8000 * np.sin(2 * np.pi * hertz * np.arange(count) / RATE)
    return write_wav(path, wave_.astype(np.int16))


def busy_tone_wav(path: Path) -> Path:
    """China's busy tone: 450 Hz, 350 ms on, 350 ms off."""
    on = 8000 * np.sin(2 * np.pi * 450 * np.arange(int(0.35 * RATE)) / RATE)
    return write_wav(path, np.concatenate([on, np.zeros_like(on)]).astype(np.int16))


class PhoneError(AssertionError):
    """A telephone did not do or see what was waited for."""


class Phone:
    """One telephone: at most four calls at a time (the limit of PJSUA2's wheel).

    Parameters:
        port: its SIP port on loopback; Asterisk knows carrier, police and seats by it.
        folder: for its logs and what it hears.
    """

    def __init__(self, port: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.folder = port, folder
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._over = False
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore::DeprecationWarning"),  # audioop: gone in 3.13
                *(Path(__file__).with_name("phone_process.py"), str(port), folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for("ready", timeout_s=20)

    def script(self, *steps: Step) -> None:
        """What it does with calls that come in from now on."""
        self._order({"do": "script", "steps": steps})

    def call(
        self,
        number: str,
        *,
        caller: str = "13800138000",
        steps: tuple[Step, ...] = (),
        headers: Mapping[str, str] | None = None,
        asserted: str | None = None,
    ) -> int:
        """Calls Asterisk; the number of the call in this telephone.

        Parameters:
            caller: user part of From.
            asserted: number in P-Asserted-Identity; `caller` unless given, "" for none.
            headers: further SIP headers, such as User-to-User.
        """
        identity = caller if asserted is None else asserted
        own = {"P-Asserted-Identity": f"<sip:{identity}@127.0.0.1>"} if identity else {}
        order = {
            "do": "call",
            "to": f"sip:{number}@127.0.0.1:{SIP_PORT}",
            "from": caller,
            "headers": own | dict(headers or {}),
            "steps": steps,
        }
        before = len(self.events)
        self._order(order)
        return next(e.call for e in self.events[before:] if e.name == "dials")

    def then(self, call: int, *steps: Step) -> None:
        """What the call does from now on, in place of the rest of its script."""
        self._order({"do": "steps", "call": call, "steps": steps})

    def hang_up(self, call: int = 1) -> None:
        self.then(call, hang_up())

    def wait_for(
        self,
        name: str,
        *,
        call: int | None = None,
        timeout_s: float = 10.0,
        after: float = 0.0,
        where: Callable[[Event], bool] = lambda _: True,
    ) -> Event:
        """The first such event, past ones included. Errors: PhoneError."""

        def found() -> Event | None:
            fitting = (
                event
                for event in self.events
                if event.name == name
                and call in (None, event.call)
                and event.at >= after
                and where(event)
            )
            return next(fitting, None)

        with self._news:
            self._news.wait_for(lambda: found() or self._over, timeout_s * PATIENCE)
            event = found()
        if event is None:
            seen = "\n".join(f"  {e.at:.3f} {e.name} {e.call} {dict(e.data)}" for e in self.events)
            raise PhoneError(f"Telephone {self.port}: no {name} in {timeout_s} s; seen:\n{seen}")
        return event

    def seen(self, name: str, call: int | None = None) -> list[Event]:
        return [e for e in self.events if e.name == name and call in (None, e.call)]

    def heard(self, call: int = 1) -> Heard:
        """What arrived in that call until now."""
        end = next((e.at for e in self.seen("ended", call)), time.monotonic())
        if not (self.folder / f"heard-{call}.times").exists():
            return Heard(np.zeros(0, np.int16), np.zeros(0), end)
        times = np.fromfile(self.folder / f"heard-{call}.times", np.float64)
        samples = np.fromfile(self.folder / f"heard-{call}.pcm", np.int16)
        frames = min(len(times), len(samples) // FRAME)
        return Heard(samples[: frames * FRAME], times[:frames], end)

    def wait_until_heard(
        self, what: Callable[[Heard], bool], *, call: int = 1, timeout_s: float = 10.0
    ) -> Heard:
        """Waits until what it has heard is as `what` wants it."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        while not what(heard := self.heard(call)):
            if time.monotonic() > deadline:
                path = heard.write_wav(self.folder / f"heard-{call}.wav")
                raise PhoneError(f"Telephone {self.port} never heard it; it heard {path}")
            time.sleep(0.02)
        return heard

    def wait_until_tone(self, hertz: float, *, call: int = 1, timeout_s: float = 10.0) -> Heard:
        """Waits until the last half second is (also) that tone, from its start to its end."""

        def fills_it(heard: Heard) -> bool:
            end = heard.last(0.5)
            return end.seconds > 0.4 and bool(end.sounding().all()) and end.has_tone(hertz)

        return self.wait_until_heard(fills_it, call=call, timeout_s=timeout_s)

    def close(self) -> None:
        """Hangs up what there is and ends."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        if self._process.poll() is None and self._process.stdin is not None:
            try:
                self._process.stdin.close()
                self._process.wait(5)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                self._process.kill()
        self._process.wait(5)
        self._reader.join(5)

    def freeze(self) -> None:
        """Sends nothing from now on; it is still there."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Gone without a word, as when a desk's power fails."""
        self._process.kill()
        self._process.wait(5)

    def __enter__(self) -> Phone:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _order(self, order: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise PhoneError("The telephone takes no orders.")
        sent = time.monotonic()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.wait_for("obeyed", after=sent, where=lambda e: e.data["order"] == order["do"])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            event = Event(told.pop("at"), told.pop("event"), told.pop("call", 0), told)
            with self._news:
                self.events.append(event)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()
