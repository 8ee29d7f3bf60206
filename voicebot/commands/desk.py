"""`voicebot desk`: a stand-in for the police desk, or for a human seat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicebot.commands.session import InputError, open_settings

if TYPE_CHECKING:
    from telephony.desk import DeskEvent
    from voicebot.config import Settings

OFFICER = "您好，这里是110，请讲。"


def desk(
    port: Annotated[int, typer.Option(help="Port on this machine; the settings' by default.")] = 0,
    mode: Annotated[str, typer.Option(help="answer, busy, silent or no-voice.")] = "answer",
    number: Annotated[
        list[str] | None,
        typer.Option(help="Another mode for one number: 110-460106=busy. May be repeated."),
    ] = None,
    answer_after: Annotated[float, typer.Option(help="Seconds that it rings.")] = 1.0,
    acknowledge_after: Annotated[
        float | None, typer.Option(help="Seconds after answering; never by default.")
    ] = None,
    hang_up_after: Annotated[
        float | None, typer.Option(help="Seconds after answering; never by default.")
    ] = None,
    greeting: Annotated[
        str,
        typer.Option(help="What the officer says, or the path of an audio file; '' for nothing."),
    ] = OFFICER,
    record: Annotated[Path | None, typer.Option(help="Folder for all that it gets.")] = None,
    token: Annotated[
        str, typer.Option(envvar="VOICEBOT_DESK_TOKEN", help="The first start's by default.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event.")] = False,
) -> None:
    """Stand in for the desk that receives hand-offs: answer, be busy, or stay silent.

    \b
    Examples:
      voicebot desk
      voicebot desk --mode silent
      voicebot desk --number 110-460106=busy --number seat=answer --record var/desk
    """
    from urllib.parse import urlsplit

    from telephony.desk import run_desk
    from voicebot.commands.tokens import show_once
    from voicebot.security import desk_token, prepare
    from voicebot.state_folder import make_private

    settings = open_settings()
    try:
        make_private(settings.paths.state)
    except OSError as error:
        raise InputError(
            f"The state folder {settings.paths.state} cannot be used: {error.strerror}."
        ) from None
    if not token:
        # The first start may be the desk's: nobody would see its tokens again.
        show_once(prepare(settings), err=True)
        token = desk_token(settings) or ""
    if not token:
        raise InputError(
            "There is no token for the desk; give one with --token or handoff.desk_token."
        )

    def show(event: DeskEvent) -> None:
        typer.echo(_json_line(event) if as_json else _text_line(event))

    run_desk(
        port=port or urlsplit(settings.handoff.desk_http).port or 8446,
        on_listening=lambda address: typer.echo(f"The desk listens on {address}.", err=True),
        mode=mode,
        modes=_modes(number or []),
        token=token,
        record_dir=record or settings.paths.state / "desk",
        answer_after_s=answer_after,
        acknowledge_after_s=acknowledge_after,
        hang_up_after_s=hang_up_after,
        greeting=_greeting(greeting, settings),
        number_names=_names(settings),
        on_event=show,
    )


def _modes(given: list[str]) -> dict[str, str]:
    modes = {}
    for each in given:
        number, equals, mode = each.partition("=")
        if not equals:
            raise InputError(f"--number {each}: write it like 110-460106=busy.")
        modes[number] = mode
    return modes


def _names(settings: Settings) -> dict[str, str]:
    from voicebot.records.duty import seed

    return {row["number"]: row["name"] for row in seed(settings.handoff)}


def _greeting(greeting: str, settings: Settings) -> tuple[Any, int] | None:
    if not greeting:
        return None
    if Path(greeting).suffix.lower() in (".wav", ".flac", ".mp3", ".ogg"):
        import soundfile

        try:
            pcm, rate = soundfile.read(greeting, dtype="int16", always_2d=True)
        except (OSError, RuntimeError):
            raise InputError(f"The greeting {greeting} is not a readable audio file.") from None
        return pcm[:, 0].copy(), rate
    from voicebot.call.audio_library import open_library

    speech = open_library(settings).get(greeting)
    return speech.pcm, speech.rate


def _json_line(event: DeskEvent) -> str:
    line = {
        "time": event.time,
        "event": event.kind,
        "handoff": event.handoff,
        "number": event.number,
        "name": event.name,
        **event.detail,
        **event.private,
    }
    return json.dumps(line, ensure_ascii=False, default=str)


def _text_line(event: DeskEvent) -> str:
    import time

    at = time.strftime("%H:%M:%S", time.localtime(event.time))
    text = f"{at}  {event.kind:<15} {event.name or event.number} {event.handoff}".rstrip()
    dossier = event.private.get("dossier")
    if not dossier:
        return text
    others = "、".join(dossier.get("lines", []))
    lines = [
        text,
        f"    来电 {dossier.get('caller')}  属地 {dossier.get('region_name') or '未知'}  "
        f"类别 {dossier.get('category_name') or '未定'}  联动 {others or '无'}",
    ]
    if omitted := dossier.get("omitted_turns"):
        lines.append(f"    前 {omitted} 句未随话务传送，全文另送")
    for turn in dossier.get("transcript", [])[-3:]:
        lines.append(f"    {turn['start']:6.1f} s  {turn['side']}  {turn['text']}")
    return "\n".join(lines)
