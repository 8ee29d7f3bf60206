"""A leg of ours to a real desk over real sockets: answered, busy, silent, mute, gone."""

import asyncio
import contextlib
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import serve

from telephony import messages
from telephony.codecs import WireFormat
from telephony.desk import create_desk, desk_server
from telephony.dossier_message import dossier_message
from telephony.errors import DeskError, LegError, MediaStreamError
from telephony.leg import LegAudio, LegEnded, LegProgress, WebSocketLeg
from telephony.leg_state import TRANSITIONS, LegEndReason, LegInput, LegState, transition
from telephony.loopback_server import bind_loopback
from telephony.pacing import FrameClock
from telephony.speech_level import sound_segments, window_is_loud

from .conftest import TOKEN, tone

START = {
    "caller": "13800138000",
    "handoff": "H-1",
    "region": "460100",
    "category": 3,
    "lines": ["110", "119"],
    "number": "110-460100",
    "absent": None,
}


@contextlib.asynccontextmanager
async def a_desk(folder, **options):
    events = []
    app = create_desk(
        token=TOKEN, record_dir=folder, on_event=events.append,
        **{"answer_after_s": 0.2, "greeting": (tone(0.6, 24000), 24000), **options},
    )  # fmt: skip
    async with desk_server(app) as server:
        yield server, events


def a_client(server):
    return httpx.AsyncClient(base_url=server.http_url, trust_env=False)


async def collect(leg, *, until=LegEnded):
    """Events of a leg up to the first of type or state `until`."""
    seen = []
    async with asyncio.timeout(60):
        async for event in leg:
            seen.append(event)
            if (isinstance(until, type) and isinstance(event, until)) or event == until:
                break
    return seen


def states(events):
    return [e.state.value for e in events if isinstance(e, LegProgress)]


def kinds(events):
    return [event.kind for event in events]


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("encoding", ["alaw", "mulaw", "l16"])
async def test_an_answered_leg_carries_voices_both_ways_and_the_dossier(tmp_path, encoding):
    async with a_desk(tmp_path, acknowledge_after_s=1.0) as (server, events):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN, encoding=encoding)
        await leg.connect(START, {"handoff": "H-1", "text": "起火"})

        async def speak():
            clock = FrameClock()
            while await clock.tick() < 60:
                leg.send_audio(tone(0.02, 16000).tobytes(), 16000)

        speaking = asyncio.create_task(speak())
        seen = await collect(leg, until=LegProgress(LegState.ACKNOWLEDGED))
        leg.send_dossier({"handoff": "H-1", "text": "起火了，在海甸岛"})
        await speaking
        await until(lambda: kinds(events).count("dossier") == 2)
        await leg.hangup()
        rest = await collect(leg)
        await until(lambda: kinds(events)[-1] == "ended")
    assert states(seen) == ["ringing", "answered", "acknowledged"]
    assert rest[-1] == LegEnded(LegEndReason.HUNG_UP)
    audio = [e for e in seen if isinstance(e, LegAudio)]
    assert {e.rate for e in audio} == {WireFormat.named(encoding).sample_rate}
    assert not any(e.early for e in audio)
    pcm = np.frombuffer(b"".join(e.pcm for e in audio), np.int16)
    ((begin, end),) = sound_segments(pcm, audio[0].rate)
    assert (end - begin) / audio[0].rate == pytest.approx(0.6, abs=0.06)

    opened = json.loads((tmp_path / "lines" / "H-1-1.json").read_text())
    assert (opened["caller"], opened["lines"], opened["category"]) == (
        "13800138000",
        "110,119",
        "3",
    )
    assert "absent" not in opened
    dossier = json.loads((tmp_path / "dossiers" / "H-1.json").read_text())
    assert dossier["text"] == "起火了，在海甸岛"
    recording, rate = soundfile.read(tmp_path / "lines" / "H-1-1.wav", dtype="int16")
    assert rate == 8000
    for channel, seconds in ((0, 1.2), (1, 0.6)):
        loud = window_is_loud(np.ascontiguousarray(recording[:, channel]), rate)
        assert loud.sum() * 0.02 == pytest.approx(seconds, abs=0.15)
    log = (tmp_path / "events.jsonl").read_text()
    assert "13800138000" not in log
    assert "138******00" in log
    assert "起火" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"line_opened", "ringing", "answered", "caller_heard", "acknowledged", "dossier",
            "greeting_spoken", "ended"} == {line["event"] for line in lines}  # fmt: skip
    assert all(line["time"] > 1.7e9 for line in lines)


