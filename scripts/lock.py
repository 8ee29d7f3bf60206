"""Writes requirements.lock: what is installed here of what pyproject.toml asks for, with hashes.

Only the packages that ours need, directly or through others, with their versions; local
version labels (torch 2.13.0+cpu) are left out, so that any index can serve them. The hashes are
those of all files of a version, for any machine. requirements-cpu.lock is the torch with the local
label that is installed here, requirements-cuda.lock what the torch of PyPI needs besides.

    scripts/lock.py PATH-OF-UV
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HEADING = """\
# Versions that are tested together, with the hashes of their files; made by scripts/lock.sh from
# the environment. pip install --require-hashes --no-deps -r requirements.lock
"""
CUDA_HEADING = """\
# What the torch of PyPI needs besides requirements.lock, on Linux and x86-64; scripts/setup.sh
# leaves it out where torch is the one for processors alone (+cpu).
"""
CPU_HEADING = """\
# The torch for processors alone, of Python 3.11 on Linux and x86-64; where pip finds it,
# scripts/setup.sh takes it before that of PyPI.
"""
PLATFORM = "x86_64-manylinux_2_28"


def locked(requirements: list[Requirement]) -> dict[str, Version]:
    """Name to version of everything that `requirements` bring in.

    Raises:
        SystemExit: a package is not installed, or not in the version asked for.
    """
    versions: dict[str, Version] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(r, "") for r in requirements]
    while queue:
        requirement, asked_by = queue.pop()
        name = canonicalize_name(requirement.name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name}{f' (for {asked_by})' if asked_by else ''} is not installed.")
        version = Version(found.version)
        if requirement.specifier and not requirement.specifier.contains(version, prereleases=True):
            needed_by = asked_by or "pyproject.toml"
            sys.exit(f"{name} {version} is installed, but {needed_by} asks for {requirement}.")
        versions[name] = version
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in found.requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    queue.append((needed, name))
    return versions


def compiled(uv: str, lines: Iterable[str], *options: str) -> dict[str, list[str]]:
    """``name==version`` to its hashes (``sha256:…``), by `uv pip compile`.

    Raises:
        SystemExit: uv cannot; it has said why.
    """
    environment = {**os.environ}
    if certificates := os.environ.get("PIP_CERT"):
        environment.setdefault("SSL_CERT_FILE", certificates)
    if index := os.environ.get("PIP_INDEX_URL"):
        environment.setdefault("UV_DEFAULT_INDEX", index)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given.txt")
        given.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        command = [uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-header"]
        command += ["--no-annotate", "--python-version", "3.11", *options, str(given)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
    if done.returncode:
        sys.exit(f"uv could not look up the hashes (exit code {done.returncode}).")
    found: dict[str, list[str]] = {}
    for line in done.stdout.replace("\\\n", " ").splitlines():
        pin, *hashes = line.split()
        found[pin] = [each.removeprefix("--hash=") for each in hashes]
    return found


def local_hash(name: str, version: Version) -> str:
    """Of the file with this local label, as pip finds it on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
        subprocess.run([*command, f"{name}=={version}"], check=True)  # noqa: S603
        (file,) = Path(folder).iterdir()
        with file.open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def write(file: Path, heading: str, entries: Mapping[str, list[str]]) -> None:
    rows = [
        " \\\n".join([pin, *(f"    --hash={each}" for each in sorted(set(hashes)))])
        for pin, hashes in sorted(entries.items(), key=lambda each: each[0].partition("==")[0])
    ]
    file.write_text(heading + "\n".join(rows) + "\n", "utf-8")
    print(f"{file.name}: {len(entries)} packages")


def main() -> None:
    uv = sys.argv[1]
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = asked["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines += asked["build-system"]["requires"]
    versions = locked([Requirement(line) for line in lines])
    pins = [f"{name}=={version.public}" for name, version in sorted(versions.items())]
    entries = compiled(uv, pins, "--no-deps")
    missing = set(pins) - set(entries)
    if missing or not all(entries.values()):
        sys.exit(f"No hashes were found of {', '.join(sorted(missing)) or 'some packages'}.")
    cpu: dict[str, list[str]] = {}
    cuda: dict[str, list[str]] = {}
    for name, version in versions.items():
        if version.local:
            cpu[f"{name}=={version}"] = [local_hash(name, version)]
            cuda |= with_libraries(uv, f"{name}=={version.public}", pins)
    write(ROOT / "requirements.lock", HEADING, entries)
    write(ROOT / "requirements-cpu.lock", CPU_HEADING, cpu)
    write(ROOT / "requirements-cuda.lock", CUDA_HEADING, cuda)


def with_libraries(uv: str, pin: str, pins: list[str]) -> dict[str, list[str]]:
    """What a package needs on the index that is not locked already."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "pins.txt")
        constraints.write_text("".join(f"{each}\n" for each in pins), "utf-8")
        found = compiled(uv, [pin], "--python-platform", PLATFORM, "-c", str(constraints))
    return {each: hashes for each, hashes in found.items() if each not in pins}


if __name__ == "__main__":
    main()
