"""Whose tokens were valid when the database could last be read, for starts without it.

Only hashes are kept, in ``<state>/secrets/known.json``, mode 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from voicebot.state_folder import make_private


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token on record that is not revoked."""

    name: str
    role: str
    token_id: str
    hash: str = field(repr=False)


def memory_file(state: Path) -> Path:
    """Where it is kept in a state folder."""
    return state / "secrets" / "known.json"


def remember(file: Path, tokens: Sequence[KnownToken]) -> None:
    """Keep the tokens; a disk that takes nothing is no reason to stop."""
    beside = file.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        make_private(file.parent.parent)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            json.dump([asdict(token) for token in tokens], opened)
        beside.replace(file)


def recall(file: Path) -> tuple[KnownToken, ...]:
    """The tokens last kept; none where there is no such file or it is damaged."""
    try:
        return tuple(KnownToken(**values) for values in json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return ()
