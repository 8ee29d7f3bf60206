"""Speech servers for tests: true to their protocols, with words that can be counted.

The audio spells its own text: each character is a stretch of samples of one level, silence is 0.
So a text says exactly which audio a server got, how often and in which order.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from socket import SHUT_RDWR
from typing import Any, Protocol

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from asr.hypothesis import Pcm

CHARACTERS = "海口市美兰区有人打架请快来三亚天涯救命我要报警"
CHARACTER_S = 0.1
_LEVEL = 200
_PAUSE = 8_000  # samples of silence that close a segment, as Kaldi's and FunASR's VAD do


def spell(text: str, *, rate: int = 16_000) -> Pcm:
    """Audio of characters of ``CHARACTERS``, none twice in a row; a blank is a pause of 0.6 s."""
    pieces = [
        np.zeros(round(0.6 * rate), np.int16)
        if character == " "
        else np.full(
            round(CHARACTER_S * rate), _LEVEL * (CHARACTERS.index(character) + 1), np.int16
        )
        for character in text
    ]
    return (np.concatenate(pieces) / 32767.0).astype(np.float32)


def read(samples: np.ndarray[Any, np.dtype[np.int16]]) -> str:
    """The characters that the samples spell, each run of a level once."""
    levels = np.rint(samples / _LEVEL).astype(int)
    edges = [*np.flatnonzero(np.diff(levels, prepend=0)), levels.size]
    text = ""
    for begin, end in pairwise(edges):
        if levels[begin] > 0 and end - begin >= 160:  # not a rest of 10 ms
            text += CHARACTERS[levels[begin] - 1]
    return text


class Ear:
    """What was said since the last pause; a recogniser that knows only ``read``."""

    def __init__(self) -> None:
        self.samples = np.empty(0, np.int16)

    def hear(self, audio: bytes) -> bool:
        """Whether a pause has closed a segment."""
        self.samples = np.concatenate([self.samples, np.frombuffer(audio, "<i2")])
        return self.samples.size >= _PAUSE and not self.samples[-_PAUSE:].any()

    def text(self) -> str:
        return read(self.samples)

    def close(self) -> str:
        text, self.samples = read(self.samples), np.empty(0, np.int16)
        return text


class Kaldi(Protocol):
    """What vosk-server needs of ``vosk.KaldiRecognizer``."""

    def AcceptWaveform(self, audio: bytes) -> bool: ...

    def Result(self) -> str: ...

    def PartialResult(self) -> str: ...

    def FinalResult(self) -> str: ...


class SpelledKaldi:
    """``KaldiRecognizer`` of spelled audio, with its layout of answers."""

    def __init__(self) -> None:
        self._ear = Ear()
        self._heard = 0

    def AcceptWaveform(self, audio: bytes) -> bool:
        self._heard += len(audio) // 2
        return self._ear.hear(audio)

    def Result(self) -> str:
        end = self._heard / 16_000
        text = self._ear.close()
        words = [
            {
                "start": end - 0.1 * (len(text) - i),
                "end": end - 0.1 * (len(text) - i - 1),
                "word": c,
            }
            for i, c in enumerate(text)
        ]
        if not text:
            return json.dumps({"alternatives": [{"confidence": 1.0, "text": ""}]}, indent=2)
        best = {"confidence": 200.5, "result": words, "text": " " + " ".join(text)}
        other = {"confidence": 190.1, "text": " " + " ".join(text[:-1])}
        return json.dumps({"alternatives": [best, other]}, indent=2)

    def PartialResult(self) -> str:
        return json.dumps({"partial": " ".join(self._ear.text())}, indent=2)

    def FinalResult(self) -> str:
        return self.Result()


class Hangup(Exception):
    """Raised by ``Running.before``: the server dies, without a word."""


@dataclass
class Running:
    """A server at work: where, and what it has seen."""

    url: str = ""
    connections: int = 0
    openings: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    before: Callable[["Running", str | bytes], None] = lambda running, message: None
    """Called with each message before it is answered."""
    audio: list[int] = field(default_factory=list)
    """Samples that each connection has brought."""


Handler = Callable[[ServerConnection, Running], None]


def vosk_server(new_decoder: Callable[[], Kaldi] = SpelledKaldi) -> Handler:
    """websocket/asr_server.py: one answer a message, the end known by its very text."""

    def handle(socket: ServerConnection, running: Running) -> None:
        decoder = new_decoder()
        for message in socket:
            running.before(running, message)
            if isinstance(message, str) and "config" in message:
                running.openings.append(json.loads(message)["config"])
                continue
            if message == '{"eof" : 1}':
                socket.send(decoder.FinalResult())
                return
            assert isinstance(message, bytes), f"vosk-server would crash on {message!r}"
            running.audio[-1] += len(message) // 2
            closed = decoder.AcceptWaveform(message)
            socket.send(decoder.Result() if closed else decoder.PartialResult())

    return handle


def funasr(flavour: str = "runtime", *, tags: str = "", silent: bool = False) -> Handler:
    """FunASR's servers.

    Args:
        flavour: "runtime" (C++, 2pass), "python", or "files" (C++, one answer after the end).
        tags: put before each closed text, as SenseVoice does.
        silent: answer nothing where nothing was said, as older Python servers do.
    """

    def handle(socket: ServerConnection, running: Running) -> None:
        ear, shown, frames, speaking, mode = Ear(), 0, 0, True, "2pass"
        begun = heard = 0
        prefix = "2pass-" if flavour == "runtime" else ""

        def send(text: str, kind: str, **more: Any) -> None:
            if flavour == "python":
                name, final = (f"2pass-{kind}" if mode == "2pass" else mode), speaking
            elif flavour == "files":
                name, final = "offline", False
            else:
                name, final = f"{prefix}{kind}", not speaking
            answer = {"mode": name, "text": text, "wav_name": "call", "is_final": final, **more}
            if flavour == "runtime" and not text:
                del answer["mode"]
            socket.send(json.dumps(answer, ensure_ascii=False))

        def close() -> None:
            nonlocal shown, begun
            text = ear.close()
            shown = 0
            start = 1000 * begun // 16_000
            stamps = [[start + 100 * i, start + 100 * i + 100] for i in range(len(text))]
            begun = heard
            if text and flavour != "python":
                send(f"{tags}{text}。", "offline", timestamp=json.dumps(stamps))
            elif text:
                send(f"{tags}{text}。", "offline")
            elif not speaking and not silent:
                send("", "offline")

        for message in socket:
            running.before(running, message)
            if isinstance(message, str):
                control = json.loads(message)
                mode = control.get("mode", mode)
                speaking = control["is_speaking"]
                if "chunk_size" in control:
                    running.openings.append(control)
                if not speaking and (flavour != "python" or mode != "online"):
                    close()
                continue
            running.audio[-1] += len(message) // 2
            heard += len(message) // 2
            frames += 1
            closed = ear.hear(message)
            if flavour == "files":
                continue
            if frames % 10 == 0 and mode != "offline" and len(ear.text()) > shown:
                send(ear.text()[shown:], "online")
                shown = len(ear.text())
            if closed:
                if not ear.text():
                    ear.close()
                    begun = heard
                elif mode != "online" or flavour == "runtime":
                    close()

    return handle


@contextmanager
def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, token: str = "", port: int = 0
) -> Iterator[Running]:
    """A server in threads of its own."""
    running = Running()

    def handle(socket: ServerConnection) -> None:
        running.connections += 1
        running.audio.append(0)
        try:
            handler(socket, running)
        except Hangup:
            socket.socket.shutdown(SHUT_RDWR)
        except ConnectionClosed:
            pass

    def admit(socket: ServerConnection, request: Request) -> Response | None:
        given = request.headers.get("Authorization")
        running.tokens.append(given)
        return socket.respond(401, "") if token and given != f"Bearer {token}" else None

    with serve(
        handle, "127.0.0.1", port, ssl=tls, process_request=admit, compression=None
    ) as server:
        host, bound = server.socket.getsockname()[:2]
        running.url = f"{'wss' if tls else 'ws'}://{host}:{bound}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            with suppress(OSError):
                server.shutdown()
            thread.join(10)
