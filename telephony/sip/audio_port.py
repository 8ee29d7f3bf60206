"""One party's end of the conference bridge towards the main process.

Its callbacks run on PJSIP's media thread, every 20 ms; they touch nothing but the queue
and the socket, never wait and never raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import cycle

import pjsua2 as pj

from telephony.comfort_noise import noise_frames
from telephony.sip.frames import Reader, Writer

FRAME_US = 20_000
"""Length of a frame, microseconds."""

MOST_QUEUED = 100
"""Pieces kept towards the party, 2 s of 20 ms each; the oldest is dropped first."""


class OutQueue:
    """Audio on its way to a party: put by the reader thread, taken by the media thread.

    Parameters:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        self._noise = cycle([frame.tobytes() for frame in noise_frames(rate)])
        self._frame_bytes = rate // 50 * 2
        self._pieces: deque[bytes] = deque(maxlen=MOST_QUEUED)
        self._rest = b""
        self._cleared = False

    def put(self, pcm: bytes) -> None:
        self._pieces.append(pcm)

    def clear(self) -> None:
        """Nothing of what was put so far is played."""
        self._pieces.clear()
        self._cleared = True

    def take(self) -> bytes:
        """The next frame; comfort noise where there is nothing."""
        if self._cleared:
            self._cleared, self._rest = False, b""
        if not self._rest and not self._pieces:
            return next(self._noise)
        frame = self._rest
        while len(frame) < self._frame_bytes and self._pieces:
            try:
                frame += self._pieces.popleft()
            except IndexError:  # cleared meanwhile
                break
        self._rest = frame[self._frame_bytes :]
        return frame[: self._frame_bytes].ljust(self._frame_bytes, b"\0")


class AudioPort(pj.AudioMediaPort):  # type: ignore[misc]
    """Frames between one party and the main process; used again for the next party.

    It is never destroyed: PJSIP's media thread calls it for as long as it exists, and would
    find a half-collected object.

    Parameters:
        name: for PJSIP's log.
        rate: Hz, 8000 or 16000.
        read, write: how frames are copied (`frames.pick`).
    """

    def __init__(self, name: str, rate: int, read: Reader, write: Writer) -> None:
        super().__init__()
        self.rate = rate
        self.heard: Callable[[bytes], None] | None = None
        """Takes what the party says, a frame of 20 ms; None while there is no party."""
        self.out = OutQueue(rate)
        self._silence = bytes(rate // 50 * 2)
        self._read, self._write = read, write
        layout = pj.MediaFormatAudio()
        layout.type = pj.PJMEDIA_TYPE_AUDIO
        layout.init(pj.PJMEDIA_FORMAT_PCM, rate, 1, FRAME_US, 16)
        self.createPort(name, layout)

    def onFrameRequested(self, frame: pj.MediaFrame) -> None:
        pcm = self.out.take()
        frame.type = pj.PJMEDIA_FRAME_TYPE_AUDIO
        self._write(frame.buf, pcm)
        frame.size = len(pcm)

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:
        heard = self.heard
        if heard is not None:
            # No bytes come while the party sends no RTP: that is silence, and time goes on.
            heard(self._read(frame.buf) or self._silence)
