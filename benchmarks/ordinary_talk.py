"""Ten thousand lines of ordinary talk through triage and the dialogue: what goes wrong.

    python -m benchmarks.ordinary_talk                   ten thousand lines, some minutes
    python -m benchmarks.ordinary_talk --lines 1000      a quick look
    python -m benchmarks.ordinary_talk --show            and what was transferred or asked about
    python -m benchmarks.ordinary_talk | tail -1         for a machine

Half of the lines are wordings of the knowledge base's questions, half are matters written for this
(`ordinary_talk.toml`), each with an opening, hesitations, a place and a closing as they come, drawn
with a fixed seed. Entries that bear danger (a smell of gas, a sparking wire, a flooded house) are
no ordinary talk and left out. Each line is one call of the dialogue core as text: the turn and its
end, a search that finds nothing, and a caller who then stays silent. Counted are hand-offs to 110
at once, questions whether somebody is in danger, offers of 110 for an ordinary matter, 110 and a
seat called in together, and what silence makes of questions and offers. The last line on standard
output is one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.speech_data import ROOT
from flows import actions as act
from flows import events as ev
from flows.announcing import UNDECIDED
from flows.dialogue import Policy, step
from flows.routes import POLICE
from flows.state import Phase, State
from flows.triage import TriageModel, Turn
from flows.triage.report import wilson
from voicebot.commands.session import prepare_threads
from voicebot.config import load_settings
from voicebot.errors import VoicebotError
from voicebot.knowledge import open_embedder

FRAMES = Path(__file__).with_name("ordinary_talk.toml")
KNOWLEDGE = ROOT / "kb" / "data"
LEFT_OUT = frozenset(
    {
        *("rx-002", "rx-007", "rx-013"),  # ask for 110 or for emergency numbers
        *("gs-001", "gs-004", "gs-005", "gs-007"),  # sparking wires, burst pipes, gas
        *("yj-002", "yj-003", "yj-004", "hb-008", "jg-011"),  # floods, hazards, bites, accidents
        *("sc-010", "sc-012", "jy-008", "mz-004"),  # poisoning, lifts, violence, a house on fire
    }
)
"""Entries whose wordings bear danger, or are about 110 itself."""

_BEARING_DANGER = ("危险", "差点掉", "捡到小孩")
"""Single wordings of other entries that do."""

SILENCE_S = 4.0
AT_ONCE = 256
"""Texts embedded together."""

Fate = Literal["answered", "at once", "asked", "offered", "together"]


@dataclass(frozen=True, slots=True)
class Line:
    """What a caller says, and from where it comes."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the dialogue made of a line.

    Attributes:
        fate: `at once` is a hand-off to 110 without a question; `asked`, the question about
            danger; `offered`, 110 for an ordinary matter; `together`, 110 and a seat.
        reason: of the hand-off.
        silent: silence after it led to 110.
    """

    line: Line
    fate: Fate
    reason: str = ""
    silent: bool = False


def wordings(folder: Path = KNOWLEDGE) -> list[str]:
    """Every wording of every question in the knowledge base that bears no danger."""
    found = []
    for row in _rows(folder / "faq.csv"):
        if row["id"] not in LEFT_OUT:
            found += [row["question"], *filter(None, row["variants"].split("|"))]
    found += [r["phrasing"] for r in _rows(folder / "phrasings.csv") if r["id"] not in LEFT_OUT]
    return [
        wording
        for wording in dict.fromkeys(found)
        if not any(danger in wording for danger in _BEARING_DANGER)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def compose(count: int, seed: int) -> list[Line]:
    """So many different lines; the same for the same seed."""
    frames = tomllib.loads(FRAMES.read_text("utf-8"))
    matters = [
        Line(text, kind)
        for kind in ("matters", "shared", "private")
        for text in frames[kind].splitlines()
        if text
    ]
    questions = [Line(text, "questions") for text in wordings()]
    chance = random.Random(seed)
    made: dict[str, Line] = {}
    while len(made) < count:
        base = chance.choice(questions if len(made) % 2 else matters)
        text = _spoken(base.text, frames, chance)
        made.setdefault(text, Line(text, base.source))
    return list(made.values())


def _spoken(base: str, frames: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    place = chance.choice(frames["places"])
    where = f"我在{place}，" if "{p}" not in base and chance.random() < 0.3 else ""
    return "".join(
        (
            chance.choice(frames["openings"]),
            chance.choice(frames["hesitations"]),
            where,
            base.replace("{p}", place),
            chance.choice(frames["closings"]),
        )
    )


def embedded(texts: Sequence[str], embed: Any, console: Console) -> dict[str, ev.Embedding]:
    """Every text's embedding, in batches."""
    every = list(dict.fromkeys(texts))
    batches = [every[at : at + AT_ONCE] for at in range(0, len(every), AT_ONCE)]
    return {
        text: vector
        for batch in track(batches, description="embedding", console=console)
        for text, vector in zip(batch, embed(batch), strict=True)
    }


