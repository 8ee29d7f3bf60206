"""The recording of one call, both sides on the call's clock whatever the network does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from telephony.codecs import FRAME_SECONDS, Int16, padded
from telephony.errors import RecordingError
from telephony.recording import TwoChannelRecording

MOST_S = 2.0
"""Audio of one side that may be ahead of the clock: a burst after a stall. More is dropped."""

log = structlog.get_logger()


class CallRecorder:
    """Left is what the caller said, right what the caller was sent.

    A recording that cannot be written is reported and given up; the call goes on.
    """

    def __init__(self, path: Path | None, rate: int, now: Callable[[], float]) -> None:
        self._rate, self._now = rate, now
        self._said, self._sent = np.zeros(0, np.int16), np.zeros(0, np.int16)
        self._written = 0
        self._file: TwoChannelRecording | None = None
        if path is not None:
            try:
                self._file = TwoChannelRecording(path, rate)
            except RecordingError as error:
                log.error("recording_failed", reason=error.code)

    def said(self, pcm: Int16) -> None:
        """Audio of the caller's."""
        self._said = self._with(self._said, pcm)

    def sent(self, pcm: Int16) -> None:
        """Audio sent to the caller."""
        self._sent = self._with(self._sent, pcm)

    async def run(self) -> None:
        """Writes as time passes, until cancelled."""
        while self._file is not None:
            await asyncio.sleep(FRAME_SECONDS)
            self._write()

    def close(self) -> None:
        self._write()
        if self._file is not None:
            self._file.close()

    def _with(self, waiting: Int16, pcm: Int16) -> Int16:
        if self._file is None:
            return waiting
        return np.concatenate([waiting, pcm])[-round(MOST_S * self._rate) :]

    def _write(self) -> None:
        due = round(self._now() * self._rate) - self._written
        if self._file is None or due <= 0:
            return
        self._written += due
        left, self._said = padded(self._said, due), self._said[due:]
        right, self._sent = padded(self._sent, due), self._sent[due:]
        try:
            self._file.write(left, right)
        except RecordingError as error:
            log.error("recording_failed", reason=error.code)
            self._file = None
