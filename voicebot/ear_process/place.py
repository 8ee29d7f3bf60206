"""Where one call's audio is heard: a seat in an ear process, or a thread of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol

from telephony.codecs import Int16
from voicebot.call.caller_ear import Listened, ListenerFault, Sensed, Senses


class WorkFailed(Exception):
    """Something of ours raised there; the text is its class."""


OnSensed = Callable[[Sensed | WorkFailed], None]
OnSettled = Callable[[Listened | ListenerFault | WorkFailed], None]


class Place(Protocol):
    """Begins with the first audio that it is given. Answers come in order, and from the loop; once
    it is lost there are no more."""

    def hear(self, pcm: Int16, listen: bool, answer: OnSensed) -> None:
        """`listen`: the listener hears it too."""

    def settle(self, cut: bool, answer: OnSettled) -> None:
        """As `voicebot.call.caller_ear.CallerEar.settle`."""

    def close(self) -> None:
        """The call is over."""


class ThreadPlace:
    """A thread, which is never lost."""

    def __init__(self, senses: Senses, executor: Executor) -> None:
        self._senses, self._executor = senses, executor

    def hear(self, pcm: Int16, listen: bool, answer: OnSensed) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.run_in_executor(self._executor, self._senses.hear, pcm, listen)
        heard.add_done_callback(lambda done: _tell(done, answer))

    def settle(self, cut: bool, answer: OnSettled) -> None:
        loop = asyncio.get_running_loop()
        settled = loop.run_in_executor(self._executor, self._senses.settle, cut)
        settled.add_done_callback(lambda done: _tell(done, answer))

    def close(self) -> None:
        """Nothing is left behind."""


def _tell(done: asyncio.Future[Any], answer: Callable[..., None]) -> None:
    if done.cancelled():
        return
    error = done.exception()
    if error is None or isinstance(error, ListenerFault):
        answer(error or done.result())
    else:
        answer(WorkFailed(type(error).__name__))
