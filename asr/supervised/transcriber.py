"""A ``Recognizer`` whose engine is in a process of its own."""

from __future__ import annotations

import weakref
from dataclasses import replace

from asr.hypothesis import Capabilities, Hypothesis, Pcm, as_pcm
from asr.supervised.process import EngineProcess, Opens
from asr.supervised.stream import SupervisedStream
from asr.supervised.supervisor import Supervisor
from asr.supervised.wear import Limits


class SupervisedTranscriber:
    """A local engine, shared by all calls and threads.

    Whoever asks waits in a system call, without the interpreter lock. The processes end when this
    object is let go of, or its own process ends, however that comes.

    Args:
        opens: loads the engine there; picklable.
        limits: of each process.
        workers: processes, each at work for another call.
        spare: one more loaded process, so that a loss costs no loading; it needs as much memory
            again. Where there are several workers, those that are left go on meanwhile.
        niceness: of the processes, added to ours (nice(2)).

    Raises:
        EngineError: the engine does not load; what opening it here would raise.
    """

    def __init__(
        self,
        opens: Opens,
        *,
        limits: Limits | None = None,
        workers: int = 1,
        spare: bool = True,
        niceness: int = 0,
    ) -> None:
        limits = limits or Limits()
        self.workers = workers
        """Decodes that it takes at a time."""
        self._supervisor = Supervisor(
            lambda: EngineProcess(opens, limits, niceness), limits, workers=workers, spare=spare
        )
        self._close = weakref.finalize(self, self._supervisor.close)
        try:
            loaded = self._supervisor.run(lambda process: process.loaded, beginning=True)
        except BaseException:
            self._close()
            raise
        self.name = loaded.name
        """The engine's name as in ``Hypothesis.engine``."""
        self.capabilities: Capabilities = replace(loaded.capabilities, streaming=False)
        """What the engine can do; its partials are asked for."""

    @property
    def counts(self) -> dict[str, int]:
        """What did not go as it should (`asr.supervised.supervisor.Counts`)."""
        return self._supervisor.counts

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes at work and of the next one."""
        return self._supervisor.pids

    def stream(self) -> SupervisedStream:
        """A new stream for one call."""
        return SupervisedStream(self._supervisor, owner=self)

    def transcribe(self, pcm: Pcm) -> Hypothesis:
        """The final hypothesis of one utterance, at most about 30 s of it.

        Raises:
            EngineLost: each process that was asked was lost.
            DecodeFailed: the engine raised.
        """
        pcm = as_pcm(pcm)
        return self._supervisor.run(lambda process: process.transcribe(pcm), beginning=True)

    def close(self) -> None:
        """Ends the processes now."""
        self._close()
