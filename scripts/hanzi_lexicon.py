"""Writes asr/hanzi/data/lexicon.npz: general words, and counts of this project's texts.

    python -m scripts.hanzi_lexicon DICTIONARY [--without-domain] [--out FILE]

DICTIONARY is jieba/dict.txt of the source distribution of jieba 0.42.1 (MIT):
pip download --no-deps --no-binary :all: jieba==0.42.1. To be run when texts of the project
have changed much. Evaluation sets and gates are not counted.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr.hanzi.building import build
from asr.hanzi.lexicon import STANDARD

ROOT = Path(__file__).resolve().parents[1]
DICTIONARY_SHA256 = "7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8"
RAREST = 10
"""Words that the dictionary counts less often are left out, but for single characters."""
RAREST_CHARACTER = 3


def general(path: Path) -> dict[str, int]:
    """Words and their counts: "word count part-of-speech", a line each."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != DICTIONARY_SHA256:
        raise SystemExit(f"{path} is not the dict.txt of jieba 0.42.1.")
    rows = (line.split() for line in data.decode().splitlines())
    counts = {row[0]: int(row[1]) for row in rows}
    return {
        word: n
        for word, n in counts.items()
        if n >= (RAREST_CHARACTER if len(word) == 1 else RAREST)
    }


def texts() -> Iterator[str]:
    """Whole sentences, and phrases of triage."""
    for row in _rows("kb/data/faq.csv"):
        yield from (row["question"], *row["variants"].split("|"), row["answer"])
    for row in _rows("kb/data/phrasings.csv"):
        yield row["phrasing"]
    for row in _rows("kb/data/gaps.csv"):
        yield row["question"]
    # train_x came after the lexicon was counted, and has near copies of what it is measured on.
    for path in sorted((ROOT / "flows/triage/data").glob("train_[a-w].tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line.rsplit("\t", 1)[-1]
    for name in (
        "flows/prompts.toml",
        "flows/data/announcements.toml",
        "flows/triage/phrases.toml",
    ):
        yield from _strings(_toml(name))


def names() -> Iterator[str]:
    """Places, departments, subjects."""
    for row in _rows("flows/data/regions.csv"):
        yield from (row["name"], *row["aliases"].split(";"))
    yield from _strings(_toml("flows/data/places.toml"))
    for row in _rows("kb/data/faq.csv"):
        yield from (row["department"], *row["keywords"].split("|"), *row["category"].split("/"))


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _toml(name: str) -> Any:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--without-domain", action="store_true", help="general words alone")
    parser.add_argument("--out", type=Path, default=STANDARD)
    given = parser.parse_args()
    words = general(given.dictionary)
    stored = build(words) if given.without_domain else build(words, texts(), names())
    stored.save(given.out)
    size = given.out.stat().st_size
    print(f"{given.out}: {len(stored.words)} words, {len(stored.pairs)} pairs, {size} bytes")


if __name__ == "__main__":
    main()
