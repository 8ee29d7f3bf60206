"""The listener late in a call: the same cost, the same times, nothing lost between two turns."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from asr.hypothesis import Pcm
from asr.listener import Listener
from asr.phonetics import similarity

Load = Callable[[str], Pcm]
SENTENCE = "aishell1_s0150/BAC009S0150W0141.wav"
PAUSE = np.zeros(8_000, np.float32)


def test_many_turns_keep_times_and_syllables_and_the_native_stream_short(
    listener: Listener, utterance: Load
) -> None:
    turn = np.concatenate([utterance(SENTENCE), PAUSE])
    alone = listener.transcribe(turn)
    stream = listener.stream()
    tokens, fed = [], 0.0
    for _ in range(16):
        stream.feed(turn)
        stream.decode(final=True)  # the guess ahead of time
        stream.feed(PAUSE)
        final = stream.finish()
        assert similarity(final.syllables, alone.syllables) > 0.85
        assert final.words[-1].end - fed == pytest.approx(alone.words[-1].end, abs=0.2)
        fed += (turn.size + PAUSE.size) / 16_000
        tokens.append(stream._tokens)
        for _ in range(5):  # finishing again and again in silence
            stream.feed(PAUSE)
            assert not stream.finish()
            fed += PAUSE.size / 16_000
        assert len(stream._inserted) <= 1
    assert max(tokens) <= 200
    assert tokens.count(0) >= 2  # renewed


def test_an_update_parses_only_the_present_turn(
    listener: Listener, utterance: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asr.listener

    parsed: list[int] = []
    spans = asr.listener.token_spans

    def counted(tokens: list[str]) -> object:
        parsed.append(len(tokens))
        return spans(tokens)

    monkeypatch.setattr(asr.listener, "token_spans", counted)
    stream = listener.stream()
    longest = []
    for _ in range(5):
        parsed.clear()
        stream.feed(np.concatenate([utterance(SENTENCE), PAUSE]))
        stream.finish()
        longest.append(max(parsed))
    assert max(longest) <= 1.2 * longest[0]


def test_audio_fed_while_a_turn_is_finished_waits_for_its_end(
    listener: Listener, utterance: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the drain and the mark nothing gets in: it would be heard in neither turn."""
    pcm = utterance(SENTENCE)
    stream = listener.stream()
    feeder = threading.Thread(target=stream.feed, args=(pcm,))
    mark = stream._start_utterance

    def mark_while_another_feeds() -> None:
        feeder.start()
        feeder.join(0.2)
        assert feeder.is_alive()
        mark()

    stream.feed(pcm)
    monkeypatch.setattr(stream, "_start_utterance", mark_while_another_feeds)
    first = stream.finish()
    monkeypatch.undo()
    feeder.join()
    assert stream.finish().syllables == first.syllables
