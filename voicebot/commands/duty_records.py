"""How the commands of `voicebot duty` read and change the directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from voicebot.commands.knowledge_common import database_sentences
from voicebot.commands.session import InputError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from voicebot.config import Settings

T = TypeVar("T")

_FAILED = "The duty directory cannot be read or written"
_ADVICE = "Try again; `voicebot doctor` says more."


def with_directory(settings: Settings, work: Callable[[Session], T], act: str, subject: str) -> T:
    """`work` in one transaction, on record as an act of this machine's user.

    On a new machine the directory is the one that is delivered.

    Raises:
        RecordsUnavailable: the database cannot be read or written.
    """
    from sqlalchemy.orm import Session

    from voicebot.records.database import migrate, open_engine
    from voicebot.records.duty import write_seed
    from voicebot.security import WRITE_PATIENCE_S, local_act

    with database_sentences(_FAILED, _ADVICE):
        migrate(settings.database_url)
        engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
        try:
            with Session(engine) as session, session.begin():
                write_seed(session, settings.handoff)
                session.flush()
                done = work(session)
                session.add(local_act(act, subject[:255]))
                return done
        finally:
            engine.dispose()


def line_named(text: str) -> str:
    """A line by its code or name.

    Raises:
        InputError: there is no such line.
    """
    from voicebot.duty.names import LINES, read_line

    line = read_line(text)
    if line is None:
        raise InputError(
            f"There is no line {text!r}; there are "
            f"{', '.join(f'{code} ({name})' for code, name in LINES.items())}."
        )
    return line


def region_named(text: str) -> str:
    """A place by its code or name.

    Raises:
        InputError: there is no such place, or several.
    """
    from voicebot.duty.names import read_region

    region = read_region(text)
    if region is None:
        raise InputError(
            f"There is no place {text!r} in Hainan, or there are several; give a GB/T 2260 code "
            "such as 460106, or a name such as 海口市龙华区."
        )
    return region
