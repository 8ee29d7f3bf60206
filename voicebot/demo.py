"""`voicebot demo`: three real calls through the real media path, shown as they happen.

The service and the police desk run as processes of their own, the calls come over the
media WebSocket in real time; nothing here looks into the service except through its
API.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import soundfile as sf
import soxr
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from websockets.asyncio.client import connect

from telephony.call_report import CallReport
from telephony.caller import place_call
from voicebot.call.audio_library import AudioLibrary, open_library
from voicebot.config import Settings
from voicebot.demo_service import DemoFailed, DemoService, running
from voicebot.demo_state import fill
from voicebot.records.database import reason
from voicebot.state_folder import make_private

STATE = "state"
"""The demonstration's own state folder, beside the files that people look at."""

CALLER_PITCH = 0.9
"""The caller is the same synthetic voice, lower and slower, to tell them apart."""


@dataclass(frozen=True, slots=True)
class DemoCall:
    """A call to place and what must come of it."""

    name: str
    title: str
    caller: str
    lines: tuple[str, ...]
    expected: str
    decisive: str = ""
    """The part of the last line after which the danger is plain."""
    checks: tuple[str, ...] = field(default=())


CALLS = (
    DemoCall(
        "1-question",
        "知识库里有的问题：当场答复",
        "13800000001",
        ("你好，请问社保卡丢了怎么补办？",),
        "answered",
    ),
    DemoCall(
        "2-danger",
        "平静的咨询，说着说着出了危险：话没说完就转110",
        "13800000002",
        (
            "你好，我想问一下电动车上牌要带什么材料。",
            "好的，我在海口市龙华区，哎呀，厨房着火了，火很大，满屋子都是烟，"
            "我妈妈还在里面出不来，我现在在楼道里，这里是国贸路二十八号三单元，你们快点派人来。",
        ),
        "handed_off",
        decisive="厨房着火了",
    ),
    DemoCall(
        "3-ticket",
        "知识库里没有的事：登记工单，引导网上12345",
        "13800000003",
        (
            "我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。",
            "在海口市人民公园东门旁边。",
            "我姓陈。",
            "对的，就是这个号码。",
        ),
        "ticket",
    ),
)


def run(settings: Settings) -> int:
    """Everything; the exit code is 0 only if each call came out as expected."""
    return asyncio.run(_run(settings, Console()))


async def _run(settings: Settings, console: Console) -> int:
    folder = settings.paths.state / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    make_private(settings.paths.state)
    make_private(folder)
    own = await asyncio.to_thread(_fill, settings, folder / STATE)
    with console.status("正在录制来电人的话 · recording the callers"):
        library = open_library(settings)
        spoken = {
            call.name: await asyncio.to_thread(_record_caller, library, call, folder)
            for call in CALLS
        }
    results = []
    async with running(own, console, folder) as service:
        for call in CALLS:
            files, decisive = spoken[call.name]
            results.append(await _place(console, service, call, files, decisive, folder))
    console.print(_table(results))
    console.print(f"\n文件 · files: {folder}/")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not {"callers", STATE} & set(path.relative_to(folder).parts):
            console.print(f"  {path.relative_to(folder)}  {path.stat().st_size:,} B")
    return 0 if all(result.ok for result in results) else 1


# ── the callers' voices ───────────────────────────────────────────────────────────


def _record_caller(
    library: AudioLibrary, call: DemoCall, folder: Path
) -> tuple[list[Path], float | None]:
    """One file a line, and where in all of them the decisive words end, in seconds."""
    files, before, decisive = [], 0.0, None
    (folder / "callers").mkdir(exist_ok=True)
    for number, line in enumerate(call.lines, 1):
        pcm, rate = _voice(library, line)
        if call.decisive and call.decisive in line:
            head = line[: line.index(call.decisive) + len(call.decisive)]
            decisive = before + len(_voice(library, head)[0]) / rate
        before += len(pcm) / rate
        path = folder / "callers" / f"{call.name}-{number}.wav"
        sf.write(path, pcm, rate)
        files.append(path)
    return files, decisive


def _voice(library: AudioLibrary, text: str) -> tuple[np.ndarray[Any, Any], int]:
    speech = library.get(text)
    lowered = soxr.resample(speech.pcm.astype(np.float32), CALLER_PITCH, 1.0)
    return np.clip(lowered, -32768, 32767).astype(np.int16), speech.rate


# ── one call ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Result:
    call: DemoCall
    outcome: str
    report: CallReport
    record: dict[str, Any]

    @property
    def ok(self) -> bool:
        if self.outcome != self.call.expected:
            return False
        if self.call.decisive:
            return self.while_speaking
        return True

    @property
    def _requested(self) -> float | None:
        """When the transfer was requested, on the caller's clock."""
        if not self.record["handoffs"]:
            return None
        at = self.record["started_at"] + self.record["handoffs"][0]["requested_at"]
        return float(at - self.report.started_at)

    @property
    def transfer_s(self) -> float | None:
        """Decisive words → transfer requested."""
        if self.report.decisive_end is None or self._requested is None:
            return None
        return self._requested - self.report.decisive_end

    @property
    def while_speaking(self) -> bool:
        """The transfer was requested before the caller had finished the sentence."""
        return self._requested is not None and self._requested < self.report.spoken[-1].speech_end


