"""The capability table as Markdown, and in its place in a document."""

from __future__ import annotations

from collections.abc import Sequence

from asr.engines import EngineRow

BEGIN = "<!-- engines: written by `voicebot asr engines --into FILE`, not by hand -->"
END = "<!-- engines: end -->"

_HEADINGS = (
    "engine", "gives", "languages", "Hz", "partials while audio is fed", "n-best", "word times",
    "hot words", "model and licence", "cost",
)  # fmt: skip


def markdown(rows: Sequence[EngineRow]) -> str:
    """A line for each engine; what is installed here is left out."""
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: EngineRow) -> tuple[str, ...]:
    can = row.capabilities
    return (
        f"`{row.engine}`",
        "syllables" if can.phonetic else "text",
        ", ".join(can.languages),
        ", ".join(map(str, can.sample_rates)),
        *(
            "yes" if able else "–"
            for able in (can.streaming, can.n_best, can.word_times, can.hot_words)
        ),
        row.model,
        row.cost,
    )


def written_into(document: str, rows: Sequence[EngineRow]) -> str:
    """The document with the table of now between its two marks.

    Raises:
        ValueError: it has not both marks, once each and in order.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"The document needs one line {BEGIN} and, after it, one line {END}.")
    return f"{before}{BEGIN}\n\n{markdown(rows)}\n{END}{after}"
