"""A telephone for tests, in a process of its own: `python phone.py SPEC`.

SPEC is JSON. One JSON line of the outcome is printed at the end, and a line for every
event before it. The line "hang up" on its input ends its calls,
"press KEYS" sends DTMF, "hold" and "resume" are re-INVITEs.

    listen      port to take calls on, 0 for a free one
    call        SIP URI to call; none: wait for a call
    local       URI in From
    headers     further headers of the INVITE
    answer      final response to an incoming call: 200, 486, 0 to ring for ever
    answer_s    after so many seconds
    refuse      final response before any ringing
    early       183 with early media before it
    codecs      names, the first first
    tone        Hz of what it says; 0 for silence
    keys        DTMF it presses, once connected for 0.3 s
    talk_s      hangs up after so long; 0: waits for the other side
    record      WAV file of what it hears (16 kHz)
    old_hold    holds by the address 0.0.0.0 (RFC 2543)
    refer       "accept" or "reject": answer to a REFER
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
import time

import pjsua2 as pj


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


class Phone(pj.Call):
    def __init__(self, account, world, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.world = world
        self.up_at = None
        self.over = False
        self.holds = []

    def onCallState(self, prm):
        info = self.getInfo()
        say(event="state", state=info.stateText, code=info.lastStatusCode, reason=info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up_at = time.monotonic()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            retry = ""
            text = prm.e.body.tsxState.src.rdata.wholeMsg
            for line in text.splitlines():
                if line.lower().startswith("retry-after:"):
                    retry = line.partition(":")[2].strip()
            say(event="over", code=info.lastStatusCode, retry_after=retry)

    def onCallMediaState(self, prm):
        info = self.getInfo()  # kept: the list in it dies with it
        for index, media in enumerate(info.media):
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.holds.append(audio)
                if self.world.tone:
                    self.world.tone.startTransmit(audio)
                if self.world.recorder:
                    audio.startTransmit(self.world.recorder)
                say(event="media", codec=self.getStreamInfo(index).codecName)

    def onDtmfDigit(self, prm):
        say(event="key", key=prm.digit)

    def onCallTransferRequest(self, prm):
        say(event="refer", to=prm.dstUri)
        prm.statusCode = 202 if self.world.spec.get("refer") == "accept" else 603
        # PJSUA dials by itself; a newCall made in Python crashes this wheel.


class Account(pj.Account):
    world = None

    def onIncomingCall(self, prm):
        world = self.world
        call = Phone(self, world, prm.callId)
        world.calls.append(call)
        say(event="invite", text=prm.rdata.wholeMsg)
        spec = world.spec
        if spec.get("refuse"):
            refusal = pj.CallOpParam()
            refusal.statusCode = spec["refuse"]
            call.hangup(refusal)
            return
        reply = pj.CallOpParam()
        reply.statusCode = 183 if spec.get("early") else 180
        if spec.get("early") or spec.get("answer", 200) != 486 or spec.get("answer_s"):
            call.answer(reply)
        world.due.append((time.monotonic() + spec.get("answer_s", 0), call))


class World:
    tone = recorder = None

    def __init__(self, spec):
        self.spec, self.calls, self.due = spec, [], []
        self.ep = ep = pj.Endpoint()
        ep.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.medConfig.clockRate = 16000
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        config.logConfig.level = config.logConfig.consoleLevel = 0
        if spec.get("log"):
            config.logConfig.level, config.logConfig.filename = 5, spec["log"]
        ep.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress, transport.port = "127.0.0.1", spec.get("listen", 0)
        kind = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP,
                "tls": pj.PJSIP_TRANSPORT_TLS}[spec.get("transport", "udp")]  # fmt: skip
        number = ep.transportCreate(kind, transport)
        ep.audDevManager().setNullDev()
        for codec in ep.codecEnum2():
            ep.codecSetPriority(codec.codecId, 0)
        for at, name in enumerate(spec.get("codecs", ["PCMA/8000", "PCMU/8000"])):
            ep.codecSetPriority(name, 250 - at)
        ep.libStart()
        port = int(ep.transportGetInfo(number).localName.rpartition(":")[2])
        account = pj.AccountConfig()
        account.idUri = spec.get("local") or f"sip:phone@127.0.0.1:{port}"
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        account.mediaConfig.srtpUse = spec.get("srtp", 0)
        account.mediaConfig.srtpSecureSignaling = 0
        if spec.get("old_hold"):
            account.callConfig.holdType = pj.PJSUA_CALL_HOLD_TYPE_RFC2543
        self.account = Account()
        self.account.world = self
        self.account.create(account)
        if spec.get("tone", 0):
            self.tone = pj.ToneGenerator()
            self.tone.createToneGenerator(16000, 1)
            note = pj.ToneDesc()
            note.freq1, note.freq2, note.volume = spec["tone"], 0, 8000
            note.on_msec, note.off_msec = 1000, 0
            notes = pj.ToneDescVector()
            notes.append(note)
            self.tone.play(notes, True)
        if spec.get("record"):
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(spec["record"], 0, 16000 * 2 * 60)
        say(event="ready", port=port)

    def run(self):
        spec = self.spec
        if spec.get("call"):
            call = Phone(self.account, self)
            self.calls.append(call)
            prm = pj.CallOpParam(True)
            listed = pj.SipHeaderVector()
            for name, value in spec.get("headers", {}).items():
                header = pj.SipHeader()
                header.hName, header.hValue = name, value
                listed.append(header)
            prm.txOption.headers = listed
            call.makeCall(spec["call"], prm)
        until = time.monotonic() + spec.get("limit_s", 30)
        pressed = hung = False
        while time.monotonic() < until:
            self.ep.libHandleEvents(10)
            now = time.monotonic()
            for at, call in list(self.due):
                if now >= at and spec.get("answer", 200):
                    self.due.remove((at, call))
                    if not call.over:
                        prm = pj.CallOpParam()
                        prm.statusCode = spec.get("answer", 200)
                        call.answer(prm)
            first = self.calls[0] if self.calls else None
            if first is not None and first.up_at is not None and not first.over:
                if spec.get("keys") and not pressed and now > first.up_at + 0.3:
                    pressed = True
                    first.dialDtmf(spec["keys"])
                if spec.get("talk_s") and not hung and now > first.up_at + spec["talk_s"]:
                    hung = True
                    first.hangup(pj.CallOpParam(True))
            if select.select([sys.stdin], [], [], 0)[0]:
                self.told(sys.stdin.readline().strip())
            if first is not None and all(call.over for call in self.calls):
                break

    def told(self, line):
        for call in self.calls:
            if line == "hang up" and not call.over:
                call.hangup(pj.CallOpParam(True))
            elif line == "hold":
                call.setHold(pj.CallOpParam(True))
            elif line == "resume":
                again = pj.CallOpParam(True)
                again.opt.flag = pj.PJSUA_CALL_UNHOLD
                call.reinvite(again)
            elif line.startswith("press ") and call.up_at is not None:
                call.dialDtmf(line.partition(" ")[2])

    def stop(self):
        for call in self.calls:
            call.holds.clear()
        self.tone = self.recorder = None
        self.calls.clear()
        self.due.clear()
        gc.collect()
        for _ in range(20):
            self.ep.libHandleEvents(10)
        say(event="end")
        os._exit(0)


if __name__ == "__main__":
    world = World(json.loads(sys.argv[1]))
    world.run()
    world.stop()
