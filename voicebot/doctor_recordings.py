"""`voicebot doctor`: whether recordings are sealed as the settings say."""

from __future__ import annotations

import time
from pathlib import Path

from voicebot.config import Settings
from voicebot.finding import Check
from voicebot.recording_keys.provider import KeysUnavailable
from voicebot.recording_keys.transit import TransitKeys, token_of

LONGEST_CALL_S = 3600.0
"""A file that nothing was written to for so long is of no running call."""


def recordings(settings: Settings) -> Check:
    """Of settings that name a key: the KMS has it, and nothing waits for one."""
    kept, waiting = settings.recordings, waits(settings.paths.state / "recordings", time.time())
    if kept.kms_url:
        try:
            TransitKeys(kept, token_of(kept.kms_token_file)).renew()
        except KeysUnavailable as error:
            return Check(
                "recordings", None, str(error), "Calls go on; recordings are sealed later."
            )
    if waiting:
        return Check(
            "recordings",
            None,
            f"{waiting} are not sealed yet",
            "The log says why (recording_not_sealed, recording_waits_for_key).",
        )
    return Check(
        "recordings", True, "the KMS seals them" if kept.kms_url else "sealed to a file's key"
    )


def waits(folder: Path, now: float) -> int:
    """Plain recordings of calls that are over; `now`: seconds since the epoch."""
    return sum(now - each.stat().st_mtime > LONGEST_CALL_S for each in folder.glob("*.wav"))
