"""Scenarios as YAML files: those that are delivered, and one's own. Errors name the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from voicebot.errors import VoicebotError
from voicebot.simulation.scenario import Scenario

DELIVERED = Path(__file__).parent / "scenarios"


class ScenarioError(VoicebotError):
    """A scenario cannot be read; the message names file, line and what is wrong there."""

    code = "voicebot.scenario"


def delivered() -> dict[str, Path]:
    """The scenarios that come with the program, by name."""
    return {path.stem: path for path in sorted(DELIVERED.glob("*.yaml"))}


def find(name: str) -> Path:
    """A file, or a delivered scenario's name. Errors: ScenarioError."""
    path = Path(name)
    if path.is_file():
        return path
    known = delivered()
    if name in known:
        return known[name]
    raise ScenarioError(f"{name}: no such file, and none of {', '.join(known)}.")


def read(path: Path) -> Scenario:
    """Errors: ScenarioError, with every fault that the file has; OSError."""
    return parse(path.read_text("utf-8"), str(path))


def parse(text: str, name: str) -> Scenario:
    """A scenario from YAML. Errors: ScenarioError."""
    try:
        # Every scalar stays text: YAML would read 10:30 as a number.
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        values = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text, lists, mappings
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{name}, line {line}: no YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise ScenarioError(f"{name}: no YAML: {error}.") from None
    if not isinstance(root, yaml.MappingNode):
        raise ScenarioError(f"{name}, line 1: a scenario is a mapping such as `title: ...`.")
    twice = [f"{name}, line {line}: {key} is given twice" for key, line in _repeated(root)]
    if twice:
        raise ScenarioError("\n".join(twice) + ".")
    try:
        return Scenario.model_validate(values)
    except ValidationError as error:
        raise ScenarioError("\n".join(_faults(error, root, name))) from None


def _faults(error: ValidationError, root: yaml.Node, name: str) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        place = [part for part in fault["loc"] if part != "[key]"]
        where = ".".join(map(str, place))
        message = fault["msg"].removeprefix("Value error, ")
        given = fault["input"]
        said = f" (it says {given!r})" if isinstance(given, str) else ""
        lead = f"{where}: " if where else ""
        yield f"{name}, line {_line(root, place)}: {lead}{message}{said}."


def _line(node: yaml.Node, place: Sequence[str | int]) -> int:
    """The line of a value, or of the last that is there on the way to it."""
    line: int = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _repeated(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Keys that one mapping has twice, with their lines: YAML would keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)
