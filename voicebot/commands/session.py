"""What every command begins with."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
from typing import TYPE_CHECKING, Any

import typer
from threadpoolctl import threadpool_limits

from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    from voicebot.config import Settings


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # from glibc's malloc.h


class InputError(VoicebotError):
    """What was handed to a command cannot be used."""

    code = "voicebot.input"


def open_settings(*, quiet: bool = True) -> Settings:
    """The settings, with logging set up: for a command (`quiet`) only warnings."""
    from voicebot import logs
    from voicebot.config import load_settings

    settings = load_settings()
    logs.configure("warning" if quiet else settings.log.level, as_json=settings.log.as_json)
    return settings


def print_json(value: Any) -> None:
    """One line of JSON on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def prepare_threads() -> None:
    """For commands that keep models at work for long; before any thread begins.

    Threads that wait must sleep, not spin: spinning beside busy processes makes a decode ten
    times slower. OpenMP reads it when it is loaded. OpenBLAS's threads spin whatever they are told;
    numpy's products here (mel filters, sentence vectors) are too small to be worth a second one:
    a quarter of the transcriber's processor time went into them.

    All threads share two heaps, where glibc would open up to eight a processor. Decodes of
    changing lengths in changing threads leave holes in every one of them: after 130 calls they
    held 1.0 GB of the service's 1.7. Blocks of 2 MB stay outside of them and go back when they
    are freed; left to itself glibc moves that bound up to 32 MB, to the largest one freed so far:
    60 times three texts, spoken by the voice in six threads, then leave 323 MB, and 247 so. See
    mallopt(3).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    threadpool_limits(1, user_api="blas")  # where numpy is loaded already
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 2 << 20)
