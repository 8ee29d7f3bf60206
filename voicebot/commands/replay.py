"""`voicebot replay`: the event log of a call through the dialogue core once more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.session import InputError, open_settings, print_json

if TYPE_CHECKING:
    from flows.dialogue import Policy
    from flows.events import Embedding
    from voicebot.config import Settings

    Embed = Callable[[tuple[str, ...]], Mapping[str, Embedding]]


@dataclass(frozen=True, slots=True)
class Compared:
    """One event, what was decided in the call, and what is decided now."""

    at: float
    event: str
    recorded: tuple[tuple[str, dict[str, Any]], ...]
    replayed: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def same(self) -> bool:
        return self.recorded == self.replayed


def replay(
    call_id: Annotated[str, typer.Argument(metavar="CALL", help="The id of a recorded call.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event.")] = False,
) -> None:
    """Run a call's event log through the dialogue core and compare the decisions.

    Exit code 1 when a decision differs.

    \b
    Examples:
      voicebot replay CA0123456789abcdef
      voicebot replay demo-2-danger-1790000000 --json
    """
    settings = open_settings()
    from voicebot.security import audit_local

    rows = read_log(settings, call_id)
    audit_local(settings.database_url, "call.replay", call_id)
    compared = list(compare(rows, *_core(settings)))
    for each in compared:
        if as_json:
            print_json(
                {
                    "at": each.at,
                    "event": each.event,
                    "recorded": each.recorded,
                    "replayed": each.replayed,
                    "same": each.same,
                }
            )
        elif each.recorded or each.replayed:
            _show(each)
    different = sum(not each.same for each in compared)
    if not as_json:
        decided = sum(len(each.recorded) for each in compared)
        end = f"{different} events differ" if different else "all the same"
        typer.echo(f"{len(compared)} events, {decided} decisions: {end}.")
    raise typer.Exit(1 if different else 0)


def read_log(settings: Settings, call_id: str) -> list[dict[str, Any]]:
    """The event log of a call.

    Raises:
        InputError: there is no such call.
        RecordsUnavailable: the database cannot be read.
    """
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.orm import Session

    from voicebot.records import reading
    from voicebot.records.database import open_engine, reason
    from voicebot.records.errors import RecordsUnavailable

    engine = open_engine(settings.database_url)
    try:
        with Session(engine) as session:
            rows = reading.events(session, call_id)
    except SQLAlchemyError as error:
        raise RecordsUnavailable(f"The database cannot be read: {reason(error)}.") from None
    finally:
        engine.dispose()
    if not rows:
        raise InputError(f"There is no event log of a call {call_id!r}.")
    return rows


def compare(rows: Sequence[Mapping[str, Any]], policy: Policy, embed: Embed) -> Iterator[Compared]:
    """Each event of a log, with the decisions recorded and those of `policy`.

    Raises:
        CodecError: an event cannot be read by this version.
    """
    from flows.dialogue import step, texts_to_embed
    from flows.events import Heard
    from flows.state import State
    from voicebot.records import codec

    state = State()
    index = 0
    while index < len(rows):
        row = rows[index]
        index += 1
        recorded = []
        while index < len(rows) and rows[index]["direction"] == "out":
            recorded.append((rows[index]["kind"], dict(rows[index]["payload"])))
            index += 1
        event = codec.decode_event(row["kind"], row["payload"])
        texts: tuple[str, ...] = ()
        if isinstance(event, Heard):
            # The call may have gone on while they were computed: what it had then counts.
            had = event.embedded
            texts = texts_to_embed(state, event, policy) if had is None else had
        if texts and isinstance(event, Heard):
            event = replace(event, embeddings=embed(texts))
        state, actions = step(state, event, policy)
        # Through JSON, as the recorded ones went.
        replayed = [
            (kind, json.loads(json.dumps(values))) for kind, values in map(codec.encode, actions)
        ]
        yield Compared(row["at"], row["kind"], tuple(recorded), tuple(replayed))


def _core(settings: Settings) -> tuple[Policy, Embed]:
    from flows.dialogue import Limits, Policy
    from flows.prompts import load_prompts
    from flows.triage import TriageModel
    from voicebot.knowledge import open_embedder

    embedder = open_embedder(settings)

    def embed(texts: tuple[str, ...]) -> Mapping[str, Embedding]:
        return dict(zip(texts, embedder.embed(texts), strict=True))

    limits = Limits(**settings.dialogue.model_dump())
    wording = {name: prompt.text for name, prompt in load_prompts().items()}
    return Policy(TriageModel.load(), limits, settings.greetings, wording), embed


def _show(each: Compared) -> None:
    mark = "  " if each.same else "≠ "
    typer.echo(f"{mark}{each.at:7.2f} s  {each.event}")
    for index in range(max(len(each.recorded), len(each.replayed))):
        then = each.recorded[index] if index < len(each.recorded) else None
        now = each.replayed[index] if index < len(each.replayed) else None
        if then == now:
            typer.echo(f"              = {_line(then)}")
        else:
            typer.echo(f"       then   < {_line(then)}")
            typer.echo(f"       now    > {_line(now)}")


def _line(action: tuple[str, dict[str, Any]] | None) -> str:
    if action is None:
        return "nothing"
    values = " ".join(f"{key}={value}" for key, value in action[1].items() if value)
    return f"{action[0]} {values}".rstrip()
