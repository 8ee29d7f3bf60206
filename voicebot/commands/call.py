"""`voicebot call`: place a call from files and report what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import urlsplit, urlunsplit

import typer

from voicebot.commands.session import InputError, open_settings, print_json
from voicebot.errors import VoicebotError

if TYPE_CHECKING:
    from telephony.call_report import CallReport
    from telephony.caller import CallProgress
    from voicebot.config import Settings

RECORD_TIMEOUT_S = 20.0


class RecordMissing(VoicebotError):
    """The call took place, but the service's record of it cannot be read."""

    code = "call.record_missing"


def call(
    audio: Annotated[list[Path], typer.Option(help="What the caller says; repeat for more turns.")],
    caller: Annotated[str, typer.Option(help="The calling number.")] = "13800000000",
    did: Annotated[str, typer.Option(help="The dialled number.")] = "12345",
    url: Annotated[str, typer.Option(help="The service's media WebSocket.")] = "",
    token: Annotated[
        str, typer.Option(envvar="VOICEBOT_MEDIA_TOKEN", help="The first start's by default.")
    ] = "",
    api_token: Annotated[
        str, typer.Option(envvar="VOICEBOT_API_TOKEN", help="To read the record afterwards.")
    ] = "",
    dtmf: Annotated[str, typer.Option(help="Keys pressed after the greeting; w waits 0.5 s.")] = "",
    encoding: Annotated[str, typer.Option(help="alaw, mulaw or l16.")] = "alaw",
    speak: Annotated[str, typer.Option(help="after-greeting or now.")] = "after-greeting",
    decisive: Annotated[
        float | None, typer.Option(help="Where the decisive words end, seconds into the audio.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for a two-channel recording.")] = None,
    quiet: Annotated[
        float, typer.Option(help="Seconds of quiet after which the caller hangs up.")
    ] = 6.0,
    max_seconds: Annotated[float, typer.Option("--max", help="Longest call.")] = 120.0,
    call_id: Annotated[str, typer.Option(help="The carrier's call id; new by default.")] = "",
    vanish_after: Annotated[
        float | None, typer.Option(help="Cut the line after so many seconds (a test).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Call the service in real time with recorded speech, and report what was heard.

    \b
    Examples:
      voicebot call --audio question.wav
      voicebot call --audio a.wav --audio b.wav --caller 13800138000 --did 12333 --json
      voicebot call --audio fire.wav --decisive 3.2 --record var/calls --json
      voicebot call --audio silence.wav --dtmf 1
    """
    from telephony.caller import place_call
    from voicebot.security import local_token

    if speak not in ("after-greeting", "now"):
        raise InputError(f"--speak {speak}: use after-greeting or now.")
    settings = open_settings()
    url = url or default_url(settings)

    async def run() -> tuple[CallReport, dict[str, Any] | None]:
        report = await place_call(
            url,
            audio,
            caller,
            did,
            token=token or local_token(settings, "media"),
            encoding=encoding,
            dtmf=dtmf or None,
            speak=cast(Literal["after-greeting", "now"], speak),
            decisive=decisive,
            record_dir=record,
            quiet_s=quiet,
            max_s=max_seconds,
            on_event=None if as_json else _show,
            call_sid=call_id or None,
            vanish_after=vanish_after,
        )
        key = api_token or local_token(settings, "admin")
        return report, await read_record(api_url(url), report.call_sid, key)

    report, kept = asyncio.run(run())
    merged = merge(report, kept)
    if as_json:
        print_json(merged)
    else:
        _summary(merged)
    if kept is None:
        raise RecordMissing(
            f"The call {report.call_sid} took place, but its record could not be read from "
            f"{api_url(url)} within {RECORD_TIMEOUT_S:g} seconds; check the token (--api-token)."
        )


def default_url(settings: Settings) -> str:
    """The media WebSocket of the service that these settings describe."""
    scheme = "wss" if settings.server.tls_certificate else "ws"
    host = settings.server.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.server.port}/media"


def api_url(media_url: str) -> str:
    """``ws://host:port/media`` → ``http://host:port``."""
    parts = urlsplit(media_url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return urlunsplit((scheme, parts.netloc, "", "", ""))


async def read_record(base: str, call_id: str, token: str | None) -> dict[str, Any] | None:
    """The service's record of a call, once it is closed; None: it cannot be had."""
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    deadline = time.monotonic() + RECORD_TIMEOUT_S
    record: dict[str, Any] | None = None
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.get(f"{base}/api/calls/{call_id}")
            except httpx.HTTPError:
                return record
            if answer.status_code in (401, 403):
                return None
            if answer.is_success:
                record = answer.json()
                if record["ended_at"] is not None:
                    return record
            await asyncio.sleep(0.2)
    return record


def merge(report: CallReport, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the caller measured and what the service wrote down, on the caller's clock.

    Times are seconds from the start of the call as the caller counts them.
    """
    kept = record or {}
    shift = (kept.get("started_at") or report.started_at) - report.started_at
    return {
        "call_id": report.call_sid,
        "caller": report.caller,
        "did": report.did,
        "outcome": kept.get("outcome"),
        "seconds": round(report.seconds, 3),
        "turns": [_turn(turn, shift) for turn in kept.get("turns", [])],
        "handoffs": [_handoff(each, report) for each in kept.get("handoffs", [])],
        "tickets": kept.get("tickets", []),
        "decisions": [
            {**each, "at": round(each["at"] + shift, 3)} for each in kept.get("decisions", [])
        ],
        "heard": [
            {
                "purpose": each.purpose,
                "entry": each.entry,
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "complete": each.complete,
            }
            for each in report.heard
        ],
        "latency": {
            "end_of_speech_to_first_audio_ms": [round(each, 1) for each in report.latency_ms]
        },
        "closed_by": report.closed_by,
        "recording": str(report.recording) if report.recording else None,
        "worst_lateness_ms": report.worst_lateness_ms,
        "problems": dict(report.problems),
    }


def _turn(turn: Mapping[str, Any], shift: float) -> dict[str, Any]:
    values = {
        "side": turn["side"],
        "text": turn["text"],
        "start": round(turn["start"] + shift, 3),
        "end": round(turn["end"] + shift, 3),
    }
    return {**values, "entry": turn["entry"]} if turn.get("entry") else values


def _handoff(handoff: Mapping[str, Any], report: CallReport) -> dict[str, Any]:
    def since(at: float | None) -> float | None:
        return None if at is None else round(at - report.started_at, 3)

    return {
        "id": handoff["id"],
        "destination": handoff["destination"],
        "region": handoff["region"],
        "category": handoff["category"],
        "lines": handoff["lines"],
        "flags": handoff["flags"],
        "reason": handoff["reason"],
        "state": handoff["state"],
        "decisive_end": report.decisive_end,
        "requested_at": since(handoff["requested_at_epoch"]),
        "connected_at": since(handoff["connected_at_epoch"]),
        "caller": handoff["caller"],
        "transcript": handoff["transcript"],
    }


def _show(event: CallProgress) -> None:
    detail = " ".join(str(value) for value in event.detail.values() if value is not None)
    typer.echo(f"{event.at:7.2f} s  {event.kind:<12} {detail}".rstrip())


def _summary(merged: Mapping[str, Any]) -> None:
    sides = {"caller": "来电人", "bot": "机器人", "110": "110", "seat": "座席"}
    typer.echo()
    for turn in merged["turns"]:
        typer.echo(
            f"{turn['start']:7.2f} s  {sides.get(turn['side'], turn['side'])}  {turn['text']}"
        )
    typer.echo()
    typer.echo(f"outcome   {merged['outcome'] or 'not known'}")
    for handoff in merged["handoffs"]:
        typer.echo(
            f"hand-off  {handoff['destination']}, requested at {handoff['requested_at']} s, "
            f"connected at {handoff['connected_at']} s"
        )
    for ticket in merged["tickets"]:
        typer.echo(f"ticket    {ticket['id']}  {ticket['matter']}")
    latencies = merged["latency"]["end_of_speech_to_first_audio_ms"]
    if latencies:
        typer.echo(f"replies   {', '.join(f'{each:.0f} ms' for each in latencies)}")
