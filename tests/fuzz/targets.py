"""All parsers that are fuzzed, by name."""

from __future__ import annotations

from tests.fuzz import (
    inbox,
    media,
    messages,
    nodes,
    settings_files,
    sip,
    sound,
    speech_services,
    tables,
    told_police,
    words,
)
from tests.fuzz.target import Target

_MODULES = (
    sound,
    sip,
    media,
    tables,
    messages,
    inbox,
    told_police,
    nodes,
    settings_files,
    speech_services,
    words,
)

TARGETS: dict[str, Target] = {
    target.name: target for module in _MODULES for target in module.TARGETS
}
LIVE = "sip_and_rtp_of_the_service"
"""`tests.fuzz.live_sip`: no parser of Python's, but the running front and PJSIP behind it."""
