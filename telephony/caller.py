"""The caller of `voicebot call`: a telephone made of files, at the speed of life.

It connects as a carrier does, sends a 20 ms frame every 20 ms from the first
moment to the last (silence when it has nothing to say), hears what it is sent
through a playout buffer, and reports what it measured on the waveform.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from telephony import messages
from telephony.call_report import CallReport
from telephony.call_session import RECORDING_RATE, CallProgress, CallSession, OnEvent
from telephony.clips import load_clip
from telephony.codecs import WireFormat
from telephony.dial import open_media_socket
from telephony.errors import CallError, TelephonyError
from telephony.recording import TwoChannelRecording, file_stem
from telephony.speaking_plan import SpeakingPlan

__all__ = ["CallProgress", "CallReport", "place_call"]

KEYS = frozenset("0123456789*#wW")

CONNECT_TIMEOUT_S = 10.0
"""Longer than a leg's: a service that has just been started may still load models."""

POLICY_VIOLATION = 1008
"""WebSocket close code of a refused token, number or call (RFC 6455, 7.4.1)."""


async def place_call(
    url: str,
    audio: Sequence[Path],
    caller: str,
    did: str,
    *,
    token: str | None,
    encoding: str = "alaw",
    dtmf: str | None = None,
    speak: Literal["after-greeting", "now"] = "after-greeting",
    decisive: float | None = None,
    record_dir: Path | None = None,
    quiet_s: float = 6.0,
    max_s: float = 120.0,
    on_event: OnEvent | None = None,
    call_sid: str | None = None,
    parameters: Mapping[str, str] | None = None,
    vanish_after: float | None = None,
) -> CallReport:
    """Places one call and reports what was heard.

    Parameters:
        url: media WebSocket of the service.
        audio: files to speak, in order; the next waits for the reply to the one before.
        caller, did: calling and dialled number, sent as customParameters.
        token: bearer token.
        encoding: `alaw`, `mulaw` or `l16` (16 kHz).
        dtmf: keys pressed after the greeting, such as `1`, or `w1` to wait half a second.
        speak: when the first file starts.
        decisive: where the decisive words end, seconds into the files laid end to end.
        record_dir: folder for the two-channel recording `<call id>.wav`.
        quiet_s: quiet of the far side after which a finished caller hangs up.
        max_s: longest call.
        on_event: told what happens, as it happens.
        call_sid: the carrier's call id; a new one unless given.
        parameters: more customParameters.
        vanish_after: after so many seconds, cut the connection without a word (a test).

    Errors: CallError `bad_audio`, `no_audio_file`, `audio_too_long`, `bad_dtmf`, `bad_decisive`,
    `unreachable`, `timeout`, `wrong_token`, `refused`, `bad_url`, `tls_required`;
    MediaStreamError `unknown_encoding`; RecordingError `cannot_write`.
    """
    wire = WireFormat.named(encoding)
    if not KEYS.issuperset(dtmf or ""):
        raise CallError("bad_dtmf", "Keys are 0-9, * and #, and w for half a second's wait.")
    clips = [await asyncio.to_thread(load_clip, Path(path), wire) for path in audio]
    lengths = [clip.seconds for clip in clips]
    if decisive is not None and not 0 <= decisive <= sum(lengths):
        raise CallError(
            "bad_decisive",
            "The decisive words end outside the audio that is to be spoken; "
            "give seconds from the start of the first file.",
        )
    plan = SpeakingPlan(lengths, keys=dtmf or "", speak=speak, quiet_s=quiet_s, max_s=max_s)
    identity = call_sid or "CA" + uuid.uuid4().hex
    recording, kept, refused = None, None, False
    if record_dir is not None:
        # Beside it at first: a call that is refused must not cost the recording of another.
        part = record_dir / f"{file_stem(identity)}.part.wav"
        recording = TwoChannelRecording(part, RECORDING_RATE)
    try:
        try:
            socket = await open_media_socket(url, token, connect_timeout_s=CONNECT_TIMEOUT_S)
        except TelephonyError as error:
            raise CallError(error.code, error.message) from None
        session = CallSession(socket, wire, clips, plan, on_event=on_event, recording=recording)
        custom = {"caller": caller, "did": did, **(parameters or {})}
        try:
            ending = await session.run(
                messages.start(session.stream_sid, identity, wire, custom), vanish_after
            )
        finally:
            await socket.close()
        if ending.code == POLICY_VIOLATION and not session.heard_marks:
            raise CallError(
                "refused", f"The service refused the call: {ending.reason or 'no reason given'}."
            )
    except CallError:
        refused = True
        raise
    finally:
        if recording is not None:
            recording.close()
            if refused:
                recording.path.unlink()
            else:
                kept = recording.path.replace(part.with_name(f"{file_stem(identity)}.wav"))
    trace = session.trace()
    return CallReport(
        call_sid=identity,
        stream_sid=session.stream_sid,
        caller=caller,
        did=did,
        encoding=wire.encoding.value,
        started_at=session.started_at,
        seconds=trace.seconds,
        closed_by=ending.closed_by,
        close_code=ending.code,
        close_reason=ending.reason,
        spoken=tuple(trace.spoken()),
        heard=tuple(trace.utterances()),
        keys=tuple(session.keys),
        latency=tuple(trace.latencies()),
        decisive_end=None if decisive is None else trace.second_of(decisive),
        recording=kept,
        worst_lateness_ms=round(session.clock.worst_lateness * 1000, 1),
        underruns=session.playout.underruns,
        dropped_frames=session.sender.dropped_frames,
        problems=dict(session.problems),
    )