def call(line: Line, policy: Policy, embeddings: Mapping[str, ev.Embedding]) -> Outcome:
    """One call: the line, nothing found, silence."""
    done: list[act.Action] = []
    state, at = State(), 0.0

    def take(event: ev.Event) -> list[act.Action]:
        nonlocal state
        state, actions = step(state, event, policy)
        done.extend(actions)
        for action in actions:
            if isinstance(action, act.Say):
                take(ev.PlaybackStarted(at, action.utterance))
                take(ev.PlaybackFinished(at, action.utterance))
        return list(actions)

    take(ev.CallStarted(at, "ordinary", "13800138000", "12345"))
    at = 8.0
    take(ev.CallerSpeaking(at, 1))
    words = ev.Heard(
        at, 1, ev.Ear.TRANSCRIBER, text=line.text, final=True, start=4.0, embeddings=embeddings
    )
    done.clear()
    take(words)
    take(ev.TurnEnded(at, 1))
    for search in [each for each in done if isinstance(each, act.Search)]:
        take(ev.SearchResult(at, 1, search.text, "none", (), search.final))
    handed = _to_police(done)
    if handed is not None:
        fate: Fate = "together" if handed.reason == UNDECIDED else "at once"
        return Outcome(line, fate, handed.reason)
    asked: dict[Phase, Fate] = {
        Phase.CONFIRMING_DANGER: "asked",
        Phase.CONFIRMING_POLICE: "offered",
    }
    if state.phase not in asked:
        return Outcome(line, "answered")
    fate = asked[state.phase]
    at += SILENCE_S
    return Outcome(line, fate, silent=_to_police(take(ev.Silence(at, SILENCE_S))) is not None)


def _to_police(done: Sequence[act.Action]) -> act.Handoff | None:
    handed = (each for each in done if isinstance(each, act.Handoff))
    return next((h for h in handed if h.routes and h.routes[0].kind == POLICE), None)


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Pure: counts, and so many per thousand with 95 % intervals."""
    sources = sorted({outcome.line.source for outcome in outcomes})
    return {
        "lines": len(outcomes),
        "to_110_at_once": _per_thousand([o.fate == "at once" for o in outcomes]),
        "asked": _per_thousand([o.fate == "asked" for o in outcomes]),
        "to_110_after_silence": _per_thousand([o.fate == "asked" and o.silent for o in outcomes]),
        "offered_110": _per_thousand([o.fate == "offered" for o in outcomes]),
        "with_110_together": _per_thousand([o.fate == "together" for o in outcomes]),
        "by_source": {
            source: dict(_fates([o for o in outcomes if o.line.source == source]))
            for source in sources
        },
    }


def _per_thousand(judged: Sequence[bool]) -> dict[str, Any]:
    low, high = wilson(sum(judged), len(judged))
    return {
        "count": sum(judged),
        "per_thousand": round(1000 * sum(judged) / max(len(judged), 1), 2),
        "interval": [round(1000 * low, 2), round(1000 * high, 2)],
    }


def _fates(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, int]]:
    for fate in get_args(Fate):
        yield fate, sum(outcome.fate == fate for outcome in outcomes)


def show(found: Mapping[str, Any], console: Console) -> None:
    """For a person."""
    table = Table(title=f"{found['lines']} lines of ordinary talk")
    for heading in ("", "lines", "per thousand", "95 % interval", "goal"):
        table.add_column(heading)
    goals = {"to_110_at_once": "≤ 2", "asked": "≤ 20"}
    for name, each in found.items():
        if name in ("lines", "by_source"):
            continue
        low, high = each["interval"]
        table.add_row(
            name.replace("_", " "),
            str(each["count"]),
            str(each["per_thousand"]),
            f"{low} to {high}",
            goals.get(name, ""),
        )
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ordinary_talk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--show", action="store_true", help="list what was not simply answered")
    parser.add_argument("--json", action="store_true", help="the JSON object alone")
    options = parser.parse_args()
    console = Console(stderr=True, quiet=options.json)
    prepare_threads()
    policy = Policy(TriageModel.load())
    lines = compose(options.lines, options.seed)
    turns = [(Turn("caller", line.text),) for line in lines]
    try:
        embed = open_embedder(load_settings()).embed
        texts = [text for turn in turns for text in policy.triage.texts(turn)]
        embeddings = embedded(texts, embed, console)
    except VoicebotError as error:
        print(error, file=sys.stderr)
        return 1
    outcomes = []
    for line, turn in track(list(zip(lines, turns, strict=True)), "calls", console=console):
        known = {text: embeddings[text] for text in policy.triage.texts(turn)}
        outcomes.append(call(line, policy, known))
    if options.show:
        for outcome in outcomes:
            if outcome.fate != "answered":
                why = f"{outcome.fate} {outcome.reason}".strip()
                console.print(f"{why}: {outcome.line.text}", soft_wrap=True, highlight=False)
    found = figures(outcomes)
    show(found, console)
    print(json.dumps(found, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
