"""Three callers at once: one in danger, one with a question, one with a matter for a ticket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks.chaos.desks import DeskProcess
from benchmarks.chaos.drawing import Plan
from benchmarks.chaos.judging import DANGER, MATTER, QUESTION, Span, Told, longest_silence
from benchmarks.voices import render
from telephony.call_report import CallReport
from telephony.caller import place_call
from telephony.errors import CallError
from telephony.heard import UNMARKED
from telephony.speech_level import window_is_loud

DANGERS = (
    "我在海口市龙华区国贸路二十八号，厨房着火了，火很大，我妈妈还在里面出不来，快派人来。",
    "你好，我在海口市龙华区国贸路二十八号，楼下有人拿着刀追人，你们快点派人来。",
    "我在三亚市吉阳区，有人要跳楼，站在楼顶上，你们快点来。",
)
SENTENCES = {
    QUESTION: ("请问社保卡丢了怎么补办？",),
    MATTER: (
        "我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。",
        "在海口市人民公园东门旁边。",
        "我姓陈。",
        "对的，就是这个号码。",
    ),
}
OFFICER = "您好，这里是一一零报警服务台，请讲，你在什么位置？"
AGENT = "您好，一二三四五人工座席为您服务，请问有什么可以帮您？"

QUIET_S = 9.0
MOST_S = 100.0
AGAIN_S = 2.0
"""Before a caller in danger who was cut off dials again."""
PATIENCE_S = 150.0
"""So long a caller in danger goes on dialling."""
ON_ITS_WAY_S = 0.5
"""So long after it was said something may still be heard."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where callers reach the service."""

    url: str
    token: str


class Callers:
    """Parameters:
    door: where to call; asked anew at each call.
    folder: for what they say and hear.
    excused: spans of time.time() in which nobody can be heard.
    desk: whose people are cut off when it is killed.
    """

    def __init__(
        self, plan: Plan, door: Door, folder: Path, excused: Sequence[Span], desk: DeskProcess
    ) -> None:
        self._plan, self._door, self._folder, self._excused = plan, door, folder, excused
        self._desk = desk
        folder.mkdir(parents=True, exist_ok=True)
        said = {DANGER: (DANGERS[plan.danger % len(DANGERS)],), **SENTENCES}
        self._files = {
            role: [render(text, folder / f"{role}-{n}.wav") for n, text in enumerate(sentences, 1)]
            for role, sentences in said.items()
        }
        self.told: list[Told] = []
        self.reports: list[CallReport] = []
        """What `told` was made of."""

    async def run(self) -> None:
        """Until all have hung up."""
        await asyncio.gather(
            *(self._caller(role, n) for n, role in enumerate((DANGER, QUESTION, MATTER)))
        )

    async def _caller(self, role: str, number: int) -> None:
        await asyncio.sleep(0.7 * number)
        ends = time.monotonic() + PATIENCE_S
        for attempt in range(1, 100):
            call = f"CA-{role}-{attempt}"
            told = await self._call(call, role, f"1390000000{number}")
            self.told.append(told)
            cut_off = told.broke or not told.answered
            if role != DANGER or told.reached or not cut_off or time.monotonic() > ends:
                return
            await asyncio.sleep(AGAIN_S)

    async def _call(self, call: str, role: str, caller: str) -> Told:
        try:
            report = await place_call(
                self._door.url,
                self._files[role],
                caller,
                "12345",
                token=self._door.token,
                record_dir=self._folder,
                quiet_s=QUIET_S,
                max_s=MOST_S,
                call_sid=call,
            )
        except CallError:
            return Told(call, role, answered=False)
        self.reports.append(report)
        return await asyncio.to_thread(told_by, report, role, self._excused, self._desk.killed_at)


def with_a_person(report: CallReport, lost_at: float) -> list[Span]:
    """From the first words of a person on who is there to the end: when to speak is theirs.

    Parameters:
        lost_at: who spoke before may have been cut off, by time.time(); who is heard well after it
            was not, though it sounds like one with what was said before.
    """
    lost_s = lost_at - report.started_at
    came = [max(start, lost_s) for start, end in _people(report) if end > lost_s + ON_ITS_WAY_S]
    return [(min(came), report.seconds)] if came else []


def _people(report: CallReport) -> list[Span]:
    """When people, of 110 or the seats, were heard: seconds of the call."""
    return [
        (each.sound_start, each.end)
        for each in report.heard
        if each.purpose == UNMARKED and each.sound_start is not None
    ]


def told_by(report: CallReport, role: str, excused: Sequence[Span], lost_at: float) -> Told:
    """What a report and its recording say."""
    assert report.recording is not None
    pcm, rate = sf.read(report.recording, dtype="int16", always_2d=True)
    said, heard = (window_is_loud(np.ascontiguousarray(pcm[:, side]), rate) for side in (0, 1))
    began = report.started_at
    spoken = [each for each in report.spoken if each.complete]
    return Told(
        report.call_sid,
        role,
        answered=bool(report.heard),
        broke=report.closed_by in ("service", "vanished"),
        ended_at=began + report.seconds,
        spoke_until=began + spoken[-1].speech_end if spoken else None,
        utterances=tuple(
            began + each.end for each in report.heard if each.complete and each.purpose != UNMARKED
        ),
        person_s=round(sum(end - start for start, end in _people(report)), 2),
        silence_s=longest_silence(
            said,
            heard,
            excused=[
                *((begin - began, end - began) for begin, end in excused),
                *with_a_person(report, lost_at),
            ],
        ),
    )


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until something is so, or for so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.2)
