"""An outgoing leg that ends at a browser: it rings at agents' desks until one of them answers.

The desk's page brings its own media WebSocket, so that nothing is dialled: the leg is offered
(`ring`) and carried by whoever answers (`carry`). The messages are those of `telephony.messages`,
as a browser's telephone (voicebot/web/static/phone.js) speaks them: L16 at 16 kHz.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import structlog

from telephony import messages
from telephony.codecs import FRAME_SECONDS, Framer, Int16, WireFormat
from telephony.errors import LegError, MediaStreamError
from telephony.frame_sender import FrameSender
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegEvents, LegKey, LegProgress
from telephony.leg_state import END_REASONS, LegInput, LegState, transition
from telephony.messages import Dtmf, Media, Start, Stop, parse_message
from telephony.resampling import StreamResampler

log = structlog.get_logger()

RATE = 16_000
MEDIA_TIMEOUT_S = 3.0
"""A browser that is off-hook sends a frame every 20 ms; without any for so long it is lost."""
MAX_QUEUED_S = 2.0
"""Audio kept in each direction while the other side stalls; the oldest goes first."""

_TOLD = (LegState.RINGING, LegState.ANSWERED, LegState.ACKNOWLEDGED)


class BrowserLeg:
    """One leg: `connect`, then iterate over its events until `LegEnded`.

    Parameters:
        ring: shows the leg on the desks; False: no desk is there.
        over: told once that the leg has ended, however.
        answer_timeout_s: how long it rings.
    """

    bridged = False

    def __init__(
        self,
        ring: Callable[[BrowserLeg], bool],
        over: Callable[[BrowserLeg], None],
        *,
        answer_timeout_s: float,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.answered_by = ""
        """Who has answered; set by the desk."""
        self._ring, self._over = ring, over
        self._answer_timeout_s = answer_timeout_s
        self._state = LegState.IDLE
        frames = round(MAX_QUEUED_S / FRAME_SECONDS)
        self._events = LegEvents(frames)
        self._wire = WireFormat.named("audio/l16", RATE)
        self._framer = Framer(self._wire.frame_samples)
        self._resampler: StreamResampler | None = None
        self._frames = frames
        self._sender: FrameSender | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._stream_sid = ""

    @property
    def state(self) -> LegState:
        return self._state

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Rings. Errors: LegError `unreachable` where no desk is there to ring."""
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self._apply(LegInput.DIAL)
        if not self._ring(self):
            self._apply(LegInput.UNREACHABLE)
            raise LegError("unreachable", "No agent's desk is open to take the call.")
        self._apply(LegInput.OPEN)
        self._apply(LegInput.RING)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._answer_timeout_s, self._apply, LegInput.DEADLINE)

    async def carry(
        self,
        receive: Callable[[], Awaitable[str | bytes | None]],
        send: Callable[[str], Awaitable[None]],
    ) -> None:
        """The call on an accepted socket of the desk that has answered, until either side ends it.

        Parameters:
            receive: the next message; None once the socket is closed.
            send: puts a message on the socket.
        """
        if self._state is not LegState.RINGING:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        sender = self._sender = FrameSender(send, max_frames=self._frames)
        self._apply(LegInput.ANSWER)
        self._apply(LegInput.ACKNOWLEDGE)  # a person has pressed the key of the page
        tasks = [
            asyncio.create_task(_quietly(sender.run())),
            asyncio.create_task(_quietly(self._receive(receive))),
            asyncio.create_task(self._ended.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await sender.drain(0.2)
        finally:
            self._apply(LegInput.CLOSED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def send_audio(self, pcm: Int16, rate: int) -> None:
        """Audio for the desk, PCM16 mono; never waits."""
        if self._sender is None or self._state is LegState.ENDED:
            return
        if self._resampler is None or self._resampler.rate_in != rate:
            self._resampler = StreamResampler(rate, RATE)
        for frame in self._framer.push(self._resampler.push(pcm)):
            self._sender.audio(messages.media(self._stream_sid, self._wire.encode(frame)))

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        """The desk's page reads it from the records."""
        return True

    async def hangup(self) -> None:
        """Ends the leg; harmless when it has ended already."""
        self._apply(LegInput.HANG_UP)

    def __aiter__(self) -> AsyncIterator[LegEvent]:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    async def _receive(self, receive: Callable[[], Awaitable[str | bytes | None]]) -> None:
        while self._state is not LegState.ENDED:
            try:
                async with asyncio.timeout(MEDIA_TIMEOUT_S):
                    data = await receive()
            except TimeoutError:
                data = None
            if data is None:
                return
            try:
                self._take(data)
            except MediaStreamError as error:
                log.warning("media_problem", reason=error.code)

    def _take(self, data: str | bytes) -> None:
        match parse_message(data):
            case Media(payload=payload):
                pcm = self._wire.decode(payload)
                if len(pcm):
                    self._events.put(LegAudio(pcm.tobytes(), RATE))
            case Start(stream_sid=stream_sid):
                self._stream_sid = str(stream_sid)
            case Dtmf(digit=digit):
                self._events.put(LegKey(digit))
            case Stop():
                self._apply(LegInput.FAR_END)
            case _:
                pass

    def _apply(self, event: LegInput) -> bool:
        """Moves on by the table; True when the state has changed."""
        before, self._state = self._state, transition(self._state, event)
        if self._state is before:
            return False
        if self._state is LegState.ENDED:
            if self._deadline is not None:
                self._deadline.cancel()
            self._events.put(LegEnded(END_REASONS[event]))
            self._ended.set()
            self._over(self)
        elif self._state in _TOLD:
            self._events.put(LegProgress(self._state))
        return True


async def _quietly(work: Awaitable[None]) -> None:
    """A socket that breaks is the end of the leg, which `carry` tells."""
    with contextlib.suppress(Exception):
        await work
