"""`voicebot top`: what the metrics are read as, and how it is shown."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pty
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.pending import Phase
from tests.voicebot.conftest import ROOT, Voicebot
from voicebot.commands.top_screen import PHASES, QUEUES, STAGES, screen
from voicebot.metrics import instruments
from voicebot.metrics.instruments import Metrics
from voicebot.metrics.reading import Reading, quantile, summary

TEXT = """\
# TYPE voicebot_calls gauge
voicebot_calls 6
voicebot_calls_room 8
voicebot_calls_by_phase{phase="connected"} 2
voicebot_calls_by_phase{phase="listening"} 4
voicebot_calls_by_phase{phase="closing"} 0
# TYPE voicebot_calls_refused counter
voicebot_calls_refused_total{reason="full"} 3
voicebot_calls_refused_total{reason="stopping"} 0
voicebot_handoffs_open{state="ringing",to="110"} 1
voicebot_waiting_for_line 1
voicebot_backlog{queue="police_orders"} 2
voicebot_backlog_oldest_seconds{queue="police_orders"} 75
voicebot_loop_lag_seconds{quantile="0.99"} 0.071
voicebot_surge{line="12345"} 1
voicebot_records_available 1
# TYPE voicebot_stage_seconds histogram
voicebot_stage_seconds_bucket{stage="handoff",le="1.0"} 0
voicebot_stage_seconds_bucket{stage="handoff",le="2.0"} 10
voicebot_stage_seconds_bucket{stage="handoff",le="+Inf"} 10
"""


def scraped(metrics: Metrics) -> Reading:
    from prometheus_client import generate_latest

    return Reading.of(generate_latest(metrics.registry).decode())


def test_the_summary_has_what_is_going_on() -> None:
    found = summary(Reading.of(TEXT))
    assert found["calls"]["by_phase"] == {"connected": 2, "listening": 4}
    assert found["calls"]["refused"] == {"full": 3}
    assert found["handoffs"]["open"] == [{"to": "110", "state": "ringing", "count": 1}]
    assert found["backlog"] == {"police_orders": {"count": 2, "oldest_s": 75.0}}
    assert found["stages"]["handoff"] == {"count": 10, "p50_s": 1.5, "p95_s": 1.95}
    assert found["stages"]["answer"] == {"count": 0, "p50_s": None, "p95_s": None}
    assert (found["surge"], found["loop_lag_ms"]["p99"]) == (["12345"], 71.0)
    json.dumps(found)


def test_delays_are_of_the_time_since_the_earlier_look() -> None:
    metrics = Metrics()
    for _ in range(100):
        metrics.took("answer", 4.0)
    before = scraped(metrics)
    for _ in range(10):
        metrics.took("answer", 0.15)
    stage = summary(scraped(metrics), before)["stages"]["answer"]
    assert stage["count"] == 10
    assert 0.1 <= stage["p95_s"] <= 0.2


def test_a_service_that_was_started_anew_is_read_from_its_start() -> None:
    before, after = Metrics(), Metrics()
    for _ in range(5):
        before.took("answer", 4.0)
    after.took("answer", 0.15)
    assert summary(scraped(after), scraped(before))["stages"]["answer"]["count"] == 1


@given(st.lists(st.floats(0, 9.99), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(seconds: list[float], share: float) -> None:
    bounds = (*instruments.STAGE_BUCKETS_S, math.inf)
    buckets = {bound: float(sum(each <= bound for each in seconds)) for bound in bounds}
    true = sorted(seconds)[max(0, math.ceil(share * len(seconds) - 1e-9) - 1)]
    index = next(at for at, bound in enumerate(bounds) if true <= bound)
    below = bounds[index - 1] if index else 0.0
    found = quantile(buckets, share)
    assert found is not None
    assert below - 1e-6 <= found <= bounds[index] + 1e-6


def test_nothing_measured_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({1.0: 0.0, math.inf: 0.0}, 0.5) is None
    assert quantile({1.0: 0.0, math.inf: 3.0}, 0.5) == 1.0


def test_the_screen_has_a_word_for_everything() -> None:
    assert set(PHASES) == set(Phase)
    assert set(STAGES) == set(instruments.STAGES)
    assert set(QUEUES) == {"dossiers", "police_orders", "exchange", "inbox", "webhooks"}


def test_the_screen_shows_calls_delays_and_what_is_wrong() -> None:
    written = io.StringIO()
    Console(width=120, file=written).print(screen(summary(Reading.of(TEXT))))
    shown = written.getvalue()
    for part in ("通话 6/8", "高峰 12345", "人工通话", "等线路", "警单", "75.0 秒", "1.9 秒"):
        assert part in shown
    assert "读不出" in shown  # the other queues were not in the answer


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == "Bearer vb_right"
        found = self.path == "/metrics"
        self.send_response(200 if allowed and found else 403)
        self.end_headers()
        self.wfile.write(TEXT.encode() if allowed else b'{"code": "wrong_role"}')

    def log_message(self, *_: object) -> None: ...


def serving(port: int = 0) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", port), _Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def stop(server: HTTPServer) -> None:
    server.shutdown()
    server.server_close()


@pytest.fixture
def url() -> Iterator[str]:
    server = serving()
    yield f"http://127.0.0.1:{server.server_port}"
    stop(server)


def test_one_look_is_one_object(voicebot_here: Voicebot, url: str) -> None:
    done = voicebot_here("top", "--once", "--json", "--url", url, "--token", "vb_right")
    assert json.loads(done.stdout)["calls"]["running"] == 6
    shown = voicebot_here("top", "--once", "--url", url, VOICEBOT_METRICS_TOKEN="vb_right")
    assert "通话 6/8" in shown.stdout


@pytest.mark.timeout(120)
def test_the_live_screen_goes_on_while_the_service_is_started_anew(tmp_path: Path) -> None:
    first = serving()
    port = first.server_port
    pid, terminal = pty.fork()
    if pid == 0:
        url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
        arguments = ("top", "--every", "0.5", "--url", url, "--token", "vb_right")
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-m", "voicebot.cli", *arguments], environment)
    shown = _Shown(terminal)
    shown.until("通话 6/8")
    stop(first)
    shown.until("does not answer")
    again = serving(port)
    shown.until("通话 6/8")
    os.kill(pid, signal.SIGINT)
    rest = shown.rest()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert "Traceback" not in rest
    stop(again)


class _Shown:
    """What a terminal was sent, as it comes."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self._text = terminal, ""

    def until(self, part: str) -> None:
        while part not in self._text:
            self._text += os.read(self._terminal, 65536).decode("utf-8", "replace")
        self._text = ""

    def rest(self) -> str:
        with contextlib.suppress(OSError):  # the terminal is closed
            while got := os.read(self._terminal, 65536):
                self._text += got.decode("utf-8", "replace")
        return self._text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "does not answer (ConnectError)"),
        (("--url", "{url}"), "give its own with --token"),
        (("--url", "{url}", "--token", "vb_wrong"), "refused (403)"),
        (("--url", "{url}/other", "--token", "vb_right"), "refused (403)"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    voicebot_here: Voicebot, url: str, arguments: tuple[str, ...], said: str
) -> None:
    given = [each.format(url=url) for each in arguments]
    done = voicebot_here("top", "--once", *given, VOICEBOT_SERVER__PORT="9")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