async def test_one_desk_stands_in_for_several_numbers(tmp_path):
    modes = {"110-460100": "busy", "110-460000": "silent", "seat": "no-voice"}
    async with a_desk(tmp_path, modes=modes, number_names={"seat": "坐席"}) as (server, events):

        async def dial(number, *, until=LegEnded, patience=60.0):
            leg = WebSocketLeg(f"{server.url}/line", TOKEN, answer_timeout_s=patience)
            await leg.connect({"number": number, "handoff": "H"})
            return leg, await collect(leg, until=until)

        _, busy = await dial("110-460100")
        assert busy == [LegEnded(LegEndReason.BUSY)]

        _, silent = await dial("110-460000", patience=1.0)
        assert silent == [LegProgress(LegState.RINGING), LegEnded(LegEndReason.NO_ANSWER)]

        leg, _ = await dial("seat", until=LegProgress(LegState.ANSWERED))
        heard = [await anext(leg) for _ in range(30)]
        await leg.hangup()
        assert all(not np.frombuffer(e.pcm, np.int16).astype(int).clip(9).max() > 9 for e in heard)

        other, _ = await dial("119", until=LegProgress(LegState.ANSWERED))  # the usual mode
        await other.hangup()
        await until_ended(events, 4)
    assert next(e.name for e in events if e.number == "seat") == "坐席"
    assert sorted(p.name for p in (tmp_path / "lines").glob("*.wav")) == [
        "H-1.wav", "H-2.wav", "H-3.wav", "H-4.wav",
    ]  # fmt: skip


async def until_ended(events, count):
    await until(lambda: kinds(events).count("ended") == count)


async def test_a_desk_that_hangs_up_ends_the_leg(tmp_path):
    async with a_desk(tmp_path, hang_up_after_s=0.3) as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.connect(START)
        assert (await collect(leg))[-1] == LegEnded(LegEndReason.ENDED)
        with pytest.raises(StopAsyncIteration):
            await anext(leg)
        await leg.hangup()
        leg.send_audio(b"\0\0", 8000)


async def test_a_desk_that_dies_is_noticed(tmp_path):
    desk = a_desk(tmp_path)
    server, _ = await desk.__aenter__()
    leg = WebSocketLeg(f"{server.url}/line", TOKEN)
    await leg.connect(START)
    await collect(leg, until=LegProgress(LegState.ANSWERED))
    await desk.__aexit__(None, None, None)
    assert (await collect(leg))[-1] == LegEnded(LegEndReason.LOST)


async def test_a_caller_that_vanishes_frees_the_line(tmp_path):
    async with a_desk(tmp_path) as (server, events):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.connect(START)
        await collect(leg, until=LegProgress(LegState.ANSWERED))
        leg._socket.transport.abort()
        await until_ended(events, 1)
    assert events[-1].detail["reason"] == "caller_gone"


@pytest.mark.parametrize("token", ["wrong", "", None])
async def test_a_wrong_token_is_refused_plainly(tmp_path, token):
    async with a_desk(tmp_path) as (server, events):
        leg = WebSocketLeg(f"{server.url}/line", token)
        if token:
            with pytest.raises(LegError, match="refused the token") as caught:
                await leg.connect(START)
            assert caught.value.code == "wrong_token"
            assert await collect(leg) == [LegEnded(LegEndReason.UNREACHABLE)]
        else:
            await leg.connect(START)
            assert await collect(leg) == [LegEnded(LegEndReason.LOST)]
    assert kinds(events) == ["refused"]
    assert not list((tmp_path / "lines").iterdir())


