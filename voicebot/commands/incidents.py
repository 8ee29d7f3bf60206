"""`voicebot incidents`: many callers, one event (docs/incidents.md)."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from voicebot.commands.knowledge_acts import Who
from voicebot.commands.knowledge_common import database_sentences
from voicebot.commands.session import InputError, open_settings, print_json
from voicebot.commands.tickets_records import minute

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Incidents: many callers, one event.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON; a list has one object a line.")]
Id = Annotated[str, typer.Argument(help="As `incidents list` shows it.")]


@app.callback()
def group() -> None:
    """Incidents: who has called about one event. Nobody is merged away."""


@app.command("list")
def listed(
    least: Annotated[int, typer.Option(min=1, help="Fewest callers of what is shown.")] = 2,
    as_json: AsJson = False,
) -> None:
    """List the incidents that are open, the most callers first.

    \b
    Examples:
      voicebot incidents list
      voicebot incidents list --least 1 --json
    """
    from voicebot.incidents.reading import open_incidents

    found = _act(lambda session: open_incidents(session, least=least), "incidents.list")
    for each in found:
        if as_json:
            print_json(each)
            continue
        typer.echo(
            f"{each['incident']}  {each['title']}  {each['callers']}人来电，"
            f"{each['with_a_person']}人已有人接  {minute(each['first_at'])}起"
        )
    if not found and not as_json:
        typer.echo("No incident with so many callers is open.")


@app.command()
def show(incident: Id, as_json: AsJson = False) -> None:
    """Show an incident: who called, what is announced, what was done with it.

    \b
    Examples:
      voicebot incidents show i1126-3f9a2c
    """
    from voicebot.incidents.reading import incident as read

    found = _act(lambda session: read(session, incident), "incident.show", incident)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['incident']}  {found['title']}  {found['state']}")
    for each in found["members"]:
        hand = "  （人工归入）" if each["by_hand"] else ""
        typer.echo(
            f"  {minute(each['at'])}  {each['handoff']}  {each['state']}  "
            f"{each['words'][:40]}{hand}"
        )
    for each in found["announcements"]:
        state = "已结束" if each["ended_at"] else "已批准" if each["approved_at"] else "待批准"
        typer.echo(f"  提示{each['id']}  {state}  {each['text']}")
    for each in found["history"]:
        typer.echo(f"  {minute(each['at'])}  {each['act']}  {each['who']}")


@app.command()
def merge(incident: Id, other: Id, who: Who = "", as_json: AsJson = False) -> None:
    """OTHER is the same event as INCIDENT: its callers come over, and stay.

    \b
    Examples:
      voicebot incidents merge i1126-3f9a2c i1126-77b01e
    """
    from voicebot.incidents import acts

    _act(
        lambda session: acts.merge(session, incident, other, by=_name(who), at=time.time()),
        "incident.merge",
        f"{incident} {other}",
    )
    _done({"incident": incident, "merged": other}, f"{other} is part of {incident}.", as_json)


@app.command()
def split(
    incident: Id,
    handoffs: Annotated[list[str], typer.Argument(help="Hand-offs that are another event.")],
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Some callers of an incident have called about another event.

    \b
    Examples:
      voicebot incidents split i1126-3f9a2c CA01-h1 CA02-h1
    """
    from voicebot.incidents import acts

    new = _act(
        lambda session: acts.split(session, incident, handoffs, by=_name(who), at=time.time()),
        "incident.split",
        incident,
    )
    _done({"incident": incident, "new": new}, f"They are incident {new} now.", as_json)


@app.command()
def close(incident: Id, who: Who = "", as_json: AsJson = False) -> None:
    """The event is over: nobody is added any more, and its announcements end.

    \b
    Examples:
      voicebot incidents close i1126-3f9a2c
    """
    from voicebot.incidents import acts

    _act(
        lambda session: acts.close(session, incident, by=_name(who), at=time.time()),
        "incident.close",
        incident,
    )
    _done({"incident": incident, "state": "closed"}, f"{incident} is closed.", as_json)


