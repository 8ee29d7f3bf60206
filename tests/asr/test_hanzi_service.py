"""Live transcripts by sound: where only the listener has words, its syllables are read as hanzi."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from asr.hanzi import written
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word
from tests.asr.service_doubles import PitchEngine, Service, serving
from tests.asr.test_service_stream import (
    RATE,
    opened,
    payload,
    rest,
    said,
    send_in_frames,
    streams,
)


class PhoneticEngine:
    """Hears the same syllables in whatever is loud, one in each 0.25 s."""

    name = "listener"
    capabilities = Capabilities(True, False, True, False, True, ("zh",))
    heard = ("wo3", "xiang3", "wen4", "yi1", "xia4", "she4", "bao3", "ka3")

    def stream(self) -> PhoneticStream:
        return PhoneticStream()

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        stream = self.stream()
        stream.feed(pcm)
        return stream.decode(final=True)


class PhoneticStream:
    def __init__(self) -> None:
        self._loud = 0

    def feed(self, pcm: Pcm) -> None:
        self._loud += int((np.abs(pcm) > 0.05).sum())

    def decode(self, final: bool = False) -> Hypothesis:
        syllables = PhoneticEngine.heard[: round(self._loud * 1.3 / 16_000 / 0.25)]
        words = tuple(Word(s, i / 4, i / 4 + 0.25) for i, s in enumerate(syllables))
        return Hypothesis(
            "listener", syllables=syllables, words=words, final=final, end=len(words) / 4
        )


class NoWords(PitchEngine):
    """A transcriber that finds nothing in what it is given."""

    def _read(self, pcm: Pcm) -> Hypothesis:
        return Hypothesis(self.name, final=True)


async def conversation(service: Service, seconds: float) -> list[dict[str, Any]]:
    async with connect(streams(service)) as client:
        await opened(client, alternatives=2)
        await send_in_frames(client, payload(said(440, seconds)))
        await client.send('{"type": "end"}')
        return await rest(client)


async def test_where_only_the_listener_is_its_syllables_are_read_as_hanzi_and_say_so() -> None:
    async with serving(PhoneticEngine()) as service:  # type: ignore[arg-type]
        final, _ = [m for m in await conversation(service, 2.5) if m["type"] != "partial"]
    assert final["text"] == "我想问一下社保卡"
    assert final["syllables"] == list(PhoneticEngine.heard)
    assert final["by_sound"] is True
    assert final["stable"] == len(final["text"])
    assert "".join(word["word"] for word in final["words"]) == final["text"]
    assert final["words"][-1]["end"] - final["words"][0]["start"] == pytest.approx(2.0)
    assert len(final["alternatives"]) == 2


async def test_while_the_transcriber_has_no_words_a_partial_is_written_by_sound() -> None:
    async with (
        serving(NoWords(), listener=PhoneticEngine()) as service,  # type: ignore[arg-type]
        connect(streams(service)) as client,
    ):
        await opened(client)
        await send_in_frames(client, payload(said(440, 2.5)[: 2 * RATE]))
        partial = json.loads(await client.recv())
    assert (partial["type"], partial["by_sound"]) == ("partial", True)
    assert partial["text"].startswith("我")
    assert len(partial["text"]) == len(partial["syllables"])


async def test_what_the_transcriber_has_no_words_for_is_written_by_sound() -> None:
    async with serving(NoWords(), listener=PhoneticEngine()) as service:  # type: ignore[arg-type]
        *_, final, _ = await conversation(service, 2.5)
    assert (final["text"], final["by_sound"]) == ("我想问一下社保卡", True)


async def test_one_syllable_that_the_transcriber_did_not_hear_is_no_speech() -> None:
    async with serving(NoWords(), listener=PhoneticEngine()) as service:  # type: ignore[arg-type]
        messages = await conversation(service, 0.2)
    assert [message["text"] for message in messages if message["type"] == "final"] == [""]
    assert not any("by_sound" in message for message in messages)


async def test_the_transcribers_words_are_not_by_sound() -> None:
    async with serving(PitchEngine(), listener=PhoneticEngine()) as service:  # type: ignore[arg-type]
        messages = await conversation(service, 2.5)
    assert not any("by_sound" in message for message in messages)


# ── a hypothesis with text ────────────────────────────────────────────────────────


def heard(text: str, *, final: bool) -> Hypothesis:
    syllables = tuple(text.split())
    words = tuple(Word(s, 1.0 + i / 4, 1.2 + i / 4) for i, s in enumerate(syllables))
    return Hypothesis("listener", syllables=syllables, words=words, final=final)


def test_words_have_the_times_of_their_syllables() -> None:
    found = written(heard("she4 bao3 ka3 diu1 le5", final=True))
    assert found.text == "社保卡丢了"
    assert found.words == (
        Word("社保卡", 1.0, 1.7),
        Word("丢", 1.75, 1.95),
        Word("了", 2.0, 2.2),
    )
    assert (found.engine, found.stable) == ("listener", 5)


def test_a_partial_says_how_much_of_it_the_one_before_had() -> None:
    before = written(heard("wo3 yao4 bao4", final=False))
    assert before.stable == 0
    now = written(heard("wo3 yao4 bao4 jing3", final=False), before=before)
    assert now.text == "我要报警"
    assert now.stable == sum(a == b for a, b in zip(before.text, now.text, strict=False))


def test_where_nothing_was_heard_nothing_is_written() -> None:
    silent = heard("", final=True)
    assert written(silent) == silent
