"""One telephone in a process of its own: PJSUA2, told what to do by JSON lines.

    phone_process.py PORT FOLDER        (started by `tests.asterisk.phones.Phone`)

stdin:  {"do": "script", "steps": [...]}                 for calls that come in from now on
        {"do": "call", "to": uri, "from": number, "headers": {...}, "steps": [...]}
        {"do": "steps", "call": n, "steps": [...]}       in place of what is left of them
        {"do": "quit"}
stdout: {"at": monotonic seconds, "event": ..., "call": n, ...}
FOLDER: heard-N.pcm (int16, 8 kHz) and heard-N.times (float64, one for each 20 ms frame)

A step is [name, argument]; phones.py has a function for each. The wheel of PJSUA2 holds at
most four calls in a process.

What is kept is taken off the wire where this process may (root, or root of its namespace):
PJMEDIA orders frames by their RTP time, and when the PBX joins the call to another source
(new SSRC, time from 0 again) it throws away as much as the source before had lasted, up to
2 s (pjproject#2215). The call is not to blame for that, so its ear is only the second best.
"""

from __future__ import annotations

import audioop
import collections
import ctypes
import json
import os
import queue
import socket
import struct
import sys
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pjsua2 as pj

RATE = 8000
FRAME_BYTES = 320
SILENCE = bytes(FRAME_BYTES)
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
"""SO_TIMESTAMPNS of Linux, and the type of the message that brings it."""
DECODERS = {0: audioop.ulaw2lin, 8: audioop.alaw2lin}
_KEPT: list[Any] = []
_POINTERS = ctypes.POINTER(ctypes.c_void_p)


class Reporter:
    """Writes events to the parent; pjproject's own prints to stdout go to the log instead."""

    def __init__(self, log: Path) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)

    def __call__(self, event: str, **more: Any) -> None:
        with self._lock:
            self._out.write(json.dumps({"at": time.monotonic(), "event": event} | more) + "\n")
            self._out.flush()


def frame_bytes(vector: Any) -> bytes:
    """The bytes of a SWIG ByteVector, by its begin and end pointers (80 times faster)."""
    ends = ctypes.cast(int(vector.this), _POINTERS)
    return ctypes.string_at(ends[0], ends[1] - ends[0]) if ends[0] else b""


class Sound(pj.AudioMediaPort):  # type: ignore[misc]
    """What one call plays and hears."""

    def __init__(self, name: str, folder: Path, number: int) -> None:
        super().__init__()
        form = pj.MediaFormatAudio()
        form.type = pj.PJMEDIA_TYPE_AUDIO
        form.init(pj.PJMEDIA_FORMAT_PCM, RATE, 1, 20000, 16)
        self.createPort(name, form)
        self._to_play: collections.deque[bytes] = collections.deque()
        self._loop: list[bytes] = []
        self.on_wire = False
        self._heard = (folder / f"heard-{number}.pcm").open("wb", buffering=0)
        self._times = (folder / f"heard-{number}.times").open("wb", buffering=0)

    def play(self, wav: str, *, for_ever: bool = False) -> None:
        with wave.open(wav, "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                raise ValueError(f"{wav}: needs 16-bit mono at {RATE} Hz")
            pcm = file.readframes(file.getnframes())
        frames = [
            pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
            for at in range(0, len(pcm), FRAME_BYTES)
        ]
        self._loop = frames if for_ever else []
        self._to_play = collections.deque(frames)

    def go_on_like(self, other: Sound) -> None:
        self._loop = other._loop

    @property
    def playing(self) -> bool:
        return bool(self._to_play)

    def onFrameRequested(self, frame: Any) -> None:
        if not self._to_play and self._loop:
            self._to_play.extend(self._loop)
        data = self._to_play.popleft() if self._to_play else SILENCE
        frame.type = pj.PJMEDIA_FRAME_TYPE_AUDIO
        frame.buf = pj.ByteVector(data)
        frame.size = len(data)

    def onFrameReceived(self, frame: Any) -> None:
        if not self.on_wire:
            self.keep(frame_bytes(frame.buf) or SILENCE)

    def keep(self, pcm: bytes, came: float | None = None) -> None:
        """`came`: monotonic seconds; now unless given."""
        for at in range(0, len(pcm), FRAME_BYTES):
            self._times.write(struct.pack("d", came or time.monotonic()))
            self._heard.write(pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))


