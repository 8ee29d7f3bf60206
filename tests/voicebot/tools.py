"""Programs of others that tests run: on the path, or fetched by `scripts/setup.sh --all`."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

FETCHED = Path(__file__).resolve().parents[2] / ".cache"


def needs(tool: str, where: Path | None, how: str) -> str:
    """The tool's path; skips the test, or fails it under CI, where there is none."""
    found = shutil.which(tool) or (shutil.which(tool, path=where) if where else None)
    if found is None:
        message = f"{tool} is not here. Run {how}."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@dataclass(frozen=True)
class Kamailio:
    """Its program, and where its libraries are."""

    program: Path
    libraries: Path

    @property
    def modules(self) -> Path:
        return self.libraries / "modules"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}


@pytest.fixture(scope="session")
def kamailio() -> Kamailio:
    where = FETCHED / "kamailio" / "usr" / "sbin"
    program = Path(needs("kamailio", where, "`scripts/setup.sh --all`"))
    return Kamailio(program, program.parents[1] / "lib" / "x86_64-linux-gnu" / "kamailio")
