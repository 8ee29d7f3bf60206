"""Our lines and those of libraries come out of one door, masked, with their call."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from voicebot import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure("info", as_json=True, stream=stream)
    yield stream
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if each.get_name() != "voicebot"]
    root.setLevel(logging.WARNING)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_are_masked_and_carry_the_call(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(call_id="C1"):
        structlog.get_logger().info("call_started", caller="13800138000", at=1.5)
    (line,) = lines(stream)
    assert (line["caller"], line["call_id"], line["at"]) == ("***8000", "C1", 1.5)
    assert line["level"] == "info"
    assert line["event"] == "call_started"


def test_exceptions_are_masked(stream: io.StringIO) -> None:
    try:
        raise ValueError("13800138000 said 琼A12345")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "13800138000" not in text
    assert "琼A12345" not in text


def test_the_standard_library_comes_through(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("dialled %s", "13800138000")
    (line,) = lines(stream)
    assert line["event"] == "dialled ***8000"


def test_loguru_comes_through_from_warning_up(stream: io.StringIO) -> None:
    loguru = pytest.importorskip("loguru")
    loguru.logger.info("chatter")
    loguru.logger.warning("number 13800138000")
    try:
        raise RuntimeError("13800138000")
    except RuntimeError:
        loguru.logger.exception("broken")
    first, second = lines(stream)
    assert first["event"] == "number ***8000"
    assert "RuntimeError" in str(second["exception"])
    assert "13800138000" not in stream.getvalue()


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert lines(stream) == []


def test_text_for_people_is_masked_too() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    try:
        raise ValueError("13800138000")
    except ValueError:
        structlog.get_logger().exception("failed", caller="13800138000")
    assert "13800138000" not in stream.getvalue()
    assert "***8000" in stream.getvalue()
