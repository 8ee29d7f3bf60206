"""A few bytes that the ear process writes and the service reads, whatever the process does: how far
it has come, and whose audio it is at. What crashed or hangs is known by them.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

_NOTE = struct.Struct("<II")


class Note(NamedTuple):
    """Parameters:
    done: counts the work; another figure is progress.
    call: whose is being done; 0: nobody's.
    """

    done: int
    call: int


class Board:
    """One end of it.

    Parameters:
        file: of `new_file`, in either process; stays the caller's.
    """

    def __init__(self, file: int) -> None:
        self._memory = mmap.mmap(file, mmap.PAGESIZE)
        self._done = 0

    @staticmethod
    def new_file() -> int:
        """An empty one without a name, to be closed.

        Raises:
            OSError: there is none.
        """
        file = os.memfd_create("ear-process-board")
        os.ftruncate(file, mmap.PAGESIZE)
        return file

    def begin(self, call: int) -> None:
        """The next piece of work is this call's."""
        self._done = (self._done + 1) & 0xFFFFFFFF
        _NOTE.pack_into(self._memory, 0, self._done, call)

    def rest(self) -> None:
        """There is no work."""
        _NOTE.pack_into(self._memory, 0, self._done, 0)

    def read(self) -> Note:
        """As it stands."""
        return Note(*_NOTE.unpack_from(self._memory))
