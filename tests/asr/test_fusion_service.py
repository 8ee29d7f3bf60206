"""A live transcript has the domain's words where both ears bear them out."""

import json
from dataclasses import replace

import numpy as np
from websockets.asyncio.client import connect

from asr.domain import DomainWords
from asr.hypothesis import Capabilities, Hypothesis, Pcm
from asr.service.wire import RATE
from asr.streaming import ChunkedStream
from tests.asr.service_doubles import serving, silence, tone


class Ear:
    """Always recognises the same in whatever is loud."""

    def __init__(self, heard: Hypothesis, *, phonetic: bool = False) -> None:
        self.name, self._heard = heard.engine, heard
        self.capabilities = Capabilities(False, True, False, False, phonetic, ("zh",))

    def stream(self) -> ChunkedStream:
        return ChunkedStream(self.name, self.transcribe, self.transcribe)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        return replace(self._heard, end=len(pcm) / RATE, final=True)


async def test_a_final_is_corrected_to_the_words_of_the_domain() -> None:
    writes = Ear(Hypothesis("writer", text="我在单周", scores=(-0.3,)))
    hears = Ear(Hypothesis("listener", syllables=("wo3", "zai4", "dan1", "zhou1")), phonetic=True)
    words = DomainWords(("儋州",))
    sound = np.concatenate([silence(0.5, RATE), tone(300, 1.0, RATE), silence(1.0, RATE)])
    async with (
        serving(writes, listener=hears, words=words) as service,
        connect(f"{service.url}/v1/stream") as client,
    ):
        await client.send(json.dumps({"type": "start", "partials": False, "alternatives": 3}))
        await client.recv()
        await client.send(sound.tobytes())
        await client.send('{"type": "end"}')
        final = json.loads(await client.recv())
    assert final["text"] == "我在儋州"
    assert final["alternatives"] == ["我在单周"]
