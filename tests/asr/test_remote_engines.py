"""Speech servers as recognisers: nothing of an utterance is lost, and nobody waits for ever."""

import gc
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.server import ServerConnection

from asr.errors import (
    RemoteAddressInvalid,
    RemoteProtocolBroken,
    RemoteRefused,
    RemoteTooSlow,
    RemoteUnreachable,
)
from asr.hypothesis import Hypothesis, Pcm, RecognizerStream
from asr.remote.address import RemoteServer, check_url, read_token
from asr.remote.conversation import Limits
from asr.remote.dialect import Dialect
from asr.remote.funasr import FunAsr
from asr.remote.transcriber import RemoteTranscriber
from asr.remote.vosk_server import VoskServer
from asr.vosk_engine import VoskTranscriber
from tests.asr.remote_servers import (
    Handler,
    Hangup,
    Running,
    SpelledKaldi,
    funasr,
    serving,
    spell,
    vosk_server,
)

SAID = "海口市美兰区有人打架请快来"
PATIENT = Limits(final_s=20, partial_s=1, connect_s=30, first_retry_s=0.01, most_retry_s=0.1)
HASTY = Limits(final_s=0.3, partial_s=0.05, connect_s=30, first_retry_s=0.01, most_retry_s=0.1)

VOSK = (VoskServer, vosk_server())
RUNTIME = (FunAsr, funasr("runtime"))
PYTHON = (FunAsr, funasr("python"))
BOTH = pytest.mark.parametrize(
    ("dialect", "handler"), [VOSK, RUNTIME, PYTHON], ids=["vosk", "funasr-cpp", "funasr-python"]
)


def engine(dialect: Dialect, running: Running, limits: Limits = PATIENT) -> RemoteTranscriber:
    return RemoteTranscriber(dialect, RemoteServer(running.url), limits=limits)


def feed(stream: RecognizerStream, pcm: Pcm, size: int = 320) -> None:
    """As a telephone line does, in frames of 20 ms."""
    for begin in range(0, pcm.size, size):
        stream.feed(pcm[begin : begin + size])


def bare(text: str) -> str:
    return "".join(c for c in text if c not in "。， ")


