"""AudioSocket against a real Asterisk: both ways of the sound, keys, and every ending."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from telephony.audio_socket import AudioSocketEndpoint
from telephony.audio_socket_packets import Announcements
from telephony.call_control import CallControl, IncomingCall
from telephony.codecs import Int16
from telephony.pacing import FrameClock
from tests.asterisk.pbx import Pbx

MODULES = ("res_audiosocket", "app_audiosocket", "chan_audiosocket", "res_clioriginate")
EXTRAS = ("app_echo", "app_senddtmf", "res_curl", "func_curl", "func_uuid")
CALLING = """
[bot]
exten => s,1,Set(CALLERID(num)=13800138000)
 same => n,Goto(voicebot-audiosocket,12345,1)
"""
DOCUMENTED = Path(__file__).parents[2] / "docs" / "other-switches.md"


class Ear:
    """The application's side of a call."""

    def __init__(self) -> None:
        self.pcm: list[Int16] = []
        self.key: asyncio.Queue[str] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def hear(self, pcm: Int16) -> None:
        self.pcm.append(pcm)

    def press(self, key: str) -> None:
        self.key.put_nowait(key)

    def caller_hung_up(self) -> None:
        self.gone.set()


@pytest.fixture
def switch(pbx: Pbx) -> Iterator[Pbx]:
    """Asterisk with AudioSocket, which the sample configuration leaves out."""
    for module in (*MODULES, *EXTRAS):
        with contextlib.suppress(AssertionError):  # it is loaded already
            pbx.cli(f"module load {module}.so")
    yield pbx
    for context in ("bot", "keys"):
        with contextlib.suppress(AssertionError):
            pbx.cli(f"dialplan remove context {context}")


def dialplan(pbx: Pbx, context: str, *steps: str) -> None:
    for number, step in enumerate(steps, 1):
        pbx.cli(f"dialplan add extension s,{number},{step} into {context}")


@contextlib.asynccontextmanager
async def endpoint(
    take: Callable[[IncomingCall], Awaitable[None]], identity: uuid.UUID, rate: int = 8000
) -> AsyncIterator[AudioSocketEndpoint]:
    announcements = Announcements()
    announcements.announce(identity, "13800138000", "12345", rate)
    server = AudioSocketEndpoint("127.0.0.1", 0, take, announcements)
    running = asyncio.create_task(server.run())
    await asyncio.wait_for(server.started.wait(), 5)
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def say(line: CallControl, hertz: float, seconds: float) -> None:
    time = np.arange(round(seconds * line.rate)) / line.rate
    pcm = (9000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)
    clock, frame = FrameClock(), line.rate // 50
    for at in range(0, len(pcm), frame):
        await clock.tick()
        await line.send_audio(pcm[at : at + frame])


def pitch(pcm: Int16, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum[5:]) + 5) * rate / len(pcm)


