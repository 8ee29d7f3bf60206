"""Which entries are for which place (属地): GB/T 2260 codes and the cities' names in a query."""

from __future__ import annotations

# The 18 cities and counties of Hainan plus Yangpu, which Danzhou has administered since 2014.
NAMES = {
    "海口": "460100", "三亚": "460200", "三沙": "460300", "儋州": "460400", "洋浦": "460400",
    "五指山": "469001", "琼海": "469002", "文昌": "469005", "万宁": "469006", "东方": "469007",
    "定安": "469021", "屯昌": "469022", "澄迈": "469023", "临高": "469024", "白沙": "469025",
    "昌江": "469026", "乐东": "469027", "陵水": "469028", "保亭": "469029", "琼中": "469030",
}  # fmt: skip
_ORDINARY_WORDS = frozenset({"东方", "白沙"})  # 东方航空, 白沙门: a place only with 市, 县 or 这边

PROVINCE = "460000"


def normal(region: str) -> str:
    """A region as entries and values have it: the whole province is empty, however written."""
    return "" if region == PROVINCE else region


def mentioned(text: str) -> str | None:
    """Code of the city or county named last in `text`, None if none is.

    The last one counts because callers say where they come from before where they are. The
    application hands in a better resolver (districts, towns, landmarks, by sound).
    """
    best, code = -1, None
    for name, candidate in NAMES.items():
        at = text.rfind(name)
        if name in _ORDINARY_WORDS and text[at + 2 : at + 3] not in tuple("市县这那"):
            continue
        if at > best:
            best, code = at, candidate
    return code


def without_name(text: str, place: str | None) -> str:
    """`text` without the name of `place` (海口车管所在哪 → 车管所在哪); unchanged if not named."""
    for name, code in NAMES.items():
        if place and name in text and covers(code, place):
            for words in (f"{name}市", f"{name}县", f"{name}这边", name):
                text = text.replace(words, "")
    return text


def covers(region: str, place: str | None) -> bool:
    """Whether an entry for `region` may be given to a caller at `place`.

    A city's entry ("460100") covers its districts ("460106"); the codes 4690xx are counties of
    their own. Unknown places (None, empty, the province) are covered by every entry: which city
    is meant is then asked.
    """
    if not region or region == PROVINCE or not place or place == PROVINCE:
        return True
    if region.endswith("00"):
        return place[:4] == region[:4]
    return place == region
