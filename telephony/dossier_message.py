"""The dossier as it goes on a desk's line: whole if it fits, else its newest part.

The line takes messages of 64 KiB; a long call's transcript is larger. The whole
dossier goes over HTTP (DESIGN.md, Hand-off), so on the line the oldest turns may
stay away, and the dossier says how many did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from telephony import messages
from telephony.errors import MediaStreamError

OMITTED = "omitted_turns"
"""Field of the dossier: how many of its oldest turns were left out on the line."""


def dossier_message(contents: Mapping[str, Any]) -> str:
    """The message for a dossier's newest state, without its oldest turns where need be.

    Errors: MediaStreamError `too_large` when it is so even without its transcript,
    `bad_message`.
    """
    try:
        return messages.dossier(contents)
    except MediaStreamError as error:
        turns = contents.get("transcript")
        if error.code != "too_large" or not isinstance(turns, list | tuple):
            raise
    bare = {**contents, "transcript": [], OMITTED: len(turns)}
    room = messages.MAX_MESSAGE_BYTES - len(messages.dossier(bare).encode("utf-8", "replace"))
    kept = 0
    for turn in reversed(turns):
        text = json.dumps(turn, ensure_ascii=False, separators=(",", ":"))
        room -= len(text.encode("utf-8", "replace")) + 1
        if room < 0:
            break
        kept += 1
    newest = list(turns[len(turns) - kept :])
    return messages.dossier({**bare, "transcript": newest, OMITTED: len(turns) - kept})
