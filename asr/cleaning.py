"""Raw recogniser text → simplified hanzi fit to be read and searched; signs of invented text."""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache
from typing import Any

_END_PUNCTUATION = "，。！？、；：,.!?;:…·~- 　\"'“”‘’"
_ASIDE = re.compile(r"[\[(（【〔<《♪][^\])）】〕>》♪]{0,40}[\])）】〕>》♪]|[♪�]")
_CJK_GAP = re.compile(r"(?<=[\u3400-\u9fff，。！？、；：])\s+|\s+(?=[\u3400-\u9fff，。！？、；：])")
_HANZI_OR_FIGURE = re.compile(r"[\u3400-\u9fff0-9a-zA-Z가-힣]")

# Sign-offs of the video subtitles that Whisper was trained on; it writes them into silence.
_SUBTITLE_SIGN_OFF = re.compile(
    r"字幕|订阅|点赞|打赏|点点栏目|独播剧场|谢谢(观看|收看|大家的?观看|您的?观看)|下期再见|amara",
    re.IGNORECASE,
)
_KEPT, _SHORT_UNIT = 3, 4
_RUN = re.compile(r"(.{1,8}?)\1{3,}")
_RUN_LONG = re.compile(r"(.{5,30}?)\1{2,}")
_FIGURES = re.compile(r"[0-9零〇一二三四五六七八九十百千万幺两点 .,，-]+")
_MAX_COMPRESSION = 2.4  # openai/whisper transcribe.py, compression_ratio_threshold


@lru_cache(maxsize=1)
def _simplifier() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def whole(text: str) -> str:
    """Without lone surrogates, which no message can hold: ? stands there."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def simplify(text: str) -> str:
    """Traditional characters → simplified (OpenCC t2s)."""
    return str(_simplifier().convert(text))


def clean(text: str) -> str:
    """Simplified; full-width figures made plain; asides in brackets, outer punctuation removed."""
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C" or c.isspace())
    text = _ASIDE.sub("", simplify(text))
    text = "".join(chr(ord(c) - 0xFEE0) if "０" <= c <= "ｚ" else c for c in text)
    text = _CJK_GAP.sub("", text)
    text = re.sub(r"\s+", " ", text)
    return text.strip(_END_PUNCTUATION) if _HANZI_OR_FIGURE.search(text) else ""


def bare(text: str) -> str:
    """Only hanzi, letters and figures: two readings that agree in this are the same reading."""
    return "".join(_HANZI_OR_FIGURE.findall(text)).lower()


def sign_off(text: str) -> bool:
    """True for the subtitle credits that Whisper invents in silence."""
    return _SUBTITLE_SIGN_OFF.search(text) is not None


def collapse(text: str) -> str:
    """A run of the same words cut to a few: a cry stays a cry, a decoder's loop becomes short.

    救命 six times over keeps three; a longer phrase keeps two. Runs of figures, as hanzi or not,
    stay as they are: numbers are read out so.
    """
    return _RUN_LONG.sub(_few, _RUN.sub(_few, text))


def _few(run: re.Match[str]) -> str:
    unit = run[1]
    if _FIGURES.fullmatch(unit):
        return run[0]
    return unit * (_KEPT if len(bare(unit)) <= _SHORT_UNIT else _KEPT - 1)


def looping(text: str) -> bool:
    """True when a decoder may have gone round in circles, or a caller did: worth a second look."""
    letters = bare(text)
    runs = [*_RUN.finditer(letters), *_RUN_LONG.finditer(letters)]
    if any(not _FIGURES.fullmatch(run[1]) for run in runs):
        return True
    data = letters.encode()
    return len(data) > 60 and len(data) / len(zlib.compress(data)) > _MAX_COMPRESSION
