"""The plain alternative of `bench_latency`: the pipeline that pipecat's guides lead to.

pipecat's own Whisper service with its own VAD, turn strategies and context aggregators,
all at their defaults; where their example bots have a language model and a speech
service there is an FAQ: nearest question by sentence embedding → recorded answer. It
takes calls on the same transport and serializer as ours, and tags what it says with the
same marks. Only what costs it time for nothing is left out: answers are in memory at
the wire's rate, and nothing is logged.

    python -m benchmarks.plain_pipecat MODELS AUDIO VOICE    # prints its address

AUDIO is the folder of rendered answers, VOICE the one they were rendered with.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from loguru import logger
from numpy.typing import NDArray
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    ClientConnectedFrame,
    Frame,
    LLMContextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transcriptions.language import Language
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

from benchmarks.bench_latency import Entry, greeting, read_faq
from telephony.errors import MediaStreamError
from telephony.loopback_server import serve_until_stopped
from telephony.media_stream import MediaStreamSerializer, mark_frame
from telephony.stream_start import StreamStart, receive_start
from voicebot.call.audio_library import AudioLibrary
from voicebot.call.speech import open_synthesizer
from voicebot.encoders import UniversalSentenceEncoder

Int16 = NDArray[np.int16]

WIRE_RATE = 8000
"""A-law's."""

SPEECH_RATE = 16_000
"""pipecat's default input rate, and the one Whisper needs."""

OUTPUT_CHUNK_S = 0.04
"""What pipecat's output transport sends at a time, unless told otherwise."""


class Faq:
    """Nearest question by cosine of sentence embeddings, and its recorded answer.

    Parameters:
        entries: what can be answered.
        models: folder of fetched models.
        library: the answers' audio, rendered already.
    """

    def __init__(self, entries: list[Entry], models: Path, library: AudioLibrary) -> None:
        self.models, self._library = models, library
        self._encoder = UniversalSentenceEncoder(models)
        pairs = [(question, entry) for entry in entries for question in entry.questions]
        self._entries = [entry for _, entry in pairs]
        self._vectors = self._encoder.encode([question for question, _ in pairs])

    def nearest(self, question: str) -> Entry:
        """Blocks about 2 ms."""
        scores = self._vectors @ self._encoder.encode([question])[0]
        return self._entries[int(np.argmax(scores))]

    def pcm(self, text: str, rate: int) -> Int16:
        """The text's audio at `rate` Hz, in whole chunks of the output transport."""
        pcm = self._library.get(text, rate).pcm
        return np.pad(pcm, (0, -len(pcm) % round(rate * OUTPUT_CHUNK_S)))

    def warm_up(self, rate: int) -> None:
        """Reads all audio, so that no call waits for the disk."""
        for text in {greeting(), *(entry.answer for entry in self._entries)}:
            self.pcm(text, rate)


class FaqProcessor(FrameProcessor):  # type: ignore[misc]
    """Stands where a language model and its speech service would: context in, speech out."""

    def __init__(self, faq: Faq, rate: int) -> None:
        super().__init__()
        self._faq, self._rate = faq, rate

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            question = last_user_text(frame.context.get_messages())
            if question:
                found = await asyncio.to_thread(self._faq.nearest, question)
                await self._say("answer", found.answer, f":{found.id}")
            return
        await self.push_frame(frame, direction)
        if isinstance(frame, ClientConnectedFrame):
            await self._say("prompt", greeting())

    async def _say(self, purpose: str, text: str, tail: str = "") -> None:
        utterance = uuid.uuid4().hex[:8]
        pcm = self._faq.pcm(text, self._rate)
        await self.push_frame(TTSStartedFrame())
        await self.push_frame(mark_frame(f"begin:{purpose}:{utterance}{tail}"))
        await self.push_frame(TTSAudioRawFrame(pcm.tobytes(), self._rate, 1))
        await self.push_frame(mark_frame(f"end:{purpose}:{utterance}"))
        await self.push_frame(TTSStoppedFrame())


def last_user_text(messages: list[Any]) -> str:
    """What the caller said last, of a context's messages; empty when nothing."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            return content.strip() if isinstance(content, str) else ""
    return ""


async def carry_call(websocket: WebSocket, start: StreamStart, faq: Faq) -> None:
    """One call, until the caller hangs up."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            serializer=MediaStreamSerializer(start),
            audio_in_enabled=True,
            audio_out_enabled=True,
        ),
    )
    recognition = WhisperSTTService(
        device="cpu",
        compute_type="int8",
        settings=WhisperSTTService.Settings(
            model=str(faq.models / "whisper-base"), language=Language.ZH
        ),
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                recognition,
                aggregators.user(),
                FaqProcessor(faq, start.sample_rate),
                transport.output(),
                aggregators.assistant(),
            ]
        ),
        # The wire's rate, as pipecat's telephone examples do it: no resampling on the way out.
        params=PipelineParams(
            audio_in_sample_rate=SPEECH_RATE, audio_out_sample_rate=start.sample_rate
        ),
    )

    async def disconnected(*_: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_disconnected", disconnected)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def make_app(faq: Faq) -> FastAPI:
    """The server: `/media` takes calls."""
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            start = await receive_start(lambda: _text(websocket))
        except WebSocketDisconnect:
            return
        except MediaStreamError as error:
            await websocket.close(1008, error.message[:120])
            return
        await carry_call(websocket, start, faq)
        gc.collect()  # each call loaded its own Whisper, held by reference cycles

    return app


async def _text(websocket: WebSocket) -> str | bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    return message.get("text") or message.get("bytes") or ""


def main(models: Path, audio: Path, voice: str) -> None:
    """Serves until stopped; the first line of stdout is the media address."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    faq = Faq(read_faq(), models, AudioLibrary(audio, open_synthesizer(voice, models)))
    faq.warm_up(WIRE_RATE)
    serve_until_stopped(
        partial(make_app, faq),
        host="127.0.0.1",
        port=0,
        on_listening=lambda url: print(f"{url}/media", flush=True),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
