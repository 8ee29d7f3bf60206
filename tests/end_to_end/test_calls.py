"""Whole calls: real audio, real models, real sockets, a service in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from websockets.asyncio.client import connect

from telephony.caller import place_call
from telephony.errors import CallError

from .conftest import ROOT, Running, call, desk

Speak = Callable[[str], Path]

LOCAL = ("110-460106", "110-460100")
"""龙华区's 110 and 海口市's: which it is depends on whether the district was heard."""

OFFICER = "您好，这里是一一零报警服务台，请讲。"
DANGER = (
    "你好，我在海口市龙华区，想问个事情，哎呀，厨房着火了，火很大，满屋子都是烟，"
    "我妈妈还在里面出不来，这里是国贸路二十八号，你们快点派人来，快点。"
)
CONSULTATION = "请问社保卡丢了怎么补办？"


async def test_a_question_is_answered_in_approved_words(service: Running, speak: Speak) -> None:
    report, record = await call(service, [speak(CONSULTATION)])
    assert record["outcome"] == "answered"
    answers = [turn for turn in record["turns"] if turn["entry"]]
    assert answers
    assert "社保卡" in answers[0]["text"]
    assert report.latency_ms, "the caller heard an answer"
    assert report.problems == {}


@pytest.mark.parametrize("encoding", ["mulaw", "l16"])
async def test_each_telephone_format_carries_a_call(
    service: Running, speak: Speak, encoding: str
) -> None:
    report, record = await call(service, [speak(CONSULTATION)], encoding=encoding)
    assert record["outcome"] == "answered"
    assert report.latency_ms


async def test_danger_in_mid_sentence_is_handed_to_110_before_the_sentence_ends(
    service: Running, speak: Speak, tmp_path: Path
) -> None:
    async with desk(service, tmp_path, speak(OFFICER)) as police:
        report, record = await call(
            service, [speak(DANGER)], caller="13800138001", record_dir=tmp_path, quiet_s=3.0
        )
        await asyncio.sleep(1.0)
        dossiers = police.dossiers()
    assert record["outcome"] == "handed_off"
    handoff = record["handoffs"][0]
    requested = record["started_at"] + handoff["requested_at"] - report.started_at
    assert requested < report.spoken[0].speech_end
    assert handoff["destination"] in LOCAL
    assert "119" in handoff["lines"]
    assert not any(turn["entry"] for turn in record["turns"]), "no answer after danger"
    assert dossiers
    text = json.dumps(dossiers, ensure_ascii=False)
    assert "13800138001" in text
    assert "火" in text
    recording = next(iter(police.recordings()))
    assert np.abs(recording.astype(int)).max() > 2000
    heard, _ = sf.read(report.recording, dtype="int16", always_2d=True)
    assert np.abs(heard[:, 1].astype(int)).max() > 2000, "the caller hears the officer"


async def test_a_matter_without_an_approved_answer_becomes_a_ticket(
    service: Running, speak: Speak
) -> None:
    files = [
        speak("我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。"),
        speak("在海口市人民公园东门旁边。"),
        speak("我姓陈。"),
        speak("对的，就是这个号码。"),
    ]
    _, record = await call(service, files, caller="13800138002", max_s=120)
    assert record["outcome"] == "ticket"
    ticket = record["tickets"][0]
    assert ticket["number"] == "13800138002"
    assert "公园" in ticket["place"] or "公园" in ticket["matter"]
    assert any("海易办" in turn["text"] for turn in record["turns"])


async def test_a_caller_who_hangs_up_in_the_middle_leaves_a_ticket(
    service: Running, speak: Speak
) -> None:
    _, record = await call(
        service,
        [speak("我想反映一下，我们这边公园里的直饮水机坏了三个月，一直没有人修。")],
        quiet_s=3.0,
    )
    assert record["tickets"]


async def test_key_0_brings_a_human(service: Running, speak: Speak, tmp_path: Path) -> None:
    async with desk(service, tmp_path, speak(OFFICER)):
        _, record = await call(service, [], dtmf="0", quiet_s=3.0)
    assert record["outcome"] == "human"


async def test_key_1_brings_110(service: Running, speak: Speak, tmp_path: Path) -> None:
    async with desk(service, tmp_path, speak(OFFICER)):
        _, record = await call(service, [], dtmf="1", quiet_s=3.0)
    assert record["outcome"] == "handed_off"
    assert record["handoffs"][0]["destination"] == "110-460000"


@pytest.mark.parametrize("mode", ["busy", "silent", "no-voice"])
async def test_when_the_local_110_fails_the_next_is_tried_and_the_caller_is_told(
    service: Running, speak: Speak, tmp_path: Path, mode: str
) -> None:
    async with desk(service, tmp_path, speak(OFFICER), modes=dict.fromkeys(LOCAL, mode)):
        report, record = await call(service, [speak(DANGER)], quiet_s=15.0, max_s=60.0)
    assert record["outcome"] == "handed_off"
    assert record["handoffs"][0]["destination"] == "110-460000"
    assert any(decision["what"] == "route_failed" for decision in record["decisions"])
    if mode != "busy":  # a desk that is busy at once leaves no time to say so
        assert any("换一路" in turn["text"] for turn in record["turns"])
    assert report.closed_by != "service"


async def test_with_no_desk_at_all_the_caller_is_kept_and_told(
    service: Running, speak: Speak
) -> None:
    report, record = await call(service, [speak(DANGER)], max_s=35.0, quiet_s=30.0)
    assert report.closed_by in ("caller", "limit"), "the service never hangs up on danger"
    assert record["handoffs"][0]["dossier"]["flags"].count("interrupted") == 1
    spoken = [turn["text"] for turn in record["turns"] if turn["side"] == "bot"]
    assert any("不要挂断" in text for text in spoken)


async def test_a_client_that_vanishes_harms_nobody_else(service: Running, speak: Speak) -> None:
    gone = await place_call(
        service.media,
        [speak(CONSULTATION)],
        "13800138003",
        "12345",
        token=service.token("media"),
        vanish_after=2.0,
    )
    assert gone.closed_by == "vanished"
    assert service.record(gone.call_sid)["ended_at"]
    _, record = await call(service, [speak(CONSULTATION)])
    assert record["outcome"] == "answered"


async def test_an_unknown_number_is_refused_in_a_sentence(service: Running) -> None:
    with pytest.raises(CallError, match="not one of this service's lines"):
        await call(service, [], did="99999")


async def test_a_second_call_of_the_same_id_is_refused(service: Running) -> None:
    report, _ = await call(service, [], dtmf="w", max_s=2.0)
    with pytest.raises(CallError, match="on record already"):
        await call(service, [], call_sid=report.call_sid)


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
        async with asyncio.timeout(10):
            while json.loads(await socket.recv())["event"] != "media":
                pass
        await socket.send(json.dumps({"event": "stop", "streamSid": "MZgarbage"}))
    assert service.record("CAgarbage")["outcome"] == "abandoned"


async def test_a_call_replays_to_the_same_decisions(service: Running, speak: Speak) -> None:
    _, record = await call(service, [speak(CONSULTATION)])
    replay = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "voicebot.cli",
        "replay",
        record["call_id"],
        cwd=ROOT,
        env={**os.environ, "VOICEBOT_PATHS__STATE": str(service.state)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(replay.communicate(), 120)
    assert replay.returncode == 0, output.decode()
