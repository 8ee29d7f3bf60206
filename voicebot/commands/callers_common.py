"""How the commands of `voicebot callers` read, change and tell."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from voicebot.clock import BEIJING
from voicebot.commands.knowledge_acts import by
from voicebot.commands.knowledge_common import change_knowledge, database_sentences
from voicebot.commands.session import open_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from voicebot.callers.tables import LimitRow

T = TypeVar("T")

Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with the limit.")]
Everything = Annotated[bool, typer.Option("--all", help="Those that are over too.")]

_FAILED = "What is on record about callers cannot be read or written"
_ADVICE = "Try again; `voicebot doctor` says more."
_STATES = {
    "proposed": "建议",
    "in_force": "限制中",
    "expired": "到期",
    "dismissed": "不予限制",
    "lifted": "已解除",
}
_APPEALS = {"": "", "open": "申诉待复核", "rejected": "申诉驳回", "granted": "申诉成立"}


def act_on_limit(
    action: str,
    who: str,
    change: Callable[[Session, str, float], LimitRow | None],
    as_json: bool,
) -> None:
    """Make a change, with its audit row, and tell what the limit is then."""
    from voicebot.callers.limits import values

    act, at = by(who, ""), time.time()

    def told(session: Session) -> dict[str, Any] | None:
        row = change(session, act.who, at)
        session.flush()
        return values(row, at) if row is not None else None

    found = audited(action, "", told)
    if found is not None:
        tell_limit(found, as_json)
    elif not as_json:
        typer.echo("Noted; it gives no cause for a proposal yet.")


def audited(action: str, subject: str, work: Callable[[Session], T]) -> T:
    """`work` in one transaction with its audit row."""

    from voicebot.security import local_act

    def change(session: Session) -> T:
        done = work(session)
        session.add(local_act(action, subject))
        return done

    with database_sentences(_FAILED, _ADVICE):
        return change_knowledge(open_settings(), change)


def tell_limit(each: dict[str, Any], as_json: bool) -> None:
    from voicebot.callers.nuisance import REASONS

    if as_json:
        print_json(each)
        return
    until = f"至 {moment(each['ends_at'] - 1)[:10]}" if each["ends_at"] else ""
    typer.echo(
        f"{each['id']}  {each['number']}  {_STATES[each['state']]} {until}  "
        f"{REASONS[each['reason']]}  {len(each['evidence'])}通  {_APPEALS[each['appeal']]}"
        f"{' 已通报110' if each['reported'] else ''}".rstrip()
    )
    for step in each.get("steps", ()):
        who = step["who"] or "系统"
        typer.echo(f"    {moment(step['at'])}  {step['step']:<9} {who}  {step['why']}")


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M")
