"""Whether a call's recording can be heard here, and its file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voicebot.cluster.everywhere import recording_elsewhere
from voicebot.recording_files import SUFFIX

if TYPE_CHECKING:
    from voicebot.cluster.member import Member

State = Literal["none", "running", "sealed", "gone", "closed", "here"]
"""``none``: nothing was recorded; ``running``: the call is not over; ``sealed``: with keys that are
not on this machine; ``gone``: deleted, by its time or by hand; ``closed``: not for this role;
``here``: it can be heard."""


@dataclass(frozen=True, slots=True)
class Sound:
    state: State
    file: Path | None = None


async def sound_anywhere(
    member: Member | None,
    call_id: str,
    recording: str,
    folder: Path,
    *,
    ended: bool,
    may_listen: bool,
) -> Sound:
    """As `sound`, of whichever node has the file; its path there is of no use here."""
    found = await asyncio.to_thread(sound, recording, folder, ended=ended, may_listen=may_listen)
    if found.state != "gone":
        return found
    _, state = await recording_elsewhere(member, call_id)
    if state == "here":
        return Sound("here", Path(recording)) if may_listen else Sound("closed")
    return Sound("sealed") if state == "sealed" else found


def sound(recording: str, folder: Path, *, ended: bool, may_listen: bool) -> Sound:
    """Looks at the file; blocking.

    Parameters:
        recording: as the record has it; after the state folder was moved its name still finds it.
        folder: where recordings are kept; nothing outside of it is ever given out.
    """
    if not recording:
        return Sound("none")
    name = Path(recording).name
    plain = folder / name.removesuffix(SUFFIX)
    sealed = folder / (plain.name + SUFFIX)
    if not ended:
        return Sound("running")
    if plain.is_file():
        return Sound("here", plain) if may_listen else Sound("closed")
    return Sound("sealed" if sealed.is_file() else "gone")
