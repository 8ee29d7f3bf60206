"""Two-channel recordings: left is the caller's side, right is what the caller heard.

Written as the call goes, so a process that dies leaves a readable file.
"""

from __future__ import annotations

import hashlib
import os
import re
import wave
from pathlib import Path
from types import TracebackType

import numpy as np

from telephony.codecs import Int16
from telephony.errors import RecordingError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)


def file_stem(identity: str) -> str:
    """A file name for an id from outside: itself when harmless, else its hash."""
    if _SAFE_NAME.fullmatch(identity):
        return identity
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]


class TwoChannelRecording:
    """A stereo 16-bit WAV that grows while the call lasts; readable by its owner only.

    Parameters:
        path: the file; its folder is made if needed, an existing file is replaced.
        rate: Hz.
        flush_seconds: audio kept in memory between writes.

    Errors: RecordingError `cannot_write`.
    """

    def __init__(self, path: Path, rate: int, *, flush_seconds: float = 0.5) -> None:
        self.path, self.rate = path, rate
        self._flush_samples = round(rate * flush_seconds)
        self._left: list[Int16] = []
        self._right: list[Int16] = []
        self._waiting = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(handle, "wb+")
        except OSError as error:
            raise RecordingError(
                "cannot_write",
                f"The recording cannot be written to {path} ({error.strerror}); "
                "check the folder's permissions and the disk.",
            ) from None
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - open as long as the call
        self._wave.setnchannels(2)
        self._wave.setsampwidth(2)
        self._wave.setframerate(rate)

    def write(self, left: Int16, right: Int16) -> None:
        """Adds the same stretch of time (n,) of both sides. Errors: RecordingError."""
        if len(left) != len(right):
            raise ValueError("both channels of a recording are equally long")
        self._left.append(left)
        self._right.append(right)
        self._waiting += len(left)
        if self._waiting >= self._flush_samples:
            self._flush()

    def close(self) -> None:
        if not self._file.closed:
            self._flush()
            self._wave.close()
            self._file.close()

    def _flush(self) -> None:
        if not self._left:
            return
        both = np.stack([np.concatenate(self._left), np.concatenate(self._right)], axis=1)
        self._left, self._right, self._waiting = [], [], 0
        try:
            # writeframes also mends the header's length, so the file is whole at any time.
            self._wave.writeframes(both.astype("<i2").tobytes())
            self._file.flush()
        except OSError as error:
            raise RecordingError(
                "cannot_write", f"The recording {self.path} cannot be written ({error.strerror})."
            ) from None

    def __enter__(self) -> TwoChannelRecording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
