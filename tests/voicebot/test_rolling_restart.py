"""deploy/kamailio/rolling-restart.sh with a real Kamailio: one node at a time, and never the last.

The nodes are sockets that answer OPTIONS, as Asterisk does, and the two questions that are asked of
a voice bot; `ssh NODE COMMAND` runs the command here.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.voicebot.tools import Kamailio

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kamailio"
SCRIPT = FOLDER / "rolling-restart.sh"


@dataclass
class Nodes:
    """Two media nodes; which of them is ready, and how many calls run there."""

    ready: dict[str, bool] = field(default_factory=lambda: {"one": True, "two": True})
    calls: dict[str, int] = field(default_factory=lambda: {"one": 0, "two": 0})
    comes_back: bool = True
    at_restart: list[tuple[str, str]] = field(default_factory=list)
    """Which was restarted, and what the dispatcher said then."""
    asked: Callable[[], str] = str

    def restart(self, name: str) -> None:
        self.at_restart.append((name, self.asked()))
        self.ready[name] = self.comes_back


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def voicebots(nodes: Nodes) -> Iterator[str]:
    """`/NODE/ready`, `/NODE/health`, `/NODE/restart` at one address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, what = self.path.split("/")
            if what == "restart":
                nodes.restart(name)
            ready = nodes.ready[name]
            bodies = {"ready": f'{{"ready":{str(ready).lower()}}}', "restart": "{}"}
            body = bodies.get(what, f'{{"status":"ok","calls":{nodes.calls[name]}}}').encode()
            self.send_response(503 if what == "ready" and not ready else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if what == "health":
                nodes.calls[name] = max(nodes.calls[name] - 1, 0)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def asterisks() -> Iterator[list[int]]:
    """Ports at which OPTIONS is answered."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    over = threading.Event()
    kept = ("Via", "From", "To", "Call-ID", "CSeq")

    def serve() -> None:
        while not over.is_set():
            for each in select.select(sockets, [], [], 0.1)[0]:
                data, sender = each.recvfrom(4000)
                lines = [x for x in data.decode().split("\r\n") if x.split(":")[0] in kept]
                answer = ["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]
                each.sendto("\r\n".join(answer).encode(), sender)

    thread = threading.Thread(target=serve)
    thread.start()
    yield [each.getsockname()[1] for each in sockets]
    over.set()
    thread.join()
    for each in sockets:
        each.close()


@pytest.fixture
def kamcmd(kamailio: Kamailio, asterisks: list[int], tmp_path: Path) -> Iterator[str]:
    """A Kamailio with the sample's dispatcher, over UDP on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = (FOLDER / "kamailio.cfg").read_text().replace("/etc/kamailio/", f"{tmp_path}/")
    text = text.replace("/run/kamailio/kamailio_ctl", f"{tmp_path}/ctl")
    text = text.replace("tls:10.0.0.1:5061", f"udp:127.0.0.1:{port}")
    text = "\n".join(line for line in text.splitlines() if "tls" not in line)
    (tmp_path / "kamailio.cfg").write_text(text.replace("children=4", "children=1"))
    (tmp_path / "address.list").write_text("1 127.0.0.1 32\n")
    (tmp_path / "dispatcher.list").write_text(
        "".join(f"1 sip:127.0.0.1:{port} 0 10 weight=50\n" for port in asterisks)
    )
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        (
            *(str(kamailio.program), "-DD", "-E", "-L", str(kamailio.modules)),
            *("-Y", str(tmp_path)),
            *("-P", str(tmp_path / "pid"), "-f", str(tmp_path / "kamailio.cfg")),
        ),
        env=kamailio.environment,
        stdout=log,
        stderr=log,
    )
    command = tmp_path / "kamcmd"
    command.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={kamailio.libraries}\n"
        f'exec {kamailio.program.parent}/kamcmd -s unixs:{tmp_path}/ctl "$@"\n'
    )
    command.chmod(0o755)
    try:
        until(lambda: states(str(command)) == ["AP", "AP"])
        yield str(command)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def states(kamcmd: str) -> list[str]:
    """Of both nodes, by their ports' order in the list of the dispatcher."""
    done = subprocess.run((kamcmd, "dispatcher.list"), capture_output=True, text=True)
    found = re.findall(r"URI: (\S+)|FLAGS: (\S+)", done.stdout)
    return [flags for _, flags in found if flags]


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def restarted(
    kamcmd: str, asterisks: list[int], nodes: Nodes, voicebots: str, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    ssh, token = tmp_path / "ssh", tmp_path / "token"
    ssh.write_text('#!/bin/sh\nNODE=$1 exec sh -c "$2"\n')
    ssh.chmod(0o755)
    token.write_text("vb_test")
    nodes.asked = lambda: "".join(sorted(states(kamcmd)))

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(SCRIPT), "--ssh", str(ssh), "--kamcmd", kamcmd, "--token", str(token)]
        # Each node asks itself; here they are told apart by what `ssh` puts into NODE.
        command += ["--url", f"{voicebots}/'$NODE'", "--wait", "5", "--back", "3"]
        command += ["--restart", f"curl -s {voicebots}/$NODE/restart", *options]
        command += [f"one=sip:127.0.0.1:{asterisks[0]}", f"two=sip:127.0.0.1:{asterisks[1]}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


def test_one_node_after_the_other_is_taken_out_and_comes_back(
    restarted: Callable[..., subprocess.CompletedProcess[str]], nodes: Nodes, kamcmd: str
) -> None:
    nodes.calls["one"] = 2
    done = restarted()
    assert done.returncode == 0, done.stderr
    assert nodes.at_restart == [("one", "APDX"), ("two", "APDX")]
    assert nodes.calls["one"] == 0
    assert states(kamcmd) == ["AP", "AP"]


def test_a_node_that_does_not_come_back_stays_out_and_the_other_is_left_alone(
    restarted: Callable[..., subprocess.CompletedProcess[str]], nodes: Nodes, kamcmd: str
) -> None:
    nodes.comes_back = False
    done = restarted()
    assert done.returncode == 1
    assert "one is not ready after 3 s" in done.stderr
    assert [name for name, _ in nodes.at_restart] == ["one"]
    assert sorted(states(kamcmd)) == ["AP", "DX"]


def test_the_only_node_that_is_ready_is_not_touched(
    restarted: Callable[..., subprocess.CompletedProcess[str]], nodes: Nodes, kamcmd: str
) -> None:
    nodes.ready["two"] = False
    done = restarted()
    assert done.returncode == 1
    assert "one is needed" in done.stderr
    assert (nodes.at_restart, states(kamcmd)) == ([], ["AP", "AP"])


def test_a_dry_run_says_every_step_and_takes_none(
    restarted: Callable[..., subprocess.CompletedProcess[str]], nodes: Nodes, kamcmd: str
) -> None:
    done = restarted("--dry-run")
    assert done.returncode == 0
    assert done.stderr.count("dispatcher.set_state") == 4
    assert (nodes.at_restart, states(kamcmd)) == ([], ["AP", "AP"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("one=sip:a",), "two nodes"),
        (("one", "two=sip:b"), "HOST=SIP-ADDRESS"),
        (("--wait", "soon", "one=sip:a", "two=sip:b"), "whole numbers"),
        (("--fast",), "no option --fast"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run((str(SCRIPT), *arguments), capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr
