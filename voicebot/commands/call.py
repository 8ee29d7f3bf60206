"""`voicebot call`: place a call from files and report what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from urllib.parse import quote, urlsplit, urlunsplit

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
    from voicebot.commands.call_result import merge, print_summary

    if speak not in ("after-greeting", "now"):
        raise InputError(f"--speak {speak}: use after-greeting or now.")
    settings = open_settings()
    url = url or default_url(settings)
    media_token, key = tokens_for(settings, url, token, api_token)

    async def run() -> tuple[CallReport, dict[str, Any] | None]:
        report = await place_call(
            url,
            audio,
            caller,
            did,
            token=media_token,
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
        return report, await read_record(api_url(url), report.call_sid, key)

    report, kept = asyncio.run(run())
    merged = merge(report, kept)
    if as_json:
        print_json(merged)
    else:
        print_summary(merged)
    _require_closed(kept, report.call_sid, api_url(url))


def _require_closed(kept: Mapping[str, Any] | None, call_id: str, base: str) -> None:
    """Raises RecordMissing unless the record is there and complete."""
    if kept is None:
        raise RecordMissing(
            f"The call {call_id} took place, but its record could not be read from "
            f"{base} within {RECORD_TIMEOUT_S:g} seconds; check the token (--api-token)."
        )
    if kept.get("ended_at") is None:
        raise RecordMissing(
            f"The call {call_id} took place, but {base} had not closed its record within "
            f"{RECORD_TIMEOUT_S:g} seconds: what is shown is not all of it; see the service's log."
        )


def default_url(settings: Settings) -> str:
    """The media WebSocket of the service that these settings describe."""
    scheme = "wss" if settings.server.tls_certificate else "ws"
    host = settings.server.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.server.port}/media"


def tokens_for(
    settings: Settings, url: str, token: str, api_token: str
) -> tuple[str | None, str | None]:
    """Tokens for the call and for its record: those given, else this machine's.

    This machine's are shown to its own service alone, never to another address.

    Raises:
        InputError: another address, and not both are given.
    """
    from voicebot.security import local_token

    if _address(url) in _own_addresses(settings):
        return (
            token or local_token(settings, "media"),
            api_token or local_token(settings, "admin"),
        )
    if not token or not api_token:
        raise InputError(
            f"{url} is not the service that is configured here ({default_url(settings)}), so this "
            "machine's tokens are not sent there: give its own with --token for the call and "
            "--api-token for the record, or set server.host and server.port."
        )
    return token, api_token


def _address(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", "", None
    return parts.scheme, host, port or {"ws": 80, "wss": 443}.get(parts.scheme)


def _own_addresses(settings: Settings) -> set[tuple[str, str, int | None]]:
    """The configured address; on this machine, under its other names as well."""
    scheme, host, port = _address(default_url(settings))
    names = {"127.0.0.1", "localhost", "::1"}
    here = names if host in {*names, "0.0.0.0", "::"} else set()  # noqa: S104 - compared only
    return {(scheme, name, port) for name in {host, *here}}


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
                answer = await client.get(f"{base}/api/calls/{quote(call_id, safe='')}")
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


def _show(event: CallProgress) -> None:
    detail = " ".join(str(value) for value in event.detail.values() if value is not None)
    typer.echo(f"{event.at:7.2f} s  {event.kind:<12} {detail}".rstrip())