@app.command()
def announce(
    incident: Id,
    text: Annotated[str, typer.Argument(help="Plain Chinese, up to 80 characters.")] = "",
    did: Annotated[str, typer.Option(help="Only for those who dial this number.")] = "",
    region: Annotated[str, typer.Option(help="Only for callers known to be there.")] = "",
    approve: Annotated[int, typer.Option(help="Let this one be spoken: another's text.")] = 0,
    withdraw: Annotated[int, typer.Option(help="End this one.")] = 0,
    who: Who = "",
    as_json: AsJson = False,
) -> None:
    """Tell new callers of an incident: one person writes the text, another approves it.

    \b
    Examples:
      voicebot incidents announce i1126-3f9a2c "番阳镇的滑坡已经有人去救，您那边有新情况请说。"
      voicebot incidents announce i1126-3f9a2c --approve 3
      voicebot incidents announce i1126-3f9a2c --withdraw 3
    """
    from voicebot.incidents import announcing

    if sum(map(bool, (text, approve, withdraw))) != 1:
        raise InputError("Give a text, or --approve or --withdraw with the number of one.")
    by, at = _name(who), time.time()
    if approve:
        _approve(incident, approve, by, at)
        told, said = {"announcement": approve, "approved": True}, f"{approve} is spoken now."
    elif withdraw:
        _act(
            lambda session: announcing.withdraw(session, incident, withdraw, by=by, at=at),
            "incident.withdraw",
            f"{incident} {withdraw}",
        )
        told, said = (
            {"announcement": withdraw, "ended": True},
            f"{withdraw} is not spoken any more.",
        )
    else:
        place = _region(region)
        number = _act(
            lambda session: (
                announcing.propose(session, incident, text, did=did, region=place, by=by, at=at).id
            ),
            "incident.announce",
            incident,
        )
        told = {"announcement": number, "approved": False}
        said = f"Announcement {number} is put up; another person approves it with --approve."
    _done({"incident": incident, **told}, said, as_json)


def _approve(incident: str, announcement: int, by: str, at: float) -> None:
    from voicebot.call.audio_library import open_library
    from voicebot.incidents import announcing

    def text(session: Session) -> str:
        return announcing.waiting_for_approval(session, incident, announcement).text

    words = _act(text, "incident.announcement", f"{incident} {announcement}")
    announcing.check_audio(open_library(open_settings()), words)
    _act(
        lambda session: announcing.approve(session, incident, announcement, by=by, at=at),
        "incident.approve",
        f"{incident} {announcement}",
    )


def _region(text: str) -> str:
    if not text:
        return ""
    from voicebot.commands.duty_records import region_named

    return region_named(text)


def _name(who: str) -> str:
    return who.strip() or getpass.getuser()


def _done(values: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        typer.echo(sentence)


def _act(work: Callable[[Session], T], act: str, subject: str = "") -> T:
    """`work` in one transaction, on record as an act of this machine's user; hand-offs that no
    service has taken in yet are taken in before.

    Raises:
        RecordsUnavailable: the database cannot be read or written.
        IncidentError: the act cannot be done.
    """
    from sqlalchemy.orm import Session

    from voicebot.incidents.taking_in import take_in
    from voicebot.records.database import migrate, open_engine
    from voicebot.security import WRITE_PATIENCE_S, local_act

    settings = open_settings()
    with database_sentences("The incidents cannot be read or written", ""):
        migrate(settings.database_url)
        engine = open_engine(settings.database_url, writes=True, patience_s=WRITE_PATIENCE_S)
        try:
            with Session(engine) as session, session.begin():
                take_in(session, time.time())
                done = work(session)
                session.add(local_act(act, subject[:255]))
                return done
        finally:
            engine.dispose()
