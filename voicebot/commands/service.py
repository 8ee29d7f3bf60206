"""`voicebot serve` and `voicebot demo`."""

from __future__ import annotations

import contextlib
import ctypes
import os

import typer

from voicebot.commands.session import open_settings

M_ARENA_MAX = -8
"""From glibc's malloc.h."""


def serve() -> None:
    """Answer calls until interrupted. At first start the tokens are made and shown once.

    \b
    Examples:
      voicebot serve
      VOICEBOT_SERVER__PORT=9000 VOICEBOT_LOG__JSON=true voicebot serve
    """
    # Threads that wait must sleep, not spin: spinning beside busy processes makes a
    # decode ten times slower. Read by OpenMP when it is loaded, so it stands here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    share_heaps()
    settings = open_settings(quiet=False)
    from voicebot.serving import serve as run

    raise typer.Exit(run(settings))


def share_heaps() -> None:
    """Two heaps for all threads, where glibc would open up to eight a processor.

    Decodes of changing lengths in changing threads leave holes in every one of them: after
    130 calls they held 1.0 GB of the service's 1.7. See mallopt(3); before any thread begins.
    """
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def demo() -> None:
    """Place three real calls, show them live, and say whether each came out as it must.

    \b
    Examples:
      voicebot demo
    """
    settings = open_settings()
    from voicebot.demo import run

    raise typer.Exit(run(settings))
