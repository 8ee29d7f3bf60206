"""A process of our own that ends with this one: how it is started, how it begins, how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def start(module: str, end: socket.socket, *files: int) -> subprocess.Popen[bytes]:
    """``python -m MODULE SOCKET FILE… PARENT``. It ends with the thread that calls this, and is in
    no group of others: what a terminal or an operator sends to ours is not for it.

    Args:
        module: it calls ``begin`` first, and ``be_silent`` before it is given anything to hear.
        end: of a pair, for the process; closed here.
        files: descriptors for it.

    Raises:
        OSError: it does not start.
    """
    with end:
        given = (end.fileno(), *files)
        return subprocess.Popen(  # noqa: S603 - our own program
            # -P: what is imported lies on our path, not in the folder that we were started in.
            [sys.executable, "-P", "-m", module, *map(str, given), str(os.getpid())],
            pass_fds=given, env=_environment(), process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def begin(parent: int) -> bool:
    """In the process: it ends with its parent, and by nothing that is sent to everything of that
    name. Where it crashes, no core with callers' words is left. False if the parent is gone
    already."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def be_silent() -> None:
    """In the process, once its models are loaded: nothing of what callers say is printed."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())


def give_back() -> None:
    """In the process: free memory goes back to the system (malloc_trim(3)). Blocks, 10 ms."""
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes(pid: int) -> int:
    """Memory in use; 0 where it cannot be known."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def how_it_ended(code: int) -> str:
    """For the log."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """It imports what we can import, and knows none of our settings: some are secrets. For heaps
    and waiting threads see `mallopt(3)`, OpenMP: with more heaps decodes of changing lengths leave
    holes in each; threads that spin while they wait make a decode beside busy processes ten times
    slower. OpenBLAS's always spin."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("VOICEBOT_")}
    return {
        "MALLOC_ARENA_MAX": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_NUM_THREADS": "1",
        "LOGURU_LEVEL": "ERROR",
        **ours,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
    }
