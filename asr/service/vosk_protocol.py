"""vosk-server's conversation (alphacep/vosk-server, websocket/asr_server.py): to each binary
message one reply, a partial or the final of an utterance; to the end the last final.

With a Vosk model Kaldi itself answers, as it does behind vosk-server: its endpoints, its numbers.
Any other engine answers in the same layout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from asr.pool import DecodePool
from asr.service import kaldi_json
from asr.service.connection import Connection
from asr.service.errors import FAULT, GOING_AWAY, Stopping, StreamError
from asr.service.hearing import Hearing, Reading
from asr.service.side import Side
from asr.service.vosk_messages import VoskConfig, read_text
from asr.service.wire import Encoding, WireAudio
from asr.urgency import Urgency
from asr.vosk_engine import VoskTranscriber

log = structlog.get_logger()

T = TypeVar("T")


class Replies(Protocol):
    """Turns the audio of one connection into vosk's replies."""

    async def accept(self, payload: bytes) -> str:
        """The reply to the next PCM16 mono little-endian bytes."""
        ...

    async def final(self) -> str:
        """The reply to the end."""
        ...

    async def close(self) -> None:
        """Nothing more is wanted."""
        ...


async def converse(connection: Connection, hearing: Hearing) -> None:
    """Serve one client to its end.

    Raises:
        ConnectionClosed: the client went away before it.
    """
    config = VoskConfig()
    replies: Replies | None = None
    try:
        while True:
            message = await connection.receive()
            if isinstance(message, str):
                given = read_text(message)
                if given is not None:
                    config = config.updated(given)
                    continue
            replies = replies or await _open(hearing, config)
            if isinstance(message, str):
                await connection.send(await replies.final())
                await connection.close()
                return
            await connection.send(await replies.accept(message))
    except Stopping:
        if replies is not None:
            await connection.send(await replies.final())
        await connection.close(GOING_AWAY, "The service is being stopped.")
    except StreamError as problem:
        if replies is not None and problem.close_code != FAULT:
            await connection.send(await replies.final())
        # The protocol has no message for errors.
        await connection.close(problem.close_code, str(problem))
    finally:
        if replies is not None:
            await replies.close()


async def _open(hearing: Hearing, config: VoskConfig) -> Replies:
    if isinstance(hearing.engine, VoskTranscriber):
        return await KaldiReplies.open(hearing.engine, hearing.pool, config)
    return HeardReplies(hearing, config)


class KaldiReplies:
    """A Kaldi decoder's own replies."""

    def __init__(self, decoder: Any, pool: DecodePool) -> None:
        self._decoder, self._pool = decoder, pool
        self._rest = b""

    @classmethod
    async def open(
        cls, engine: VoskTranscriber, pool: DecodePool, config: VoskConfig
    ) -> KaldiReplies:
        work = partial(
            engine.decoder, config.sample_rate, config.phrase_list, words=config.words,
            alternatives=config.max_alternatives,
        )  # fmt: skip
        return cls(await _worked(pool, work), pool)

    async def accept(self, payload: bytes) -> str:
        return await _worked(self._pool, partial(self._accept, payload))

    async def final(self) -> str:
        return await _worked(self._pool, self._decoder.FinalResult)

    async def close(self) -> None:
        return

    def _accept(self, payload: bytes) -> str:
        joined = self._rest + payload
        whole = len(joined) // 2 * 2
        self._rest = joined[whole:]
        if self._decoder.AcceptWaveform(joined[:whole]):
            return str(self._decoder.Result())
        return str(self._decoder.PartialResult())


class HeardReplies:
    """Readings of any engine, in Kaldi's layout."""

    def __init__(self, hearing: Hearing, config: VoskConfig) -> None:
        self._config = config
        rate = round(config.sample_rate)
        self._audio = WireAudio(Encoding.PCM, rate, 1, hearing.new_resampler)
        self._side = Side(hearing, self._report)
        self._working = asyncio.create_task(self._side.run())
        self._partial = ""
        self._finals: list[Reading] = []
        self._heard = False

    async def accept(self, payload: bytes) -> str:
        self._heard = True
        for pcm in self._audio.take(payload):
            await self._side.feed(pcm)
        await self._side.settled()
        return self._reply() if self._finals else kaldi_json.partial_reply(self._partial)

    async def final(self) -> str:
        await self._side.finish()
        return self._reply() if self._heard else kaldi_json.empty_reply(self._most)

    async def close(self) -> None:
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)

    @property
    def _most(self) -> int:
        return self._config.max_alternatives

    def _reply(self) -> str:
        finals, self._finals = self._finals, []
        return kaldi_json.final_reply(finals, words=self._config.words, alternatives=self._most)

    async def _report(self, reading: Reading) -> None:
        if reading.hypothesis.final:
            self._finals.append(reading)
            self._partial = ""
        else:
            self._partial = reading.text


async def _worked(pool: DecodePool, work: Callable[[], T]) -> T:
    """Kaldi's work in the pool's turn; none of it may be left out, or it would miss audio.

    Raises:
        StreamError: `engine_failed`.
    """
    try:
        result = await pool.decode(work, work, Urgency.FINAL)
    except Exception as error:
        log.error("kaldi_failed", error=repr(error))
        raise StreamError("engine_failed", "The recogniser failed.", close_code=FAULT) from error
    assert result is not None
    return result