async def test_the_token_may_come_in_the_start_message(tmp_path):
    async with a_desk(tmp_path) as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", None)
        await leg.connect({**START, "token": TOKEN})
        assert await collect(leg, until=LegProgress(LegState.RINGING))
        await leg.hangup()
    assert TOKEN not in (tmp_path / "lines" / "H-1-1.json").read_text()


async def test_a_port_that_never_answers_costs_no_more_than_the_deadline():
    with bind_loopback("127.0.0.1", 0) as mute:
        leg = WebSocketLeg(
            f"ws://127.0.0.1:{mute.getsockname()[1]}/line", TOKEN, connect_timeout_s=0.2
        )
        with pytest.raises(LegError, match=r"0\.2 seconds") as caught:
            await leg.connect(START)
    assert caught.value.code == "timeout"
    assert leg.state is LegState.ENDED


async def test_a_desk_that_stops_reading_never_holds_up_the_call():
    over = asyncio.Event()

    async def deaf(websocket):
        websocket.transport.pause_reading()
        await over.wait()
        websocket.transport.abort()

    async with serve(deaf, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        leg = WebSocketLeg(f"ws://127.0.0.1:{port}/line", TOKEN, max_queued_s=0.5)
        await leg.connect(START)
        loop = asyncio.get_running_loop()
        second = tone(1.0).tobytes()
        slowest = 0.0
        for _ in range(400):
            before = loop.time()
            leg.send_audio(second, 8000)
            slowest = max(slowest, loop.time() - before)
            await asyncio.sleep(0)
            if leg.dropped_out > 1000:
                break
        assert leg.dropped_out > 1000
        before = loop.time()
        await leg.hangup()
        assert loop.time() - before < 20
        assert slowest < 5, "it did not wait for the desk, which would be for ever"
        over.set()


async def test_a_leg_nobody_listens_to_keeps_the_newest_audio(tmp_path):
    async with a_desk(tmp_path, answer_after_s=0.0) as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN, max_queued_s=0.2)
        await leg.connect(START)
        await until(lambda: leg.dropped_in > 5)
        await leg.hangup()
        seen = await collect(leg)
    assert sum(isinstance(e, LegAudio) for e in seen) == 10
    assert states(seen) == ["ringing", "answered"]


