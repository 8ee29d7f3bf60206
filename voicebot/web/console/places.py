"""Where the parts of the console lie: the shell's in this folder, a desk's in its own."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def parts(name: str) -> list[Path]:
    """The folders of this name, ``static`` or ``templates``: the shell's first."""
    return [each for each in (HERE / name, *sorted(HERE.glob(f"*/{name}"))) if each.is_dir()]


def message_files() -> list[Path]:
    return sorted(HERE.rglob("messages*.toml"))
