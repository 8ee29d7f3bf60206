"""vosk-server's protocol: what its own example clients do, and what they get."""

from __future__ import annotations

import asyncio
import ctypes
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from asr.hypothesis import Pcm
from asr.pool import DecodePool
from asr.service import kaldi_json
from asr.service.vosk_protocol import KaldiReplies
from asr.service.wire import Int16
from asr.vosk_engine import VoskTranscriber
from tests.asr.service_doubles import PitchEngine, serving, silence, tone

RATE = 16_000
CONFIG = '{ "config" : { "sample_rate" : %d } }'
EOF = '{"eof" : 1}'


async def transcribed(
    client: ClientConnection, pcm: Int16, *, config: str = CONFIG % RATE, rate: int = RATE
) -> list[str]:
    """The replies, as websocket/test.py of alphacep/vosk-server gets them: it sends 0.2 s and
    waits for one reply, to the end, and for one more after it."""
    await client.send(config)
    replies = []
    size = int(rate * 0.2)
    for begin in range(0, len(pcm), size):
        await client.send(pcm[begin : begin + size].astype("<i2").tobytes())
        replies.append(str(await client.recv()))
    await client.send(EOF)
    replies.append(str(await client.recv()))
    return replies


def said(pitch: float, seconds: float = 1.0) -> Int16:
    return np.concatenate([silence(0.4, RATE), tone(pitch, seconds, RATE), silence(1.0, RATE)])


async def test_the_example_client_gets_one_reply_a_message_to_the_byte() -> None:
    async with serving(PitchEngine()) as service, connect(service.url) as client:
        pcm = np.concatenate([said(440), said(700)[:-RATE]])
        *replies, last = await transcribed(client, pcm, config=CONFIG % RATE)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1000
    partials = {
        '{\n  "partial" : ""\n}',
        '{\n  "partial" : "440Hz"\n}',
        '{\n  "partial" : "700Hz"\n}',
    }
    finals = [reply for reply in replies if reply not in partials]
    (final,) = finals
    heard = json.loads(final)
    (word,) = heard["result"]
    assert final == (
        '{\n  "result" : [{\n      "conf" : 0.904837,\n'
        f'      "end" : {word["end"]:.6f},\n      "start" : {word["start"]:.6f},\n'
        '      "word" : "440Hz"\n    }],\n  "text" : "440Hz"\n}'
    )
    assert word["start"] == pytest.approx(0.4, abs=0.05)
    assert word["end"] == pytest.approx(1.4, abs=0.05)
    assert json.loads(last)["text"] == "700Hz"


async def test_alternatives_and_words_are_as_the_client_configures_them() -> None:
    config = '{"config" : { "max_alternatives" : 2, "sample_rate" : 16000, "words" : 0 } }'
    async with serving(PitchEngine()) as service, connect(service.url) as client:
        last = (await transcribed(client, said(440)[:-RATE], config=config))[-1]
        assert last == (
            '{\n  "alternatives" : [{\n      "confidence" : -0.100000,\n      "text" : "440Hz"\n'
            '    }, {\n      "confidence" : -0.200000,\n      "text" : "other"\n    }]\n}'
        )


@pytest.mark.parametrize(
    ("config", "reply"),
    [
        ("{}", '{"text": ""}'),
        ('{"max_alternatives": 3}', '{"alternatives" : [{"text": "", "confidence" : 1.0}] }'),
    ],
)
async def test_an_end_without_audio_has_the_empty_final(config: str, reply: str) -> None:
    async with serving(PitchEngine()) as service, connect(service.url) as client:
        await client.send(f'{{"config": {config}}}')
        await client.send(EOF)
        assert await client.recv() == reply


async def test_any_path_is_a_vosk_server_and_8000_hz_the_rate_of_a_client_that_says_none() -> None:
    async with serving(PitchEngine()) as service, connect(f"{service.url}/zh") as client:
        replies = await transcribed(client, said(440)[::2], config='{"config": {}}', rate=8000)
        assert any("440Hz" in reply for reply in replies)


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("nonsense", 1007, "A text message must be one JSON object."),
        ('{"config": {"sample_rate": "fast"}}', 1008, "sample_rate must be a number from 4000"),
        ("{}", 1008, "Texts are"),
    ],
)
async def test_what_makes_no_sense_closes_the_connection_with_a_reason(
    text: str, code: int, reason: str
) -> None:
    async with serving(PitchEngine()) as service, connect(service.url) as client:
        await client.send(text)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == code
        assert (client.close_reason or "").startswith(reason)


