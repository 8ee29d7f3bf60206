"""The real engines on real recordings: nothing lost at the end, nothing invented in silence."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ModelBroken, ModelMissing
from asr.hypothesis import Pcm, Recognizer
from asr.listener import Listener
from asr.phonetics import distance, find, similarity, to_syllables, without_tone
from asr.vosk_engine import VoskTranscriber
from asr.whisper import WhisperTranscriber, _Decoded, _distinct, _Reading

Load = Callable[[str], Pcm]
SENTENCE = "aishell1_s0150/BAC009S0150W0141.wav"
HEARD = to_syllables("要走到一点五倍的可能性几乎不存在")
LAST = HEARD[-1]


def trimmed(pcm: Pcm) -> Pcm:
    """The recording cut off right after its last sound, as a quick turn end would."""
    frames = pcm[: pcm.size // 320 * 320].reshape(-1, 320)
    levels = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-10)
    return pcm[: (int(np.flatnonzero(levels > levels.max() - 30)[-1]) + 1) * 320]


def chunks(pcm: Pcm, size: int = 320) -> list[Pcm]:
    return [pcm[i : i + size] for i in range(0, pcm.size, size)]


def test_the_listener_hears_the_last_syllable_without_silence_after_it(
    listener: Listener, utterance: Load
) -> None:
    stream = listener.stream()
    for chunk in chunks(trimmed(utterance(SENTENCE))):
        stream.feed(chunk)
    final = stream.finish()
    assert distance(final.syllables[-1], LAST) < 0.2
    assert len(final.syllables) == pytest.approx(len(HEARD), abs=1)
    assert final.text == ""


def test_the_listener_streams_with_times_that_grow(listener: Listener, utterance: Load) -> None:
    stream = listener.stream()
    lengths, pcm = [], utterance(SENTENCE)
    for chunk in chunks(pcm):
        stream.feed(chunk)
        partial = stream.hypothesis()
        lengths.append(len(partial.syllables) if partial else 0)
    final = stream.finish()
    assert lengths == sorted(lengths)
    assert len(set(lengths)) >= 6
    starts = [word.start for word in final.words]
    assert starts == sorted(starts)
    assert all(word.start < word.end <= pcm.size / 16_000 + 0.3 for word in final.words)
    assert 0.3 < starts[0] < 1.0


def test_a_reset_in_mid_sentence_loses_no_syllable(listener: Listener, utterance: Load) -> None:
    pcm = utterance(SENTENCE)
    whole = listener.transcribe(pcm).syllables
    for at in (1.0, 1.63, 2.5, 3.1):
        stream = listener.stream()
        parts: list[str] = []
        for index, chunk in enumerate(chunks(pcm)):
            if index == round(at * 50):
                parts += stream.decode().syllables
                stream.reset()
            stream.feed(chunk)
        assert tuple(parts) + stream.finish().syllables == whole


def test_a_reset_may_keep_the_last_syllables(listener: Listener, utterance: Load) -> None:
    stream = listener.stream()
    stream.feed(utterance(SENTENCE))
    whole = stream.decode(final=True).syllables
    stream.reset(keep_seconds=1.2)
    kept = stream.finish().syllables
    assert 1 < len(kept) < len(whole)
    assert whole[-len(kept) :] == kept


def test_finals_asked_for_in_a_pause_do_not_shift_the_times_after_it(
    listener: Listener, utterance: Load
) -> None:
    pcm = utterance(SENTENCE)
    twice = np.concatenate([pcm, pcm])
    plain = listener.stream()
    plain.feed(twice)
    expected = plain.finish()
    stream = listener.stream()
    stream.feed(pcm)
    assert stream.decode(final=True) == stream.decode(final=True)
    stream.feed(pcm)
    final = stream.finish()
    assert len(final.syllables) == pytest.approx(len(expected.syllables), abs=1)
    assert final.words[-1].start == pytest.approx(expected.words[-1].start, abs=0.1)


def test_utterances_follow_one_another_on_one_stream(listener: Listener, utterance: Load) -> None:
    stream = listener.stream()
    pcm = utterance(SENTENCE)
    stream.feed(pcm)
    first = stream.finish()
    stream.feed(pcm)
    second = stream.finish()
    assert second.syllables == first.syllables
    assert second.start == pytest.approx(first.start + pcm.size / 16_000, abs=0.15)


def test_whisper_writes_the_last_word_without_silence_after_it(
    whisper: WhisperTranscriber, utterance: Load
) -> None:
    final = whisper.transcribe(trimmed(utterance(SENTENCE)))
    assert final.text.endswith("存在")
    assert find(HEARD[-6:], to_syllables(final.text), max_cost=0.1)
    assert len(final.n_best) == len(set(final.n_best)) > 1
    assert len(final.scores) == len(final.n_best)


def test_whisper_streams_by_agreement(whisper: WhisperTranscriber, utterance: Load) -> None:
    stream = whisper.stream()
    before = ""
    for chunk in chunks(utterance(SENTENCE), 16_000):
        stream.feed(chunk)
        partial = stream.decode()
        assert before.startswith(partial.text[: partial.stable])
        before = partial.text
    assert partial.stable >= 10
    assert stream.finish().text.endswith("存在")


def test_whisper_partials_late_in_a_turn_hold_its_beginning_and_its_end(
    whisper: WhisperTranscriber, utterance: Load
) -> None:
    pcm = utterance("long/s0150_w0187_w0198.wav")[: 30 * 16_000]
    stream = whisper.stream()
    for chunk in chunks(pcm, 2 * 16_000):
        stream.feed(chunk)
        partial = stream.decode()
    whole = to_syllables(stream.finish().text)
    heard = to_syllables(partial.text)
    assert similarity(heard, whole) > 0.8
    assert distance(heard[0], whole[0]) < 0.3


def whisper_readings(whisper: WhisperTranscriber, said: str) -> tuple[_Reading, ...]:
    """As the decoder would give them."""
    model = whisper._model
    return _distinct(model, [model.tokens(said)], [-0.3])


@pytest.mark.parametrize(
    ("said", "kept"),
    [("救命" * 6, "救命救命救命"), ("快来" * 4, "快来快来快来"), ("一三八零零零零一一一一", None)],
)
def test_whisper_deletes_no_repeated_cry_and_no_number(
    whisper: WhisperTranscriber,
    utterance: Load,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    kept: str | None,
) -> None:
    decoded = _Decoded(whisper_readings(whisper, said), no_speech=0.1)
    monkeypatch.setattr(whisper, "_decode", lambda *_, **__: decoded)
    pcm = utterance(SENTENCE)
    assert whisper.quick(pcm).text == whisper.transcribe(pcm).text == (kept or said)


def test_a_cry_that_the_long_window_misses_stays_among_the_readings(
    whisper: WhisperTranscriber, utterance: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    cry = _Decoded(whisper_readings(whisper, "救命" * 6), no_speech=0.1)
    pcm = utterance(SENTENCE)
    for missed, texts in (("九零九零", ("九零九零", "救命救命救命")), ("", ("救命救命救命",))):
        readings = (_Reading(missed, -0.2),) if missed else ()
        decodes = iter([cry, _Decoded(readings, no_speech=0.1)])
        monkeypatch.setattr(whisper, "_decode", lambda *_, again=decodes, **__: next(again))
        assert whisper.transcribe(pcm).n_best == texts


def test_whisper_joins_the_pieces_of_long_audio(
    whisper: WhisperTranscriber, utterance: Load
) -> None:
    pcm = utterance("long/s0150_w0187_w0198.wav")[: 45 * 16_000]
    final = whisper.transcribe(pcm)
    assert 100 < len(final.text) < 260
    assert final.end > 40


def test_vosk_hears_the_last_word_without_silence_after_it(
    vosk: VoskTranscriber, korean: Pcm
) -> None:
    whole = vosk.transcribe(np.concatenate([korean, np.zeros(16_000, np.float32)]))
    final = vosk.transcribe(trimmed(korean))
    assert whole.text
    assert final.text.split()[-1] == whole.text.split()[-1]
    assert len(final.n_best) == len(set(final.n_best)) > 1
    assert final.words


def test_vosk_streams_and_keeps_the_last_moments(vosk: VoskTranscriber, korean: Pcm) -> None:
    stream = vosk.stream()
    partials = set()
    for chunk in chunks(korean, 3200):
        stream.feed(chunk)
        partial = stream.hypothesis()
        partials.add(partial.text if partial else "")
    assert len(partials) > 2
    whole = stream.finish()
    stream.feed(korean)
    stream.reset(keep_seconds=1.0)
    kept = stream.finish()
    assert len(kept.text) < len(whole.text)
    assert kept.start >= whole.end - 1.0


def test_vosk_finals_ahead_of_time_spoil_neither_words_nor_times(
    vosk: VoskTranscriber, korean: Pcm
) -> None:
    whole = vosk.transcribe(korean)
    for share in (0.35, 0.55, 0.8):  # in mid-word too
        stream = vosk.stream()
        at = round(share * korean.size)
        stream.feed(korean[:at])
        guess = stream.decode(final=True)
        assert stream.decode(final=True) == guess
        assert guess.end <= at / 16_000
        stream.feed(korean[at:])
        final = stream.finish()
        # Kaldi dithers: two hearings of one utterance may differ in a sound.
        assert SequenceMatcher(None, final.text, whole.text).ratio() > 0.8
        assert len(final.n_best) > 1
        for there, here in ((final.words[0], whole.words[0]), (final.words[-1], whole.words[-1])):
            assert (there.start, there.end) == pytest.approx((here.start, here.end), abs=0.3)


def test_vosk_times_stay_true_over_many_parts(vosk: VoskTranscriber, korean: Pcm) -> None:
    turn = np.concatenate([korean, np.zeros(16_000, np.float32)])
    stream = vosk.stream()
    for number in range(3):
        for chunk in chunks(turn, 1_600):
            stream.feed(chunk)
        final = stream.decode(final=True)
        begun = number * turn.size / 16_000
        assert begun + korean.size / 16_000 - 1.0 < final.end <= begun + turn.size / 16_000
        assert len(final.n_best) > 1
        starts = [word.start for word in final.words]
        assert starts == sorted(starts)
    assert final.text.count(final.text.split()[-1]) == 3


@pytest.fixture(params=["listener", "whisper", "vosk"])
def engine(request: pytest.FixtureRequest) -> Recognizer:
    recognizer: Recognizer = request.getfixturevalue(request.param)
    return recognizer


RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    "pcm",
    [
        np.zeros(0, np.float32),
        np.zeros(7, np.float32),
        np.zeros(48_000, np.float32),
        (0.0003 * RNG.standard_normal(48_000)).astype(np.float32),
    ],
    ids=["nothing", "seven samples", "silence", "line noise"],
)
def test_silence_gives_no_words(engine: Recognizer, pcm: Pcm) -> None:
    hypothesis = engine.transcribe(pcm)
    assert (hypothesis.text, hypothesis.alternatives, hypothesis.syllables) == ("", (), ())
    stream = engine.stream()
    stream.feed(pcm)
    assert not stream.decode()
    assert not stream.finish()


def test_steady_noise_gives_no_text(whisper: WhisperTranscriber) -> None:
    for level in (0.01, 0.1):
        noise = (level * RNG.standard_normal(64_000)).clip(-1, 1).astype(np.float32)
        assert whisper.transcribe(noise).text == ""


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40_000), scale=st.sampled_from([0.1, 50.0])
)
def test_garbage_audio_never_raises(
    listener: Listener, whisper: WhisperTranscriber, seed: int, size: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    bursts = np.repeat(rng.random(size // 2000 + 1), 2000)[:size]
    pcm = (scale * bursts * rng.standard_normal(size)).astype(np.float32)
    pcm[rng.integers(0, size, 3)] = [np.nan, np.inf, -np.inf]
    for recognizer in (listener, whisper):
        recognizer.transcribe(pcm)
        stream = recognizer.stream()
        stream.feed(pcm)
        stream.decode()
        stream.reset()
        stream.finish()


def test_vosk_takes_garbage(vosk: VoskTranscriber) -> None:
    vosk.transcribe((50 * RNG.standard_normal(20_000)).astype(np.float32))
    vosk.transcribe(np.full(5, np.nan, np.float32))


@pytest.mark.parametrize("kind", [Listener, WhisperTranscriber, VoskTranscriber])
def test_a_missing_model_is_named(tmp_path: Path, kind: type) -> None:
    with pytest.raises(ModelMissing, match=str(tmp_path)):
        kind(tmp_path)


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelBroken, match="does not load"):
        WhisperTranscriber(tmp_path)


def test_both_ears_agree_on_the_sounds(
    listener: Listener, whisper: WhisperTranscriber, utterance: Load
) -> None:
    pcm = utterance(SENTENCE)
    heard = [without_tone(s) for s in listener.transcribe(pcm).syllables]
    written = [without_tone(s) for s in to_syllables(whisper.transcribe(pcm).text)]
    assert heard == written


def test_calls_in_threads_do_not_disturb_one_another(
    listener: Listener, whisper: WhisperTranscriber, utterance: Load
) -> None:
    pcms = [utterance(SENTENCE), utterance("aishell1_s0150/BAC009S0150W0012.wav")] * 3
    alone = [(listener.transcribe(p).syllables, whisper.transcribe(p).text) for p in pcms[:2]] * 3
    with ThreadPoolExecutor(max_workers=6) as pool:
        syllables = pool.map(lambda p: listener.transcribe(p).syllables, pcms)
        texts = pool.map(lambda p: whisper.transcribe(p).text, pcms)
        assert list(zip(syllables, texts, strict=True)) == alone
