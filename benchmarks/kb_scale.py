"""The search in a large knowledge base: recall, latency, memory, publishing and starting.

    python -m benchmarks.kb_scale                    100,000 entries x 5 wordings
    python -m benchmarks.kb_scale --entries 20000
    python -m benchmarks.kb_scale --million          FAISS's index alone, 1,000,000 vectors

The entries are made from the demonstration's by naming places of Hainan (海口东站的社保卡怎么补办):
each of its questions once for each place, which is harder than a real knowledge base, where few
entries ask the same of neighbouring towns. The vectors of the first `--real` entries are real
encodings of their texts; the others are the real ones of the place-less wording, turned by a
random direction for each place (cosine about 0.93), since encoding half a million texts takes
hours. Questions are phrasings that are no wordings of the entries, with a place; really encoded
too, unless `--real 0`.

Prints one JSON object. CPU times leave out what other processes take from this one; they are
measured with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import tomllib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kb
from kb import index_file, regions
from kb.corpus import DATA
from kb.eligible import Eligibility
from kb.entry import Entry, Status
from kb.features import Question, Terms, compare_terms
from kb.index_file import open_index
from kb.large_index import LargeIndex
from kb.ranker import Ranker, prepare
from kb.regions import without_name
from kb.search import Searcher
from kb.segment_file import open_segment, segments_in
from kb.vectors import unit

Floats = NDArray[np.float32]

DAY = date(2026, 11, 24)
PLACES = Path("flows/data/places.toml")
WORDINGS = 5
PLACE, WORDING = 0.35, 0.15
"""Lengths of the random turns for a place, and for each of its texts."""
PASSES = 3


class Corpus:
    """The made-up entries, and the vectors of all their texts without a model.

    `identity` and `parts` are an embedder's, of the real encoders' shape.
    """

    def __init__(self, entries: int, vectors: Path) -> None:
        found = np.load(vectors, allow_pickle=False)
        self._real = dict(zip(found["texts"].tolist(), found["vectors"], strict=True))
        for code in {code for code in _places() if code < "469"}:
            # The entries of a city are also found by their wordings without its name.
            for text, vector in list(self._real.items()):
                self._real.setdefault(without_name(text, code), vector)
        self.parts = {"use": slice(0, 512), "e5": slice(512, 896)}
        self.identity = "perturbed"
        self.codes = {name: code for code, names in _places().items() for name in names}
        self.entries = _entries(entries)

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> Floats:
        known = self._real.get(text)
        if known is not None:
            return np.asarray(known, np.float32)
        place, rest = text.split("的", 1)
        turn = PLACE * _direction(place) + WORDING * _direction(text)
        vector = np.asarray(self._real[rest], np.float32) + turn
        return vector / np.linalg.norm(vector)

    def hear(self, text: str) -> None:
        """A question is embedded as the search does it: without fillers."""
        self._real[Question.heard(text).texts[0]] = self._vector(text)


def _direction(text: str) -> Floats:
    chance = np.random.default_rng(zlib.crc32(text.encode()))
    direction = chance.standard_normal(896, np.float32)
    return direction / np.linalg.norm(direction)


def _places() -> dict[str, list[str]]:
    named: dict[str, list[str]] = tomllib.loads(PLACES.read_text("utf-8"))["places"]
    return {code: [n for n in names if "的" not in n] for code, names in named.items()}


def _base() -> list[Entry]:
    given = kb.read_entries((DATA / "faq.csv").read_bytes()).entries
    return [
        replace(
            entry,
            status=Status.PUBLISHED,
            variants=entry.variants[: WORDINGS - 1],
            valid_from=date(2026, 1, 1),
            valid_to=date(2027, 12, 31),
        )
        for entry in given
        if not entry.region
    ]


def _entries(count: int) -> list[Entry]:
    """Of every base entry one for each place, place by place; a third are for a city alone."""
    base = _base()
    places = [(name, code) for code, names in _places().items() for name in names]
    places += [(f"{name}附近", code) for name, code in places]
    made = []
    for number in range(count):
        entry, (place, code) = base[number % len(base)], places[number // len(base)]
        made.append(
            replace(
                entry,
                id=f"{number:06}",
                question=f"{place}的{entry.question}",
                variants=tuple(f"{place}的{v}" for v in entry.variants),
                answer=f"{place}的{entry.answer}",
                region=f"{code[:4]}00" if number % 3 == 0 and code < "469" else "",
            )
        )
    return made


def questions(count: int) -> list[tuple[str, str]]:
    """(question, id of the entry meant) of the first `count`, spread over the base entries."""
    base = _base()
    names = [name for names in _places().values() for name in names]
    extra = kb.read_phrasings((DATA / "phrasings.csv").read_bytes()).phrasings
    asked = []
    for number in range(count):
        row = (number * 7) % len(base)
        phrasing = extra[base[row].id][number % len(extra[base[row].id])]
        place = (number * 13) % 300
        asked.append((f"{names[place]}的{phrasing}", f"{place * len(base) + row:06}"))
    return asked


def encode(vectors: Path, real: int, asked: int) -> None:
    """Write the real encodings that the corpus is made of."""
    from voicebot.commands.session import open_settings
    from voicebot.knowledge import open_embedder

    base = [text for e in _base() for text in (*e.wordings, e.answer)]
    named = [text for e in _entries(real) for text in (*e.wordings, e.answer)]
    spoken = [text for text, _ in questions(asked)]
    plain = [text.split("的", 1)[1] for text in spoken]
    texts = list(dict.fromkeys([*base, *named, *plain, *(spoken if real else [])]))
    embedder, rows = open_embedder(open_settings()), []
    started = time.process_time()
    for text in texts:
        rows.append(embedder.embed([text])[0].astype(np.float16))
    print(f"{len(texts)} texts, {time.process_time() - started:.0f} s of CPU", file=sys.stderr)
    np.savez(vectors, texts=np.array(texts), vectors=np.array(rows))


def build(corpus: Corpus, folder: Path) -> dict[str, Any]:
    """A segment of all entries; peak memory is that of this process."""
    started, used = time.monotonic(), time.process_time()
    open_index(corpus.entries, corpus, folder, anew=True)
    (path,) = segments_in(folder)[:1]
    size = {file.name: file.stat().st_size for file in path.iterdir()}
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "disk_mb": sum(size.values()) >> 20,
        "vectors_mb": size["vectors.faiss"] >> 20,
    }


def nearest(corpus: Corpus, vectors: Floats, count: int = 10) -> NDArray[np.intp]:
    """The `count` nearest wordings of each vector, exactly: (n, count)."""
    scores = np.full((len(vectors), 0), 0, np.float32)
    places = np.zeros((len(vectors), 0), np.intp)
    done = 0
    for start in range(0, len(corpus.entries), 2000):
        some = [w for e in corpus.entries[start : start + 2000] for w in e.wordings]
        scores = np.hstack([scores, vectors @ corpus.embed(some).T])
        places = np.hstack([places, np.tile(np.arange(done, done + len(some)), (len(vectors), 1))])
        best = np.argsort(-scores, axis=1)[:, :count]
        scores = np.take_along_axis(scores, best, axis=1)
        places = np.take_along_axis(places, best, axis=1)
        done += len(some)
    return places


def search(corpus: Corpus, folder: Path, asked: int, exhaustive: int) -> dict[str, Any]:
    """Everything a service does with the index, in a process that has just started."""
    ready = _memory()
    started, used = time.monotonic(), time.process_time()
    (path,) = segments_in(folder)[:1]
    open_segment(path, corpus.identity, corpus.parts)
    opened = time.monotonic() - started
    index = open_index(corpus.entries, corpus, folder)
    assert isinstance(index, LargeIndex)
    searcher = Searcher(index, corpus, ranker=Ranker.load())
    start = {
        "segment_seconds": round(opened, 2),
        "seconds": round(time.monotonic() - started - opened, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
    }
    chosen = questions(asked)
    texts = [Question.heard(text).texts[0] for text, _ in chosen]
    for text, _ in chosen:
        corpus.hear(text)
    for text in texts[:20]:
        searcher.search(text, on=DAY)
    wall, cpu, found = [], [], []
    for _ in range(PASSES):
        for text in texts:
            wall_start, cpu_start = time.perf_counter(), time.thread_time()
            result = searcher.search(text, on=DAY, limit=10)
            cpu.append((time.thread_time() - cpu_start) * 1000)
            wall.append((time.perf_counter() - wall_start) * 1000)
            found.append([candidate.id for candidate in result.candidates])
    memory = _memory()
    meant = [name for _, name in chosen]
    return {
        "start": start,
        "memory": {"entries_and_runtime_mb": ready["rss"], **memory},
        "search_ms": {"cpu": _quantiles(cpu), "wall": _quantiles(wall)},
        "entry_meant": {
            "top_1": _share(meant[i] == found[i][0] for i in range(asked)),
            "top_10": _share(meant[i] in found[i] for i in range(asked)),
        },
        "recall": _recall(corpus, index, texts),
        "as_exhaustive": _as_exhaustive(corpus, index, searcher, texts[:exhaustive]),
        "publish": _publish(corpus, folder, index),
    }


def _recall(corpus: Corpus, index: LargeIndex, texts: Sequence[str]) -> dict[str, float]:
    vectors = corpus.embed(texts)
    exact, segment = nearest(corpus, vectors), index.segment
    owners = segment.owners
    hits, covered = [], []
    for text, vector, best in zip(texts, vectors, exact, strict=True):
        hits.append(len(set(best) & set(segment._nearest(vector, None))) / len(best))
        rows = set(segment.near(Terms.of(Question((text,), (), vector[None]))))
        entries = set(owners[best].tolist())
        covered.append(len(entries & rows) / len(entries))
    return {
        "wordings_at_10": round(float(np.mean(hits)), 4),
        "entries_of_them_compared": round(float(np.mean(covered)), 4),
    }


def _as_exhaustive(
    corpus: Corpus, index: LargeIndex, searcher: Searcher, texts: Sequence[str]
) -> dict[str, float]:
    """Against comparing every entry: whether the same is first, and how many of ten agree."""
    ranker, eligibility = Ranker.load(), Eligibility(index.entries)
    first, ten = [], []
    for text in texts:
        asked = Terms.of(Question((text,), (), corpus.embed([text])))
        blocks = [
            compare_terms(index.segment.take(rows), asked)
            for rows in np.array_split(np.arange(len(index.segment)), len(index.segment) // 1000)
        ]
        views = replace(
            blocks[0],
            columns={n: np.concatenate([b.columns[n] for b in blocks]) for n in blocks[0].columns},
        )
        views = replace(views, gaps=dict.fromkeys(views.gaps, (float("nan"), float("nan"))))
        model = ranker.model_for(views.columns)
        assert model is not None
        place = regions.mentioned(text)
        eligible = eligibility.mask(DAY, region=place, line=None, audience=None)
        case = prepare(views, model.views, eligible, eligibility.local & bool(place))
        assert case is not None
        order = np.argsort(-model.probabilities(case), kind="stable")[:10]
        exact = [index.entries[row].id for row in case.rows[order]]
        result = searcher.search(text, on=DAY, limit=10)
        found = [candidate.id for candidate in result.candidates]
        first.append(exact[0] == found[0])
        ten.append(len(set(exact) & set(found)) / len(exact))
    return {
        "questions": len(texts),
        "same_first": _share(first),
        "of_ten": round(float(np.mean(ten)), 4) if ten else 0.0,
    }


def _publish(corpus: Corpus, folder: Path, index: LargeIndex) -> dict[str, Any]:
    """One answer changed, one entry withdrawn and one added, in an index of all."""
    changed = list(corpus.entries)
    changed[5] = replace(changed[5], answer=f"{changed[5].answer}请带上身份证。", version=2)
    new = replace(changed[7], id="new", question=changed[7].question.replace("的", "的那边的", 1))
    del changed[6]
    changed.append(new)
    known = corpus._real
    for entry in (changed[5], new):
        texts = (*entry.wordings, entry.answer)
        known.update({text: corpus.embed([corpus.entries[5].question])[0] for text in texts})
    seconds, cpu = [], []
    for _ in range(PASSES):
        started, used = time.monotonic(), time.process_time()
        Searcher(open_index(changed, corpus, folder, previous=index), corpus)
        seconds.append(time.monotonic() - started)
        cpu.append(time.process_time() - used)
    return {"seconds": round(min(seconds), 2), "cpu_seconds": round(min(cpu), 2)}


def million(count: int, vectors: Path) -> dict[str, Any]:
    """FAISS's inverted lists alone: real encodings turned in random directions."""
    import faiss

    real = np.load(vectors, allow_pickle=False)["vectors"].astype(np.float32)
    chance = np.random.default_rng(3)

    def some(size: int) -> Floats:
        turns = chance.standard_normal((size, real.shape[1]), np.float32)
        turns *= np.float32(0.5) / np.linalg.norm(turns, axis=1, keepdims=True)
        return unit(real[chance.integers(0, len(real), size)] + turns)

    faiss.omp_set_num_threads(os.cpu_count() or 1)
    lists = 1 << int(np.log2(1.5 * np.sqrt(count)))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(real.shape[1]), real.shape[1], lists,
        faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False,
    )  # fmt: skip
    index.cp.spherical, index.cp.niter, index.cp.max_points_per_centroid = True, 8, 40
    started, used = time.monotonic(), time.process_time()
    index.train(some(40 * lists))
    queries = some(300)
    scores = np.zeros((len(queries), 0), np.float32)
    places = np.zeros((len(queries), 0), np.intp)
    for start in range(0, count, 20_000):
        rows = some(min(20_000, count - start))
        index.add(rows)
        scores = np.hstack([scores, queries @ rows.T])
        here = np.arange(start, start + len(rows))
        places = np.hstack([places, np.tile(here, (len(queries), 1))])
        best = np.argsort(-scores, axis=1)[:, :10]
        scores = np.take_along_axis(scores, best, axis=1)
        places = np.take_along_axis(places, best, axis=1)
    built = {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
    }
    faiss.omp_set_num_threads(1)
    by_probes = {}
    for probes in (16, 32, 48, 96):
        index.nprobe, times, hits = probes, [], []
        for query, exact in zip(queries, places, strict=True):
            used = time.thread_time()
            _, found = index.search(query[None], 128)
            times.append((time.thread_time() - used) * 1000)
            hits.append(len(set(exact) & set(found[0][:10])) / 10)
        by_probes[str(probes)] = {
            "cpu_ms": _quantiles(times),
            "recall_at_10": round(float(np.mean(hits)), 4),
        }
    return {"vectors": count, "lists": lists, "build": built, "by_probes": by_probes, **_memory()}


