"""What `voicebot doctor` finds, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ok: True fine, None a warning (calls work, less well), False broken."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""
