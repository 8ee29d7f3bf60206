"""A real Asterisk for the tests: deploy/asterisk's own files, in folders of its own.

It is run out of .cache/asterisk (`make asterisk`) by that system's own loader: no chroot,
no mounts, nothing outside a folder under /tmp. Its SIP port is 5060 and its HTTP port 8088
of loopback, so one runs at a time in a network namespace.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = ROOT / ".cache" / "asterisk"
DEPLOYED = ROOT / "deploy" / "asterisk"
LIBRARIES = "usr/lib/x86_64-linux-gnu"

ARI_URL = "http://127.0.0.1:8088/ari"
SIP_PORT = 5060
CARRIER_PORTS = range(5090, 5100)
POLICE_PORT = 5110
SEATS_PORT = 5120

_NO_ETHERNET = (
    "No ethernet interface found for seeding global EID. You will have to set it manually."
)


class PbxError(AssertionError):
    """Asterisk did not do what a test asked; the end of its log is in the message."""


def installed() -> bool:
    return (SYSTEM / "usr/sbin/asterisk").exists()


class Pbx:
    """Asterisk with the sample configuration.

    Parameters:
        overrides: file name in the configuration folder → text that is put instead, such
            as "websocket_client.conf" with another port.
        add: file name → text put after the deployed one.
        system: folder that `make asterisk` has filled.
    """

    ari_url = ARI_URL

    def __init__(
        self,
        overrides: dict[str, str] | None = None,
        add: dict[str, str] | None = None,
        system: Path = SYSTEM,
    ) -> None:
        self._system = system
        # The control socket's path must be shorter than 108 bytes: not pytest's tmp_path.
        self.folder = Path(tempfile.mkdtemp(prefix="pbx-", dir="/tmp"))
        self.config = self.folder / "etc"
        self.log = self.folder / "log" / "messages.log"
        self.spool = self.folder / "spool"
        self.recordings = self.spool / "recording"
        """Where ARI's recordings lie."""
        self.monitor = self.spool / "monitor"
        """Where the dialplan's recordings (MixMonitor) lie."""
        self._process: subprocess.Popen[bytes] | None = None
        self._render(overrides or {}, add or {})

    def password(self, user: str = "voicebot") -> str:
        """ARI password of `voicebot` or `watchdog`."""
        return self.password_file(user).read_text().strip()

    def password_file(self, user: str = "voicebot") -> Path:
        return self.config / f"{user}.password"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise PbxError("Asterisk is not running.")
        return self._process.pid

    def start(self, timeout_s: float = 30.0) -> Pbx:
        """Starts and waits until Asterisk is fully booted."""
        with (self.folder / "log" / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                # nice(1) goes on where it may not: as docs/asterisk.md has it, else as it is.
                ["nice", "-n", "-10", *self._command(), "-f", "-n"],
                stdout=console,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )
        with contextlib.suppress(OSError):
            # Between sessions the kernel shares processors by group (sched(7), autogroup).
            Path(f"/proc/{self._process.pid}/autogroup").write_text("-10")
        deadline = time.monotonic() + timeout_s
        while "fully booted" not in self._try_cli("core waitfullybooted", timeout_s).lower():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PbxError(f"Asterisk did not start.\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def cli(self, command: str, timeout_s: float = 10.0) -> str:
        """What Asterisk's command line answers. Errors: PbxError when it does not."""
        done = self._run_cli(command, timeout_s)
        if done.returncode:
            raise PbxError(f"`{command}` failed: {done.stdout}\n{self.log_tail()}")
        # Said in a network namespace, which has no Ethernet address.
        return done.stdout.removeprefix(_NO_ETHERNET).lstrip("\n")

    def channels(self) -> list[str]:
        """Names of the channels there are."""
        lines = self.cli("core show channels concise").splitlines()
        return [line.split("!")[0] for line in lines if "!" in line]

    def set_global(self, name: str, value: str) -> None:
        self.cli(f'dialplan set global {name} "{value}"')

    def wait_for(self, command: str, text: str, timeout_s: float = 10.0) -> str:
        """Repeats `command` until its answer holds `text`."""
        deadline = time.monotonic() + timeout_s
        while text not in (answer := self.cli(command)):
            if time.monotonic() > deadline:
                raise PbxError(f"`{command}` never said {text!r}:\n{answer}\n{self.log_tail()}")
            time.sleep(0.02)
        return answer

    def restart(self) -> None:
        """Ends at once and starts again, as an operator's `restart now` does."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Ends every call and Asterisk; harmless when it does not run."""
        if self._process is None:
            return
        self._try_cli("core stop now", 5)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def close(self) -> None:
        """Stops and removes its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines: int = 60) -> str:
        """The ends of its logs, for a failure's message."""
        parts = []
        for path in (self.folder / "log" / "console.log", self.log):
            if path.exists():
                text = path.read_text("utf-8", "replace").splitlines()
                parts.append(f"── {path.name}\n" + "\n".join(text[-lines:]))
        return "\n".join(parts)

    def __enter__(self) -> Pbx:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.log_tail(), file=sys.stderr)
        self.close()

    def _command(self) -> list[str]:
        system = self._system
        return [
            f"{system}/lib64/ld-linux-x86-64.so.2",
            "--library-path",
            f"{system}/{LIBRARIES}:{system}/{LIBRARIES}/asterisk",
            f"{system}/usr/sbin/asterisk",
            "-C",
            f"{self.config}/asterisk.conf",
        ]

    def _run_cli(self, command: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command(), "-rx", command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=os.environ | {"TERM": "dumb"},
        )

    def _try_cli(self, command: str, timeout_s: float) -> str:
        try:
            return self._run_cli(command, timeout_s).stdout
        except subprocess.TimeoutExpired:
            return ""

    def _render(self, overrides: dict[str, str], add: dict[str, str]) -> None:
        for name in (
            "var",
            "run",
            "log",
            "spool/monitor",
            "spool/recording",
            "var/moh",
            "var/keys",
        ):
            (self.folder / name).mkdir(parents=True)
        shutil.copytree(DEPLOYED, self.config)
        subprocess.run([DEPLOYED / "make-secrets.sh", self.config], check=True)
        music = self.folder / "var" / "moh" / "waiting.wav"
        subprocess.run([sys.executable, DEPLOYED / "make-waiting-music.py", music], check=True)
        for name, text in overrides.items():
            (self.config / name).write_text(text, "utf-8")
        for name, text in add.items():
            with (self.config / name).open("a", encoding="utf-8") as file:
                file.write("\n" + text)
        self._render_folders()

    def _render_folders(self) -> None:
        """Puts this test's folders into asterisk.conf, in place of Debian's."""
        share = self._system / "usr/share/asterisk"
        places = {
            "astetcdir": self.config,
            "astmoddir": self._system / LIBRARIES / "asterisk/modules",
            "astvarlibdir": self.folder / "var",
            "astdbdir": self.folder / "var",
            "astkeydir": self.folder / "var",
            "astdatadir": self.folder / "var",
            "astagidir": share / "agi-bin",
            "astspooldir": self.spool,
            "astrundir": self.folder / "run",
            "astlogdir": self.folder / "log",
        }
        # Asterisk reads its own documentation: without it no option is known.
        for folder in ("documentation", "rest-api"):
            (self.folder / "var" / folder).symlink_to(share / folder)
        file = self.config / "asterisk.conf"
        lines = []
        for line in file.read_text("utf-8").splitlines():
            key = line.split("=>")[0].strip()
            lines.append(f"{key} => {places[key]}" if key in places else line)
        file.write_text("\n".join(lines) + "\n", "utf-8")
