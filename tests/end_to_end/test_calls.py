"""Whole calls: real audio, real models, real sockets, a service in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from telephony.call_report import CallReport
from telephony.caller import place_call
from telephony.errors import CallError

from .conftest import ROOT, Running
from .hearing import assert_handed_over, channel, longest_gap, on_callers_clock, sound_s
from .parties import Phone, call, connected, desk, desk_process

Speak = Callable[[str], Path]

LOCAL = ("110-460106", "110-460100")
"""龙华区's 110 and 海口市's: which it is depends on whether the district was heard."""

OFFICER = "您好，这里是一一零报警服务台，请讲。"
DANGER = (
    "你好，我在海口市龙华区，想问个事情，哎呀，厨房着火了，火很大，满屋子都是烟，"
    "我妈妈还在里面出不来，这里是国贸路二十八号，你们快点派人来，快点。"
)
KNIFE = "你好，我在海口市龙华区国贸路二十八号，楼下有人拿着刀追人，你们快点派人来。"
"""Danger for 110 alone: nobody else is called beside it."""
CONSULTATION = "请问社保卡丢了怎么补办？"
MATTER = "我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。"


@pytest.fixture(scope="module")
def answered(service: Running, speak: Speak) -> tuple[CallReport, dict[str, Any]]:
    """An ordinary call."""
    return asyncio.run(call(service, [speak(CONSULTATION)]))


def test_a_question_is_answered_in_approved_words(
    answered: tuple[CallReport, dict[str, Any]],
) -> None:
    report, record = answered
    assert record["outcome"] == "answered"
    answers = [turn for turn in record["turns"] if turn["entry"]]
    assert answers
    assert "社保卡" in answers[0]["text"]
    assert report.latency_ms, "the caller heard an answer"
    assert report.problems == {}


async def test_each_telephone_format_carries_a_call_several_at_once(
    service: Running, speak: Speak
) -> None:
    calls = (call(service, [speak(CONSULTATION)], encoding=each) for each in ("mulaw", "l16"))
    for report, record in await asyncio.gather(*calls):
        assert record["outcome"] == "answered"
        assert report.latency_ms


async def test_danger_in_mid_sentence_is_handed_to_110_before_the_sentence_ends(
    service: Running, speak: Speak, tmp_path: Path
) -> None:
    async with desk(service, tmp_path, speak(OFFICER)) as police:
        report, record = await call(
            service, [speak(DANGER)], caller="13800138001", record_dir=tmp_path, quiet_s=3.0
        )
        async with asyncio.timeout(30):
            while "火" not in json.dumps(police.dossiers(), ensure_ascii=False) or not any(  # noqa: ASYNC110
                each["region"] in ("460106", "460100") for each in police.dossiers()
            ):
                await asyncio.sleep(0.1)
        dossiers = police.dossiers()
    assert record["outcome"] == "handed_off"
    handoff = record["handoffs"][0]
    assert on_callers_clock(record, report, "requested_at") < report.spoken[0].speech_end
    # Danger waits for no place: on a busy machine it may be heard before the district is.
    assert handoff["destination"] in (*LOCAL, "110-460000")
    assert "119" in handoff["lines"]
    assert not any(turn["entry"] for turn in record["turns"]), "no answer after danger"
    assert dossiers
    text = json.dumps(dossiers, ensure_ascii=False)
    assert "13800138001" in text
    assert "火" in text
    assert police.caller_heard_s() > 2.0, "the desk hears the caller"
    assert_handed_over(record, report)


async def test_a_matter_without_an_approved_answer_becomes_a_ticket(
    service: Running, speak: Speak
) -> None:
    files = [
        speak(MATTER),
        speak("在海口市人民公园东门旁边。"),
        speak("我姓陈。"),
        speak("对的，就是这个号码。"),
    ]
    _, record = await call(service, files, caller="13800138002", max_s=240)
    assert record["outcome"] == "ticket"
    ticket = record["tickets"][0]
    assert ticket["number"] == "13800138002"
    assert "公园" in ticket["place"] or "公园" in ticket["matter"]
    assert any("海易办" in turn["text"] for turn in record["turns"])


async def test_a_caller_who_hangs_up_in_the_middle_leaves_a_ticket(
    service: Running, speak: Speak
) -> None:
    _, record = await call(service, [speak(MATTER)], quiet_s=9.0, max_s=22.0)
    assert record["tickets"]


async def test_key_0_brings_a_human_and_key_1_brings_110(
    service: Running, speak: Speak, tmp_path: Path
) -> None:
    async with (
        desk(service, tmp_path / "seat", speak(OFFICER), port=service.seat_port),
        desk(service, tmp_path / "110", speak(OFFICER)),
    ):
        human, police = await asyncio.gather(
            *(call(service, [], dtmf=key, quiet_s=3.0, record_dir=tmp_path) for key in "01")
        )
    assert human[1]["outcome"] == "human"
    assert human[1]["handoffs"][0]["destination"] == "seat"
    assert police[1]["outcome"] == "handed_off"
    assert police[1]["handoffs"][0]["destination"] == "110-460000"
    for report, record in (human, police):
        assert_handed_over(record, report)


@pytest.mark.parametrize("mode", ["busy", "silent", "no-voice"])
async def test_when_the_local_110_fails_the_next_is_tried_and_the_caller_is_told(
    service: Running, speak: Speak, tmp_path: Path, mode: str
) -> None:
    async with desk(service, tmp_path, speak(OFFICER), modes=dict.fromkeys(LOCAL, mode)):
        report, record = await call(
            service, [speak(KNIFE)], quiet_s=6.0, max_s=60.0, record_dir=tmp_path
        )
    assert record["outcome"] == "handed_off"
    assert record["handoffs"][0]["destination"] == "110-460000"
    assert any(decision["what"] == "route_failed" for decision in record["decisions"])
    if mode != "busy":  # a desk that is busy at once leaves no time to say so
        assert any("换一路" in turn["text"] for turn in record["turns"])
    assert_handed_over(record, report)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_a_desk_dies_or_freezes_in_conversation_the_next_takes_over(
    service: Running, speak: Speak, tmp_path: Path, how: signal.Signals
) -> None:
    def until_greeted(process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "greeting_spoken":
            pass

    with desk_process(service, tmp_path / "110", speak(OFFICER)) as police:
        async with desk(service, tmp_path / "seat", speak(OFFICER), port=service.seat_port):
            options = {"quiet_s": 8.0, "max_s": 60.0, "record_dir": tmp_path}
            name = f"CA-{how.name}"
            calling = asyncio.create_task(call(service, [speak(DANGER)], call_sid=name, **options))
            async with asyncio.timeout(60):
                await asyncio.to_thread(until_greeted, police)
            await connected(service, name)
            died = time.time()
            police.send_signal(how)
            report, record = await calling
    assert record["handoffs"][0]["destination"] == "seat"
    assert record["outcome"] == "handed_off", "110 was reached first"
    assert longest_gap(report) < 4.0
    assert report.closed_by == "caller"
    assert report.recording is not None
    heard, rate = channel(report.recording, 1)
    assert sound_s(heard, rate, died - report.started_at) > 1.5, "the seat is heard"
    (seat,) = (tmp_path / "seat" / "lines").glob("*.json")
    opened = json.loads(seat.read_text())
    assert opened["caller"] == "13800138000"


async def test_with_no_desk_at_all_the_caller_is_kept_and_told(
    service: Running, speak: Speak, tmp_path: Path
) -> None:
    report, record = await call(
        service, [speak(DANGER)], max_s=32.0, quiet_s=30.0, record_dir=tmp_path
    )
    assert report.closed_by in ("caller", "limit"), "the service never hangs up on danger"
    assert record["handoffs"][0]["dossier"]["flags"].count("interrupted") == 1
    spoken = [turn["text"] for turn in record["turns"] if turn["side"] == "bot"]
    assert any("不要挂断" in text for text in spoken)
    assert longest_gap(report) < 4.0


async def test_a_client_that_vanishes_harms_nobody_else(service: Running, speak: Speak) -> None:
    gone, (_, record) = await asyncio.gather(
        place_call(
            service.media,
            [speak(CONSULTATION)],
            "13800138003",
            "12345",
            token=service.token("media"),
            vanish_after=2.0,
        ),
        call(service, [speak(CONSULTATION)]),
    )
    assert gone.closed_by == "vanished"
    assert service.record(gone.call_sid)["ended_at"]
    assert record["outcome"] == "answered"


async def test_a_reply_comes_though_the_line_sends_nothing_in_silence(
    service: Running, speak: Speak
) -> None:
    headers = {"Authorization": f"Bearer {service.token('media')}"}
    async with connect(service.media, additional_headers=headers, proxy=None) as socket:
        phone = Phone(socket, "CAdtx")
        await phone.start("CAdtx", "13800138005")
        listening = asyncio.create_task(phone.listen())
        await phone.until("end:prompt", 60)
        await asyncio.sleep(0.3)
        await phone.speak(speak(CONSULTATION))
        await phone.until("begin:", 30)  # and not one packet meanwhile
        listening.cancel()
    # To what was heard, be it the answer or, where 社保 was not understood, a ticket.
    sides = [turn["side"] for turn in service.record("CAdtx")["turns"]]
    assert sides == ["bot", "caller", "bot"]


async def test_an_unknown_number_is_refused_in_a_sentence(service: Running) -> None:
    with pytest.raises(CallError, match="not one of this service's lines"):
        await call(service, [], did="99999")


async def test_of_two_calls_of_one_id_one_is_taken(service: Running) -> None:
    results = await asyncio.gather(
        *(call(service, [], dtmf="w", max_s=2.0, call_sid="CAtwice") for _ in range(2)),
        return_exceptions=True,
    )
    refused = [each for each in results if isinstance(each, CallError)]
    assert len(refused) == 1, results
    assert service.record("CAtwice")["ended_at"]
    with pytest.raises(CallError, match="on record already"):
        await call(service, [], call_sid="CAtwice")


async def test_a_wrong_token_opens_nothing(service: Running) -> None:
    with pytest.raises(CallError) as refused:
        await place_call(service.media, [], "1", "12345", token="wrong")
    assert refused.value.code == "wrong_token"


async def test_garbage_on_the_line_does_not_end_a_call(service: Running) -> None:
    headers = {"Authorization": f"Bearer {service.token('media')}"}
    start = {
        "event": "start",
        "streamSid": "MZgarbage",
        "start": {
            "streamSid": "MZgarbage",
            "callSid": "CAgarbage",
            "mediaFormat": {"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"caller": "13800138004", "did": "12345"},
        },
    }
    async with connect(service.media, additional_headers=headers, proxy=None) as socket:
        await socket.send(json.dumps(start))
        for garbage in ("{", '"x"', '{"event":"media","media":{"payload":"@@@"}}', b"\x00\xff"):
            await socket.send(garbage)
        async with asyncio.timeout(60):
            while json.loads(await socket.recv())["event"] != "media":
                pass
        await socket.send(json.dumps({"event": "stop", "streamSid": "MZgarbage"}))
    assert service.record("CAgarbage")["outcome"] == "abandoned"


async def test_a_call_replays_to_the_same_decisions(
    service: Running, answered: tuple[CallReport, dict[str, Any]]
) -> None:
    replay = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voicebot.cli",
        "replay",
        answered[1]["call_id"],
        cwd=ROOT,
        env={**os.environ, "VOICEBOT_PATHS__STATE": str(service.state)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(replay.communicate(), 120)
    assert replay.returncode == 0, output.decode()
