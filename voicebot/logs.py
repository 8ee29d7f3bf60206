"""Logging: structlog for our own lines, and everybody else's through the same door.

Every line carries the call it belongs to (`structlog.contextvars.bind_contextvars`,
once per call) and passes the masking processor, exceptions included: the text of an
error can hold what a caller said.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from voicebot.masking import mask

if TYPE_CHECKING:
    from loguru import Message

_KEPT = frozenset({"timestamp", "level", "_record", "_from_structlog"})
_HANDLER = "voicebot"

QUIET = (
    "uvicorn.access", "httpx", "httpcore", "websockets", "asyncio", "numba", "alembic", "urllib3",
)  # fmt: skip
"""Loggers of libraries that speak only from WARNING up."""


def mask_personal_data(_: Any, __: str, line: EventDict) -> EventDict:
    """structlog processor: every value of the line without personal numbers."""
    kept = {key: value for key, value in line.items() if key in _KEPT}
    masked = mask({key: value for key, value in line.items() if key not in _KEPT})
    return {**masked, **kept}


def configure(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Set logging up for this process; may be called again to change it.

    Parameters:
        level: debug, info, warning or error, for our own lines.
        as_json: one JSON object a line, else text for people.
        stream: where to; standard error by default.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=False),
        # As text before masking: a renderer's own traceback would come after it.
        structlog.processors.format_exc_info,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]
    renderer: Processor
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            mask_personal_data,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            renderer,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.set_name(_HANDLER)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.get_name() == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _route_loguru()


def _route_loguru() -> None:
    """pipecat speaks through loguru: its warnings come out of our handler, masked."""
    try:
        from loguru import logger
    except ImportError:
        return
    logger.remove()
    logger.add(_pass_on, level="WARNING", format="{message}", backtrace=False, diagnose=False)


def _pass_on(message: Message) -> None:
    record = message.record
    exception = record["exception"]
    failed = exception is not None and exception.type is not None
    logging.getLogger(record["name"] or "pipecat").log(
        record["level"].no,
        record["message"],
        exc_info=(exception.type, exception.value, exception.traceback) if failed else None,  # type: ignore[arg-type,union-attr]
    )
