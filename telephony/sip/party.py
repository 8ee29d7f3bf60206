"""The telephone line of one party: a PJSUA2 call that tells its room what happens.

Its callbacks run inside `libHandleEvents`, on the worker's only PJSIP thread.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any, Protocol

import pjsua2 as pj

from telephony.sip.library import session_of, terminate

log = logging.getLogger(__name__)

_NOBODY = frozenset({408, 481, 503})
"""Nothing has answered, or nobody who knows the call."""


class PartyEvents(Protocol):
    """What a party tells its room."""

    def line_changed(self, leg: int) -> None: ...

    def pressed(self, leg: int, key: str) -> None: ...

    def provisional(self, leg: int, code: int) -> None: ...

    def answered(self, leg: int) -> None: ...

    def ended(self, leg: int, code: int) -> None: ...

    def transfer_progress(self, code: int, final: bool) -> None: ...

    def is_there(self, leg: int) -> None: ...


def guarded(method: Callable[..., None]) -> Callable[..., None]:
    """An exception must not travel through PJSIP's C code."""

    @functools.wraps(method)
    def call(*args: Any) -> None:
        try:
            method(*args)
        except Exception:
            log.exception("a callback of PJSIP has failed")

    return call


class Party(pj.Call):  # type: ignore[misc]
    """One call of PJSIP.

    Parameters:
        account: whose call it is.
        events: told everything.
        leg: index within the room.
        call_id: PJSIP's id of an incoming call.
    """

    def __init__(
        self,
        account: pj.Account,
        events: PartyEvents,
        leg: int,
        call_id: int = pj.PJSUA_INVALID_ID,
    ) -> None:
        super().__init__(account, call_id)
        self._events, self.leg = events, leg
        self.media: pj.AudioMedia | None = None
        """The line's end in the conference bridge, while audio is up."""
        self._media_index = 0
        self.must_send = False
        """Audio is to come all the time; not while the far side holds the call."""
        self._session = 0
        self._responded = call_id != pj.PJSUA_INVALID_ID
        """The far side has said something."""
        self._given_up = False
        self.over = False
        self.slot = call_id
        """PJSIP's id of the call, once there is one."""

    def respond(self, code: int, headers: dict[str, str] | None = None) -> None:
        """Sends a response to the INVITE; a final one that is no 2xx ends the call."""
        parameters = pj.CallOpParam(True)
        parameters.statusCode = code
        add_headers(parameters.txOption, headers or {})
        if code < 300:
            self.answer(parameters)
        else:
            self.hangup(parameters)

    def packets(self) -> int:
        """RTP packets that have come from it so far; 0 while its audio is down."""
        if self.over or self.media is None:
            return 0
        try:
            statistics = self.getStreamStat(self._media_index)
            return int(statistics.rtcp.rxStat.pkt)
        except pj.Error:
            return 0

    def ask(self) -> None:
        """OPTIONS within the call; whatever is answered is told as `is_there`."""
        parameters = pj.CallSendRequestParam()
        parameters.method = "OPTIONS"
        if not self.over:
            self.sendRequest(parameters)

    def terminate(self) -> None:
        """Frees its place at once, whatever is still to be answered."""
        if not self.over and self._session:
            terminate(self._session)

    def cannot_bear_an_answer(self, sip_id: str) -> bool:
        """The call of this Call-ID, which is not answered yet, has no stream left.

        PJSUA aborts when it is answered. What is late of the call that had its place before, such
        as a refusal of a re-INVITE that nobody has acknowledged, takes its stream away.
        """
        if self.over or self.getId() == pj.PJSUA_INVALID_ID:
            return False
        info = self.getInfo()
        unanswered = info.state in (pj.PJSIP_INV_STATE_CALLING, pj.PJSIP_INV_STATE_EARLY)
        return unanswered and info.callIdString == sip_id and not info.provMedia

    def drop(self) -> None:
        """Ends a line where nobody is any more: BYE, whose answer is not waited for."""
        if self._session and not self.over:
            parameters = pj.CallSendRequestParam()
            parameters.method = "BYE"
            with contextlib.suppress(pj.Error):
                self.sendRequest(parameters)
        self.terminate()

    def end(self) -> None:
        """BYE, CANCEL or a refusal, whichever fits; harmless when it is over.

        A CANCEL has to wait for the first response (RFC 3261, 9.1). PJSIP can wait for it,
        but such a call is out of our hands then, and could not be terminated.
        """
        if self.over or self.getId() == pj.PJSUA_INVALID_ID:
            return
        self._given_up = not self._responded and bool(self._session)
        if not self._given_up:
            with contextlib.suppress(pj.Error):
                self.hangup(pj.CallOpParam(True))

    @guarded
    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        self.slot = info.id
        self._heard_of(info.state in (pj.PJSIP_INV_STATE_EARLY, pj.PJSIP_INV_STATE_CONFIRMED))
        if info.state == pj.PJSIP_INV_STATE_EARLY and info.role == pj.PJSIP_ROLE_UAC:
            self._events.provisional(self.leg, info.lastStatusCode)
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self._events.answered(self.leg)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over, self.media = True, None
            self._events.ended(self.leg, info.lastStatusCode)

    @guarded
    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:
        tsx = prm.e.body.tsxState.tsx
        if tsx.method == "INVITE":
            self._session = session_of(int(tsx.pjTransaction)) or self._session
        if tsx.role != pj.PJSIP_ROLE_UAC:
            return
        self._heard_of(tsx.method == "INVITE" and 100 <= tsx.statusCode < 300)
        if tsx.method == "INVITE" and tsx.statusCode == 100:
            self._events.provisional(self.leg, 100)
        elif tsx.method == "OPTIONS" and tsx.statusCode >= 200 and tsx.statusCode not in _NOBODY:
            self._events.is_there(self.leg)

    @guarded
    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        self.media, self.must_send = None, False
        info = self.getInfo()  # kept: the list in it dies with it
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status in (
                pj.PJSUA_CALL_MEDIA_ACTIVE,
                pj.PJSUA_CALL_MEDIA_REMOTE_HOLD,
            ):
                with contextlib.suppress(pj.Error):  # neither side sends: there is no audio
                    self.media, self._media_index = self.getAudioMedia(index), index
                active = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
                self.must_send = active and bool(media.dir & pj.PJMEDIA_DIR_DECODING)
                break
        self._events.line_changed(self.leg)

    def _heard_of(self, responded: bool) -> None:
        self._responded |= responded
        if responded and self._given_up:
            self.end()

    @guarded
    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:
        self._events.pressed(self.leg, prm.digit)

    @guarded
    def onCallTransferStatus(self, prm: pj.OnCallTransferStatusParam) -> None:
        self._events.transfer_progress(prm.statusCode, prm.finalNotify)

    @guarded
    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:
        prm.statusCode = 603  # nobody outside makes us dial (toll fraud)

    @guarded
    def onCallReplaceRequest(self, prm: pj.OnCallReplaceRequestParam) -> None:
        prm.statusCode = 603


def add_headers(options: pj.SipTxOption, headers: dict[str, str]) -> None:
    """Adds headers to a request or response that is going to be sent."""
    listed = pj.SipHeaderVector()
    for name, value in headers.items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        listed.append(header)
    options.headers = listed
