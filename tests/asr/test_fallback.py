"""A second engine behind the first: one utterance is late at most, and none is lost."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from asr.engines import EngineFolders
from asr.errors import ModelMissing, RemoteUnreachable, UnknownEngine
from asr.fallback import Breaker, FallbackTranscriber
from asr.hypothesis import Capabilities, Hypothesis, Pcm, Word
from asr.remote.address import RemoteServer
from asr.remote.conversation import Limits
from asr.remote.transcriber import RemoteTranscriber
from asr.remote.vosk_server import VoskServer
from asr.streaming import ChunkedStream
from asr.whisper import WhisperTranscriber
from tests.asr.remote_servers import serving, spell, vosk_server
from voicebot import doctor
from voicebot.call.speech import Speech
from voicebot.config import ConfigError, Settings, load_settings
from voicebot.recognisers import open_transcriber_for

RATE = 16_000


def numbered(count: int, begin: int = 0) -> Pcm:
    """Audio of which every sample says its number; a second is ``RATE`` of them."""
    return ((np.arange(begin, begin + count) + 1) / 1e7).astype(np.float32)


def span(pcm: Pcm) -> str:
    """From which to which sample of ``numbered`` this is, without gap or repetition."""
    if not pcm.size:
        return ""
    numbers = np.rint(pcm * 1e7).astype(int) - 1
    assert (np.diff(numbers) == 1).all()
    return f"{numbers[0]}-{numbers[-1] + 1}"


class Scripted:
    """Says what audio it heard; raises ``fails`` while that is set."""

    capabilities = Capabilities(False, True, True, False, False, ("zh", "en"))

    def __init__(self, name: str) -> None:
        self.name = name
        self.fails: Exception | None = None
        self.heard: list[str] = []

    def stream(self) -> ChunkedStream:
        return ChunkedStream(self.name, self._quick, self.transcribe)

    def _quick(self, pcm: Pcm) -> Hypothesis:
        return self.transcribe(pcm)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        if self.fails is not None:
            raise self.fails
        self.heard.append(span(pcm))
        end = pcm.size / RATE
        return Hypothesis(
            self.name, span(pcm), end=end, final=True, words=(Word(span(pcm), 0.0, end),)
        )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Pair:
    """Two scripted engines behind each other; trials wait in ``trials`` until they are run."""

    def __init__(self) -> None:
        self.first, self.second = Scripted("first"), Scripted("second")
        self.clock = Clock()
        self.trials: list[Callable[[], None]] = []
        self.engine = FallbackTranscriber(
            self.first, self.second, clock=self.clock, run_trial=self.trials.append
        )


@pytest.fixture
def pair() -> Pair:
    return Pair()


AWAY = RemoteUnreachable("The speech server is away.")


def test_the_second_engine_is_not_asked_while_the_first_works(pair: Pair) -> None:
    assert pair.engine.transcribe(numbered(100)).engine == "first"
    stream = pair.engine.stream()
    stream.feed(numbered(100))
    assert stream.decode().engine == "first"
    assert stream.finish().engine == "first"
    assert pair.second.heard == []


@pytest.mark.parametrize("error", [AWAY, RuntimeError("a crash")])
def test_what_the_first_fails_on_the_second_hears_from_its_beginning(
    pair: Pair, error: Exception
) -> None:
    stream = pair.engine.stream()
    stream.feed(numbered(100))
    assert stream.decode().text == "0-100"
    pair.first.fails = error
    stream.feed(numbered(60, begin=100))
    assert (stream.decode(final=True).engine, pair.second.heard) == ("second", ["0-160"])
    stream.feed(numbered(40, begin=160))
    assert stream.finish().text == "0-200"


def test_a_partial_that_fails_moves_its_utterance_too(pair: Pair) -> None:
    pair.first.fails = AWAY
    stream = pair.engine.stream()
    stream.feed(numbered(100))
    partial = stream.decode()
    assert (partial.engine, partial.final, partial.text) == ("second", False, "0-100")
    newest = stream.hypothesis()
    assert newest is not None
    assert newest.engine == "second"


def test_an_engine_that_fails_while_it_is_fed_loses_no_audio(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = pair.engine.stream()
    stream.feed(numbered(100))

    def broken(*_: object) -> None:
        raise RuntimeError("the decoder died")

    monkeypatch.setattr(ChunkedStream, "feed", broken)
    with monkeypatch.context() as second:
        second.setattr(pair.second, "stream", lambda: Recorder(pair.second))
        stream.feed(numbered(50, begin=100))
    assert stream.finish().text == "0-150"


class Recorder:
    """A stream that is fed and finished, and nothing else."""

    def __init__(self, engine: Scripted) -> None:
        self._engine, self._pcm = engine, np.empty(0, np.float32)

    def feed(self, pcm: Pcm) -> None:
        self._pcm = np.concatenate([self._pcm, pcm])

    def finish(self) -> Hypothesis:
        return self._engine.transcribe(self._pcm)


def test_times_go_on_whichever_engine_answers(pair: Pair) -> None:
    stream = pair.engine.stream()
    for number in range(4):
        pair.first.fails = AWAY if number in (1, 2) else None
        stream.feed(numbered(RATE, begin=number * RATE))
        final = stream.finish()
        assert (final.start, final.end) == (number, number + 1)
        assert [(word.start, word.end) for word in final.words] == [(number, number + 1)]


def test_after_a_failure_the_first_rests_and_nobody_waits_for_it(pair: Pair) -> None:
    pair.first.fails = AWAY
    pair.engine.transcribe(numbered(10))
    pair.first.fails = None
    for _ in range(3):
        assert pair.engine.transcribe(numbered(10)).engine == "second"
    assert pair.first.heard == pair.trials == []


def test_after_its_rest_the_first_is_tried_on_a_copy(pair: Pair) -> None:
    pair.first.fails = AWAY
    pair.engine.transcribe(numbered(10))
    pair.first.fails = None
    pair.clock.now += 5.0
    assert pair.engine.transcribe(numbered(20)).engine == "second"
    assert pair.engine.transcribe(numbered(20)).engine == "second"
    (trial,) = pair.trials
    trial()
    assert pair.first.heard == ["0-20"]
    assert pair.engine.transcribe(numbered(20)).engine == "first"


def test_a_stream_tries_the_first_with_its_finals(pair: Pair) -> None:
    pair.first.fails = AWAY
    pair.engine.transcribe(numbered(10))
    pair.first.fails = None
    pair.clock.now += 5.0
    stream = pair.engine.stream()
    stream.feed(numbered(30))
    stream.decode()
    assert pair.trials == []
    assert stream.decode(final=True).engine == "second"
    pair.trials.pop()()
    assert pair.first.heard == ["0-30"]
    assert stream.finish().engine == "second"  # an utterance stays with the engine that heard it
    stream.feed(numbered(30))
    assert stream.finish().engine == "first"


def test_silence_proves_nothing_and_is_no_trial(pair: Pair) -> None:
    pair.first.fails = AWAY
    pair.engine.transcribe(numbered(10))
    pair.clock.now += 5.0
    assert not pair.engine.transcribe(np.empty(0, np.float32))
    assert pair.trials == []


def test_each_failure_in_a_row_doubles_the_rest(pair: Pair) -> None:
    pair.first.fails = AWAY
    pair.engine.transcribe(numbered(10))
    for rest in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        pair.clock.now += rest - 0.1
        pair.engine.transcribe(numbered(10))
        assert pair.trials == []
        pair.clock.now += 0.1
        pair.engine.transcribe(numbered(10))
        pair.trials.pop()()


def test_where_both_fail_the_error_of_the_second_is_said(pair: Pair) -> None:
    pair.first.fails, pair.second.fails = AWAY, ValueError("second")
    with pytest.raises(ValueError, match="second"):
        pair.engine.transcribe(numbered(10))


def test_only_what_both_can_do_is_promised(pair: Pair) -> None:
    pair.second.capabilities = Capabilities(True, True, False, False, False, ("zh",))
    can = FallbackTranscriber(pair.first, pair.second).capabilities
    assert (can.streaming, can.n_best, can.word_times, can.languages) == (
        False, True, False, ("zh",),
    )  # fmt: skip


def test_calls_that_fail_together_are_one_failure() -> None:
    once = Breaker().failed(10.0)
    assert once.failed(10.1).failed(10.2) == once


def test_an_engine_that_fails_right_after_a_trial_rests_longer() -> None:
    back = Breaker().failed(0.0).trial_begun().trial_passed()
    assert back.usable
    assert back.failed(100.0).rests_until == 110.0
    assert back.worked().failed(100.0).rests_until == 105.0


events = st.lists(st.sampled_from(["worked", "failed", "trial", "wait"]), max_size=60)


@given(events=events)
def test_the_rest_is_bounded_and_there_is_one_trial_at_a_time(events: list[str]) -> None:
    breaker, now = Breaker(), 0.0
    for event in events:
        if event == "wait":
            now += 7.0
        elif event == "worked":
            breaker = breaker.worked()
        elif event == "failed":
            breaker = breaker.failed(now)
        elif breaker.trial_due(now):
            breaker = breaker.trial_begun()
            assert not breaker.trial_due(now + 1000.0)
            breaker = breaker.trial_failed(now)
        if breaker.rests_until is not None:
            assert breaker.rests_until - now <= breaker.most_rest_s
            assert breaker.trial_due(breaker.rests_until)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(0, 400)),
        st.tuples(
            st.sampled_from(["decode", "final", "finish", "reset", "break", "mend"]), st.just(0)
        ),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps=steps)
def test_no_sample_is_lost_or_heard_twice_whatever_fails_when(steps: list[tuple[str, int]]) -> None:
    pair = Pair()
    stream = pair.engine.stream()
    fed = begin = 0
    for step, count in steps:
        if step == "feed":
            stream.feed(numbered(count, begin=fed))
            fed += count
        elif step in ("break", "mend"):
            pair.first.fails = AWAY if step == "break" else None
            pair.clock.now += 3.0
            while pair.trials:
                pair.trials.pop()()
        elif step == "reset":
            stream.reset()
            begin = fed
        else:
            final = step != "decode"
            heard = stream.finish() if step == "finish" else stream.decode(final)
            assert heard.text == (f"{begin}-{fed}" if fed > begin else "")
            assert heard.final is final
            assert heard.end == pytest.approx(fed / RATE)
            begin = fed if step == "finish" else begin


def test_a_new_utterance_keeps_the_last_moments_of_the_one_before(pair: Pair) -> None:
    stream = pair.engine.stream()
    stream.feed(numbered(RATE))
    stream.reset(keep_seconds=0.25)
    pair.first.fails = AWAY
    stream.feed(numbered(100, begin=RATE))
    final = stream.finish()
    assert final.text == f"{RATE - 4000}-{RATE + 100}"
    assert final.start == 0.75


# ── with a real engine and a real connection ──────────────────────────────────────


def test_whisper_answers_for_a_server_that_is_gone_and_the_server_again_when_it_is_back(
    whisper: WhisperTranscriber, utterance: Callable[[str], Pcm]
) -> None:
    pcm = utterance("aishell1_s0150/BAC009S0150W0141.wav")
    clock, trials = Clock(), deque[Callable[[], None]]()

    def said(engine: FallbackTranscriber) -> Hypothesis:
        stream = engine.stream()
        for begin in range(0, pcm.size, RATE // 10):
            stream.feed(pcm[begin : begin + RATE // 10])
        return stream.finish()

    with serving(vosk_server()) as running:
        dialect, address = VoskServer(), RemoteServer(running.url)
        port = int(running.url.rstrip("/").rsplit(":", 1)[1])
        server = RemoteTranscriber(dialect, address, limits=Limits(final_s=60.0))
        engine = FallbackTranscriber(server, whisper, clock=clock, run_trial=trials.append)
        assert engine.transcribe(spell("海口")).engine == "vosk-server"
    gone = RemoteTranscriber(dialect, address, limits=Limits(final_s=0.3))
    engine = FallbackTranscriber(gone, whisper, clock=clock, run_trial=trials.append)
    first, second = said(engine), said(engine)
    assert first.engine == second.engine == "whisper"
    assert first.text == second.text == whisper.transcribe(pcm).text
    assert trials == deque()
    clock.now += 5.0
    said(engine)
    with serving(vosk_server(), port=port):
        trials.popleft()()
        assert engine.usable


# ── by configuration ──────────────────────────────────────────────────────────────


def settings_of(**asr: object) -> Settings:
    return Settings.model_validate({"asr": asr})


class Opener:
    """Opens scripted engines; those in ``missing`` have no model."""

    def __init__(self, *missing: str) -> None:
        self.missing, self.opened = missing, []

    def __call__(self, engine: str, folders: EngineFolders, *, threads: int) -> Scripted:
        if engine in self.missing:
            raise ModelMissing(f"No model of {engine}.")
        self.opened.append(engine)
        return Scripted("whisper" if engine == "auto" else engine)


FUNASR = {"engine": "funasr", "url": "wss://asr.example/", "fallback": "whisper"}


def test_one_line_of_the_settings_puts_a_local_engine_behind_a_server() -> None:
    engine = open_transcriber_for(settings_of(**FUNASR), open_engine=Opener())
    assert isinstance(engine, FallbackTranscriber)
    assert (engine.first.name, engine.second.name) == ("funasr", "whisper")


def test_an_engine_that_is_named_itself_is_used_alone() -> None:
    opener = Opener()
    engine = open_transcriber_for(settings_of(**FUNASR), engine="vosk", open_engine=opener)
    assert (engine.name, opener.opened) == ("vosk", ["vosk"])


@pytest.mark.parametrize(
    ("missing", "left", "event"),
    [("funasr", "whisper", "engine_missing"), ("whisper", "funasr", "fallback_missing")],
)
def test_where_one_of_the_two_cannot_be_opened_the_other_is_used_and_it_is_said(
    missing: str, left: str, event: str
) -> None:
    with capture_logs() as lines:
        engine = open_transcriber_for(settings_of(**FUNASR), open_engine=Opener(missing))
    assert engine.name == left
    assert [line["event"] for line in lines] == [event]


def test_where_neither_can_be_opened_it_is_an_error() -> None:
    with pytest.raises(ModelMissing):
        open_transcriber_for(settings_of(**FUNASR), open_engine=Opener("funasr", "whisper"))


def test_auto_that_took_the_fallback_needs_none_behind_it() -> None:
    opener = Opener()
    assert open_transcriber_for(settings_of(fallback="whisper"), open_engine=opener).name == (
        "whisper"
    )
    assert opener.opened == ["auto"]


def test_an_engine_that_stands_in_for_itself_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "voicebot.toml"
    file.write_text('[asr]\nengine = "vosk"\nfallback = "vosk"\n')
    with pytest.raises(ConfigError, match="cannot stand in for itself"):
        load_settings(file)


def test_no_engine_says_how_to_choose_one() -> None:
    with pytest.raises(UnknownEngine, match="--engine"):
        open_transcriber_for(settings_of(engine="none"), open_engine=Opener())


# ── what `voicebot doctor` says ───────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("broken", "ok"), [("", (True, True)), ("funasr", (None, True)), ("whisper", (True, False))]
)
def test_the_doctor_looks_at_both_engines_each_by_itself(
    broken: str, ok: tuple[bool | None, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_: Settings, *, engine: str) -> Scripted:
        found = Scripted(engine)
        found.fails = AWAY if engine == broken else None
        monkeypatch.setattr(found, "transcribe", lambda pcm: says(found))
        return found

    def says(engine: Scripted) -> Hypothesis:
        if engine.fails is not None:
            raise engine.fails
        return Hypothesis(engine.name, doctor.SENTENCE, final=True)

    voice = SimpleNamespace(render=lambda _: Speech(np.zeros(8000, np.int16), 8000, "fake"))
    monkeypatch.setattr("voicebot.call.speech.open_synthesizer", lambda *_: voice)
    monkeypatch.setattr("voicebot.recognisers.open_transcriber_for", opened)
    settings = settings_of(**FUNASR)
    checks = doctor.audio(settings), doctor._guarded("fallback", lambda: doctor.fallback(settings))
    assert tuple(check.ok for check in checks) == ok
    if broken:
        assert any(str(AWAY) in check.detail for check in checks)