class Wire(threading.Thread):
    """Listens to the RTP that arrives at this process's ports, before any jitter buffer.

    Each packet's time is the kernel's: a telephone that gets no processor for a moment must
    not be taken for a PBX that stutters.
    """

    def __init__(self, ports: range) -> None:
        super().__init__(daemon=True)
        self._sounds: dict[int, Sound] = {}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, udp_filter(ports))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", 0x0800))

    def listen(self, port: int, sound: Sound) -> None:
        self._sounds[port] = sound

    def run(self) -> None:
        while True:
            packet, told, _, address = self._socket.recvmsg(2048, socket.CMSG_SPACE(16))
            if address[2] == socket.PACKET_OUTGOING:  # loopback shows each packet twice
                continue
            udp = packet[14 + 20 :]
            sound = self._sounds.get(int.from_bytes(udp[2:4], "big"))
            rtp = udp[8:]
            decode = DECODERS.get(rtp[1] & 0x7F) if len(rtp) > 12 and rtp[0] == 0x80 else None
            if sound is not None and decode is not None:
                sound.keep(decode(rtp[12:], 2), arrival(told))


def arrival(told: list[tuple[int, int, bytes]]) -> float | None:
    """When the kernel got a packet, monotonic seconds."""
    for level, kind, data in told:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data)
            ago = time.time() - (seconds + nanoseconds / 1e9)
            return time.monotonic() - ago
    return None


def udp_filter(ports: range) -> Any:
    """A kernel filter (classic BPF) for IPv4 UDP to these ports."""
    steps = (
        (0x28, 0, 0, 12),  # EtherType
        (0x15, 0, 5, 0x0800),
        (0x30, 0, 0, 23),  # protocol
        (0x15, 0, 3, 17),
        (0x28, 0, 0, 36),  # destination port, after 20 bytes of IP
        (0x35, 0, 1, ports.start),
        (0x35, 0, 1, ports.stop),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFF),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    _KEPT.append(program)
    return struct.pack("HL", len(steps), ctypes.addressof(program))