async def test_nonsense_from_a_desk_is_counted_and_early_media_is_named():
    async def odd(websocket):
        for text in ("{", '{"event":"progress","state":"dancing"}', messages.media("x", b"\xd5"),
                     messages.progress("answered"), messages.progress("ringing"),
                     messages.progress("busy"), messages.media("x", b"\xd5"),
                     messages.stop("x")):  # fmt: skip
            await websocket.send(text)
        await websocket.wait_closed()

    async with serve(odd, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        leg = WebSocketLeg(f"ws://127.0.0.1:{port}/line", TOKEN)
        await leg.connect(START)
        seen = await collect(leg)
    assert leg.problems == {"bad_json": 1}
    assert [e.early for e in seen if isinstance(e, LegAudio)] == [True, False]
    assert states(seen) == ["answered"]
    assert seen[-1] == LegEnded(LegEndReason.ENDED)


@pytest.mark.parametrize("code", [1000, 1001, 1012])
async def test_a_socket_closed_without_goodbye_is_lost_however_cleanly(code):
    async def restarted(websocket):
        await websocket.send(messages.progress("answered"))
        await websocket.send(messages.media("x", b"\xd5" * 160))
        await websocket.close(code)

    async with serve(restarted, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        leg = WebSocketLeg(f"ws://127.0.0.1:{port}/line", TOKEN)
        await leg.connect(START)
        assert (await collect(leg))[-1] == LegEnded(LegEndReason.LOST)


@pytest.mark.parametrize("state", ["answered", "acknowledged"])
async def test_a_desk_that_freezes_off_hook_is_lost_though_its_socket_stays_open(state):
    async def frozen(websocket):
        await websocket.send(messages.progress(state))
        for _ in range(5):
            await websocket.send(messages.media("x", b"\xd5" * 160))
        await websocket.wait_closed()

    loop = asyncio.get_running_loop()
    async with serve(frozen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        began = loop.time()
        leg = WebSocketLeg(f"ws://127.0.0.1:{port}/line", TOKEN)
        await leg.connect(START)
        assert (await collect(leg))[-1] == LegEnded(LegEndReason.LOST)
        assert 1.9 < loop.time() - began < 8, "two seconds, and what a stalled machine adds"


async def test_a_desk_that_says_nothing_still_sends_frames_and_is_kept(tmp_path):
    async with a_desk(tmp_path, mode="no-voice") as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN, media_timeout_s=1.0)
        await leg.connect(START)
        await collect(leg, until=LegProgress(LegState.ANSWERED))
        await asyncio.sleep(1.5)
        assert leg.state is LegState.ANSWERED
        await leg.hangup()


async def test_the_dossier_of_a_long_call_goes_without_its_oldest_turns(tmp_path):
    turns = [{"side": "caller", "text": f"第{n}句，" + "很长" * 40} for n in range(600)]
    long = {"handoff": "H-1", "revision": 1, "caller": "13800138000", "transcript": turns}
    async with a_desk(tmp_path, answer_after_s=0.0) as (server, events):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.connect(START, long)
        await until(lambda: "dossier" in kinds(events))
        await leg.hangup()
    kept = json.loads((tmp_path / "dossiers" / "H-1.json").read_text())
    assert kept["transcript"][-1] == turns[-1]
    assert 100 < len(kept["transcript"]) < 600
    assert kept["omitted_turns"] == 600 - len(kept["transcript"])
    assert kept["caller"] == "13800138000"


@given(st.lists(st.text(max_size=2000), max_size=120), st.integers(0, 30_000))
def test_a_trimmed_dossier_fits_and_leaves_out_no_more_than_it_must(texts, other):
    turns = [{"text": text} for text in texts]
    message = dossier_message({"handoff": "H", "reason": "x" * other, "transcript": turns})
    assert len(message.encode()) <= messages.MAX_MESSAGE_BYTES
    sent = json.loads(message)["dossier"]
    left_out = sent.get("omitted_turns", 0)
    assert left_out + len(sent["transcript"]) == len(turns)
    if left_out:
        one_more = {**sent, "transcript": turns[left_out - 1 :]}
        with pytest.raises(MediaStreamError):
            messages.dossier(one_more)


@pytest.mark.parametrize("dossier", [{"x": "大" * 40000}, {"transcript": object()}])
async def test_a_dossier_that_cannot_be_sent_stops_no_call(tmp_path, dossier):
    async with a_desk(tmp_path) as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.connect(START, dossier)
        await collect(leg, until=LegProgress(LegState.ANSWERED))
        assert not leg.send_dossier(dossier)
        assert leg.problems.total() == 2
        await leg.hangup()


async def test_a_leg_is_dialled_once(tmp_path):
    async with a_desk(tmp_path) as (server, _):
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.hangup()
        with pytest.raises(LegError, match="dialled once"):
            await leg.connect(START)


def test_the_leg_table_is_sound():
    reachable, todo = {LegState.IDLE}, [LegState.IDLE]
    while todo:
        state = todo.pop()
        for (source, _), target in TRANSITIONS.items():
            if source is state and target not in reachable:
                reachable.add(target)
                todo.append(target)
    assert reachable == set(LegState)
    for event in LegInput:
        assert transition(LegState.ENDED, event) is LegState.ENDED
    for state in LegState:
        assert transition(state, LegInput.HANG_UP) is LegState.ENDED
    for state in (LegState.ANSWERED, LegState.ACKNOWLEDGED):
        assert transition(state, LegInput.DEADLINE) is state


async def test_dossiers_are_taken_once_for_each_key(tmp_path):
    async with a_desk(tmp_path) as (server, events), a_client(server) as client:

        async def post(body, key, token=TOKEN):
            headers = {"Authorization": f"Bearer {token}"}
            headers |= {"Idempotency-Key": key} if key else {}
            return await client.post("/dossiers", content=body, headers=headers)

        first = {"handoff": "H-1", "revision": 1, "caller": "13800138000"}
        body = json.dumps(first)
        assert (await post(body, "k1")).status_code == 201
        again = await post(body, "k1")
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert (await post(json.dumps({"handoff": "H-2"}), "k1")).status_code == 409
        newer = {**first, "revision": 3}
        assert (await post(json.dumps(newer), "k3")).status_code == 201
        late = await post(json.dumps({**first, "revision": 2}), "k2")
        assert late.status_code == 200
        for wrong, key, status in (
            ("{", "k9", 422), ("[]", "k9", 422), ("{}", "k9", 422), (body, None, 422),
            ("[" * 50000, "k9", 422), (" " * (2**20 + 1), "k9", 413),
        ):  # fmt: skip
            refused = await post(wrong, key)
            assert refused.status_code == status
            assert refused.json()["message"]
        assert (await post(body, "k1", "wrong")).status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        kept = (await client.get("/dossiers", headers=headers)).json()["dossiers"]
        assert kept == [newer]
        health = (await client.get("/health", headers=headers)).json()
        assert (health["status"], health["mode"]) == ("ok", "answer")
        for path in ("/dossiers", "/health"):
            assert (await client.get(path)).status_code == 401
    assert kinds(events) == ["dossier", "dossier"]
    assert "138" not in (tmp_path / "events.jsonl").read_text()
    # A desk that starts again still knows its keys.
    async with a_desk(tmp_path) as (server, _), a_client(server) as client:
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
        assert (await client.post("/dossiers", content=body, headers=headers)).status_code == 200


async def test_a_handoff_id_cannot_leave_the_folder(tmp_path):
    async with a_desk(tmp_path / "desk") as (server, _):
        params = {**START, "handoff": "../../evil"}
        leg = WebSocketLeg(f"{server.url}/line", TOKEN)
        await leg.connect(params, {"handoff": "../../evil"})
        await collect(leg, until=LegProgress(LegState.ANSWERED))
        await leg.hangup()
    assert [p.name for p in tmp_path.iterdir()] == ["desk"]
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"mode": "asleep"}, "bad_mode"),
        ({"modes": {"110": "x"}}, "bad_mode"),
        ({"token": ""}, "no_token"),
    ],
)
def test_a_desk_that_cannot_be_is_refused(tmp_path, options, code):
    with pytest.raises(DeskError) as caught:
        create_desk(**{"token": TOKEN, "record_dir": tmp_path, **options})
    assert caught.value.code == code


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DeskError, match="cannot write") as caught:
        create_desk(token=TOKEN, record_dir=tmp_path / "file" / "desk")
    assert caught.value.code == "cannot_write"


def test_the_desk_listens_on_loopback_and_says_when_a_port_is_taken():
    with pytest.raises(DeskError) as outside:
        bind_loopback("0.0.0.0", 0)
    assert outside.value.code == "not_loopback"
    with bind_loopback("127.0.0.1", 0) as taken, pytest.raises(DeskError) as twice:
        bind_loopback("127.0.0.1", taken.getsockname()[1])
    assert twice.value.code == "port_in_use"
    with pytest.raises(DeskError):
        bind_loopback("127.0.0.1", 70000)


async def test_the_desk_runs_as_a_process_of_its_own(tmp_path):
    program = (
        "import sys; from pathlib import Path; from telephony.desk import run_desk;"
        "run_desk(port=0, token=sys.argv[1], record_dir=Path(sys.argv[2]), answer_after_s=0.1,"
        "on_listening=lambda url: print(url, flush=True))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, TOKEN, str(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        leg = WebSocketLeg(url, TOKEN)
        await leg.connect(START)
        assert states(await collect(leg, until=LegProgress(LegState.ANSWERED)))
        await leg.hangup()
    finally:
        process.terminate()
        _, errors = await process.communicate()
    assert b"Traceback" not in errors
