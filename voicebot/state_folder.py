"""The state folder: its owner's alone, and one service's at a time.

It holds personal data (records, recordings, spool, tokens), and a service that runs in it
directs its dossiers and replays its spool: a second one beside it would take them over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicebot.errors import VoicebotError

DATABASE = "voicebot.db"
_LOCK = ".service.lock"


class StateFolderError(VoicebotError):
    """The state folder cannot be used, or another service uses it."""

    code = "voicebot.state_folder"


def make_private(folder: Path) -> Path:
    """Make the folder, if need be, for its owner alone; one of ours that was open is closed.

    Raises:
        OSError: it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.stat()
    ours = state.st_uid == os.geteuid() and (folder / DATABASE).exists()
    if ours and state.st_mode & 0o077 and not state.st_mode & stat.S_ISVTX:
        folder.chmod(stat.S_IMODE(state.st_mode) & 0o700)
    return folder


@contextmanager
def only_service(folder: Path) -> Iterator[None]:
    """The state folder for this process until the block ends.

    Raises:
        StateFolderError: another service has it, or it cannot be written.
    """
    try:
        handle = os.open(make_private(folder) / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateFolderError(
            f"The state folder {folder} cannot be used: {error.strerror}."
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise StateFolderError(
                f"Another service{f' (process {holder})' if holder else ''} uses the state folder "
                f"{folder}; stop it, or give this one a folder of its own with paths.state."
            ) from None
        with contextlib.suppress(OSError):  # a full disk must not keep the service from starting
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
