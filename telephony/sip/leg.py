"""An outgoing leg that a media process dials and joins to its caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from telephony.codecs import Int16
from telephony.errors import LegError
from telephony.leg_events import LegAudio, LegEnded, LegEvent, LegEvents, LegKey, LegProgress
from telephony.leg_state import END_REASONS, LegInput, LegState, transition
from telephony.resampling import StreamResampler
from telephony.sip.identity import leg_headers, own_uri
from telephony.sip.wire import Audio, Control, Message

MOST_FRAMES = 100
"""Frames of 20 ms kept while nobody takes them."""

_OFF_HOOK = (LegState.ANSWERED, LegState.ACKNOWLEDGED)


class LegCall(Protocol):
    """What a leg needs of its call."""

    index: int
    rate: int
    host: str
    """Our address, the domain of From."""
    did: str
    caller: str

    def send(self, message: Message) -> None: ...


class SipLeg:
    """A leg to a number behind a trunk; see telephony.call_control.Leg.

    Parameters:
        call: the caller's call.
        index: of the leg, unique in the call.
        uri: the far side.
        answer_timeout_s: how long it may take until it is answered.
        refer: hand the caller over by REFER (盲转) instead of joining a leg.
    """

    bridged = True

    def __init__(
        self, call: LegCall, index: int, uri: str, *, answer_timeout_s: float, refer: bool
    ) -> None:
        self._call, self._index, self._uri = call, index, uri
        self._answer_timeout_s, self._refer = answer_timeout_s, refer
        self._state = LegState.IDLE
        self._events = LegEvents(MOST_FRAMES)
        self._resampler: StreamResampler | None = None

    @property
    def state(self) -> LegState:
        return self._state

    @property
    def off_hook(self) -> bool:
        return self._state in _OFF_HOOK

    async def connect(
        self, start_params: Mapping[str, Any], dossier: Mapping[str, Any] | None = None
    ) -> None:
        """Dials; whatever comes of it is told as events. The dossier goes other ways.

        Errors: LegError `leg_used`.
        """
        if self._state is not LegState.IDLE:
            raise LegError("leg_used", "A leg is dialled once; make a new one.")
        self.apply(LegInput.DIAL)
        caller = str(start_params.get("caller") or self._call.caller)
        host = self._call.host
        self._tell(
            "dial",
            uri=self._uri,
            caller_uri=own_uri(host, caller),
            headers=leg_headers(
                host, caller, self._call.did, str(start_params.get("handoff") or "")
            ),
            answer_s=self._answer_timeout_s,
            refer=self._refer,
        )

    def send_audio(self, pcm: bytes | Int16, rate: int) -> None:
        """Audio for the far side alone; the caller's and the bot's reaches it without us."""
        if not self.off_hook:
            return
        samples = np.frombuffer(pcm, np.int16) if isinstance(pcm, bytes) else pcm
        if rate != self._call.rate:
            if self._resampler is None or self._resampler.rate_in != rate:
                self._resampler = StreamResampler(rate, self._call.rate)
            samples = self._resampler.push(samples)
        if len(samples):
            self._call.send(Audio(self._call.index, self._index, samples.tobytes()))

    def send_dossier(self, dossier: Mapping[str, Any]) -> bool:
        """True: the hand-off's id in User-to-User stands for whatever the dossier has become."""
        return True

    async def hangup(self) -> None:
        """Ends the leg; harmless when it has ended already."""
        dialled = self._state is not LegState.IDLE
        if self.apply(LegInput.HANG_UP) and dialled:
            self._tell("hang_up_leg")

    def __aiter__(self) -> SipLeg:
        return self

    async def __anext__(self) -> LegEvent:
        return await anext(self._events)

    # From the media process.

    def heard(self, pcm: bytes) -> None:
        if self._state is not LegState.ENDED:
            early = not self.off_hook
            self._events.put(LegAudio(pcm, self._call.rate, early))

    def pressed(self, key: str) -> None:
        if self.off_hook:
            self._events.put(LegKey(key))

    def apply(self, event: LegInput) -> bool:
        """Moves on by the table; True when the state has changed."""
        before, self._state = self._state, transition(self._state, event)
        if self._state is before:
            return False
        if self._state is LegState.ENDED:
            self._events.put(LegEnded(END_REASONS[event]))
        elif self._state in (LegState.RINGING, *_OFF_HOOK):
            self._events.put(LegProgress(self._state))
        return True

    def _tell(self, op: str, **values: object) -> None:
        self._call.send(Control(op, self._call.index, self._index, values))
