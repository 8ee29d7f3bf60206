"""When each word was spoken, as Whisper's attention has it."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from asr.fusion import fused
from asr.hypothesis import Hypothesis, Pcm, Word
from asr.listener import Listener
from asr.streaming import ChunkedStream
from asr.whisper import WhisperTranscriber

Load = Callable[[str], Pcm]
SENTENCE = "aishell1_s0150/BAC009S0150W0141.wav"
LONG = "long/s0150_w0187_w0198.wav"
RATE = 16_000


@pytest.fixture
def timed(whisper: WhisperTranscriber, monkeypatch: pytest.MonkeyPatch) -> WhisperTranscriber:
    """The engine as it is where word times are asked for."""
    monkeypatch.setattr(whisper, "capabilities", WhisperTranscriber.declared)
    return whisper


def hold_together(final: Hypothesis) -> bool:
    """Words make up the text, one after the other, within the utterance."""
    assert [c for word in final.words for c in word.text if c.isalnum()] == [
        c for c in final.text if c.isalnum()
    ]
    for word in final.words:
        assert final.start <= word.start <= word.end <= final.end
    for before, after in pairwise(final.words):
        assert before.end <= after.start + 1e-9
    return bool(final.words)


def test_a_final_has_no_word_times_unless_they_are_asked_for(
    whisper: WhisperTranscriber, utterance: Load
) -> None:
    assert not whisper.capabilities.word_times
    assert whisper.transcribe(utterance(SENTENCE)).words == ()


def test_words_are_spoken_when_the_other_ear_hears_them(
    timed: WhisperTranscriber, listener: Listener, utterance: Load
) -> None:
    pcm = utterance(SENTENCE)
    final, heard = timed.transcribe(pcm), listener.transcribe(pcm)
    assert hold_together(final)
    written = {word.text: word for word in final.words}
    assert {"要", "走", "倍", "的", "可", "不", "存", "在"} <= set(written)
    assert final.words[-1].text == "在"
    assert final.words[-1].start == pytest.approx(heard.words[-1].start, abs=0.3)
    assert written["走"].start == pytest.approx(heard.words[1].start, abs=0.3)
    assert written["倍"].start == pytest.approx(
        next(word.start for word in heard.words if word.text.startswith("bei")), abs=0.3
    )


def test_silence_before_the_words_is_not_theirs(timed: WhisperTranscriber, utterance: Load) -> None:
    pcm = utterance(SENTENCE)
    plain = timed.transcribe(pcm)
    later = timed.transcribe(np.concatenate([np.zeros(2 * RATE, np.float32), pcm]))
    assert hold_together(later)
    assert later.words[-1].start == pytest.approx(plain.words[-1].start + 2.0, abs=0.3)


def test_long_audio_has_the_times_of_all_its_pieces(
    timed: WhisperTranscriber, utterance: Load
) -> None:
    final = timed.transcribe(utterance(LONG)[: 36 * RATE])
    assert hold_together(final)
    assert final.words[0].start < 3
    assert final.words[-1].end > 30


def test_silence_noise_and_the_shortest_sounds_have_no_words(timed: WhisperTranscriber) -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, RATE).astype(np.float32)
    burst = np.concatenate([np.zeros(RATE // 2, np.float32), noise[:2000], noise[:8000] * 0.001])
    for pcm in (np.zeros(RATE, np.float32), noise, burst, burst[-9000:-6000], noise[:100]):
        final = timed.transcribe(pcm)
        assert bool(final.words) == hold_together(final)


def test_partials_have_no_word_times(timed: WhisperTranscriber, utterance: Load) -> None:
    stream = timed.stream()
    stream.feed(utterance(SENTENCE))
    assert stream.decode().words == ()
    assert hold_together(stream.decode(final=True))


def test_a_model_that_names_no_alignment_heads_promises_no_word_times(
    whisper: WhisperTranscriber, models_dir: Path, tmp_path: Path
) -> None:
    for file in (models_dir / "whisper-base").iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["alignment_heads"]
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    headless = WhisperTranscriber(tmp_path, threads=1, word_times=True)
    assert not headless.capabilities.word_times


def test_words_of_a_stream_count_from_its_start_whatever_was_settled_before() -> None:
    def transcribe(pcm: Pcm) -> Hypothesis:
        seconds = pcm.size / RATE
        return Hypothesis(
            "x", "字", start=0.0, end=seconds, final=True, words=(Word("字", 0.0, seconds),)
        )

    stream = ChunkedStream("x", transcribe, transcribe, window_seconds=4.0)
    stream.feed(np.ones(RATE, np.float32))
    assert [(word.start, word.end) for word in stream.finish().words] == [(0.0, 1.0)]
    beat = np.tile(np.repeat([0.5, 0.0], RATE), 4).astype(np.float32)
    noisy = beat * np.random.default_rng(0).normal(0, 0.3, beat.size).astype(np.float32)
    stream.feed(noisy)
    final = stream.decode(final=True)
    assert len(final.words) == final.text.count("字") > 1
    again = stream.finish()
    assert again.words[:-1] == final.words[:-1]
    for word in final.words:
        assert 1.0 <= word.start <= word.end <= 9.0
    starts = [word.start for word in final.words]
    assert starts == sorted(starts)


def test_a_reading_that_the_other_ear_prefers_has_the_times_of_what_was_said() -> None:
    first = Hypothesis(
        "x", "找火轮", ("着火了",), final=True, scores=(-0.3, -0.31),
        words=(Word("找", 0.2, 0.4), Word("火", 0.4, 0.7), Word("轮", 0.8, 1.0)),
    )  # fmt: skip
    chosen = fused(first, ("zhao2", "huo3", "le5"))
    assert chosen.text == "着火了"
    assert chosen.words == (Word("着", 0.2, 0.4), Word("火", 0.4, 0.7), Word("了", 0.8, 1.0))
