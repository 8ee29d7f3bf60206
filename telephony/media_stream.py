"""Twilio-shaped media streams as pipecat frames.

pipecat's own TwilioFrameSerializer is not extended here: it speaks µ-law alone,
raises on bad base64, forgets inbound marks and `stop`, and its resampler delays
audio by 60 to 110 ms (`telephony.resampling`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import numpy as np
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.serializers.base_serializer import FrameSerializer

from telephony import messages
from telephony.codecs import Int16
from telephony.errors import MediaStreamError
from telephony.messages import Connected, Dtmf, Mark, Media, Start, Stop, parse_message
from telephony.resampling import StreamResampler
from telephony.stream_start import StreamStart, parse_start, receive_start

__all__ = [
    "MediaStreamError",
    "MediaStreamSerializer",
    "StreamStart",
    "mark_frame",
    "parse_start",
    "receive_start",
]

OnProblem = Callable[[str, str, int], None]
"""Called with (code, message, how often so far); never with what was received."""


Hear = Callable[[Int16], Awaitable[None]]


class MediaStreamSerializer(FrameSerializer):  # type: ignore[misc]
    """Turns media-stream messages into pipecat frames and back.

    In: audio → InputAudioRawFrame at the pipeline's input rate; keys →
    InputDTMFFrame; `mark` and `stop` → InputTransportMessageFrame holding
    ``{"event": "mark", "mark": {"name": …}}`` or ``{"event": "stop"}``.

    Out: audio of any rate → `media`; InterruptionFrame → `clear`;
    OutputTransportMessageFrame (in order with audio) and its urgent form → the
    message itself with the stream's id added. Hang-up is the socket's end. Audio
    should come in at the wire's rate (`audio_out_sample_rate=start.sample_rate`,
    `audio_out_10ms_chunks=2`): pipecat's own resampling costs 60 to 150 ms.

    Nothing that the far side sends raises: faults are counted in `problems` by
    code and told to `on_problem` at the 1st, 10th, 100th … of each code.

    Parameters:
        start: how the stream was opened.
        on_problem: told about faults; must be quick.
        hear: takes incoming PCM (n,) at once, and the pipeline gets none: its queues and tasks
            cost 180 µs a frame.
    """

    def __init__(
        self,
        start: StreamStart,
        *,
        on_problem: OnProblem | None = None,
        hear: Hear | None = None,
    ) -> None:
        super().__init__()
        self.start = start
        self.problems: Counter[str] = Counter()
        self._on_problem, self._hear = on_problem, hear
        self._wire = start.wire
        self._pipeline_rate = start.sample_rate
        self._inward = StreamResampler(self._wire.sample_rate, self._pipeline_rate)
        self._outward: StreamResampler | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Takes the pipeline's input rate. The transport calls it twice, before audio flows."""
        self._pipeline_rate = setup.audio_in_sample_rate
        self._inward = StreamResampler(self._wire.sample_rate, self._pipeline_rate)

    async def serialize(self, frame: Frame) -> str | None:
        """A frame → the text to send, or None when the frame has no wire form."""
        if isinstance(frame, AudioRawFrame):
            pcm = self._outward_pcm(frame.audio, frame.sample_rate)
            if not len(pcm):
                return None
            return messages.media(self.start.stream_sid, self._wire.encode(pcm))
        if isinstance(frame, InterruptionFrame):
            self._outward = None
            return messages.clear(self.start.stream_sid)
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            if not isinstance(frame.message, dict) or self.should_ignore_frame(frame):
                return None
            return messages.tagged(self.start.stream_sid, frame.message)
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """A received message → a frame, or None for what is no business of the pipeline."""
        try:
            message = parse_message(data)
            match message:
                case Media():
                    pcm = self._heard(message)
                    if self._hear is None:
                        return self._input_frame(pcm)
                    if len(pcm):
                        await self._hear(pcm)
                    return None
                case Dtmf():
                    return _input_key(message)
                case Mark():
                    return InputTransportMessageFrame(
                        message={"event": "mark", "mark": {"name": message.name}}
                    )
                case Stop():
                    return InputTransportMessageFrame(message={"event": "stop"})
                case Connected():
                    return None
                case Start():
                    raise MediaStreamError("second_start", "A running stream was started again.")
                case _:
                    raise MediaStreamError("unknown_event", "A media event is not known here.")
        except MediaStreamError as error:
            self._note(error)
            return None

    def _heard(self, media: Media) -> Int16:
        if media.track not in ("inbound", "inbound_track"):
            return np.zeros(0, np.int16)
        return self._inward.push(self._wire.decode(media.payload))

    def _input_frame(self, pcm: Int16) -> Frame | None:
        if not len(pcm):
            return None
        return InputAudioRawFrame(
            audio=pcm.tobytes(), sample_rate=self._pipeline_rate, num_channels=1
        )

    def _outward_pcm(self, audio: bytes, rate: int) -> Int16:
        pcm = np.frombuffer(audio[: len(audio) // 2 * 2], dtype=np.int16)
        if rate == self._wire.sample_rate:
            return pcm
        if self._outward is None or self._outward.rate_in != rate:
            self._outward = StreamResampler(rate, self._wire.sample_rate)
        return self._outward.push(pcm)

    def _note(self, error: MediaStreamError) -> None:
        self.problems[error.code] += 1
        count = self.problems[error.code]
        # A broken sender makes fifty faults a second: say it in powers of ten.
        if self._on_problem and str(count).strip("0") == "1":
            self._on_problem(error.code, error.message, count)


def mark_frame(
    name: str, *, urgent: bool = False
) -> OutputTransportMessageFrame | OutputTransportMessageUrgentFrame:
    """A mark to send: in order with the audio round it, or urgent, ahead of it."""
    message = {"event": "mark", "mark": {"name": name}}
    if urgent:
        return OutputTransportMessageUrgentFrame(message=message)
    return OutputTransportMessageFrame(message=message)


def _input_key(key: Dtmf) -> Frame | None:
    try:
        return InputDTMFFrame(button=KeypadEntry(key.digit))
    except ValueError:  # A to D: real keys, on no telephone that calls us
        return None