async def until(pbx: Pbx, wanted: Callable[[str], bool]) -> None:
    """Until the list of channels is as wanted."""
    async with asyncio.timeout(10):
        while not wanted(await asyncio.to_thread(pbx.cli, "core show channels concise")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def originate(pbx: Pbx, what: str) -> None:
    await asyncio.to_thread(pbx.cli, f"channel originate {what}")


async def test_the_caller_hears_the_bot_and_is_heard(switch: Pbx) -> None:
    identity, ear, spoken = uuid.uuid4(), Ear(), asyncio.Event()

    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        line.listen(ear)
        await say(line, 700, 2.0)
        spoken.set()
        await ear.gone.wait()
        await call.closed()

    async with endpoint(take, identity) as server:
        dialplan(switch, "bot", "Answer()", f"AudioSocket({identity}\\,127.0.0.1:{server.port})")
        # This caller repeats what it hears.
        await originate(switch, "Local/s@bot application Echo")
        await asyncio.wait_for(spoken.wait(), 15)
        await asyncio.to_thread(switch.cli, "channel request hangup all")
        await asyncio.wait_for(ear.gone.wait(), 10)
    heard = np.concatenate(ear.pcm)
    assert pitch(heard[4000:12000], 8000) == pytest.approx(700, abs=2)


async def test_keys_and_16_khz_come_by_the_channel_driver(switch: Pbx) -> None:
    identity, ear = uuid.uuid4(), Ear()

    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        line.listen(ear)
        assert await asyncio.wait_for(ear.key.get(), 10) == "5"
        await say(line, 5000, 1.0)
        await line.hang_up()
        await call.closed()

    async with endpoint(take, identity, 16000) as server:
        dialplan(switch, "keys", "Answer()", "SendDTMF(5)", "Echo()")
        await originate(
            switch,
            f"AudioSocket/127.0.0.1:{server.port}/{identity}/c(slin16) extension s@keys",
        )
        await until(switch, lambda channels: "AudioSocket/" in channels)
        await until(switch, lambda channels: not channels.strip())
    heard = np.concatenate(ear.pcm)
    assert pitch(heard[-8000:], 16000) == pytest.approx(5000, abs=20)


@pytest.mark.parametrize(
    ("ending", "stays"), [("hang_up", False), ("release", True), ("death", True)]
)
async def test_only_a_hang_up_of_ours_ends_the_call_of_the_caller(
    switch: Pbx, ending: str, stays: bool
) -> None:
    identity = uuid.uuid4()

    async def take(call: IncomingCall) -> None:
        line = await call.answer()
        line.listen(Ear())
        if ending == "hang_up":
            await line.hang_up()
        elif ending == "release":
            await line.release()
        else:
            call._writer.transport.abort()  # type: ignore[attr-defined]
        await call.closed()

    async with endpoint(take, identity) as server:
        audio_socket = f"AudioSocket({identity}\\,127.0.0.1:{server.port})"
        # Echo stands for the queue with humans.
        dialplan(switch, "bot", "Answer()", audio_socket, "Echo()")
        await originate(switch, "Local/s@bot application Echo")
        if stays:
            await until(switch, lambda channels: channels.count("!bot!s!3!Up!Echo!") == 1)
        else:
            await until(switch, lambda channels: not channels.strip())


async def test_the_documented_dialplan_announces_the_call_and_goes_on_without_us(
    switch: Pbx,
) -> None:
    announcements, came, gone = Announcements(), asyncio.Event(), asyncio.Event()

    async def take(call: IncomingCall) -> None:
        assert (call.info.did, call.info.caller) == ("12345", "13800138000")
        line = await call.answer()
        came.set()
        await line.release()
        await call.closed()
        gone.set()

    async def announce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.findall(r"(?i)content-length: (\d+)", head)[0])
        given = json.loads(await reader.readexactly(length))
        assert head.startswith("POST /api/audiosocket ")
        assert "Authorization: Bearer TOKEN" in head
        announcements.announce(uuid.UUID(given["uuid"]), given["caller"], given["did"])
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = AudioSocketEndpoint("127.0.0.1", 0, take, announcements)
    web = await asyncio.start_server(announce, "127.0.0.1", 0)
    running = asyncio.create_task(server.run())
    await asyncio.wait_for(server.started.wait(), 5)
    [documented] = re.findall(
        r"```ini\n(\[voicebot-audiosocket\].*?)```", DOCUMENTED.read_text(), re.S
    )
    port = web.sockets[0].getsockname()[1]
    documented = documented.replace("8080", str(port)).replace("9092", str(server.port))
    extensions = switch.config / "extensions.conf"
    deployed = extensions.read_text()
    try:
        extensions.write_text(f"{deployed}\n{documented}\n{CALLING}")
        await asyncio.to_thread(switch.cli, "dialplan reload")
        await originate(switch, "Local/s@bot application Echo")
        await asyncio.wait_for(came.wait(), 10)
        await asyncio.wait_for(gone.wait(), 10)
        await until(switch, lambda channels: "voicebot-fallback" in channels)
    finally:
        extensions.write_text(deployed)
        await asyncio.to_thread(switch.cli, "dialplan reload")
        await asyncio.to_thread(switch.cli, "channel request hangup all")
        running.cancel()
        web.close()
        await asyncio.gather(running, return_exceptions=True)
