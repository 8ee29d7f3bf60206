"""WAV headers whose lengths were never filled in, because the recorder was killed."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_NEVER_FILLED_IN = (0, 0xFFFFFFFF)
_LIMIT = 0xFFFFFFFF
_MOST_CHUNKS = 100


def mended(file: BinaryIO) -> bytes:
    """The beginning of a WAV file, its length fields as long as the data; b"" if they are right.

    A data chunk said to be empty, or endless, goes to the end of the file.
    """
    size = file.seek(0, 2)
    file.seek(0)
    header = bytearray(file.read(12))
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        return b""
    frame = 1
    for _ in range(_MOST_CHUNKS):
        chunk = file.read(8)
        header += chunk
        if len(chunk) < 8:
            return b""
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return _filled_in(header, length, size, frame, file.read(8))
        body = file.read(length + length % 2) if length < 1 << 20 else b""
        header += body
        if chunk[:4] == b"fmt " and len(body) >= 14:
            frame = max(1, int.from_bytes(body[12:14], "little"))
        if len(body) < length:
            return b""
    return b""


def _filled_in(header: bytearray, length: int, size: int, frame: int, after: bytes) -> bytes:
    there = size - len(header)
    next_chunk = after[:4].isascii() and int.from_bytes(after[4:8], "little") + 8 == there
    if length not in _NEVER_FILLED_IN or not frame <= there < _LIMIT - len(header) or next_chunk:
        return b""
    header[-4:] = (there - there % frame).to_bytes(4, "little")
    header[4:8] = (size - 8).to_bytes(4, "little")
    return bytes(header)


class NamelessFile:
    """What libsndfile reads from: without a name, which it would believe, its WAV header mended."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._header = mended(self._file)
        self._file.seek(0)

    def read(self, size: int = -1) -> bytes:
        at = self._file.tell()
        data = self._file.read(size)
        better = self._header[at : at + len(data)]
        return better + data[len(better) :]

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
