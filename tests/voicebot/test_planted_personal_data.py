"""Personal data is planted in a call and in requests, and looked for where it must not be.

Logs, metrics, traces and error pages may be read by people who have nothing to do with a call.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from fastapi.testclient import TestClient

from telephony.scripted import ScriptedLine
from tests.voicebot import test_session as calls
from tests.voicebot import test_web as web
from tests.voicebot.otlp_receiver import Receiver, receiving
from tests.voicebot.test_access_table import _OverAtOnce, routes
from voicebot import logs
from voicebot.config import Settings
from voicebot.config_tracing import Tracing as TracingSettings
from voicebot.metrics.exposition import exposition
from voicebot.tracing.service import Tracing
from voicebot.web.api import create_app

engines, options, desk_url, service = calls.engines, calls.options, calls.desk_url, calls.service


def identity_card(digits: str) -> str:
    """With its check character (GB 11643)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return digits + "10X98765432"[total % 11]


def bank_card(digits: str) -> str:
    """With its check digit (Luhn)."""
    doubled = [int(d) * (2 if n % 2 == 0 else 1) for n, d in enumerate(reversed(digits))]
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


NUMBERS = {
    "mobile": "13976543210",
    "landline": "0898-66778899",
    "identity card": identity_card("46010619900307123"),
    "bank card": bank_card("622202120100123456"),
    "plate": "琼A7K2L9",
}
SPOKEN = {"mobile as it is said": "幺三九七六五四三二幺零"}
WORDS = {"address": "金贸西路八巷十七号", "name": "符琼花"}
PLANTED = {**NUMBERS, **SPOKEN, **WORDS}
SENTENCE = (
    "我叫{name}，住{address}，电话{mobile}，座机{landline}，身份证{identity card}，"
    "银行卡{bank card}，车牌{plate}，再说一遍{mobile as it is said}"
).format(**PLANTED)


def found(text: str, planted: dict[str, str] = PLANTED) -> list[str]:
    """What of the planted stands in a text, with whatever between its characters."""
    bare = re.sub(r"[\s,，、。·.\-]", "", text)
    return [
        what
        for what, value in planted.items()
        if value in text or re.sub(r"[·\-]", "", value) in bare
    ]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that this process logs, down to debug."""
    before = structlog.get_config()
    stream = io.StringIO()
    logs.configure("debug", as_json=True, stream=stream)
    yield stream
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if each.get_name() != "voicebot"]
    root.setLevel(logging.WARNING)
    structlog.configure(**before)


def test_the_numbers_are_such_as_could_be_somebodys() -> None:
    assert identity_card("11010519491231002") == "11010519491231002X"
    assert bank_card("411111111111111") == "4111111111111111"
    assert found(SENTENCE) == list(PLANTED)
    assert found("139 7654 3210") == ["mobile"]
    assert found("没有") == []


# ── a call ────────────────────────────────────────────────────────────────────

in_a_call = pytest.mark.leaping_time


class TestCalls:
    """In a service that is real but for its models and its clock."""

    @pytest.fixture
    def settings(self, tmp_path: Any, desk_url: str, options: str) -> Settings:
        made: Settings = calls.settings.__wrapped__(tmp_path, desk_url, options)  # type: ignore[attr-defined]
        return made

    @pytest.fixture
    def collector(self, service: Any) -> Iterator[Receiver]:
        """Of the service's traces."""
        with receiving() as receiver:
            service.tracing = Tracing(TracingSettings(url=receiver.url))
            yield receiver

    @in_a_call
    async def test_what_a_caller_says_is_in_no_log_no_metric_and_no_trace(
        self, log: io.StringIO, service: Any, collector: Receiver
    ) -> None:
        line = ScriptedLine(calls.offered(caller=NUMBERS["mobile"]))
        call = await calls.called(service, line)
        call.says(SENTENCE)
        await asyncio.sleep(5.0)
        call.says(f"{SENTENCE}，孩子晕倒了", turn=2)
        await calls.until(lambda: line.legs)
        await asyncio.sleep(5.0)
        record = await call.hung_up()
        assert NUMBERS["identity card"] in str(record)  # it was heard, and is where it belongs
        text = log.getvalue()
        assert '"call_id": "c-1"' in text
        assert found(text) == []
        assert found(exposition(service.metrics, service.standing, None).decode()) == []
        service.tracing.close()
        names = {span.name for span in collector.spans}
        assert names == {
            "call", "turn", "recognition", "triage", "search", "speech", "handoff", "attempt",
            "write",
        }  # fmt: skip
        for body in (*collector.bodies, str(collector.requests).encode()):
            assert found(body.decode("utf-8", "replace")) == []

    @in_a_call
    async def test_an_error_that_holds_what_was_said_is_logged_without_its_numbers(
        self, log: io.StringIO, service: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = await calls.called(service, ScriptedLine(calls.offered(caller=NUMBERS["mobile"])))

        def fails(*_: Any, **__: Any) -> Any:
            raise ValueError(SENTENCE)

        monkeypatch.setattr("voicebot.call.session.step", fails, raising=True)
        call.says(SENTENCE)
        await asyncio.sleep(2.0)
        monkeypatch.undo()
        call.taking.cancel()
        await asyncio.gather(call.taking, return_exceptions=True)
        text = log.getvalue()
        assert "ValueError" in text
        assert found(text, {**NUMBERS, **SPOKEN}) == []


# ── requests ──────────────────────────────────────────────────────────────────


@pytest.fixture
def stand_in(settings: Settings) -> web._Service:
    made = web._Service(settings, asyncio.run(web._opened(settings)))
    made.live = _OverAtOnce()  # type: ignore[assignment]
    return made


@pytest.fixture
def client(stand_in: web._Service) -> Iterator[TestClient]:
    app = create_app(stand_in, stand_in.announcements)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
        assert client.portal is not None
        client.portal.call(stand_in.records.close)


@pytest.mark.parametrize("role", ["admin", "110", "none"])
def test_no_error_page_says_what_was_asked_with(
    client: TestClient, stand_in: web._Service, log: io.StringIO, role: str
) -> None:
    headers = {} if role == "none" else web.bearer(stand_in, role)
    paths = quote("~".join(NUMBERS.values()), safe="")
    body = {"text": SENTENCE, SENTENCE: SENTENCE, "turns": [{"text": SENTENCE}]}
    refused = 0
    for method, path in routes(client):
        if method == "WS":
            continue
        answer = client.request(
            method,
            re.sub(r"{[^}]*}", paths, path),
            params={"limit": SENTENCE, "region": SENTENCE, "line": SENTENCE},
            json=body if method != "GET" else None,
            headers=headers,
        )
        if answer.status_code >= 400:
            refused += 1
            assert found(answer.text) == [], f"{method} {path}: {answer.text}"
    assert refused > 20
    assert found(log.getvalue()) == []