class Call(pj.Call):  # type: ignore[misc]
    """A call and the script that it follows."""

    def __init__(self, phone: Phone, call_id: int | None = None) -> None:
        super().__init__(phone, *([] if call_id is None else [call_id]))
        phone.count += 1
        self.number = phone.count
        self.sound = Sound(f"sound-{self.number}", phone.folder, self.number)
        self.sound.on_wire = phone.wire is not None
        self.confirmed = self.ended = self._media = False
        self._phone, self._tell, self._wire = phone, phone.tell, phone.wire
        self._script: Iterator[None] = iter(())

    def follow(self, steps: list[list[Any]]) -> None:
        self._script = self._run(steps)

    def go_on(self) -> None:
        if not self.ended:
            next(self._script, None)

    def say(self, code: int) -> None:
        answer = pj.CallOpParam()
        answer.statusCode = code
        self.answer(answer)

    def _run(self, steps: list[list[Any]]) -> Iterator[None]:
        for name, argument in steps:
            if name == "ring":
                self.say(180)
                self._tell("rings", call=self.number)
                yield from self._wait(argument)
            elif name == "early":
                self.say(183)
                self.sound.play(argument, for_ever=True)
            elif name == "reject":
                self.say(argument)
            elif name in ("answer", "answered"):
                if name == "answer":
                    self.say(200)
                while not (self.confirmed and self._media):
                    yield
            elif name == "play":
                self.sound.play(argument)
                self._tell("plays", call=self.number, wav=argument)
                while self.sound.playing:
                    yield
                self._tell("played", call=self.number, wav=argument)
            elif name == "loop":
                self.sound.play(argument, for_ever=True)
                self._tell("plays", call=self.number, wav=argument)
            elif name == "wait":
                yield from self._wait(argument)
            elif name == "keys":
                self.dialDtmf(argument)
            elif name == "refer":
                self.xfer(argument, pj.CallOpParam())
            elif name == "hold":
                self.setHold(pj.CallOpParam())
            elif name == "hang_up":
                self._tell("hangs_up", call=self.number)
                self.hangup(pj.CallOpParam())
            else:
                raise ValueError(f"no such step: {name}")

    @staticmethod
    def _wait(seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.confirmed = True
            self._tell("up", call=self.number)
        elif info.state == pj.PJSIP_INV_STATE_EARLY:
            self._tell("early", call=self.number, code=info.lastStatusCode)
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED and not self.ended:
            self.ended = True
            self._tell("ended", call=self.number, code=info.lastStatusCode, reason=info.lastReason)

    def onCallMediaState(self, _: Any) -> None:
        info = self.getInfo()  # kept: its list of media dies with it
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.sound.startTransmit(audio)
                audio.startTransmit(self.sound)
                self._listen_on_wire(index)
                self._media = True

    def _listen_on_wire(self, index: int) -> None:
        if self._wire is not None:
            transport = self.getMedTransportInfo(index)
            self._wire.listen(int(transport.localRtpName.rsplit(":", 1)[1]), self.sound)

    def onCallTransferRequest(self, request: Any) -> None:
        """REFER: the new call is one of its own, and sounds like this one."""
        call = Call(self._phone)
        self._phone.calls.append(call)
        call.sound.go_on_like(self.sound)
        request.newCall = call

    def onDtmfDigit(self, event: Any) -> None:
        self._tell("key", call=self.number, key=event.digit)

    def onCallTsxState(self, event: Any) -> None:
        """Tells of requests within the call: re-INVITE, REFER, BYE with its reason."""
        data = event.e.body.tsxState
        if data.type == pj.PJSIP_EVENT_RX_MSG and data.tsx.role == pj.PJSIP_ROLE_UAS:
            headers = parse_headers(data.src.rdata.wholeMsg)
            self._tell("request", call=self.number, method=data.tsx.method, headers=headers)


class Phone(pj.Account):  # type: ignore[misc]
    """The telephone: its calls, and what it does with those that come in."""

    def __init__(self, port: int, folder: Path, tell: Reporter) -> None:
        super().__init__()
        self.folder, self.tell, self.count = folder, tell, 0
        self._port, self.wire = port, open_wire(port)
        self.calls: list[Call] = []
        self._steps: list[list[Any]] = []
        self.create(account_config(f"sip:phone@127.0.0.1:{port}", port))

    def obey(self, order: dict[str, Any]) -> bool:
        """Carries one order out; False for the last."""
        if order["do"] == "quit":
            return False
        if order["do"] == "script":
            self._steps = order["steps"]
        elif order["do"] == "steps":
            self.calls[order["call"] - 1].follow(order["steps"])
        elif order["do"] == "call":
            self._dial(order)
        self.tell("obeyed", order=order["do"])
        return True

    def _dial(self, order: dict[str, Any]) -> None:
        config = account_config(f"sip:{order['from']}@127.0.0.1", self._port)
        self.modify(config)
        call = Call(self)
        self.calls.append(call)
        how = pj.CallOpParam(True)
        headers = pj.SipHeaderVector()
        for name, value in order["headers"].items():
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            headers.push_back(header)
        how.txOption.headers = headers
        self.tell("dials", call=call.number)
        call.makeCall(order["to"], how)
        call.follow(order["steps"])

    def onIncomingCall(self, offer: Any) -> None:
        call = Call(self, offer.callId)
        self.calls.append(call)
        message = offer.rdata.wholeMsg
        self.tell(
            "incoming",
            call=call.number,
            uri=message.split(" ", 2)[1],
            headers=parse_headers(message),
        )
        call.follow(self._steps)
        call.go_on()


def account_config(uri: str, port: int) -> Any:
    config = pj.AccountConfig()
    config.idUri = uri
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    ports = media_ports(port)
    config.mediaConfig.transportConfig.port = ports.start
    config.mediaConfig.transportConfig.portRange = len(ports) - 1  # else it goes on upwards
    return config


def media_ports(port: int) -> range:
    """40 ports each, so that telephones do not search the same ones for free ones."""
    return range(first := 24000 + (port % 200) * 40, first + 40)


def open_wire(port: int) -> Wire | None:
    try:
        wire = Wire(media_ports(port))
    except PermissionError:
        return None
    wire.start()
    return wire


def parse_headers(message: str) -> dict[str, str]:
    """Header values by name in small letters; repeated ones joined by a comma."""
    found: dict[str, str] = {}
    for line in message.split("\r\n\r\n", 1)[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        found[name] = f"{found[name]}, {value.strip()}" if name in found else value.strip()
    return found


def make_endpoint(port: int, log: Path) -> Any:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.filename = str(log)
    config.logConfig.level = 3
    config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.maxCalls = 4
    config.medConfig.clockRate = RATE
    config.medConfig.audioFramePtime = 20
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port = port
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 0)
    endpoint.codecSetPriority("PCMA/8000", 255)
    endpoint.codecSetPriority("PCMU/8000", 254)
    return endpoint


def read_orders(orders: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put({"do": "quit"})


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    tell = Reporter(folder / "phone.log")
    probe = pj.ByteVector(b"probe")
    if frame_bytes(probe) != b"probe":
        sys.exit("this build of pjsua2 lays its vectors out in another way")
    endpoint = make_endpoint(port, folder / "pjsip.log")
    phone = Phone(port, folder, tell)
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=read_orders, args=(orders,), daemon=True).start()
    tell("ready")
    going = True
    while going:
        endpoint.libHandleEvents(5)
        for call in phone.calls:
            call.go_on()
        try:
            going = phone.obey(orders.get_nowait())
        except queue.Empty:
            continue
    endpoint.hangupAllCalls()
    until = time.monotonic() + 0.3
    while time.monotonic() < until and any(not call.ended for call in phone.calls):
        endpoint.libHandleEvents(5)
    # Without libDestroy: objects that Python frees after it abort the process.
    os._exit(0)


if __name__ == "__main__":
    main()