def eventually(true: Callable[[], bool]) -> None:
    """Waits for what another thread brings about."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def dying(after: int, *, until_connection: int = 1) -> Callable[[Running, str | bytes], None]:
    """A server that dies, without a word, as soon as a connection has brought so much audio."""

    def before(running: Running, _: str | bytes) -> None:
        if running.connections <= until_connection and running.audio[-1] >= after:
            raise Hangup

    return before


# ── what is heard ─────────────────────────────────────────────────────────────────


@BOTH
def test_an_utterance_comes_back_whole(dialect: type[Dialect], handler: Handler) -> None:
    with serving(handler) as running:
        recognizer = engine(dialect(), running)
        final = recognizer.transcribe(spell(SAID))
    assert final.text == SAID
    assert final.final
    assert final.stable == len(SAID)
    assert final.engine == recognizer.name
    assert running.connections == 1


@BOTH
def test_an_utterance_with_pauses_comes_back_in_order(
    dialect: type[Dialect], handler: Handler
) -> None:
    with serving(handler) as running:
        final = engine(dialect(), running).transcribe(spell("海口市  有人打架 请快来"))
    assert bare(final.text) == "海口市有人打架请快来"


@BOTH
def test_partials_grow_while_audio_comes(dialect: type[Dialect], handler: Handler) -> None:
    with serving(handler) as running:
        stream = engine(dialect(), running).stream()
        heard: list[Hypothesis] = []
        for half in np.split(spell(SAID + SAID[1:2]), 2):
            feed(stream, half)
            eventually(lambda: len(stream.decode().text) >= 6 * (len(heard) + 1) - 2)
            heard.append(stream.decode())
            assert stream.hypothesis() == heard[-1]
        assert SAID.startswith(heard[0].text)
        assert heard[1].text.startswith(heard[0].text)
        assert heard[1].stable >= len(heard[0].text)
        assert not heard[1].final


def test_vosk_gives_word_times_and_other_readings() -> None:
    with serving(vosk_server()) as running:
        final = engine(VoskServer(), running).transcribe(spell("海口 有人"))
    assert final.text == "海口有人"
    assert final.alternatives == ("海口有",)
    assert [word.text for word in final.words] == list("海口有人")
    assert [w.start for w in final.words] == sorted(w.start for w in final.words)
    assert final.end <= 1.0


def test_a_final_may_be_asked_for_ahead_of_time() -> None:
    pcm = spell("海口市 有人打架请快来")
    for dialect, handler in (VOSK, RUNTIME, PYTHON):
        with serving(handler) as running:
            stream = engine(dialect(), running).stream()
            feed(stream, pcm[:16_000])
            guess = stream.decode(final=True)
            assert stream.decode(final=True) == guess
            assert running.connections == 1
            feed(stream, pcm[16_000:])
            final = stream.finish()
        assert bare(guess.text) == "海口市有"
        assert bare(final.text) == "海口市有人打架请快来"
        assert running.connections == 2


def test_what_vosk_has_closed_is_not_sent_again() -> None:
    pcm = spell("海口市  有人打架")
    with serving(vosk_server()) as running:
        stream = engine(VoskServer(), running).stream()
        feed(stream, pcm)
        assert stream.decode(final=True).text == "海口市有人打架"
        feed(stream, spell("请快来"))
        assert stream.decode(final=True).text == "海口市有人打架请快来"
        words = stream.finish().words
    assert running.audio[1] < running.audio[0]
    assert words[-1].end == pytest.approx(pcm.size / 16_000 + 0.3, abs=0.35)


@BOTH
def test_utterances_follow_one_another(dialect: type[Dialect], handler: Handler) -> None:
    with serving(handler) as running:
        stream = engine(dialect(), running).stream()
        for text in ("海口市", "有人打架", "请快来"):
            feed(stream, spell(text))
            final = stream.finish()
            assert final.text == text
        assert final.start >= 0.7


def test_a_reset_forgets_all_but_what_is_kept() -> None:
    with serving(vosk_server()) as running:
        stream = engine(VoskServer(), running).stream()
        feed(stream, spell(SAID))
        stream.reset(keep_seconds=0.3)
        feed(stream, spell("救命"))
        assert stream.finish().text == SAID[-3:] + "救命"


@BOTH
def test_silence_gives_no_words(dialect: type[Dialect], handler: Handler) -> None:
    with serving(handler) as running:
        final = engine(dialect(), running).transcribe(np.zeros(20_000, np.float32))
    assert (final.text, final.alternatives, final.words) == ("", (), ())


def test_no_audio_needs_no_server() -> None:
    recognizer = RemoteTranscriber(VoskServer(), RemoteServer("ws://127.0.0.1:9/"))
    assert recognizer.transcribe(np.zeros(0, np.float32)).text == ""


@pytest.mark.parametrize("flavour", ["runtime", "python", "files"])
def test_a_mode_without_partials_is_asked_again_and_again(flavour: str) -> None:
    with serving(funasr(flavour)) as running:
        stream = engine(FunAsr("offline"), running).stream()
        feed(stream, spell("海口市"))
        partial = stream.decode()
        feed(stream, spell("有人"))
        final = stream.finish()
    assert (partial.text, partial.final) == ("海口市", False)
    assert (final.text, final.final) == ("海口市有人", True)


def test_a_mode_without_second_pass_ends_where_the_runtime_says_so() -> None:
    with serving(funasr("runtime")) as running:
        final = engine(FunAsr("online"), running).transcribe(spell(SAID))
    assert final.text == SAID
    assert running.openings[0]["mode"] == "online"


def test_sense_voiceʼs_tags_never_reach_a_text() -> None:
    with serving(funasr("runtime", tags="<|zh|><|ANGRY|><|Speech|><|woitn|>")) as running:
        assert engine(FunAsr(), running).transcribe(spell(SAID)).text == SAID


def test_calls_do_not_hear_each_other() -> None:
    texts = ["海口市", "有人打架", "请快来", "三亚天涯", "我要报警", "救命"]
    with serving(vosk_server()) as running:
        recognizer = engine(VoskServer(), running)
        streams = [recognizer.stream() for _ in texts]
        for stream, text in zip(streams, texts, strict=True):
            feed(stream, spell(text))
        assert [stream.finish().text for stream in streams] == texts


# ── servers that fail ─────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("after", [0, 1_600, 9_600, 16_000])
def test_a_server_that_dies_and_comes_back_hears_all_of_the_utterance(
    dialect: type[Dialect], handler: Handler, after: int
) -> None:
    with serving(handler) as running:
        running.before = dying(after, until_connection=2)
        recognizer = engine(dialect(), running)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        final = stream.finish()
    assert final.text == SAID
    assert running.connections == 3
    assert recognizer.counts["failures"] == 2
    assert recognizer.counts["lost_samples"] == 0


@BOTH
def test_a_server_that_dies_over_the_end_is_asked_again(
    dialect: type[Dialect], handler: Handler
) -> None:
    def before(running: Running, message: str | bytes) -> None:
        ends = isinstance(message, str) and ("eof" in message or "is_end" in message)
        if ends and running.connections == 1:
            raise Hangup

    with serving(handler) as running:
        running.before = before
        assert engine(dialect(), running).transcribe(spell(SAID)).text == SAID
    assert running.connections == 2


def test_a_server_that_is_started_late_hears_all() -> None:
    with serving(vosk_server()) as running:
        port = int(running.url.rsplit(":", 1)[1].strip("/"))
    recognizer = engine(VoskServer(), running)
    stream = recognizer.stream()
    feed(stream, spell(SAID))
    eventually(lambda: recognizer.counts["failures"] >= 2)
    with serving(vosk_server(), port=port):
        assert stream.finish().text == SAID


def test_what_was_heard_stays_while_a_new_connection_catches_up() -> None:
    caught_up = threading.Event()

    def before(running: Running, _: str | bytes) -> None:
        if running.connections == 1 and running.audio[-1] >= 16_000:
            eventually(lambda: len((stream.hypothesis() or Hypothesis("")).text) >= 8)
            raise Hangup
        if running.connections == 2 and running.audio[-1] >= 4_800:
            caught_up.wait(60)

    with serving(vosk_server()) as running:
        running.before = before
        recognizer = engine(VoskServer(), running)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        eventually(lambda: running.connections == 2 and running.audio[-1] >= 4_800)
        partial = stream.hypothesis()
        assert partial is not None
        assert len(partial.text) >= 8
        caught_up.set()
        assert stream.finish().text == SAID


def test_audio_beyond_the_buffer_is_lost_and_counted_and_nothing_waits() -> None:
    limits = Limits(final_s=60, first_retry_s=0.01, most_retry_s=0.1, buffer_s=1.0)
    with serving(vosk_server()) as running:
        port = int(running.url.rsplit(":", 1)[1].strip("/"))
    recognizer = engine(VoskServer(), running, limits)
    stream = recognizer.stream()
    feed(stream, spell(SAID))
    with serving(vosk_server(), port=port):
        final = stream.finish()
    assert final.text == SAID[-10:]
    assert recognizer.counts["lost_samples"] == pytest.approx(4_800, abs=1)


def test_a_slow_server_costs_the_deadline_and_the_best_partial_is_the_final() -> None:
    go_on = threading.Event()

    def before(_: Running, message: str | bytes) -> None:
        if message == VoskServer().ending():
            go_on.wait(60)

    with serving(vosk_server()) as running:
        running.before = before
        recognizer = engine(VoskServer(), running, HASTY)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        eventually(lambda: stream.decode().text == SAID)
        late = stream.decode(final=True)
        assert (late.text, late.final, late.stable) == (SAID, True, len(SAID))
        assert late.alternatives == ()
        assert recognizer.counts["late_finals"] == 1
        go_on.set()
        eventually(lambda: bool(stream.decode(final=True).alternatives))


def test_a_slow_server_that_gave_no_partial_is_an_error() -> None:
    go_on = threading.Event()
    with serving(vosk_server()) as running:
        running.before = lambda *_: go_on.wait(60) and None
        recognizer = engine(VoskServer(), running, HASTY)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        assert stream.decode().text == ""
        with pytest.raises(RemoteTooSlow, match="final_deadline_s"):
            stream.decode(final=True)
        go_on.set()


def test_an_old_funasr_server_that_is_silent_about_silence_is_no_error() -> None:
    with serving(funasr("python", silent=True)) as running:
        recognizer = engine(FunAsr(), running, Limits(final_s=3.0))
        stream = recognizer.stream()
        feed(stream, np.zeros(16_000, np.float32))
        eventually(lambda: bool(running.audio))
        assert stream.finish().text == ""
    assert recognizer.counts["late_finals"] == 1


def test_feeding_never_waits_for_a_server_that_does_not_read() -> None:
    go_on = threading.Event()
    limits = Limits(final_s=0.2, buffer_s=2.0)
    with serving(vosk_server()) as running:
        running.before = lambda *_: go_on.wait(60) and None
        stream = engine(VoskServer(), running, limits).stream()
        done = threading.Event()

        def caller() -> None:
            for _ in range(50):
                feed(stream, spell(SAID))
            done.set()

        threading.Thread(target=caller, daemon=True).start()
        assert done.wait(60)
        go_on.set()


def garbage(socket: ServerConnection, _: Running) -> None:
    for message in socket:
        if isinstance(message, bytes):
            socket.send("<html>我要报警</html>")


def huge(socket: ServerConnection, _: Running) -> None:
    for message in socket:
        if isinstance(message, bytes):
            socket.send(json.dumps({"partial": "人" * 400_000}, ensure_ascii=False))


@pytest.mark.parametrize(("handler", "reason"), [(garbage, "no JSON"), (huge, "1048576 bytes")])
@pytest.mark.parametrize("dialect", [VoskServer, FunAsr])
def test_nonsense_is_an_error_that_shows_none_of_it(
    dialect: type[Dialect], handler: Handler, reason: str
) -> None:
    with serving(handler) as running:
        recognizer = engine(dialect(), running, HASTY)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        eventually(lambda: recognizer.counts["failures"] > 0)
        with pytest.raises(RemoteProtocolBroken, match=reason) as fault:
            stream.decode(final=True)
    assert "报警" not in str(fault.value)


def test_a_server_that_is_not_there_is_named_with_what_to_check() -> None:
    recognizer = RemoteTranscriber(
        VoskServer(), RemoteServer("ws://127.0.0.1:9/"), limits=Limits(final_s=0.5)
    )
    stream = recognizer.stream()
    feed(stream, spell(SAID))
    assert stream.decode().text == ""
    with pytest.raises(RemoteUnreachable, match=r"check that it runs and asr\.url"):
        stream.finish()


def test_a_stream_that_is_let_go_closes_its_connection() -> None:
    gone = threading.Event()

    def handler(socket: ServerConnection, _: Running) -> None:
        try:
            for _message in socket:
                pass
        finally:
            gone.set()

    with serving(handler) as running:
        recognizer = engine(VoskServer(), running)
        stream = recognizer.stream()
        feed(stream, spell(SAID))
        eventually(lambda: running.connections == 1)
        del stream
        gc.collect()
        assert gone.wait(60)


# ── who is spoken to ──────────────────────────────────────────────────────────────


def test_the_token_is_shown_and_a_wrong_one_is_an_error_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret-1\n")
    with serving(vosk_server(), token="secret-1") as running:
        server = RemoteServer(running.url, token=read_token(file))
        assert RemoteTranscriber(VoskServer(), server, limits=PATIENT).transcribe(
            spell(SAID)
        ).text == (SAID)
        wrong = RemoteTranscriber(
            VoskServer(), RemoteServer(running.url, token="other"), limits=PATIENT
        )
        with pytest.raises(RemoteRefused, match=r"asr\.token_file"):
            wrong.transcribe(spell(SAID))
    assert "secret-1" not in repr(server)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "made.pem", folder / "key.pem"
    subprocess.run(
        [*("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
         *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
         *("-keyout", str(key), "-out", str(made))],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def test_a_certificate_of_oneʼs_own_is_trusted_only_when_named(
    certificate: tuple[Path, Path],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(vosk_server(), tls=context) as running:
        trusted = RemoteServer(running.url, tls_ca=certificate[0])
        assert (
            RemoteTranscriber(VoskServer(), trusted, limits=PATIENT).transcribe(spell(SAID)).text
            == SAID
        )
        stranger = engine(VoskServer(), running).stream()
        feed(stream=stranger, pcm=spell(SAID))
        with pytest.raises(RemoteRefused, match=r"not trusted.*asr\.tls_ca"):
            stranger.finish()
        assert running.connections == 1


@pytest.mark.parametrize(
    "url",
    [
        "", "asr", "http://127.0.0.1/", "ws://192.0.2.7:2700/", "ws://asr.example/", "wss://",
        "wss://asr.example:0/", "wss://name:word@asr.example/", "wss://asr.example/#a", "ws://[::1",
    ],
)  # fmt: skip
def test_unsafe_addresses_are_refused(url: str) -> None:
    with pytest.raises(RemoteAddressInvalid):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["wss://asr.example:10096/", "ws://127.0.0.1:2700", "ws://localhost/", "ws://[::1]:80/"]
)
def test_safe_addresses_are_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("content", ["", "\n", "two words\n", "密码\n"])
def test_a_token_file_without_a_token_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(RemoteAddressInvalid, match="token"):
        read_token(file)


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    server = RemoteServer("wss://asr.example/", tls_ca=missing)
    with pytest.raises(RemoteAddressInvalid, match=r"ca\.pem"):
        RemoteTranscriber(VoskServer(), server)


# ── the real decoder behind the real protocol ─────────────────────────────────────


@pytest.mark.timeout(600)
def test_real_vosk_behind_its_protocol_hears_what_it_hears_here(
    vosk: VoskTranscriber, korean: Pcm
) -> None:
    def decoder() -> SpelledKaldi:
        import vosk as library

        made: SpelledKaldi = library.KaldiRecognizer(vosk._model, 16_000)
        made.SetWords(True)  # type: ignore[attr-defined]
        made.SetMaxAlternatives(5)  # type: ignore[attr-defined]
        return made

    here = vosk.transcribe(korean)
    with serving(vosk_server(decoder)) as running:
        recognizer = engine(VoskServer(languages=("ko",)), running, Limits(final_s=240))
        assert recognizer.capabilities.languages == ("ko",)
        whole = recognizer.transcribe(korean)
        running.before = dying(korean.size // 2, until_connection=running.connections + 1)
        stream = recognizer.stream()
        feed(stream, korean)
        interrupted = stream.finish()
    assert here.text
    assert whole.text == interrupted.text == here.text
    assert [w.text for w in whole.words] == [w.text for w in here.words]
    assert [w.start for w in whole.words] == pytest.approx([w.start for w in here.words], abs=0.1)
    assert len(whole.n_best) == len(set(whole.n_best)) > 1