async def test_the_last_final_is_sent_when_the_service_stops() -> None:
    async with serving(PitchEngine()) as service, connect(service.url) as client:
        await client.send(CONFIG % RATE)
        await client.send(said(440)[:-RATE].astype("<i2").tobytes())
        assert "partial" in str(await client.recv())
        service.stop()
        assert json.loads(await client.recv())["text"] == "440Hz"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001


# ── Kaldi itself ──────────────────────────────────────────────────────────────────


class ScriptedKaldi:
    """A `vosk.KaldiRecognizer` that counts what it was given."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def AcceptWaveform(self, data: bytes) -> bool:
        self.given.append(data)
        return len(self.given) == 2

    def Result(self) -> str:
        return '{\n  "text" : "둘"\n}'

    def PartialResult(self) -> str:
        return '{\n  "partial" : "하나"\n}'

    def FinalResult(self) -> str:
        raise RuntimeError("kaldi")


@asynccontextmanager
async def pool() -> AsyncIterator[DecodePool]:
    with ThreadPoolExecutor(1) as executor:
        decodes = DecodePool(executor)
        task = asyncio.create_task(decodes.run())
        yield decodes
        task.cancel()


async def test_kaldis_replies_are_passed_on_and_a_sample_cut_in_two_is_whole() -> None:
    kaldi = ScriptedKaldi()
    async with pool() as decodes:
        replies = KaldiReplies(kaldi, decodes)
        assert await replies.accept(b"\1\2\3") == kaldi.PartialResult()
        assert await replies.accept(b"\4\5\6") == kaldi.Result()
        assert b"".join(kaldi.given) == b"\1\2\3\4\5\6"
        assert all(len(data) % 2 == 0 for data in kaldi.given)


def as_int16(pcm: Pcm) -> Int16:
    return (pcm * 32767).astype(np.int16)


def same_dither() -> None:
    """From here on Kaldi adds the noise to its input that it added before: by `rand` of libc. A
    pause of just the length that ends an utterance ended it in one run and not in the other."""
    ctypes.CDLL(None).srand(1)


def behind_vosk_server(model: VoskTranscriber, pcm: Int16, alternatives: int) -> list[str]:
    """The replies of alphacep/vosk-server to the same messages."""
    decoder = model.decoder(float(RATE), words=True, alternatives=alternatives)
    replies = []
    for begin in range(0, len(pcm), RATE // 5):
        data = pcm[begin : begin + RATE // 5].astype("<i2").tobytes()
        closed = decoder.AcceptWaveform(data)
        replies.append(decoder.Result() if closed else decoder.PartialResult())
    return [*replies, decoder.FinalResult()]


@pytest.mark.parametrize("alternatives", [0, 3])
async def test_with_a_vosk_model_the_replies_are_vosk_servers(
    vosk: VoskTranscriber, korean: Pcm, alternatives: int
) -> None:
    pcm = np.concatenate([as_int16(korean), silence(1.0, RATE)])
    config = json.dumps({"config": {"sample_rate": RATE, "max_alternatives": alternatives}})
    same_dither()
    async with serving(vosk) as service, connect(service.url) as client:
        replies = await transcribed(client, pcm, config=config)
    same_dither()
    expected = await asyncio.to_thread(behind_vosk_server, vosk, pcm, alternatives)
    # Kaldi dithers its input, so two runs differ in a few confidences and perhaps a word.
    assert [list(json.loads(each)) for each in replies] == [list(json.loads(e)) for e in expected]
    assert SequenceMatcher(None, text_of(replies), text_of(expected)).ratio() > 0.8
    # What Kaldi wrote is what our own layout writes.
    for reply in replies:
        assert reply in (
            kaldi_json.dumps(json.loads(reply)),
            kaldi_json.empty_reply(alternatives),
        )


def text_of(replies: list[str]) -> str:
    texts = []
    for reply in map(json.loads, replies):
        best: dict[str, Any] = reply.get("alternatives", [reply])[0]
        texts.append(best.get("text", ""))
    return " ".join(texts)


async def test_a_phrase_list_limits_what_vosk_hears(vosk: VoskTranscriber, korean: Pcm) -> None:
    config = json.dumps({"config": {"sample_rate": RATE, "phrase_list": ["오늘 날씨"]}})
    async with serving(vosk) as service, connect(service.url) as client:
        words = text_of(await transcribed(client, as_int16(korean), config=config)).split()
    assert words
    assert set(words) <= {"오늘", "날씨"}
