"""The processes that these tests kill, freeze and restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from tests.asterisk import phones
from tests.asterisk.pbx import ROOT, Pbx


class Spoken:
    """A process that says what it does, line by line."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self._said: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=os.environ | environment,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, text: str, timeout_s: float = 10.0, *, times: int = 1) -> None:
        """Until lines with that text were said so often."""
        with self._news:
            found = self._news.wait_for(
                lambda: sum(text in line for line in self._said) >= times,
                timeout_s * phones.PATIENCE,
            )
        assert found, f"never said {text!r}:\n" + "\n".join(self._said)

    def said(self, text: str) -> bool:
        return any(text in line for line in self._said)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> float:
        """Sends the signal; the moment of it (monotonic seconds)."""
        self.process.send_signal(how)
        return time.monotonic()

    def __enter__(self) -> Spoken:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is not None:
            print(*self._said, sep="\n")
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._said.append(line.rstrip())
                self._news.notify_all()


def controller(pbx: Pbx, *, dial: bool = False, does: str = "") -> Spoken:
    """Parameters:
    does: `dial`, `hold`, or both: what it does with every caller.
    """
    started = Spoken(
        [
            sys.executable,
            "-m",
            "tests.asterisk.controller_process",
            pbx.ari_url,
            pbx.password(),
            *(["dial"] if dial else does.split()),
        ]
    )
    started.wait_for("ready", 20)
    return started


def watchdog(pbx: Pbx) -> Spoken:
    """`voicebot watchdog`, as it is run in production."""
    started = Spoken(
        [
            str(Path(sys.executable).with_name("voicebot")),
            "watchdog",
            "--user=watchdog",
            f"--password-file={pbx.password_file('watchdog')}",
        ],
        VOICEBOT_ASTERISK__URL=pbx.ari_url,
        VOICEBOT_ASTERISK__PASSWORD_FILE=str(pbx.password_file()),
    )
    started.wait_for("watching", 20)
    return started
