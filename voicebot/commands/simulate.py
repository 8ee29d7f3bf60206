"""`voicebot simulate`: a day of the hotline beforehand, with the bot and without."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicebot.commands.session import InputError, print_json

if TYPE_CHECKING:
    from voicebot.simulation.result import Result
    from voicebot.simulation.scenario import Scenario


def simulate(
    scenario: Annotated[
        str, typer.Option(help="A YAML file, or the name of a delivered scenario.")
    ] = "",
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Days to simulate.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for pictures (PNG), page (HTML) and tables.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object: the figures of the pictures.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show the delivered scenarios.")] = False,
) -> None:
    """Simulate a scenario's days with the bot and without: queue, wait, abandonment, seats.

    Calls go where the running service would send them: it is the same law (`flows/surge.py`).
    A scenario is a file; copy a delivered one and put your own line's figures in.

    \b
    Examples:
      voicebot simulate --list
      voicebot simulate --scenario haikou-10x
      voicebot simulate --scenario haikou-3x --out reports/3x
      voicebot simulate --scenario mine.yaml --runs 30 --seed 7 --json
    """
    from voicebot.simulation import scenario_file

    if show:
        _list(as_json)
        return
    if not scenario:
        raise InputError("Say which with --scenario; `voicebot simulate --list` shows some.")
    path = scenario_file.find(scenario)
    found = scenario_file.read(path)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    result = _run(path.stem, found, runs, seed)
    if out is not None:
        _write(out, result, found)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(result))
    else:
        _tell(result)


def _list(as_json: bool) -> None:
    from voicebot.simulation import scenario_file

    found = {name: scenario_file.read(path) for name, path in scenario_file.delivered().items()}
    if as_json:
        print_json(
            [
                {"name": name, "title": each.title, "about": each.about.strip()}
                for name, each in found.items()
            ]
        )
        return
    for name, each in found.items():
        typer.echo(f"{name:<16} {each.title}\n{'':<16} {each.about.strip()}")


def _run(name: str, scenario: Scenario, days: int, seed: int) -> Result:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    from voicebot.simulation.runs import simulate as run

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    began = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("days", total=days)
        total = 0

        def shown(done: int, calls: int) -> None:
            nonlocal total
            total = calls
            progress.update(bar, completed=done)

        result = run(name, scenario, days, seed, shown)
    seconds = time.monotonic() - began
    console.print(f"{total:,} calls in {seconds:.1f} s ({60 * total / seconds:,.0f} a minute)")
    return result


def _write(folder: Path, result: Result, scenario: Scenario) -> None:
    import json
    from dataclasses import asdict

    from voicebot.commands.knowledge_common import write_whole
    from voicebot.simulation.charts import PICTURES, png
    from voicebot.simulation.page import page
    from voicebot.simulation.wording import staffing_csv

    files = {f"{picture.name}.png": png(result, picture) for picture in PICTURES}
    files["index.html"] = page(result, scenario).encode()
    files["figures.json"] = json.dumps(asdict(result), ensure_ascii=False).encode()
    files["seats.csv"] = staffing_csv(result).encode("utf-8-sig")
    for name, data in files.items():
        write_whole(folder / name, data)
        typer.echo(f"Written: {folder / name}", err=True)


def _tell(result: Result) -> None:
    from rich.console import Console
    from rich.table import Table

    from voicebot.simulation.wording import (
        HEAD,
        ROWS,
        STAFFING_HEAD,
        staffing_row,
        staffing_said,
    )

    console = Console(width=None if Console().is_terminal else 120)
    totals = Table(*HEAD, title=f"{result.title}，{result.days} 日")
    for row in ROWS:
        totals.add_row(*row.cells(result))
    seats = Table(*STAFFING_HEAD, title="各时段所需坐席")
    for need in result.staffing.needs:
        seats.add_row(*map(str, staffing_row(need)))
    console.print(totals)
    console.print(seats)
    console.print(staffing_said(result))