def _memory() -> dict[str, int]:
    """Of this process, in MB: resident, and how much of it are mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {k: int(v.split()[0]) for k, v in (x.split(":", 1) for x in lines) if "kB" in v}
    return {"rss": kilobytes["VmRSS"] >> 10, "mapped_files": kilobytes["RssFile"] >> 10}


def _quantiles(times: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}


def _share(hits: Any) -> float:
    values = [float(hit) for hit in hits]
    return round(sum(values) / len(values), 4) if values else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=700, help="entries with encodings of their own")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--exhaustive", type=int, default=20, help="questions compared with all")
    parser.add_argument("--folder", type=Path, default=Path("var/bench-kb"))
    parser.add_argument("--million", action="store_true", help="the vectors alone, a million")
    parser.add_argument("--stage", choices=("encode", "build", "search"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    vectors = given.folder / f"real-{given.real}-{given.questions}.npz"
    index_file.LARGE = min(index_file.LARGE, given.entries)
    stages: dict[str, Callable[[], dict[str, Any] | None]] = {
        "encode": lambda: encode(vectors, given.real, given.questions),
        "build": lambda: build(Corpus(given.entries, vectors), given.folder),
        "search": lambda: search(
            Corpus(given.entries, vectors), given.folder, given.questions, given.exhaustive
        ),
    }
    if given.stage:
        print(json.dumps(stages[given.stage]()))
        return
    # Each in a process of its own, for its memory is measured.
    again = [sys.executable, "-m", "benchmarks.kb_scale", *sys.argv[1:], "--stage"]
    if not vectors.exists():
        subprocess.run([*again, "encode"], check=True, stdout=subprocess.DEVNULL)
    if given.million:
        print(json.dumps(million(1_000_000, vectors), indent=1))
        return
    figures: dict[str, Any] = {"entries": given.entries, "wordings": given.entries * WORDINGS}
    for stage in ("build", "search"):
        print(f"{stage} ...", file=sys.stderr)
        done = subprocess.run([*again, stage], check=True, stdout=subprocess.PIPE, text=True)
        figures |= {stage: json.loads(done.stdout)} if stage == "build" else json.loads(done.stdout)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
