"""The engine's process: ``python -m asr.supervised.program SOCKET PARENT``.

It ends with its parent, at once and in the middle of a decode too (PR_SET_PDEATHSIG; elsewhere than
on Linux when it next looks at its socket), and by nothing else that is sent to the parent's whole
group: a service that was told to stop still finishes its calls. Once it has loaded it writes
nothing anywhere.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import sys
import time
from dataclasses import asdict
from itertools import count
from typing import Any

from asr.errors import AsrError
from asr.hypothesis import Hypothesis, Recognizer, RecognizerStream
from asr.supervised.child import be_silent, begin, give_back
from asr.supervised.wire import Wire, unpack

GIVE_BACK_EVERY = 10
"""Decodes. Those of changing lengths leave holes in the heap: after 120 of them Whisper base has
280 MB, and 210 so."""


def main(number: int, parent: int) -> None:
    """Load what the first message says, then answer one request after the other."""
    if not begin(parent):
        return
    wire = Wire(socket.socket(fileno=number))
    with contextlib.suppress(OSError):  # nobody is there any more
        engine = _load(wire)
        if engine is not None:
            _answer_all(wire, engine)


def _load(wire: Wire) -> Recognizer | None:
    header, function = wire.receive()
    os.nice(header["niceness"])
    began = time.monotonic()
    try:
        engine: Recognizer = pickle.loads(function)()  # noqa: S301 - from our own parent
    except Exception as error:
        message = str(error) if isinstance(error, AsrError) else ""
        wire.send({"id": 0, "error": type(error).__name__, "message": message})
        return None
    seconds = round(time.monotonic() - began, 2)
    be_silent()
    capabilities = asdict(engine.capabilities)
    wire.send({"id": 0, "name": engine.name, "capabilities": capabilities, "seconds": seconds})
    return engine


def _answer_all(wire: Wire, engine: Recognizer) -> None:
    streams: dict[int, RecognizerStream] = {}
    for answered in count(1):
        request, samples = wire.receive()
        for number in request["forget"]:
            streams.pop(number, None)
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            answer["hypothesis"] = asdict(_recognise(engine, streams, request, samples))
        except Exception as error:  # its text may hold what a caller said
            answer["error"] = type(error).__name__
        wire.send(answer)
        if answered % GIVE_BACK_EVERY == 0:
            give_back()


def _recognise(
    engine: Recognizer,
    streams: dict[int, RecognizerStream],
    request: dict[str, Any],
    samples: bytes,
) -> Hypothesis:
    chunks = unpack(request["sizes"], samples)
    number = request["stream"]
    if number is None:
        return engine.transcribe(chunks[0])
    if number not in streams:
        streams[number] = engine.stream()
    for chunk in chunks:
        streams[number].feed(chunk)
    return streams[number].decode(final=request["final"])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
