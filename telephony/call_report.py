"""What the test caller itself measured in one call. Times are seconds from its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SpokenFile:
    """A file that was sent.

    Parameters:
        path: the file.
        start, end: when its first sample was spoken and its last.
        speech_start, speech_end: first and last sample above −45 dBFS; the file's
            own ends when it is silent.
        complete: False when the call ended before the file did.
    """

    path: str
    start: float
    end: float
    speech_start: float
    speech_end: float
    complete: bool


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """Something the far side said, as it was played.

    Parameters:
        purpose: answer, prompt, safety; `unmarked` for a person's voice.
        utterance: the service's id of it.
        entry: knowledge-base entry, with answers.
        start, end: from mark to mark.
        sound_start: its first sound; None when it was silent.
        complete: False when it was cut.
    """

    purpose: str
    utterance: str
    entry: str | None
    start: float
    end: float
    sound_start: float | None
    complete: bool


@dataclass(frozen=True, slots=True)
class ReplyLatency:
    """End of the caller's speech → first sound of the *answer* that stood, on the waveform.

    Never negative: what is heard before the speech has ended answers what was said before.
    """

    spoken: int
    """Index into `CallReport.spoken`."""
    utterance: str
    entry: str | None
    milliseconds: float


@dataclass(frozen=True, slots=True)
class KeyPress:
    key: str
    at: float


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call as its caller saw it.

    Parameters:
        call_sid, stream_sid: ids that were sent to the service.
        caller, did, encoding: as sent.
        started_at: time.time() at second 0, when the first frame began.
        seconds: length of the call.
        closed_by: `caller`, `limit`, `service`, `vanished`.
        close_code, close_reason: of the WebSocket, when the service closed.
        decisive_end: when the decisive words had been spoken, if the caller was told.
        recording: WAV, left caller, right heard, 8 kHz; its second 0 is the call's.
        worst_lateness_ms: by how much the frame clock was once late: above 20 the
            machine was overloaded and latencies are doubtful.
        underruns: gaps within the service's audio.
        problems: faults in the service's messages, by code.
    """

    call_sid: str
    stream_sid: str
    caller: str = field(repr=False)
    did: str = field(repr=False)
    encoding: str
    started_at: float
    seconds: float
    closed_by: str
    close_code: int | None = None
    close_reason: str = ""
    spoken: tuple[SpokenFile, ...] = ()
    heard: tuple[HeardUtterance, ...] = ()
    keys: tuple[KeyPress, ...] = ()
    latency: tuple[ReplyLatency, ...] = ()
    decisive_end: float | None = None
    recording: Path | None = None
    worst_lateness_ms: float = 0.0
    underruns: int = 0
    dropped_frames: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)

    @property
    def latency_ms(self) -> list[float]:
        """`latency.end_of_speech_to_first_audio_ms` of `voicebot call --json`."""
        return [each.milliseconds for each in self.latency]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = asdict(self)
        values["recording"] = str(self.recording) if self.recording else None
        return values
