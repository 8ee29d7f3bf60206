"""Callers' voices reach NATS over TLS or on this machine alone, and its token no one else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asr.errors import NodesAway, RemoteAddressInvalid
from asr.nodes.address import NatsServers
from asr.nodes.transcriber import NodesTranscriber
from tests.asr.nodes_doubles import NodeThread
from tests.asr.supervised_doubles import Letters, second, until
from tests.nats_server import NatsServer
from tests.voicebot.tools import FETCHED, needs

Start = Callable[..., NatsServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts nats-server with options."""
    started = []

    def one(*options: str) -> NatsServer:
        program = needs("nats-server", FETCHED / "nats", "`scripts/setup.sh --all`")
        started.append(server := NatsServer(program, *options))
        server.start()
        return server

    yield one
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed one of 127.0.0.1, and its key."""
    needs("openssl", None, "`apt-get install openssl`")
    folder = tmp_path_factory.mktemp("nats-tls")
    file, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", key, "-out", file, "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return file, key


@contextmanager
def opened(servers: NatsServers, first_s: float = 1.0) -> Iterator[NodesTranscriber]:
    engine = NodesTranscriber(servers, first_s=first_s)
    yield engine
    engine.close()


def away_because_of(reason: str, servers: NatsServers) -> None:
    """It says so, if not at once: of a refusal only the connection's reset may be seen."""
    with opened(servers) as engine:
        with pytest.raises(NodesAway):
            engine.transcribe(second("a"))
        until(lambda: reason in engine.why_away.lower())


def test_the_token_is_shown_to_nats(start: Start) -> None:
    url = start("--auth", "secret").url
    servers = NatsServers((url,), token="secret")
    node = NodeThread(Letters(), servers, "n1")
    with opened(servers) as engine:
        assert engine.transcribe(second("a")).text == "a"
    node.leave()
    for token in ("wrong", ""):
        away_because_of("authorization", NatsServers((url,), token=token))


def test_nats_is_spoken_to_over_tls_where_its_certificate_is_known(
    start: Start, certificate: tuple[Path, Path]
) -> None:
    file, key = certificate
    server = start("--tls", "--tlscert", str(file), "--tlskey", str(key))
    url = server.url.replace("nats:", "tls:")
    servers = NatsServers((url,), tls_ca=file)
    node = NodeThread(Letters(), servers, "n1")
    with opened(servers) as engine:
        assert engine.transcribe(second("a")).text == "a"
    node.leave()
    away_because_of("certificate", NatsServers((url,)))


def test_a_server_that_wants_no_tls_is_told_nothing(start: Start) -> None:
    url = start("--auth", "secret").url.replace("nats:", "tls:")
    away_because_of("secure connection", NatsServers((url,), token="secret"))


def test_certificates_that_cannot_be_read_are_an_error_at_once(tmp_path: Path) -> None:
    servers = NatsServers(("tls://nats.example:4222",), tls_ca=tmp_path / "none.pem")
    with pytest.raises(RemoteAddressInvalid, match=r"nats\.tls_ca"):
        NodesTranscriber(servers)
