"""What came of a placed call, for machines and for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from telephony.call_report import CallReport


def merge(report: CallReport, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the caller measured and what the service wrote down, on the caller's clock.

    Times are seconds from the start of the call as the caller counts them, those of
    transcripts too. A hand-off's `requested_at` is when its first transfer was requested
    (what "decisive words → transfer requested" is judged by), `destination` the route that
    was connected, or tried last, and `connected_at` when a person there was confirmed.
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
        "handoffs": [_handoff(each, report, shift) for each in kept.get("handoffs", [])],
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


def _handoff(handoff: Mapping[str, Any], report: CallReport, shift: float) -> dict[str, Any]:
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
        "transcript": [_turn(turn, shift) for turn in handoff["transcript"]],
    }


def print_summary(merged: Mapping[str, Any]) -> None:
    """For a person."""
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