def _fill(settings: Settings, state: Path) -> Settings:
    try:
        return fill(settings, state)
    except SQLAlchemyError as error:
        raise DemoFailed(
            f"The published answers cannot be read: {reason(error)}. Run `make setup` first."
        ) from None


async def _place(
    console: Console,
    service: DemoService,
    call: DemoCall,
    files: Sequence[Path],
    decisive: float | None,
    folder: Path,
) -> _Result:
    console.rule(f"[bold]{call.title}", align="left")
    call_id = f"demo-{call.name}-{int(time.time())}"
    watching = asyncio.create_task(_watch(console, service, call_id))
    try:
        report = await place_call(
            service.media,
            files,
            call.caller,
            "12345",
            token=service.media_token,
            decisive=decisive,
            call_sid=call_id,
            record_dir=folder,
            quiet_s=9.0,
        )
        record = await _record(service, call_id)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    _keep(folder, call, report, record)
    return _Result(call, record.get("outcome") or "", report, record)


async def _record(service: DemoService, call_id: str) -> dict[str, Any]:
    """The call as the service wrote it down, once it is closed."""
    headers = {"Authorization": f"Bearer {service.admin_token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        for _ in range(100):
            answer = await client.get(f"{service.http}/api/calls/{quote(call_id, safe='')}")
            if answer.status_code == 200 and answer.json().get("ended_at"):
                record: dict[str, Any] = answer.json()
                events = await client.get(
                    f"{service.http}/api/calls/{quote(call_id, safe='')}/events"
                )
                record["events"] = events.json()
                return record
            await asyncio.sleep(0.1)
    raise DemoFailed(f"The record of call {call_id} was not closed within 10 seconds.")


def _keep(folder: Path, call: DemoCall, report: CallReport, record: dict[str, Any]) -> None:
    """The files a person will want to look at, named after the call."""
    if report.recording is not None:
        report.recording.rename(folder / f"{call.name}.wav")
    events = record.pop("events")
    with (folder / f"{call.name}.events.jsonl").open("w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
    _write(folder / f"{call.name}.call.json", record)
    lines = [
        f"{turn['start']:7.2f}  {_SIDES.get(turn['side'], turn['side'])}  {turn['text']}"
        for turn in record["turns"]
    ]
    (folder / f"{call.name}.transcript.txt").write_text("\n".join(lines) + "\n", "utf-8")
    for handoff in record["handoffs"]:
        _write(folder / f"{call.name}.dossier.json", handoff["dossier"])


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", "utf-8")


# ── what is shown ─────────────────────────────────────────────────────────────────

_SIDES = {"caller": "来电人", "bot": "机器人", "110": "110", "seat": "座席"}


async def _watch(console: Console, service: DemoService, call_id: str) -> None:
    headers = {"Authorization": f"Bearer {service.admin_token}"}
    shown = ""
    async with connect(service.live, additional_headers=headers, proxy=None) as socket:
        async for text in socket:
            message = json.loads(text)
            if message["call_id"] != call_id:
                continue
            line = _line(message)
            if line is not None and line.plain != shown:
                shown = line.plain
                console.print(line)


def _line(message: dict[str, Any]) -> Text | None:
    at = f"{message['at']:6.1f} s  "
    match message["kind"]:
        case "hypothesis" if message["ear"] == "listener" and not message["final"]:
            return Text(f"{at}  听音  {message['text']}", style="bright_black")
        case "hypothesis" if message["ear"] == "transcriber":
            style = "bold" if message["final"] else "dim"
            return Text(f"{at}来电人  {message['text']}", style=style)
        case "say":
            return Text(f"{at}机器人  {message['text']}", style="cyan")
        case "decision":
            return Text(f"{at}  决定  {message['what']}：{message['why']}", style="yellow")
        case "handoff":
            return Text(f"{at}  转接  {' → '.join(message['routes'])}", style="bold red")
        case "transfer":
            return Text(f"{at}  线路  {message['destination']} {message['state']}", style="red")
        case "ticket":
            return Text(f"{at}  工单  {message['matter']}", style="green")
        case _:
            return None


def _table(results: Sequence[_Result]) -> Table:
    table = Table(title="结果 · outcomes")
    for heading in (
        "通话 · call",
        "应为 · expected",
        "结果 · outcome",
        "答复延时 · reply",
        "转接 · 110",
        "",
    ):
        table.add_column(heading)
    for result in results:
        latency = result.report.latency_ms
        reply = f"{statistics.median(latency):.0f} ms" if latency else "–"
        transfer = result.transfer_s
        spoken = "，话没说完" if result.while_speaking else ""
        table.add_row(
            result.call.name,
            result.call.expected,
            result.outcome,
            reply,
            f"{transfer:.2f} s{spoken}" if transfer is not None else "–",
            "[green]✓" if result.ok else "[red]✗",
        )
    return table
