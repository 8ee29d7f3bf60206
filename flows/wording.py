"""A reply's characters made ready to be read: stops, particles, full-width forms. Pure."""

from __future__ import annotations

import re
import unicodedata

LONGEST_REPLY = 40
"""Characters. Longer ones are no short replies; an engine's endless loop is not parsed either."""

_STOPS = r"\s，。！？、；：,.!?;:…~"
_STOP = re.compile(f"[{_STOPS}]+")
_PARTICLES = "啊呀呢哦噢喔嘛啦哈哎唉嗯呃诶嘞咧哇"
_PARTICLE = re.compile(f"[{_PARTICLES}]")
_PAUSE = re.compile(f"[{_STOPS}{_PARTICLES}]+")


def plain(text: str) -> str:
    """Without spaces and stops; full-width digits and letters made ordinary."""
    return _STOP.sub("", unicodedata.normalize("NFKC", text))


def bare(text: str) -> str:
    """`plain`, and without the particles that carry no meaning in a short reply."""
    return _PARTICLE.sub("", plain(text))


def marked(text: str) -> str:
    """As `bare`, with a comma wherever a stop or a particle was."""
    return _PAUSE.sub("，", unicodedata.normalize("NFKC", text))


def toneless(syllable: str) -> str:
    """``hao3`` → ``hao``."""
    return syllable.rstrip("012345")
