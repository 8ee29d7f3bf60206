"""Writes requirements.lock: what is installed here of what pyproject.toml asks for.

Only the packages that ours need, directly or through others, with their versions; local
version labels (torch 2.13.0+cpu) are left out, so that any index can serve them.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HEADING = """\
# Versions that are tested together; made by scripts/lock.sh from the environment.
# Used as constraints: pip install -c requirements.lock -e '.[dev]'
"""


def locked(requirements: list[Requirement]) -> dict[str, str]:
    """Name to version of everything that `requirements` bring in.

    Raises:
        SystemExit: a package is not installed, or not in the version asked for.
    """
    versions: dict[str, str] = {}
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
        versions[name] = version.public
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in found.requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    queue.append((needed, name))
    return versions


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    versions = locked([Requirement(line) for line in lines])
    body = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    (ROOT / "requirements.lock").write_text(HEADING + body, "utf-8")
    print(f"requirements.lock: {len(versions)} packages")


if __name__ == "__main__":
    main()
