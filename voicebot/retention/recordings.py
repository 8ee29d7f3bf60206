"""The recordings on this machine, and of which calls they are.

By the name of the file, which is made of the call's id: the folder may have moved since its path
was put on record, and a file that a crash left unsealed is on record by its sealed name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path, PurePath

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicebot.recording_files import KEY_SUFFIX, SUFFIX, key_file
from voicebot.records.tables import CallRow

log = structlog.get_logger()

AT_ONCE = 500
_HASHED = re.compile(r"[0-9a-f]{32}")
_OVER = func.coalesce(CallRow.ended_at, CallRow.started_at)

Found = tuple[str, float | None]
"""A call, and when it was over, seconds since the epoch; None: not known."""


def files(folder: Path) -> list[Path]:
    """Recordings, sealed or not, without their keys; what is being sealed is none yet."""
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    none = (".part", KEY_SUFFIX)
    return sorted(folder / each for each in names if ".wav" in each and not each.endswith(none))


def of_calls(session: Session, recordings: Collection[Path]) -> dict[Path, Found]:
    """Those of these files that are a call's."""
    stems = sorted({_stem(file) for file in recordings})
    found: dict[str, Found] = {}
    for start in range(0, len(stems), AT_ONCE):
        chosen = CallRow.id.in_(stems[start : start + AT_ONCE])
        for call, over in session.execute(select(CallRow.id, _OVER).where(chosen)):
            found[call] = (call, over)
    hashed = {stem for stem in stems if stem not in found and _HASHED.fullmatch(stem)}
    if hashed:
        # No index leads from a hash to its call.
        rows = select(CallRow.id, _OVER, CallRow.recording).where(CallRow.recording != "")
        for call, over, path in session.execute(rows.execution_options(yield_per=AT_ONCE)):
            if (stem := _stem(PurePath(path))) in hashed:
                found[stem] = (call, over)
    return {file: found[_stem(file)] for file in recordings if _stem(file) in found}


def modified(file: Path) -> float | None:
    """None: it has been sealed meanwhile, or is gone."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def unlink(file: Path) -> bool:
    """False: it is still there, and the log says why. Its key goes first."""
    sealed = file if file.suffix == SUFFIX else file.with_name(file.name + SUFFIX)
    try:
        key_file(sealed).unlink(missing_ok=True)
        file.unlink(missing_ok=True)
    except OSError as error:
        log.error("recording_not_removed", file=file.name, reason=error.strerror)
        return False
    return True


def _stem(file: PurePath) -> str:
    return file.name.removesuffix(SUFFIX).removesuffix(".wav")
